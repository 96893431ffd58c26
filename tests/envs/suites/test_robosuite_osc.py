"""The quick controller against robosuite's own: the same torques and states to the last bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from robometer_rl.envs.suites.robosuite import RobosuiteEnv
from robometer_rl.envs.suites.robosuite_osc import QuickControl


@pytest.fixture(scope="module", params=("Lift", "Door", "Stack"))
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[RobosuiteEnv, RobosuiteEnv]]:
    quick, plain = (RobosuiteEnv(f"robosuite/{request.param}", reward="dense", horizon=40) for _ in range(2))
    plain.reset(seed=0)
    del plain.world._pre_action  # which brings the class's own back
    yield quick, plain
    quick.close()
    plain.close()


@pytest.mark.parametrize(("seed", "size"), [(0, 1.0), (1, 0.2)])
def test_an_episode_is_the_same_to_the_last_bit(
    pair: tuple[RobosuiteEnv, RobosuiteEnv], seed: int, size: float
) -> None:
    quick, plain = pair
    assert isinstance(quick.world._pre_action, QuickControl)
    assert not isinstance(plain.world._pre_action, QuickControl)
    assert np.array_equal(quick.reset(seed=seed)[0], plain.reset(seed=seed)[0])
    actions = np.random.default_rng(seed)
    for _ in range(40):
        action = (size * actions.uniform(-1, 1, 7)).astype(np.float32)
        (seen, paid, *_), (expected, due, *_) = quick.step(action), plain.step(action)
        ours, theirs = quick.world.sim.data, plain.world.sim.data
        assert np.array_equal(ours.ctrl, theirs.ctrl)
        assert np.array_equal(ours.qpos, theirs.qpos)
        assert np.array_equal(ours.qvel, theirs.qvel)
        assert np.array_equal(seen, expected)
        assert paid == due


def test_torques_stop_at_the_motors_limits(pair: tuple[RobosuiteEnv, RobosuiteEnv]) -> None:
    quick, _ = pair
    quick.reset(seed=0)
    model, data = quick.world.sim.model, quick.world.sim.data
    quick.step(np.zeros(7, np.float32))
    quick.world._pre_action._goal_pos = np.array([0.0, 0.0, 100.0])  # a goal that no motor can hurry to
    quick.world._pre_action(np.zeros(7))
    low, high = model.actuator_ctrlrange[:7].T
    assert np.all((data.ctrl[:7] >= low) & (data.ctrl[:7] <= high))
    assert np.any((data.ctrl[:7] == low) | (data.ctrl[:7] == high))
