"""What a step of one environment is, read in one place for the single wrapper and for sub-environments."""

from __future__ import annotations

from typing import Any

import pytest
from robometer_test_fakes import ACTION, FakeEnv

from robometer_rl import RewardConfig, ShapingConfig
from robometer_rl.scoring.step_reader import RESET, STEP, StepReader, StepRecord


def records(env: FakeEnv, config: RewardConfig, steps: int) -> list[StepRecord]:
    """The reset and so many steps."""
    reader = StepReader(env, "render", config)
    read = [reader.reset(*env.reset())[0]]
    for _ in range(steps):
        read.append(reader.step(*env.step(ACTION))[0])
    return read


def test_frames_are_taken_at_reset_each_kth_step_and_the_last() -> None:
    read = records(FakeEnv(horizon=5, pace=10), RewardConfig(score_every=2), 5)
    assert [record.kind for record in read] == [RESET] + [STEP] * 5
    seen = [None if record.frames is None else int(record.frames[0][0, 0, 0]) for record in read]
    assert seen == [0, None, 20, None, 40, 50]
    assert read[-1].truncated


def test_each_episode_counts_from_its_reset() -> None:
    env = FakeEnv()
    reader = StepReader(env, "render", RewardConfig(score_every=2))
    for _ in range(2):
        reader.reset(*env.reset())
        assert reader.step(*env.step(ACTION))[0].frames is None


@pytest.mark.parametrize("named", [False, True])
def test_true_success_terminates_where_it_is_named(named: bool) -> None:
    config = RewardConfig(ShapingConfig("delta"), score_every=9, terminate_on_true_success=named)
    last = records(FakeEnv(success_at=2), config, 2)[-1]
    assert (last.terminated, last.true_success, last.frames is not None) == (named, True, named)


def test_the_environments_info_is_not_written_to() -> None:
    env = FakeEnv(success_key="success")
    reader = StepReader(env, "render", RewardConfig())
    observation, info = env.reset()
    assert reader.reset(observation, info)[1]["is_success"] is False
    step: Any = env.step(ACTION)
    read = reader.step(*step)[1]
    assert read == {"success": False, "is_success": False, "env_reward": 11.0}
    assert [info, step[4]] == [{"success": False}] * 2
    assert type(read["env_reward"]) is float
