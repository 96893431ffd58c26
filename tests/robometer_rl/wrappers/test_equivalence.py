"""A vector wrapper around n environments pays what n single wrappers pay, whatever its kind and mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from robometer_rl import RobometerReward, RobometerVectorReward, ShareFrames, make_env
from robometer_rl.wrappers.sb3 import VecRobometerReward

MEMORY = {"name": MODEL, "memory": True}
STEPS = 25
MODES = list(AutoresetMode)


@dataclass
class Moment:
    """What one environment showed at one step of the vector environment."""

    reward: float
    terminated: bool
    truncated: bool
    progress: float
    final_progress: float | None


# The reference: single wrappers, restarted by hand as the mode says.


def play_single(env: gym.Env[Any, Any], seed: int, mode: AutoresetMode) -> list[Moment]:
    """One environment over STEPS steps of a vector environment."""
    env.reset(seed=seed)
    moments: list[Moment] = []
    over = False
    for _ in range(STEPS):
        if over and mode is AutoresetMode.NEXT_STEP:
            info = env.reset()[1]
            moments.append(Moment(0.0, False, False, info["robometer/progress"], None))
            over = False
            continue
        _, reward, terminated, truncated, info = env.step(ACTION)
        over = terminated or truncated
        final = info["robometer/progress"] if over and mode is AutoresetMode.SAME_STEP else None
        if over and mode is AutoresetMode.SAME_STEP:
            info = env.reset()[1]
        moments.append(Moment(float(reward), terminated, truncated, info["robometer/progress"], final))
        if over and mode is AutoresetMode.DISABLED:
            env.reset()
    return moments


def play_vector(envs: RobometerVectorReward, seed: int) -> list[list[Moment]]:
    """The same of a vector environment, by sub-environment."""
    n = envs.num_envs
    envs.reset(seed=[seed + i for i in range(n)])
    lanes: list[list[Moment]] = [[] for _ in range(n)]
    for _ in range(STEPS):
        _, rewards, terminations, truncations, infos = envs.step(np.tile(ACTION, (n, 1)))
        over = terminations | truncations
        final = infos.get("final_info", {})
        for i in range(n):
            known = final.get("_robometer/progress", np.zeros(n, bool))[i]
            lanes[i].append(
                Moment(
                    float(rewards[i]),
                    bool(terminations[i]),
                    bool(truncations[i]),
                    float(infos["robometer/progress"][i]),
                    float(final["robometer/progress"][i]) if known else None,
                )
            )
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and over.any():
            options = {"reset_mask": over}
            envs.reset(options=options)
            assert list(options) == ["reset_mask"]
    envs.close()
    return lanes


def play_sb3(venv: VecRobometerReward, seed: int) -> list[list[Moment]]:
    """The same of an SB3 vector environment."""
    n = venv.num_envs
    venv.seed(seed)
    venv.reset()
    lanes: list[list[Moment]] = [[] for _ in range(n)]
    for _ in range(STEPS):
        _, rewards, dones, infos = venv.step(np.tile(ACTION, (n, 1)))
        for i, info in enumerate(infos):
            truncated = info["TimeLimit.truncated"]
            seen = info["robometer/progress"]
            assert ("terminal_observation" in info) == dones[i]
            now = venv.reset_infos[i]["robometer/progress"] if dones[i] else seen
            lanes[i].append(
                Moment(
                    float(rewards[i]), bool(dones[i]) and not truncated, truncated, now,
                    seen if dones[i] else None,
                )
            )  # fmt: skip
    venv.close()
    return lanes


def same(a: Sequence[Sequence[Moment]], b: Sequence[Sequence[Moment]], exclusive: bool = False) -> None:
    """Every number to 1e-5; with `exclusive`, an end of both kinds counts as termination, as in SB3."""
    for lane_a, lane_b in zip(a, b, strict=True):
        for x, y in zip(lane_a, lane_b, strict=True):
            assert x.terminated == y.terminated
            assert x.truncated == (y.truncated and not (exclusive and y.terminated))
            assert x.reward == pytest.approx(y.reward, abs=1e-5)
            assert x.progress == pytest.approx(y.progress, abs=1e-5)
            assert (x.final_progress is None) == (y.final_progress is None)
            if x.final_progress is not None:
                assert x.final_progress == pytest.approx(y.final_progress, abs=1e-5)


ENDINGS = st.lists(
    st.tuples(st.integers(1, 7), st.sampled_from(["terminated", "truncated", "both"])), min_size=1, max_size=3
)
OPTIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "shaping": st.sampled_from(["progress+success", "progress", "success", "delta", "potential"]),
            "success_bonus": st.sampled_from([0.0, 2.0]),
            "env_weight": st.sampled_from([0.0, 0.5]),
            "score_every": st.integers(1, 4),
            "fill": st.sampled_from(["hold", "zero"]),
            "true_success_bonus": st.sampled_from([0.0, 3.0]),
        }
    ),
    st.fixed_dictionaries(
        {
            "shift": st.just(-1.0),
            "score_every": st.integers(1, 2),
            "terminate_on_success": st.booleans(),
            "success_patience": st.integers(1, 2),
            "terminate_on_true_success": st.booleans(),
        }
    ),
)
CASES = {
    "endings": st.lists(ENDINGS, min_size=1, max_size=4),
    "options": OPTIONS,
    "seed": st.integers(0, 1000),
    "memory": st.booleans(),
}
IN_PROCESS = settings(max_examples=60, deadline=None)
IN_WORKERS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def makers(endings: Sequence[Any], tap: bool) -> list[Callable[[], gym.Env[Any, Any]]]:
    """Functions that make one environment each."""

    def maker(episodes: Any, i: int) -> Callable[[], gym.Env[Any, Any]]:
        def make() -> gym.Env[Any, Any]:
            env = FakeEnv(episodes=episodes, wander=True, success_at=4 + i)
            return ShareFrames(env) if tap else env

        return make

    return [maker(episodes, i) for i, episodes in enumerate(endings)]


def singles(
    endings: Sequence[Any], options: dict[str, Any], seed: int, mode: AutoresetMode
) -> list[list[Moment]]:
    return [
        play_single(RobometerReward(make(), SENTENCE, **options), seed + i, mode)
        for i, make in enumerate(makers(endings, tap=False))
    ]


@pytest.mark.parametrize("mode", MODES)
@given(**CASES)
@IN_PROCESS
def test_sync_equals_n_single_wrappers(
    mode: AutoresetMode, endings: Any, options: Any, seed: int, memory: bool
) -> None:
    options = {**options, "model": {"name": MODEL, "memory": memory}}
    inner = SyncVectorEnv(makers(endings, tap=False), autoreset_mode=mode)
    same(
        play_vector(RobometerVectorReward(inner, SENTENCE, **options), seed),
        singles(endings, options, seed, mode),
    )


@pytest.mark.parametrize("mode", MODES)
@given(**CASES)
@IN_WORKERS
def test_async_equals_n_single_wrappers(
    mode: AutoresetMode, endings: Any, options: Any, seed: int, memory: bool
) -> None:
    options = {**options, "model": {"name": MODEL, "memory": memory}}
    inner = AsyncVectorEnv(makers(endings, tap=True), autoreset_mode=mode)
    same(
        play_vector(RobometerVectorReward(inner, SENTENCE, **options), seed),
        singles(endings, options, seed, mode),
    )


@given(**CASES)
@IN_PROCESS
def test_sb3_dummy_equals_n_single_wrappers(endings: Any, options: Any, seed: int, memory: bool) -> None:
    options = {**options, "model": {"name": MODEL, "memory": memory}}
    venv = VecRobometerReward(DummyVecEnv(makers(endings, tap=False)), SENTENCE, **options)
    same(play_sb3(venv, seed), singles(endings, options, seed, AutoresetMode.SAME_STEP), exclusive=True)


@given(**CASES)
@IN_WORKERS
def test_sb3_subproc_equals_n_single_wrappers(endings: Any, options: Any, seed: int, memory: bool) -> None:
    options = {**options, "model": {"name": MODEL, "memory": memory}}
    inner: VecEnv = SubprocVecEnv(makers(endings, tap=True), start_method="fork")
    venv = VecRobometerReward(inner, SENTENCE, **options)
    same(play_sb3(venv, seed), singles(endings, options, seed, AutoresetMode.SAME_STEP), exclusive=True)


@pytest.mark.parametrize("kind", ["sync", "async", "dummy"])
def test_two_real_worlds_in_one_batch_earn_what_each_earns_alone(kind: str) -> None:
    """Real simulators, cameras and the bundled weights: two tasks in one forward, in two processes too."""
    tasks = {"metaworld/drawer-open-v3": "open the drawer", "metaworld/door-close-v3": "close the door"}
    moves = np.random.default_rng(0).uniform(-1, 1, (4, 2, 4)).astype(np.float32)
    expected = []
    for i, (task, sentence) in enumerate(tasks.items()):
        env = RobometerReward(make_env(task), sentence, warn_unseen_world=False)
        env.reset(seed=i)
        expected.append([env.step(move[i])[1] for move in moves])
        env.close()
    sentences = list(tasks.values())
    fns = [lambda task=task: ShareFrames(make_env(task)) for task in tasks]
    envs: Any
    if kind == "dummy":
        envs = VecRobometerReward(DummyVecEnv(fns), sentences, warn_unseen_world=False)
        envs.seed(0)
        envs.reset()
    else:
        inner = SyncVectorEnv(fns) if kind == "sync" else AsyncVectorEnv(fns, context="spawn")
        envs = RobometerVectorReward(inner, sentences, warn_unseen_world=False)
        envs.reset(seed=0)
    paid = np.array([envs.step(move)[1] for move in moves])
    envs.close()
    assert pytest.approx(np.array(expected), abs=1e-5) == paid.T
