"""Records demonstrations of a world of one's own with scripted behaviours.

`python -m robometer_rl.experiments.examples.own_worlds.record --world fetch_push --out data/push` writes what
`robometer-rl fit` reads. A person with a keyboard or a gamepad would use the same `RecordEpisodes`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Literal

import tyro

from robometer_rl import RecordEpisodes

from . import WORLDS
from .world import AIMLESS, EXPERT, Env, OwnWorld, ScriptedEpisode, run_behaviour

__all__ = ["RecordConfig", "main", "record"]

_TRIES = 50
"""Seeds tried in a row for one episode."""


@dataclass(frozen=True)
class RecordConfig:
    """What to record."""

    world: Literal["fetch_push", "robosuite_wipe", "push_t"]
    """The world."""
    out: Path
    """Folder of the data set; episodes are added to those that are there."""
    successes: int = 10
    """Episodes that solve the task and end solved."""
    failures: int = 20
    """Episodes that never solve it, by all the world's kinds of failure in turn."""
    aimless: int = 0
    """Episodes of smooth random motion that never solve it."""
    seed: int = 0
    """Seed of the first episode tried; each further try takes the next one."""
    image_size: int = 96
    """Side of the pictures in pixels."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is negative.
        """
        for name in ("successes", "failures", "aimless", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0")


def record(config: RecordConfig) -> Counter[str]:
    """Records episodes until there are as many as asked for.

    Args:
        config: What to record.

    Returns:
        Episodes written, by the name of their behaviour.

    Raises:
        RuntimeError: A behaviour hardly ever ends as it should, or an episode does not repeat itself.
    """
    world, seed, written = WORLDS[config.world], config.seed, Counter[str]()
    plan = (
        ((EXPERT,), config.successes, None),
        (tuple(world.failures), config.failures, None),
        ((AIMLESS,), config.aimless, "random"),
    )
    rehearsal = world.make()
    try:
        for behaviours, count, kind in plan:
            names = cycle(behaviours)
            recorder = RecordEpisodes(
                world.make(),
                config.out,
                f"own/{world.name}",
                task=world.task,
                success=world.succeeded,
                image_size=config.image_size,
                frame_every=world.frame_every,
                kind=kind,
            )
            with closing(recorder):
                for _ in range(count):
                    name = next(names)
                    tried, rollout = _wanted(world, rehearsal, name, seed)
                    _repeat(world, recorder, rollout, tried)
                    seed = tried + 1
                    written[name] += 1
    finally:
        rehearsal.close()
    return written


def _wanted(world: OwnWorld, env: Env, name: str, seed: int) -> tuple[int, ScriptedEpisode]:
    """The first seed from one on with which a behaviour ends as it should, and what it did."""
    for tried in range(seed, seed + _TRIES):
        env.reset(seed=tried)
        if world.distance(env) < world.min_distance:
            continue
        rollout = run_behaviour(world, env, name, tried)
        if rollout.success[-1] if name == EXPERT else not rollout.success.any():
            return tried, rollout
    raise RuntimeError(f"{world.name}: none of {_TRIES} episodes of {name!r} from seed {seed} on went right")


def _repeat(world: OwnWorld, recorder: RecordEpisodes, rollout: ScriptedEpisode, seed: int) -> None:
    """Does it again, this time with pictures."""
    _, info = recorder.reset(seed=seed)
    for action in rollout.actions:
        _, _, _, _, info = recorder.step(action)
    if world.succeeded(recorder.env, info) != rollout.success[-1]:
        raise RuntimeError(f"{world.name}: the episode of seed {seed} ended otherwise when it was repeated")


def main(argv: list[str] | None = None) -> None:
    """Records demonstrations of one world."""
    config = tyro.cli(RecordConfig, args=argv, description=__doc__)
    for name, count in record(config).items():
        print(f"{name:<12} {count:4d}")


if __name__ == "__main__":
    main()
