"""What the benchmark is told: model, world, and how often things are done."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["QUICK", "BenchCounts", "BenchSetup"]


@dataclass(frozen=True)
class BenchCounts:
    """How often things are done."""

    repetitions: int = 300
    """Timed calls of each side."""
    block: int = 10
    """Calls of one side before the other has its turn."""
    episodes: int = 10
    """Episodes of the cases that ask for a certain step of an episode."""
    at_step: int = 100
    """Step of the episode at which the reference pattern is met."""
    late: int = 450
    """First of the late steps that are compared with the first ones."""
    window: int = 50
    """How many of the late and of the first steps."""
    rates: int = 30
    """Rates of environment steps per second."""
    rate_steps: int = 50
    """Environment steps of which one rate is taken, a multiple of 5."""
    leak_episodes: int = 10_000
    """Episodes over which memory may not grow."""
    leak_warmup: int = 500
    """Episodes before them, in which allocators and caches fill."""
    envs: int = 8
    """Environments of the cases with several."""
    env_steps: int = 100
    """Steps of each, for the peak of memory."""
    gpu_batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    """Numbers of episodes streamed together, where there is a GPU."""


QUICK = BenchCounts(
    repetitions=6, block=3, episodes=1, at_step=10, late=20, window=6, rates=2, rate_steps=10,
    leak_episodes=40, leak_warmup=10, envs=2, env_steps=4, gpu_batches=(1, 4),
)  # fmt: skip
"""Everything once over, to see that it runs: the numbers mean nothing."""


@dataclass(frozen=True)
class BenchSetup:
    """What the cases measure."""

    model: str = "compact"
    """A reward model, as in `load_reward_model`."""
    task: str = "metaworld/drawer-open-v3"
    """A Meta-World task."""
    size: int = 96
    """Side of the pictures, pixels."""
    threads: int = 1
    """Threads of torch."""
    counts: BenchCounts = field(default_factory=BenchCounts)
    """How often."""
