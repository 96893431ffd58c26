"""What an environment of somebody's own must give before it is trained in, and what a learner makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from robometer_rl import cli
from robometer_rl.experiments.agent import environment_checks
from robometer_rl.experiments.agent.algorithms import hyperparameters, make_learner
from robometer_rl.experiments.agent.environment_checks import check_environment
from robometer_rl.experiments.agent.environments import training_envs
from robometer_rl.experiments.agent.policies import choose_policy, fitting_algorithms
from robometer_rl.experiments.agent.run import RunConfig

REACH = RunConfig("robometer_test_envs:make_reach", "sac", "dense", task="move the bar to the right")
BUTTONS = replace(REACH, env="robometer_test_envs:RobometerTest/Buttons-v0", algo="dqn")
PIXELS = replace(REACH, env="robometer_test_envs:Pixels", algo="dqn", horizon=20, frames="observation")


@pytest.mark.parametrize(
    ("config", "source", "task_id"),
    [
        (RunConfig(), "is_success", "metaworld/drawer-open-v3"),
        (REACH, "is_success", "own/Reach"),
        (PIXELS, "success", "own/Pixels"),
        (BUTTONS, "none", "RobometerTest/Buttons-v0"),
        (replace(REACH, success="robometer_test_envs:is_right"), "robometer_test_envs:is_right", "own/Reach"),
    ],
)
def test_what_is_found_out(config: RunConfig, source: str, task_id: str) -> None:
    facts = check_environment(config)
    assert facts.success_source == source
    assert facts.task_id == task_id
    assert facts.judged_by == ("env_return" if source == "none" else "true_success")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (replace(BUTTONS, algo="sac"), r"has Discrete\(2\) actions: choose algo=dqn or ppo, got algo=sac"),
        (replace(REACH, algo="dqn"), r"has Box\(1,\) actions: choose algo=sac or tqc or ppo, got algo=dqn"),
        (replace(REACH, env="robometer_test_envs:Grid", algo="dqn", horizon=5), r"choose algo=ppo, got"),
        (replace(BUTTONS, reward="sparse"), r"reward=sparse needs success.*--success my_package:is_done"),
        (replace(BUTTONS, stop_when_solved=True), r"stop_when_solved needs success"),
        (replace(BUTTONS, action_scale=0.5), r"action_scale=0\.5 is for Box actions"),
        (replace(REACH, env_kwargs='{"limit": null}'), r"has no time limit.*--horizon 200"),
        (replace(BUTTONS, reward="robometer"), r"cannot render"),
        (RunConfig(algo="dqn", reward="sparse"), r"Box\(4,\) actions: choose algo=sac or tqc or ppo"),
    ],
)
def test_what_does_not_fit_is_refused(config: RunConfig, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_environment(config)


def test_a_horizon_makes_up_for_a_missing_limit() -> None:
    check_environment(replace(REACH, env_kwargs='{"limit": null}', horizon=9))


def test_a_buffer_that_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Machine:
        available = 2 * 100 * 4800  # a hundred decisions of two pictures

    monkeypatch.setattr(environment_checks.psutil, "virtual_memory", lambda: Machine)
    check_environment(replace(PIXELS, steps=100))
    with pytest.raises(ValueError, match=r'buffer_size=1,000,000 .* GiB are free.*"buffer_size": 50}'):
        check_environment(replace(PIXELS, steps=101))
    check_environment(replace(PIXELS, steps=101, overrides='{"buffer_size": 50}'))
    check_environment(replace(PIXELS, algo="ppo", steps=1_000_000))


def test_what_is_refused_leaves_no_folder_and_ends_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROBOMETER_RL_TRACEBACK", raising=False)
    words = ["train", "--env", "CartPole-v1", "--task", "keep the pole up", "--reward", "dense"]
    assert cli.main([*words, "--out", str(tmp_path)]) == 2
    assert "CartPole-v1 has Discrete(2) actions: choose algo=dqn or ppo" in capsys.readouterr().err
    assert cli.main(["train", "--env", "CartPole-v1", "--out", str(tmp_path)]) == 2
    assert "--task" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


PICTURE = spaces.Box(0, 255, (64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("space", "policy"),
    [
        (spaces.Box(-1, 1, (3,)), "MlpPolicy"),
        (spaces.Box(-1, 1, (3, 4)), "MlpPolicy"),
        (spaces.Discrete(4), "MlpPolicy"),
        (PICTURE, "CnnPolicy"),
        (spaces.Box(0, 255, (4, 84, 84), np.uint8), "CnnPolicy"),
        (spaces.Dict({"state": spaces.Box(-1, 1, (3,)), "front": PICTURE}), "MultiInputPolicy"),
    ],
)
def test_the_policy_follows_from_the_observations(space: gym.Space[Any], policy: str) -> None:
    assert choose_policy(space) == policy


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Tuple([PICTURE]), "Tuple observations, which no policy reads: flatten them"),
        (spaces.Dict({"deep": spaces.Dict({"a": PICTURE})}), "Dict observations inside a Dict"),
        (spaces.Box(0, 255, (20, 64, 3), np.uint8), r"at least 36 pixels.*MlpPolicy"),
    ],
)
def test_observations_that_no_policy_reads_are_refused(space: gym.Space[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        choose_policy(space)


def test_the_learners_follow_from_the_actions() -> None:
    assert fitting_algorithms(spaces.Box(-1, 1, (2,))) == ("sac", "tqc", "ppo")
    assert fitting_algorithms(spaces.Box(-np.inf, np.inf, (2,))) == ("ppo",)
    assert fitting_algorithms(spaces.Discrete(3)) == ("dqn", "ppo")
    assert fitting_algorithms(spaces.MultiBinary(3)) == ("ppo",)
    assert fitting_algorithms(spaces.Text(3)) == ()


@pytest.mark.parametrize("algo", ["sac", "ppo", "dqn", "tqc"])
def test_elsewhere_the_hyperparameters_are_those_of_stable_baselines3(algo: Any) -> None:
    """The YAML of a learner says what its constructor has by itself."""
    import inspect

    config = replace(BUTTONS if algo in ("dqn", "ppo") else REACH, algo=algo)
    venv = training_envs(config)
    agent = make_learner(config, venv, "cpu")
    usual = inspect.signature(type(agent)).parameters
    for name, value in hyperparameters(config).items():
        if name not in ("policy", "policy_kwargs", "normalize"):
            assert value == usual[name].default, name
    assert type(agent).__name__.lower() == algo
    venv.close()


def test_the_worlds_of_the_table_keep_theirs() -> None:
    expected = {
        "buffer_size": 200_000, "batch_size": 128, "learning_starts": 500, "gamma": 0.97, "gradient_steps": 2,
        "ent_coef": "auto_0.1", "normalize": {"norm_obs": True, "norm_reward": False},
    }  # fmt: skip
    assert hyperparameters(RunConfig()).items() >= expected.items()
    assert hyperparameters(RunConfig("robosuite/Lift"))["gradient_steps"] == 4
    assert hyperparameters(RunConfig(algo="ppo"))["n_steps"] == 256
