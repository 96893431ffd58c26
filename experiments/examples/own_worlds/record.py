"""Record demonstrations of a world: `python -m robometer_rl.experiments.examples.own_worlds.record --world fetch_push`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from .fetch_push import FETCH_PUSH
from .push_t import PUSH_T
from .robosuite_wipe import ROBOSUITE_WIPE
from .world import Episode, World, rollout

__all__ = ["WORLDS", "RecordConfig", "main", "record"]

WORLDS = {world.name: world for world in (FETCH_PUSH, ROBOSUITE_WIPE, PUSH_T)}


@dataclass(frozen=True)
class RecordConfig:
    """What to record."""

    world: Literal["fetch_push", "robosuite_wipe", "push_t"]
    """The world."""
    out: Path
    """Folder for the episodes, one `.npz` each."""
    successes: int = 10
    """Episodes that solve the task and end solved."""
    failures: int = 20
    """Episodes that never solve it, of all the world's kinds in turn."""
    aimless: int = 0
    """Episodes of smooth random motion that never solve it."""
    seed: int = 0
    """Seed of the first episode; each further one takes the next."""


def wanted(world: World, env: object, kind: str, seed: int) -> Episode | None:
    """The episode of a seed, None where it starts nearly solved or does not end as its kind says."""


def record(config: RecordConfig) -> Iterator[Episode]:
    """Run scripted behaviours until there are as many episodes as asked for.

    Args:
        config: What to record.

    Yields:
        Episodes: successes, then failures, then aimless motion.

    Raises:
        RuntimeError: More than half of the tries had to be thrown away.
    """
    world = WORLDS[config.world]
    env = world.make()
    seed = config.seed
    plan = (
        (("expert",), config.successes),
        (tuple(world.failures), config.failures),
        (("aimless",), config.aimless),
    )
    try:
        for kinds, count in plan:
            turn, kept, tries = cycle(kinds), 0, 0
            kind = next(turn)
            while kept < count:
                env.reset(seed=seed)
                seed += 1
                if world.distance(env) < world.min_distance:
                    continue
                episode = rollout(world, env, kind, seed - 1)
                tries += 1
                if bool(episode.success[-1]) if kind == "expert" else not episode.success.any():
                    kept, kind = kept + 1, next(turn)
                    yield episode
                elif tries > 10 + 2 * count:
                    raise RuntimeError(f"{world.name}: {kept} of {tries} tries at {kinds} ended as they should")
    finally:
        env.close()


def main(argv: list[str] | None = None) -> None:
    """Record demonstrations of one world."""
    config = tyro.cli(RecordConfig, args=argv)
    config.out.mkdir(parents=True, exist_ok=True)
    for episode in record(config):
        np.savez_compressed(config.out / f"{episode.kind}-{episode.seed:06d}.npz", **vars(episode))


if __name__ == "__main__":
    main()
