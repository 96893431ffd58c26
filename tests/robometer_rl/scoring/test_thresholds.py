"""Which threshold a wrapper uses: the option's, a task's own, or the model's general one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from robometer_test_fakes import (
    ACTION,
    CALIBRATED,
    MODEL,
    FakeCalibratedModel,
    FakeEnv,
    FakeRewardModel,
    make,
    play,
)
from stable_baselines3.common.vec_env import DummyVecEnv

from robometer_rl import (
    RewardConfig,
    RobometerReward,
    RobometerVectorReward,
    ShapingConfig,
    UncalibratedTaskWarning,
    relabel,
)
from robometer_rl.scoring import thresholds
from robometer_rl.scoring.thresholds import resolve_threshold
from robometer_rl.wrappers.sb3 import VecRobometerReward

UP, DONE = "count up", "count to 81"
"""With the calibrated fake the first is never detected, the second from pixel 81 on."""
ENDS: dict[str, Any] = {
    "shaping": "delta",
    "terminate_on_success": True,
    "success_threshold": "auto",
    "warn_unseen_world": False,
}


@pytest.fixture(autouse=True)
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "_warned", set())


@pytest.mark.parametrize(
    ("option", "task", "expected"),
    [
        (None, UP, 0.4),
        (0.7, UP, 0.7),
        ("auto", UP, 0.95),
        ("auto", "Count up.", 0.95),
        ("auto", DONE, 0.5),
    ],
)
def test_which_threshold_is_used(option: Any, task: str, expected: float) -> None:
    model = FakeCalibratedModel(success_threshold=0.4)
    assert resolve_threshold(option, model, CALIBRATED, task) == expected


@pytest.mark.parametrize(
    ("model", "task", "words"),
    [
        (FakeRewardModel(success_threshold=0.4), UP, "'m' keeps no thresholds of single tasks"),
        (FakeCalibratedModel(success_threshold=0.4), "count down", "'m' has no threshold of 'count down'"),
    ],
)
def test_without_a_threshold_of_the_task_the_general_one_is_used_and_told_once(
    model: FakeRewardModel, task: str, words: str
) -> None:
    with pytest.warns(UncalibratedTaskWarning, match=rf"{words}.*general one, 0.4, .*robometer-rl calibrate"):
        assert resolve_threshold("auto", model, "m", task) == 0.4
    with warnings.catch_warnings(action="error"):
        assert resolve_threshold("auto", model, "m", task) == 0.4


def test_less_patience_than_the_threshold_was_calibrated_for_is_told() -> None:
    model = FakeCalibratedModel(patience=3)
    with pytest.warns(UncalibratedTaskWarning, match=r"3 consecutive scores, and 2 are asked for"):
        assert resolve_threshold("auto", model, "m", UP, patience=2) == 0.95
    with warnings.catch_warnings(action="error"):
        assert resolve_threshold("auto", model, "m", UP, patience=3) == 0.95


def single(tasks: list[str], **options: Any) -> RobometerReward:
    return RobometerReward(FakeEnv(pace=30, horizon=6), tasks[0], **options)


def vector(tasks: list[str], **options: Any) -> RobometerVectorReward:
    envs: list[Callable[[], gym.Env[Any, Any]]] = [lambda: FakeEnv(pace=30, horizon=6) for _ in tasks]
    return RobometerVectorReward(SyncVectorEnv(envs, autoreset_mode=AutoresetMode.DISABLED), tasks, **options)


def sb3(tasks: list[str], **options: Any) -> VecRobometerReward:
    return VecRobometerReward(
        DummyVecEnv([lambda: FakeEnv(pace=30, horizon=6) for _ in tasks]), tasks, **options
    )


@pytest.mark.parametrize("wrap", [single, vector, sb3])
@pytest.mark.parametrize(("option", "used"), [(None, 0.4), (0.9, 0.9), ("auto", 0.95)])
def test_the_wrapper_says_which_threshold_it_uses(wrap: Any, option: Any, used: float) -> None:
    spec = {"name": CALIBRATED, "success_threshold": 0.4}
    told = wrap([UP], model=spec, success_threshold=option, warn_unseen_world=False).robometer
    assert (told.success_threshold, told.success_thresholds) == (used, (used,))
    assert told.parameters["success_threshold"] == option


@pytest.mark.parametrize(("task", "length", "terminated"), [(UP, 6, False), (DONE, 3, True)])
def test_an_episode_ends_at_the_threshold_of_its_task(task: str, length: int, terminated: bool) -> None:
    env = make({"pace": 30, "horizon": 6}, task=task, model=CALIBRATED, **ENDS)
    env.reset()
    rows = play(env)
    assert (len(rows), rows[-1][1]) == (length, terminated)


@pytest.mark.parametrize("score", ["step", "episode_end"])
def test_a_bonus_is_paid_at_the_threshold_of_its_task(score: Any) -> None:
    options = {"shaping": "progress", "success_bonus": 5.0, "success_threshold": "auto", "score": score}
    for task, paid in ((UP, 0), (DONE, 4)):
        env = make({"pace": 30, "horizon": 6}, task=task, model=CALIBRATED, **options)
        env.reset()
        rows = play(env)
        earned = rows[-1][3].get("robometer/rewards", np.array([row[0] for row in rows]))
        assert (earned >= 5.0).sum() == paid


def test_each_environment_of_a_vector_has_the_threshold_of_its_own_task() -> None:
    envs = vector([UP, DONE, UP], model=CALIBRATED, **ENDS)
    assert envs.robometer.success_thresholds == (0.95, 0.5, 0.95)
    with pytest.raises(ValueError, match=r"several thresholds, 0.95, 0.5, 0.95: read success_thresholds"):
        _ = envs.robometer.success_threshold
    envs.reset()
    ended = [envs.step(np.tile(ACTION, (3, 1)))[2].tolist() for _ in range(3)]
    assert ended == [[False] * 3, [False] * 3, [False, True, False]]


def test_episodes_scored_at_their_end_have_the_threshold_of_their_own_task() -> None:
    options: dict[str, Any] = {"shaping": "progress", "success_bonus": 5.0, "success_threshold": "auto"}
    envs = vector([UP, DONE], model=CALIBRATED, score="episode_end", warn_unseen_world=False, **options)
    envs.reset()
    infos = [envs.step(np.tile(ACTION, (2, 1)))[4] for _ in range(6)][-1]
    assert [(rewards >= 5.0).sum() for rewards in infos["robometer/rewards"]] == [0, 4]


def test_each_environment_of_sb3_has_the_threshold_of_its_own_task() -> None:
    venv = sb3([UP, DONE], model=CALIBRATED, **ENDS)
    assert venv.robometer.success_thresholds == (0.95, 0.5)
    venv.reset()
    assert [venv.step(np.tile(ACTION, (2, 1)))[2].tolist() for _ in range(3)][-1] == [False, True]


def test_a_recorded_episode_is_relabelled_with_the_threshold_of_its_task() -> None:
    frames = np.stack([FakeEnv().picture(count) for count in (0, 30, 60, 90)])
    config = RewardConfig(ShapingConfig("progress", success_bonus=5.0), success_threshold="auto")
    for task, last in ((UP, 0.9), (DONE, 5.9)):
        assert relabel(frames, task, CALIBRATED, config).reward[-1] == pytest.approx(last)


def test_a_wrapper_warns_where_the_model_has_no_threshold_of_its_task() -> None:
    env = make(model=MODEL, success_threshold="auto")
    with pytest.warns(UncalibratedTaskWarning, match="keeps no thresholds of single tasks"):
        env.reset()
