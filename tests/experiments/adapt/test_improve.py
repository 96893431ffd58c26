"""Rounds of agent and refit, on a line with a bar."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console
from robometer_test_episodes import long_tokenizer

from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.envs.tasks import TASKS
from robometer_rl.errors import InputError
from robometer_rl.experiments.adapt import cheat
from robometer_rl.experiments.adapt import improve as improving
from robometer_rl.experiments.adapt.cheat import CheatReport, CheatVerdict, PaidEpisode, agreement
from robometer_rl.experiments.adapt.improve import ImproveConfig, corrected, improve
from robometer_rl.experiments.agent.recorder import JUDGED, LEARNING
from robometer_rl.experiments.common.environment import EnvironmentConfig
from robometer_rl.experiments.episodes import Episode, list_episodes, read_episode, write_episode
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

TASK = "push the door"
SMALL = json.dumps({"learning_starts": 10, "batch_size": 8, "gradient_steps": 1, "buffer_size": 500})
QUIET = Console(quiet=True)
REACH = EnvironmentConfig("robometer_test_envs:make_reach", TASK)
pytestmark = pytest.mark.filterwarnings("ignore::robometer_rl.UnseenWorldWarning")


def demonstration(number: int, succeeds: bool) -> Episode:
    """A bar that goes all the way, or half of it."""
    frames = np.full((9, 32, 32, 3), 40, dtype=np.uint8)
    for i in range(9):
        x = (3 if succeeds else 1) * i
        frames[i, :, x : x + 4] = 220 - number
    success = np.arange(9) >= 8 if succeeds else np.zeros(9, dtype=np.bool_)
    return Episode("own/Reach", "success" if succeeds else "failure", number, frames, success)


@pytest.fixture
def config(tmp_path: Path, checkpoint: Checkpoint) -> ImproveConfig:
    save_checkpoint(replace(checkpoint, tokenizer=long_tokenizer(checkpoint)), tmp_path / "start")
    demos = tmp_path / "demos"
    for number in range(5):
        write_episode(demos, demonstration(number, True))
        write_episode(demos, demonstration(number, False))
    add_sentences(demos, "own/Reach", TASK)
    return ImproveConfig(
        REACH,
        demos=demos,
        model=str(tmp_path / "start"),
        rounds=2,
        steps=40,
        overrides=SMALL,
        best=2,
        fit_steps=2,
        evaluate_every=1,
        replay_share=0.0,
        out=tmp_path / "out",
    )


def verdicts(monkeypatch: pytest.MonkeyPatch, *given: CheatVerdict) -> None:
    """Says what the verdicts of the next rounds are: what a tiny model pays is left to chance."""
    left: Iterator[CheatVerdict] = iter(given)
    monkeypatch.setattr(cheat, "give_verdict", lambda found, most: (next(left), "said by the test"))


def names(folder: Path) -> set[str]:
    return {path.name for path in list_episodes(folder)}


def test_a_cheated_model_is_refitted_until_pay_and_truth_agree(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, CheatVerdict.CHEATED, CheatVerdict.HONEST)
    lines = io.StringIO()
    status, (one, two) = improve(config, "robometer-rl improve", Console(file=lines, width=200))
    assert status == 0
    assert (one.model, one.next) == (config.model, str(config.out / "round-1/refit/checkpoint"))
    assert (two.model, two.next) == (one.next, one.next)
    assert load_reward_model(two.next).trained_worlds == ("own/Reach",)
    assert "Pay and truth agree" in lines.getvalue()
    written = json.loads((config.out / "improve.json").read_text())
    assert written["model"] == two.next
    saved = [
        (folder / "model.safetensors").read_bytes() for folder in (config.out / "checkpoint", Path(two.next))
    ]
    assert saved[0] == saved[1], "in one place, whatever round it is of"
    assert [row["verdict"] for row in written["rounds"]] == ["cheated", "honest"]


def test_a_refit_has_the_demonstrations_and_what_the_agent_did_while_it_learned(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, CheatVerdict.CHEATED)
    improve(replace(config, rounds=1), "", QUIET)
    round_1 = config.out / "round-1"
    details = {path.name: read_episode(path).detail for path in list_episodes(round_1 / "agent/episodes")}
    learned = {name for name, detail in details.items() if detail == LEARNING}
    assert JUDGED in details.values()
    assert learned
    demos, trained, aside = map(
        names, (config.demos, round_1 / "refit/episodes", round_1 / "refit/validation")
    )
    assert len(aside & demos) == 2, "one success and one failure of five each"
    assert not aside & trained
    assert aside | trained == demos | learned


def test_of_an_agents_episodes_one_in_five_is_kept_aside_for_a_refit_to_stop_by(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cheated(run: object, model: str, steps: int, out: Path, console: Console, best: int) -> CheatReport:
        paths = [
            write_episode(
                out / "episodes", replace(demonstration(n, n == 104), kind="agent", detail=LEARNING)
            )
            for n in range(100, 111)
        ]
        paid = PaidEpisode(paths[0], 100, False, False, np.ones(9), np.ones(9), np.zeros(9, bool), 16.0, 16.0)
        return CheatReport(CheatVerdict.CHEATED, "paid", agreement([16.0], [False]), 1, (paid,), out)

    monkeypatch.setattr(improving, "find_cheats", cheated)
    lines = io.StringIO()
    improve(replace(config, rounds=1), "", Console(file=lines, width=200))
    refit = config.out / "round-1/refit"
    aside = names(refit / "validation") - names(config.demos)
    assert aside == {"agent-00109.h5"}, "the fifth, 104, succeeded and stays with the others"
    kept = read_episode(next(path for path in list_episodes(refit / "validation") if path.name in aside))
    assert kept.progress is not None
    assert kept.progress.max() <= 0.25
    assert " error 0." in lines.getvalue()


class Says:
    """A model that answers with given progress."""

    def __init__(self, *progress: float) -> None:
        self.progress = np.array(progress, dtype=np.float32)

    def score(self, frames: Any, task: str) -> Any:
        return SimpleNamespace(progress=self.progress[: len(frames)], success=self.progress * 0)


@pytest.mark.parametrize(
    ("claimed", "granted"),
    [
        ((0.0, 0.2, 0.9, 0.3), (0.0, 0.0556, 0.25, 0.0833)),  # overpaid: scaled, in the same order
        ((0.0, 0.2, 0.25, 0.1), (0.0, 0.2, 0.25, 0.1)),  # no more than may be had: as it was
        ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_a_failure_is_granted_a_quarter_at_most(
    claimed: tuple[float, ...], granted: tuple[float, ...]
) -> None:
    failed = replace(demonstration(0, False), kind="agent")
    failed = replace(failed, frames=failed.frames[:4], success=np.zeros(4, np.bool_))
    told = corrected(failed, cast("Any", Says(*claimed)), TASK)
    assert told.progress is not None
    assert told.progress == pytest.approx(granted, abs=1e-4)
    assert told.kind == "agent"


def test_what_is_known_of_an_episode_is_kept() -> None:
    model = cast("Any", Says(*[0.9] * 9))
    won = replace(demonstration(0, True), kind="agent")
    known = replace(demonstration(0, False), kind="agent", quality=np.linspace(0, 0.4, 9, dtype=np.float32))
    unjudged = replace(demonstration(0, False), kind="unlabelled", success=None)
    for episode in (won, known, unjudged):
        assert corrected(episode, model, TASK) is episode


def test_a_refit_stops_by_the_demonstrations_that_are_kept_aside(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, CheatVerdict.CHEATED, CheatVerdict.HONEST)
    _, rounds = improve(config, "robometer-rl improve", QUIET)
    trained = load_checkpoint(Path(rounds[0].next)).training["config"]
    assert trained["stop_after"] > 0, "one success and one failure are there to judge by"
    assert trained["steps"] == config.fit_steps


def test_a_second_round_keeps_what_the_first_agent_did(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, CheatVerdict.CHEATED, CheatVerdict.CHEATED)
    status, rounds = improve(config, "", QUIET)
    assert (status, len(rounds)) == (1, 2)
    first, second = (names(config.out / f"round-{n}/refit/episodes") for n in (1, 2))
    assert first < second
    assert rounds[1].next == str(config.out / "round-2/refit/checkpoint")


def test_a_world_of_the_table_is_refitted_beside_the_other_tasks_of_the_bundled_model(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = "metaworld/button-press-v3"
    for path in list_episodes(config.demos):
        write_episode(config.demos.with_name("pressed"), replace(read_episode(path), task=world))

    def cheated(run: object, model: str, steps: int, out: Path, console: Console, best: int) -> CheatReport:
        agent = replace(demonstration(77, False), task=world, kind="agent", detail=LEARNING)
        path = write_episode(out / "episodes", agent)
        paid = PaidEpisode(path, 77, False, False, np.ones(9), np.ones(9), agent.success, 16.0, 16.0)
        found = agreement([16.0], [False])
        return CheatReport(CheatVerdict.CHEATED, "paid", found, 1, (paid,), out)

    monkeypatch.setattr(improving, "find_cheats", cheated)
    table = replace(
        config, environment=EnvironmentConfig(world), demos=config.demos.with_name("pressed"), rounds=1,
        replay_share=0.2,
    )  # fmt: skip
    _, (one,) = improve(table, "", QUIET)
    worlds = load_reward_model(one.next).trained_worlds
    assert world in worlds
    assert len(worlds) > 1
    assert list_episodes(config.out / "round-1/refit/replay", world) == []


def test_a_world_that_measures_generalisation_is_refused(config: ImproveConfig) -> None:
    held_out = next(task.id for task in TASKS.values() if task.split == "unseen")
    demos = config.demos.with_name("held_out")
    write_episode(demos, replace(demonstration(0, True), task=held_out))
    with pytest.raises(InputError, match="measures generalisation"):
        improve(replace(config, environment=EnvironmentConfig(held_out), demos=demos), "", QUIET)


def test_what_is_done_is_not_done_again(config: ImproveConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts(monkeypatch, CheatVerdict.CHEATED, CheatVerdict.HONEST)
    before = improve(config, "", QUIET)

    def die(*args: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(improving, "find_cheats", die)
    monkeypatch.setattr(improving, "refit", die)
    assert improve(config, "", QUIET) == before


def test_a_round_that_was_killed_goes_on(config: ImproveConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    verdicts(monkeypatch, CheatVerdict.CHEATED, CheatVerdict.CHEATED, CheatVerdict.HONEST)
    with monkeypatch.context() as patch:
        patch.setattr(improving, "refit", die)
        with pytest.raises(KeyboardInterrupt):
            improve(config, "", QUIET)
    assert not (config.out / "round-1/round.json").exists()
    (config.out / "round-1/refit/episodes").rename(config.out / "round-1/refit/episodes.part")  # half-way
    assert improve(config, "", QUIET)[0] == 0


def test_an_agent_that_learned_too_little_ends_it(
    config: ImproveConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, CheatVerdict.UNLEARNED)
    lines = io.StringIO()
    status, rounds = improve(config, "", Console(file=lines, width=200))
    assert (status, len(rounds)) == (1, 1)
    assert rounds[0].next == config.model
    assert "--steps 80" in lines.getvalue()


def test_without_success_it_waits_for_labels_and_goes_on_with_them(config: ImproveConfig) -> None:
    silent = replace(config, environment=replace(config.environment, success="none"), rounds=1)
    lines = io.StringIO()
    assert improve(silent, "", Console(file=lines, width=300)) == (3, [])
    folder = config.out / "round-1/agent/to_label"
    assert f"robometer-rl label-demos {folder}" in lines.getvalue()
    for path in list_episodes(folder):  # as `label-demos` does
        episode = read_episode(path)
        done = np.zeros(len(episode.frames), dtype=np.bool_)
        write_episode(folder, replace(episode, kind="failure", success=done))
        path.unlink()
    status, rounds = improve(silent, "", QUIET)
    assert status == 1
    assert rounds[0].verdict in ("cheated", "unlearned")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "nowhere"}, "must be compact or the folder"),
        ({"demos": Path("nowhere")}, "is not a folder"),
        (
            {"environment": EnvironmentConfig("robometer_test_envs:make_reach", "open the door")},
            "give the same",
        ),
        ({"environment": EnvironmentConfig("metaworld/door-open-v3")}, "has no episodes of 'metaworld"),
    ],
)
def test_wrong_input_is_refused_before_anything_runs(
    config: ImproveConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        improve(replace(config, **changes), "", QUIET)
    assert not config.out.exists()


def test_unlabelled_demonstrations_are_refused(config: ImproveConfig) -> None:
    write_episode(config.demos, replace(demonstration(9, True), kind="unlabelled", success=None))
    with pytest.raises(InputError, match="label-demos"):
        improve(config, "", QUIET)


def test_a_folder_holds_one_improvement(config: ImproveConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts(monkeypatch, CheatVerdict.UNLEARNED)
    improve(config, "", QUIET)
    improve(replace(config, rounds=5, threads=1), "", QUIET)
    with pytest.raises(InputError, match="differs in steps;"):
        improve(replace(config, steps=80), "", QUIET)


@pytest.mark.parametrize("name", ["rounds", "best", "fit_steps", "steps"])
def test_numbers_out_of_range_are_refused(config: ImproveConfig, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0"):
        replace(config, **{name: 0})  # type: ignore[arg-type]
