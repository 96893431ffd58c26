"""Motions that have nothing to do with an object."""

from __future__ import annotations

import numpy as np

from robometer_rl.experiments.collect.motions import roaming


def test_roaming_reaches_the_whole_room_and_the_camera() -> None:
    room, front = np.array([0.4, 0.3, 0.2]), np.array([0.44, -0.3, 0.29])
    ways = roaming(np.random.default_rng(0), 6, 0.01, room, front, 0.8)
    path = 0.01 * np.cumsum([next(ways) for _ in range(20_000)], axis=0)
    assert path.shape == (20_000, 6)
    assert not path[:, 3:].any(), "the wrist does not turn"
    assert (path[:, :3].min(0) < -0.9 * room).all()
    assert (path[:, :3].max(0) > 0.9 * room).all()
    assert np.abs(np.diff(path, axis=0)).max() <= 0.008 + 1e-9
    assert np.linalg.norm(path[:, :3] - front, axis=1).min() < 0.05
