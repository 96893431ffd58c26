"""What an environment may pay: any one finite number, in whatever it comes; all else is named at once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from robometer_rl import RobometerReward, RobometerVectorReward
from robometer_rl.wrappers.sb3 import VecRobometerReward


class Pays(FakeEnv):
    """Pays the same at every step."""

    def __init__(self, reward: Any) -> None:
        super().__init__()
        self.reward = reward

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, info = super().step(action)
        return observation, self.reward, terminated, truncated, info


def step(kind: str, reward: Any, **options: Any) -> tuple[float, float]:
    """The learned reward and `env_reward` of the first step."""
    options = {"shaping": "progress", "env_weight": 1.0, **options}
    if kind == "single":
        env = RobometerReward(Pays(reward), SENTENCE, MODEL, **options)
        env.reset()
        _, learned, _, _, info = env.step(ACTION)
        assert type(info["env_reward"]) is float
        return learned, info["env_reward"]
    if kind == "vector":
        envs = RobometerVectorReward(SyncVectorEnv([lambda: Pays(reward)]), SENTENCE, MODEL, **options)
        envs.reset()
        _, paid, _, _, infos = envs.step(ACTION[None])
        return float(paid[0]), float(infos["env_reward"][0])
    venv = VecRobometerReward(DummyVecEnv([lambda: Pays(reward)]), SENTENCE, MODEL, **options)
    venv.reset()
    _, paid, _, dicts = venv.step(ACTION[None])
    return float(paid[0]), dicts[0]["env_reward"]


KINDS = ["single", "vector", "sb3"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "reward",
    [2, True + 1, np.float32(2), np.array(2.0), np.array([2]), np.array([[2.0]]), [2.0], Fraction(2)],
)
def test_one_number_is_taken_in_any_form(kind: str, reward: Any) -> None:
    assert step(kind, reward) == pytest.approx((2.01, 2.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["step", "episode_end"])
@pytest.mark.parametrize(
    ("reward", "error", "words"),
    [
        (None, TypeError, r"reward None, .*one finite number"),
        ("3", TypeError, r"reward '3', .*one finite number"),
        ({"arm": 1.0}, TypeError, r"reward \{'arm': 1.0\}, .*one finite number"),
        (np.array([1.0, 2.0]), TypeError, r"reward of shape \(2,\), .*multi-objective"),
        (np.array([]), TypeError, r"reward of shape \(0,\)"),
        (1j, TypeError, r"reward 1j"),
        (torch.tensor([1.0, 2.0]), TypeError, r"reward tensor\(.*\), .*one finite number"),
        (float("nan"), ValueError, r"reward nan, .*must be finite"),
        (np.array([-np.inf]), ValueError, r"reward -inf, .*must be finite"),
    ],
)
def test_all_else_is_refused_at_the_step_that_pays_it(
    kind: str, score: str, reward: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        step(kind, reward, env_weight=0.0, score=score)
