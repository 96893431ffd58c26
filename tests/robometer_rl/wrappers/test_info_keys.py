"""`reset` and `step` report the same keys, so that recorders with a strict layout can keep both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv, make, play
from stable_baselines3.common.vec_env import DummyVecEnv

from robometer_rl import RobometerVectorReward, ShareFrames
from robometer_rl.wrappers.sb3 import VecRobometerReward

KEYS = {"env_reward", "is_success", "robometer/progress", "robometer/success"}


def layout(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a recorder compares: keys, types, shapes and dtypes."""
    return {key: (type(value), np.shape(value), np.asarray(value).dtype) for key, value in info.items()}


@pytest.mark.parametrize("success_key", ["is_success", "success", None])
@pytest.mark.parametrize("score", ["step", "episode_end"])
def test_single(success_key: str | None, score: str) -> None:
    env = make({"success_key": success_key, "horizon": 3}, score=score)
    _, info = env.reset()
    steps = [row[3] for row in play(env)]
    for step in steps[:-1] if score == "episode_end" else steps:
        assert layout(step) == layout(info)
    assert info["env_reward"] == 0.0
    assert set(steps[-1]) - set(info) == ({"robometer/rewards"} if score == "episode_end" else set())


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_vector(kind: str, mode: AutoresetMode) -> None:
    makers = [lambda horizon=horizon: ShareFrames(FakeEnv(horizon)) for horizon in (2, 9)]
    inner = (SyncVectorEnv if kind == "sync" else AsyncVectorEnv)(makers, autoreset_mode=mode)
    envs = RobometerVectorReward(inner, SENTENCE, MODEL)
    _, infos = envs.reset()
    assert set(infos) == KEYS | {f"_{key}" for key in KEYS}
    for _ in range(2):
        _, _, _, _, step = envs.step(np.tile(ACTION, (2, 1)))
        own = {key: value for key, value in step.items() if not key.lstrip("_").startswith("final")}
        assert layout(own) == layout(infos)
    if mode is AutoresetMode.SAME_STEP:
        assert {key for key in step["final_info"] if not key.startswith("_")} == KEYS
    if mode is AutoresetMode.NEXT_STEP:
        assert layout(envs.step(np.tile(ACTION, (2, 1)))[4]) == layout(infos)
    envs.close()


def test_sb3() -> None:
    venv = VecRobometerReward(DummyVecEnv([partial(FakeEnv, horizon=2)]), SENTENCE, MODEL)
    venv.reset()
    first = layout(venv.reset_infos[0])
    own = {"TimeLimit.truncated", "terminal_observation"}  # SB3's
    for _ in range(3):
        info = venv.step(ACTION[None])[3][0]
        assert layout({key: value for key, value in info.items() if key not in own}) == first
        assert layout(venv.reset_infos[0]) == first
