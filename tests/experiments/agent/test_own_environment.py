"""Runs in environments that are in no table: their curve, their result, their end, and how they go on."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_fakes import MODEL

from robometer_rl.datasets.episodes import UNLABELLED
from robometer_rl.experiments.agent.algorithms import load_checkpoint, make_learner, save_checkpoint
from robometer_rl.experiments.agent.environments import evaluation_env, training_envs
from robometer_rl.experiments.agent.run import RunConfig, RunFolder
from robometer_rl.experiments.agent.train import TrainCommand, train
from robometer_rl.experiments.episodes import list_episodes, read_episode
from robometer_rl.experiments.report.study import read_curve

SMALL = json.dumps({"learning_starts": 10, "batch_size": 8, "buffer_size": 200})
REACH = RunConfig(
    "robometer_test_envs:make_reach", "sac", "sparse", task="move the bar to the right", steps=48,
    eval_every=16, eval_episodes=2, overrides=SMALL, model=MODEL,
)  # fmt: skip
BUTTONS = replace(REACH, env="robometer_test_envs:RobometerTest/Buttons-v0", algo="dqn", reward="dense")
PIXELS = replace(
    REACH, env="robometer_test_envs:Pixels", algo="dqn", reward="dense", frames="observation", horizon=20
)
ROLLOUT = json.dumps({"n_steps": 8, "batch_size": 8, "n_epochs": 1})

pytestmark = pytest.mark.filterwarnings("ignore::robometer_rl.UnseenWorldWarning")


def carry_out(config: RunConfig, out: Path, **options: Any) -> tuple[Any, RunFolder]:
    return train(TrainCommand(config, out, **options)), RunFolder(out / config.run_id)


@pytest.mark.parametrize("reward", ["robometer", "sparse", "dense", "none"])
@pytest.mark.parametrize("algo", ["sac", "tqc", "ppo"])
def test_a_run_on_goal_based_observations(algo: Any, reward: Any, tmp_path: Path) -> None:
    overrides = ROLLOUT if algo == "ppo" else SMALL
    config = replace(REACH, algo=algo, reward=reward, overrides=overrides)
    result, folder = carry_out(config, tmp_path)
    curve = read_curve(folder.curve)
    assert curve["env_steps"].tolist() == [16, 32, 48]
    assert np.isfinite(curve["true_success"]).all()
    assert (curve["env_return"] < 0).all(), "the environment's own, whatever the agent is paid"
    assert np.isfinite(curve["learned_return"]).all() == (reward == "robometer")
    assert (result.judged_by, result.success_source) == ("true_success", "is_success")
    assert result.best_true_success == curve["true_success"].max()
    assert (folder.videos / "best.mp4").exists() == (reward == "robometer")
    assert folder.read_config() == config


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_without_success_a_run_is_judged_by_its_own_return(algo: Any, tmp_path: Path) -> None:
    config = replace(BUTTONS, algo=algo, overrides=ROLLOUT if algo == "ppo" else SMALL)
    result, folder = carry_out(config, tmp_path)
    written = json.loads(folder.result.read_text(), parse_constant=pytest.fail)
    assert written["judged_by"] == "env_return"
    assert written["success_source"] == "none"
    assert written["best_true_success"] is written["final_true_success"] is None
    assert not written["solved"]
    assert folder.best_model.exists()
    rows = np.genfromtxt(folder.curve, delimiter=",", names=True)
    for name in ("true_success", "true_success_last", "train_true_success"):
        assert np.isnan(rows[name]).all()
    assert result.best_env_return == rows["env_return"].max()
    assert result.final_env_return == rows["env_return"][-1]


@pytest.mark.parametrize("reward", ["robometer", "dense"])
@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_a_run_on_pictures(algo: Any, reward: Any, tmp_path: Path) -> None:
    config = replace(PIXELS, algo=algo, reward=reward, overrides=ROLLOUT if algo == "ppo" else SMALL)
    result, folder = carry_out(config, tmp_path)
    assert result.success_source == "success"
    assert np.isfinite(read_curve(folder.curve)["true_success"]).all()
    assert (folder.videos / "best.mp4").exists() == (reward == "robometer")


def test_without_success_the_best_episode_is_drawn_alone(tmp_path: Path) -> None:
    config = replace(PIXELS, reward="robometer", success="none")
    result, folder = carry_out(config, tmp_path)
    assert result.judged_by == "env_return"
    assert sorted(path.name for path in folder.videos.iterdir()) == ["best.mp4"]


def test_the_dense_reward_is_the_environments_own_and_the_sparse_one_its_success() -> None:
    right = np.ones((1, 1), dtype=np.float32)
    paid = {}
    for reward in ("dense", "sparse", "none"):
        venv = training_envs(replace(REACH, reward=reward, action_repeat=2))  # type: ignore[arg-type]
        venv.reset()
        paid[reward] = float(venv.step(right)[1][0])
        venv.close()
    assert paid["dense"] == pytest.approx(-0.5, abs=0.25), "two steps, near 0.5 and 1.0, to a goal at 1.0"
    assert (paid["sparse"], paid["none"]) == (1.0, 0.0)


def test_the_reward_model_knows_the_world_by_the_id_of_its_recordings() -> None:
    env = evaluation_env(replace(REACH, reward="robometer"))
    assert env.robometer.worlds == ("own/Reach",)  # type: ignore[attr-defined]
    env.close()


@pytest.mark.parametrize("algo", ["sac", "tqc"])
def test_a_checkpoint_brings_back_the_buffer_of_dict_observations(algo: Any, tmp_path: Path) -> None:
    config = replace(REACH, algo=algo)
    agent: Any = make_learner(config, training_envs(config), "cpu")
    agent.learn(25)
    save_checkpoint(tmp_path, agent, {"sessions": 1})
    loaded = load_checkpoint(tmp_path, config, partial(training_envs, config), "cpu")
    assert loaded is not None
    again: Any = loaded[0]
    assert again.replay_buffer.pos == 25
    for part in ("observation", "achieved_goal", "desired_goal"):
        for name in ("observations", "next_observations"):
            ours, theirs = (getattr(one.replay_buffer, name)[part][:25] for one in (again, agent))
            np.testing.assert_array_equal(ours, theirs)
            assert part == "desired_goal" or np.ptp(ours) > 0


def test_dqn_goes_on_where_it_was(tmp_path: Path) -> None:
    agent: Any = make_learner(PIXELS, training_envs(PIXELS), "cpu")
    agent.learn(25)
    save_checkpoint(tmp_path, agent, {"sessions": 1})
    loaded = load_checkpoint(tmp_path, PIXELS, partial(training_envs, PIXELS), "cpu")
    assert loaded is not None
    again: Any = loaded[0]
    np.testing.assert_array_equal(
        again.replay_buffer.observations[:25], agent.replay_buffer.observations[:25]
    )
    assert again.exploration_rate == agent.exploration_rate
    for ours, theirs in zip(again.q_net_target.parameters(), agent.q_net_target.parameters(), strict=True):
        assert (ours == theirs).all()


def test_a_stopped_run_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robometer_rl.experiments.agent import train as training

    def fail(*_: Any) -> None:
        raise OSError("stop here")

    with monkeypatch.context() as patch:
        patch.setattr(training, "_finish", fail)
        with pytest.raises(OSError, match="stop here"):
            carry_out(BUTTONS, tmp_path, checkpoint_every=16)
    result, folder = carry_out(replace(BUTTONS), tmp_path)
    assert result.sessions == 2
    assert [row for row in np.genfromtxt(folder.curve, delimiter=",", names=True)["env_steps"]] == [
        16,
        32,
        48,
    ]


def test_episodes_are_recorded_with_what_is_known(tmp_path: Path) -> None:
    for name, config, kind in (
        ("known", REACH, "agent"),
        ("unknown", replace(PIXELS, success="none"), UNLABELLED),
    ):
        carry_out(config, tmp_path / "runs", record=tmp_path / name, videos=False)
        episodes = [read_episode(path) for path in list_episodes(tmp_path / name)]
        assert episodes
        for episode in episodes:
            assert (episode.kind, episode.quality) == (kind, None)
            assert (episode.success is None) == (kind == UNLABELLED)
        sentences = json.loads((tmp_path / name / "tasks.json").read_text())
        assert sentences == {episodes[0].task: ["move the bar to the right"]}


def test_environments_of_ones_own_run_in_worker_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker imports the module by its name, so it must be found there: on PYTHONPATH."""
    source = Path(__file__).parents[2] / "foreign_envs.py"
    text = source.read_text().replace("robometer_test_envs", "my_worlds").replace("RobometerTest/", "Mine/")
    (tmp_path / "my_worlds.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = replace(REACH, env="my_worlds:make_reach", algo="ppo", n_envs=2, overrides=ROLLOUT)
    result, _ = carry_out(config, tmp_path / "runs", videos=False)
    assert result.env_steps == 48
