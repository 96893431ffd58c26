"""How often the scripted experts solve their tasks: `python -m robometer_rl.experiments.bench.experts`.

`--split train` checks a whole split, `--tasks` any tasks, `--json FILE` keeps the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from robometer_rl.envs import make_env, make_expert
from robometer_rl.envs.tasks import Split, get_task, list_tasks

from ..common.progress import progress

__all__ = ["CheckExpertsConfig", "ExpertRate", "check_experts", "main", "steps_to_success"]


@dataclass(frozen=True)
class CheckExpertsConfig:
    """Options of the check."""

    tasks: tuple[str, ...] = ("robosuite/Lift", "robosuite/Door", "robosuite/Stack")
    """Task ids of the table."""
    split: Split | None = None
    """Check every task of this split instead."""
    seeds: int = 50
    """Episodes per task, at least 1."""
    seed_start: int = 0
    """Seed of the first episode; it decides the start state and how the expert moves."""
    horizon: int | None = None
    """Control steps after which an episode counts as failed; the task's own if not given."""
    json: Path | None = None
    """Write the rows to this JSON file."""

    def __post_init__(self) -> None:
        """Checks the numbers; the tasks are looked up when the check begins.

        Raises:
            ValueError: There is nothing to play, or a seed would be negative.
        """
        if self.seeds < 1 or self.seed_start < 0 or not (self.tasks or self.split):
            raise ValueError(
                "expected at least one task or a split, seeds >= 1 and seed_start >= 0, got "
                f"tasks={self.tasks}, seeds={self.seeds}, seed_start={self.seed_start}"
            )


@dataclass(frozen=True)
class ExpertRate:
    """What came of one task."""

    task: str
    """Its id."""
    seeds: int
    """Episodes played."""
    successes: int
    """Episodes in which the suite's own test held at some control step."""
    mean_steps: float | None
    """Mean control steps to the first success, over the successes; None if there is none."""
    failed_seeds: tuple[int, ...]
    """Seeds of the other episodes."""


def check_experts(config: CheckExpertsConfig) -> list[ExpertRate]:
    """Plays every task from every seed, with a progress bar.

    Args:
        config: What to play.

    Returns:
        One row per task, in order.

    Raises:
        ValueError: A task is unknown or has no expert.
        ImportError: A suite is not installed; the message is the command that installs it.
    """
    tasks = [task.id for task in list_tasks(split=config.split)] if config.split else config.tasks
    tasks = [get_task(task).id for task in tasks]
    seeds = range(config.seed_start, config.seed_start + config.seeds)
    rows = []
    with progress(Console(stderr=True, markup=False), "episodes", len(tasks) * len(seeds)) as advance:
        for task in tasks:
            env = make_env(task, horizon=config.horizon, render_mode=None)
            steps = []
            for seed in seeds:
                steps.append(steps_to_success(env, seed))
                advance(note=task)
            env.close()
            rows.append(_row(task, seeds, steps))
    return rows


def steps_to_success(env: Any, seed: int) -> int | None:
    """Plays one episode of the expert.

    Args:
        env: From `make_env`, `action_repeat` 1.
        seed: Seed of the episode and of the expert.

    Returns:
        Control steps to the first success, None if the horizon came first.
    """
    obs, info = env.reset(seed=seed)
    expert = make_expert(env, np.random.default_rng(seed))
    expert.reset()
    truncated = False
    while not (info["is_success"] or truncated):
        obs, _, _, truncated, info = env.step(expert.action(obs))
    return env.unwrapped.elapsed if info["is_success"] else None


def _row(task: str, seeds: Sequence[int], steps: Sequence[int | None]) -> ExpertRate:
    solved = [count for count in steps if count is not None]
    failed = tuple(seed for seed, count in zip(seeds, steps, strict=True) if count is None)
    return ExpertRate(task, len(steps), len(solved), float(np.mean(solved)) if solved else None, failed)


def main(argv: Sequence[str] | None = None) -> None:
    """Play the scripted experts and print how often and how fast they solve their tasks."""
    config = tyro.cli(CheckExpertsConfig, args=argv, description=main.__doc__)
    rows = check_experts(config)
    table = Table("task", "solved", "mean control steps", "failed seeds")
    for row in rows:
        steps = "" if row.mean_steps is None else f"{row.mean_steps:.1f}"
        table.add_row(row.task, f"{row.successes}/{row.seeds}", steps, " ".join(map(str, row.failed_seeds)))
    Console(markup=False).print(table)
    if config.json is not None:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"seed_start": config.seed_start, "horizon": config.horizon, "rows": list(map(asdict, rows))}
        config.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
