"""The wrappers publish one name, `robometer`, so that an environment's own attributes stay reachable."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorWrapper
from robometer_test_fakes import MODEL, SENTENCE, FakeEnv, front_camera, make
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecMonitor

from robometer_rl import RewardConfig, RobometerReward, RobometerVectorReward, ShapingConfig, ShareFrames
from robometer_rl.wrappers.sb3 import VecRobometerReward

PUBLISHED = {"robometer", "ground_truth"}
NAMES = (
    *("config", "world", "model", "task", "tasks", "instruction", "instructions", "reward_model", "mode"),
    *("success_threshold", "frames", "score", "frames_id", "frames_join", "frames_shapes", "frames_open"),
)


class Crowded(FakeEnv):
    """Has attributes of every plausible name."""

    def __init__(self) -> None:
        super().__init__()
        for name in NAMES:
            setattr(self, name, f"mine: {name}")


def public(wrapper: Any, *bases: type) -> set[str]:
    """Names that a wrapper adds to those of its bases and of its own instance's base."""
    inherited = {name for base in bases for name in (*dir(base), *vars(base))}
    return {name for name in dir(wrapper) if not name.startswith("_")} - inherited


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrap", [lambda env: RobometerReward(env, SENTENCE, MODEL), ShareFrames])
def test_an_environments_attributes_are_reachable_through_the_wrapper(wrap: Any, name: str) -> None:
    env = wrap(Crowded())
    assert env.get_wrapper_attr(name) == f"mine: {name}"
    assert DummyVecEnv([lambda: env]).get_attr(name) == [f"mine: {name}"]
    assert SyncVectorEnv([lambda: env]).get_attr(name) == (f"mine: {name}",)


@pytest.mark.parametrize("name", NAMES)
def test_an_environments_attributes_are_reachable_through_the_vector_wrappers(name: str) -> None:
    venv = VecRobometerReward(DummyVecEnv([Crowded] * 2), SENTENCE, MODEL)
    assert venv.get_attr(name) == [f"mine: {name}"] * 2
    inner = AsyncVectorEnv([lambda: ShareFrames(Crowded())])
    envs = RobometerVectorReward(inner, SENTENCE, MODEL)
    assert inner.get_attr(name) == (f"mine: {name}",)
    envs.close()


def test_no_other_public_name_is_added() -> None:
    single = make()
    attributes = {"env", "action_space", "metadata", "observation_space", "reward_range"}
    assert public(single, gym.Wrapper, RecordConstructorArgs) - attributes == PUBLISHED
    assert public(ShareFrames(FakeEnv()), gym.Wrapper, RecordConstructorArgs) - attributes == {
        *("robometer_id", "robometer_join", "robometer_shapes", "robometer_open")
    }
    vector = RobometerVectorReward(SyncVectorEnv([FakeEnv]), SENTENCE, MODEL)
    assert public(vector, VectorWrapper) - {"env"} == PUBLISHED
    venv = VecRobometerReward(DummyVecEnv([FakeEnv]), SENTENCE, MODEL)
    plain = VecMonitor(DummyVecEnv([FakeEnv]))
    assert public(venv, VecEnvWrapper) - set(vars(plain)) == PUBLISHED


# What `robometer` tells.


OPTIONS: dict[str, Any] = {
    "shaping": "potential",
    "gamma": 0.9,
    "score_every": 3,
    "env_weight": 0.5,
    "true_success_bonus": 2.0,
}


def wrapped() -> list[Any]:
    return [
        RobometerReward(FakeEnv(), SENTENCE, MODEL, **OPTIONS),
        RobometerVectorReward(SyncVectorEnv([FakeEnv]), SENTENCE, MODEL, **OPTIONS),
        VecRobometerReward(DummyVecEnv([FakeEnv]), SENTENCE, MODEL, **OPTIONS),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_all_that_decides_the_reward_is_read_from_one_place(which: int) -> None:
    told = wrapped()[which].robometer
    assert told.config == RewardConfig(
        ShapingConfig("potential", gamma=0.9, env_weight=0.5), score_every=3, true_success_bonus=2.0
    )
    assert told.tasks == (SENTENCE,)
    assert told.ground_truth == {
        "env_weight": 0.5,
        "true_success_bonus": 2.0,
        "terminate_on_true_success": False,
    }
    parameters = told.parameters
    assert json.loads(json.dumps(parameters)) == parameters
    assert {name: parameters[name] for name in OPTIONS} == OPTIONS
    assert (parameters["model"], parameters["tasks"], parameters["score"]) == (MODEL, [SENTENCE], "step")
    assert told.success_threshold == 0.5
    assert told.model.trained_worlds == ("fake/count",)


def test_a_wrapper_is_made_again_from_its_parameters() -> None:
    env = make({"images": True}, frames=["front", front_camera], **OPTIONS)
    parameters = env.robometer.parameters
    assert parameters["frames"] == ["front", "robometer_test_fakes:front_camera"]
    (task,) = parameters.pop("tasks")
    again = RobometerReward(FakeEnv(images=True), task, **parameters)
    assert again.robometer.config == env.robometer.config


def test_it_is_reached_from_wrappers_outside() -> None:
    env = gym.wrappers.RecordEpisodeStatistics(make(score_every=4))
    assert env.get_wrapper_attr("robometer").config.score_every == 4
