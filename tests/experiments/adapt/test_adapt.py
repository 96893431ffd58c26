"""Adapt, end to end on a line with a bar."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from robometer_test_episodes import long_tokenizer

from robometer_rl.errors import InputError
from robometer_rl.experiments.adapt import adapt as adapting
from robometer_rl.experiments.adapt import gather
from robometer_rl.experiments.adapt.adapt import AdaptConfig, adapt, fit_config, main
from robometer_rl.experiments.episodes import list_episodes, read_episode
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

TASK = "push the door"


@pytest.fixture
def config(tmp_path: Path, checkpoint: Checkpoint) -> AdaptConfig:
    save_checkpoint(replace(checkpoint, tokenizer=long_tokenizer(checkpoint)), tmp_path / "start")
    return AdaptConfig(
        env="robometer_test_envs:make_reach",
        env_kwargs='{"pace": 0.15, "limit": 20}',
        policy="robometer_test_envs:go_right",
        rollouts=(5, 6),
        task=TASK,
        aimless=3,
        agent_steps=0,
        start=tmp_path / "start",
        out=tmp_path / "out",
        steps=4,
        evaluate_every=2,
        replay_share=0.0,
    )


def test_from_a_policy_to_a_checkpoint_and_a_verdict(config: AdaptConfig) -> None:
    lines = io.StringIO()
    found, sentence = adapt(config, "robometer-rl adapt", Console(file=lines, width=200))
    (findings,) = found.values()
    assert findings.successes >= 1
    assert lines.getvalue().rstrip().endswith(sentence)
    said = json.loads((config.out / "verdict.json").read_text())
    assert said["verdict"] == sentence
    assert said["tasks"]["own/Reach"]["voc"] == pytest.approx(findings.voc)
    model = load_reward_model(str(config.out / "checkpoint"))
    assert 0.0 < model.success_threshold <= 1.0
    assert load_checkpoint(config.out / "checkpoint").trained_worlds == ("Reach", "own/Reach")


def test_the_same_command_goes_on_after_it_was_killed(
    config: AdaptConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adapting, "fit", die)
        with pytest.raises(KeyboardInterrupt):
            adapt(config, "", Console(quiet=True))
    before = {path: path.stat().st_mtime_ns for path in (config.out / "episodes").rglob("*.h5")}
    _, sentence = adapt(config, "", Console(quiet=True))
    assert {path: path.stat().st_mtime_ns for path in (config.out / "episodes").rglob("*.h5")} == before
    monkeypatch.setattr(adapting, "fit", die)
    assert adapt(config, "", Console(quiet=True))[1] == sentence, "what is done is not done again"


def test_one_demonstration_is_enough_to_begin_with(config: AdaptConfig) -> None:
    found, sentence = adapt(replace(config, rollouts=(1, 1)), "", Console(quiet=True))
    assert [findings.successes for findings in found.values()] == [0]
    assert sentence.startswith("Not known yet: no success was kept aside")


def test_a_sentence_that_tells_left_from_right_is_not_mirrored(config: AdaptConfig) -> None:
    (config.out / "episodes").mkdir(parents=True)
    assert fit_config(config, ["push the door"]).augment.flip == 0.5
    assert fit_config(config, ["push the door", "push it to the Left"]).augment.flip == 0.0
    assert fit_config(replace(config, flip=True), ["push it to the left"]).augment.flip == 0.5
    assert fit_config(replace(config, flip=False), ["push the door"]).augment.flip == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"policy": None}, "give demonstrations with --demos, or --env and --policy"),
        ({"env": None, "demos": Path("x")}, "acts in an environment"),
        ({"replay_share": 1.0}, "replay_share should be from 0"),
        ({"rollouts": (0, 0)}, "not both 0"),
        ({"steps": 0}, "steps should be at least 1"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    config: AdaptConfig, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(config, **changed)  # type: ignore[arg-type]


def test_a_missing_sentence_and_missing_demonstrations_are_wrong_input(config: AdaptConfig) -> None:
    with pytest.raises(InputError, match="say what the environment is for"):
        adapt(replace(config, task=None), "", Console(quiet=True))
    with pytest.raises(InputError, match="there are no demonstrations at"):
        adapt(replace(config, demos=Path("nowhere")), "", Console(quiet=True))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"env_kwargs": '{"limit": null}', "agent_steps": 9}, "has no time limit.*--horizon 200"),
        (
            {"wrappers": ("robometer_test_envs:Spoken",), "agent_steps": 9},
            "no learner takes the actions Text",
        ),
        ({"overrides": '{"gama": 0.9}', "agent_steps": 9}, "gama"),
        ({"action_scale": 2.0, "agent_steps": 9}, "action_scale=2.0 must be above 0"),
    ],
)
def test_an_environment_that_will_not_serve_is_wrong_input_before_anything_is_recorded(
    config: AdaptConfig, changed: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        adapt(replace(config, **changed), "", Console(quiet=True))  # type: ignore[arg-type]
    assert not list(config.out.rglob("*.h5"))


@pytest.mark.parametrize("policy", [None, "robometer_test_envs:go_right"])
def test_an_episode_that_never_ends_is_wrong_input(
    config: AdaptConfig, policy: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demos = None
    if policy is None:
        adapt(replace(config, aimless=0), "", Console(quiet=True))
        demos = (config.out / "episodes").rename(tmp_path / "demos")
    monkeypatch.setattr(gather, "_ENDLESS", 50)
    endless = replace(config, env_kwargs='{"limit": null}', policy=policy, demos=demos, out=tmp_path / "b")
    with pytest.raises(InputError, match=r"had not ended after 50 steps.*--horizon"):
        adapt(replace(endless, task=None if demos else TASK), "", Console(quiet=True))


def test_a_horizon_serves_in_place_of_a_time_limit(config: AdaptConfig) -> None:
    unlimited = replace(config, env_kwargs='{"pace": 0.15, "limit": null}', horizon=15, agent_steps=30)
    found, _ = adapt(unlimited, "", Console(quiet=True))
    episodes = [read_episode(path) for path in list_episodes(config.out / "episodes", kind="random")]
    assert {len(episode.frames) for episode in episodes} == {16}
    assert all(findings.cheating is not None for findings in found.values())


def test_the_command_ends_with_1_where_more_is_to_be_recorded(config: AdaptConfig) -> None:
    words = [
        "--env", str(config.env), "--env-kwargs", config.env_kwargs, "--policy", str(config.policy),
        "--task", TASK, "--agent-steps", "0", "--rollouts", "5", "6", "--aimless", "2",
        "--start", str(config.start),
        "--out", str(config.out), "--steps", "2", "--evaluate-every", "2", "--replay-share", "0",
    ]  # fmt: skip
    assert main(words) == 1


def test_a_short_agent_tries_to_cheat_what_was_adapted(config: AdaptConfig) -> None:
    lines = io.StringIO()
    found, sentence = adapt(replace(config, agent_steps=120), "", Console(file=lines, width=300))
    (findings,) = found.values()
    assert findings.cheating is not None
    assert findings.cheating.verdict in ("honest", "cheated", "unlearned")
    assert (config.out / "cheat" / "cheats.html").is_file()
    assert findings.cheating.says in lines.getvalue()
    said = json.loads((config.out / "verdict.json").read_text())
    assert said["tasks"]["own/Reach"]["cheating"]["verdict"] == findings.cheating.verdict
    assert said["verdict"] == sentence
