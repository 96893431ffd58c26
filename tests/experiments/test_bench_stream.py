"""The stream benchmark times what it says."""

from __future__ import annotations

from robometer_rl.experiments.bench_stream import time_pushes
from robometer_rl.rewards.compact.runtime import CompactReward


def test_one_time_per_push(model: CompactReward) -> None:
    times = time_pushes(model, n=2, pushes=5, size=32)
    assert len(times) == 5
    assert all(t > 0 for t in times)
