"""Wrappers that end or restart episodes stand on the right side, or it is said in words at once."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import Autoreset, FlattenObservation, TimeLimit
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv, make
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from robometer_rl import RobometerReward, RobometerVectorReward, ShareFrames
from robometer_rl.wrappers.sb3 import VecRobometerReward


def test_autoreset_inside_is_refused_with_the_right_order() -> None:
    inner = FlattenObservation(Autoreset(FakeEnv()))
    with pytest.raises(ValueError, match=r"Autoreset\(RobometerReward\(env, \.\.\.\)\)"):
        RobometerReward(inner, SENTENCE, MODEL)


def test_autoreset_outside_works() -> None:
    env = Autoreset(make({"horizon": 2, "pace": 10}, shaping="progress"))
    env.reset()
    assert [float(env.step(ACTION)[1]) for _ in range(5)] == pytest.approx([0.1, 0.2, 0.0, 0.1, 0.2])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_autoreset_inside_a_vector_environment_changes_nothing(mode: AutoresetMode) -> None:
    rewards = []
    for wrap in (lambda env: env, Autoreset):
        inner = SyncVectorEnv([lambda wrap=wrap: wrap(FakeEnv(2, pace=10))], autoreset_mode=mode)
        envs = RobometerVectorReward(inner, SENTENCE, MODEL, shaping="progress")
        envs.reset()
        rewards.append([float(envs.step(ACTION[None])[1][0]) for _ in range(6)])
    assert rewards[0] == rewards[1]


def test_a_limit_outside_an_episode_end_wrapper_is_said_at_the_second_reset() -> None:
    env = TimeLimit(make({"horizon": 99}, score="episode_end"), 3)
    env.reset()
    for _ in range(3):
        env.step(ACTION)
    words = r"reset after 3 steps.*RobometerReward\(TimeLimit\(env, max_episode_steps=3\), \.\.\."
    with pytest.warns(UserWarning, match=words) as caught:
        env.reset()
    assert len(caught) == 1
    env.step(ACTION)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()


def test_a_reset_after_an_episode_that_ended_inside_is_no_fault() -> None:
    env = make({"horizon": 3}, score="episode_end")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for steps in (0, 3, 2, 1):
            env.reset()
            for _ in range(steps):
                env.step(ACTION)


def limited() -> gym.Env[Any, Any]:
    return TimeLimit(FlattenObservation(ShareFrames(FakeEnv())), 2)


@pytest.mark.parametrize("kind", ["sync", "async", "dummy", "subproc"])
def test_a_limit_outside_share_frames_is_refused_at_construction(kind: str) -> None:
    words = r"sub-environment 1.*ShareFrames\(TimeLimit\(env, \.\.\.\)\)"
    makers = [lambda: ShareFrames(TimeLimit(FakeEnv(), 2)), limited]
    if kind in ("sync", "async"):
        envs: Any = (SyncVectorEnv if kind == "sync" else AsyncVectorEnv)(makers)
        with pytest.raises(ValueError, match=words):
            RobometerVectorReward(envs, SENTENCE, MODEL)
    else:
        envs = DummyVecEnv(makers) if kind == "dummy" else SubprocVecEnv(makers, start_method="fork")
        with pytest.raises(ValueError, match=words):
            VecRobometerReward(envs, SENTENCE, MODEL)
    envs.close()
