"""The wrapped environment before both checkers; any warning that is not listed is an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from robometer_rl import RobometerReward

MODEL = "robometer_test_fakes:FakeRewardModel"
VARIANTS: list[dict[str, Any]] = [
    {},
    {"shaping": "delta", "score_every": 3},
    {"shaping": "potential", "terminate_on_success": True, "score_every": 2, "fill": "zero"},
    {"env_weight": 0.5, "true_success_bonus": 1.0},
]


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Said of every wrapper, and a wrapper is what is checked here.
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        yield


def make(**options: Any) -> RobometerReward:
    return RobometerReward(gym.make("RobometerTest/Count-v0", pace=30), "count up", MODEL, **options)


@pytest.mark.parametrize("options", VARIANTS)
def test_gymnasiums_checker(options: dict[str, Any]) -> None:
    check_env(make(**options))


@pytest.mark.parametrize("options", VARIANTS)
def test_stable_baselines3s_checker(options: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(make(**options))


def test_spaces_metadata_and_render_mode_pass_untouched() -> None:
    env = make()
    assert env.observation_space is env.unwrapped.observation_space
    assert env.action_space is env.unwrapped.action_space
    assert env.metadata is env.unwrapped.metadata
    assert env.render_mode == "rgb_array"


@pytest.mark.parametrize("vector", [SyncVectorEnv, AsyncVectorEnv])
def test_wrapped_copies_inside_a_vector_environment(vector: Any) -> None:
    """Async: built in the parent, used in a forked worker, which loads the model for itself."""
    envs = vector([lambda: make(shaping="progress")] * 2)
    envs.reset(seed=0)
    _, reward, _, _, infos = envs.step(envs.action_space.sample())
    envs.close()
    np.testing.assert_allclose(reward, [0.3, 0.3], atol=1e-6)
    np.testing.assert_array_equal(infos["env_reward"], [11.0, 11.0])
