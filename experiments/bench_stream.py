"""Time per streamed frame of a reward model: `python -m robometer_rl.experiments.bench_stream`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from robometer_rl.rewards import RewardModel, load_reward_model

__all__ = ["BenchStreamConfig", "main", "time_pushes"]


@dataclass(frozen=True)
class BenchStreamConfig:
    """What to time."""

    model: str = "compact"
    """A reward model, as in `load_reward_model`."""
    batches: tuple[int, ...] = (1, 8)
    """Numbers of episodes streamed together."""
    pushes: int = 300
    """Timed pushes of each; as many again warm up, so that the cache is full."""
    size: int = 96
    """Side of the frames in pixels."""


def time_pushes(model: RewardModel, n: int, pushes: int, size: int) -> list[float]:
    """Milliseconds of each push of n frames, once the stream is warm.

    Args:
        model: the reward model.
        n: episodes streamed together.
        pushes: how many to time.
        size: side of the frames in pixels.

    Returns:
        `pushes` times in ms.
    """
    frames = np.random.default_rng(0).integers(0, 256, (16, n, size, size, 3), dtype=np.uint8)
    stream = model.stream(n)
    stream.reset(["open the door"] * n)
    times = []
    for i in range(2 * pushes):
        start = time.perf_counter()
        stream.push(frames[i % len(frames)])
        times.append((time.perf_counter() - start) * 1e3)
    return times[pushes:]


def main(argv: Sequence[str] | None = None) -> None:
    """Time pushes on one thread and print median and spread."""
    import torch

    config = tyro.cli(BenchStreamConfig, args=argv, description=main.__doc__)
    torch.set_num_threads(1)
    model = load_reward_model(config.model)
    table = Table("episodes", "ms per push, median", "10%", "90%", "ms per frame")
    for n in config.batches:
        low, median, high = np.percentile(time_pushes(model, n, config.pushes, config.size), [10, 50, 90])
        table.add_row(str(n), f"{median:.2f}", f"{low:.2f}", f"{high:.2f}", f"{median / n:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
