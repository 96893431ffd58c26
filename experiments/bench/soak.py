"""Many wrapped steps over worker processes, every one checked; then a worker is killed.

`python -m robometer_rl.experiments.bench.soak` runs 200,000 steps of 8 environments whose episodes end at
random, scored by the real model. The pictures follow from a number in `info`, so that whole episodes can be
scored a second time and compared: no row may get another's score, no episode another's frames.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from robometer_rl.rewards import RewardModel
from robometer_rl.subenvs.workers import WorkerDiedError

from ..common.process_memory import MIB, memory_of_tree
from ..common.progress import progress
from .memory import leak
from .soak_envs import SENTENCE, First, Fleet, GymnasiumFleet, Sb3Fleet, Seen, env_reward, picture

__all__ = ["Checker", "SoakConfig", "SoakError", "SoakResult", "left_behind", "main", "soak"]

TOLERANCE = 1e-4
"""By which streamed and whole-video scores may differ: what the protocol promises."""
PATIENCE = 30
"""Seconds in which the death of a worker must be noticed."""
_LOOKS = 100  # samples of memory over a run
_RESCORED = 64  # first frames of an episode that are scored a second time


class SoakError(RuntimeError):
    """Something that may never happen did."""


@dataclass(frozen=True)
class SoakConfig:
    """What to run."""

    steps: int = 200_000
    """Wrapped steps in all, those that only reset not counted."""
    envs: int = 8
    """Environments, a worker process each."""
    vector: Literal["gymnasium", "sb3"] = "gymnasium"
    """`AsyncVectorEnv` behind `RobometerVectorReward`, or `SubprocVecEnv` behind `VecRobometerReward`."""
    model: str = "compact"
    """A reward model, as in `load_reward_model`."""
    size: int = 96
    """Side of the pictures, pixels."""
    seed: int = 0
    """Of pictures, episode ends, actions, and of which worker is killed."""
    rescore_every: int = 100
    """Every so many episodes, one is scored a second time as a whole video."""
    threads: int = 1
    """Threads of torch."""
    json: Path | None = None
    """Where to write the result as JSON."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is below 1.
        """
        for name in ("steps", "envs", "rescore_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


@dataclass(frozen=True)
class SoakResult:
    """What came of it; that there is a result means that every check held."""

    steps: int
    """Steps that were paid."""
    reset_steps: int
    """Steps that only reset, which pay 0."""
    episodes: int
    """Episodes that ended."""
    rescored: int
    """Of them, scored a second time."""
    largest_difference: float
    """Between streamed and whole-video scores."""
    lowest_reward: float
    """Of a paid step."""
    seconds: float
    """Of stepping and checking."""
    memory_before: float
    """Resident set of this process and the workers after a tenth of the run, MiB; shared pages count each
    time."""
    memory_after: float
    """The same at the end."""
    memory_slope: float
    """Least-squares growth from there on, MiB per 10,000 steps."""
    death: str
    """The error by which the killed worker was announced."""
    seconds_to_notice: float
    """From the kill to that error."""


class Checker:
    """Holds every step against what it must be, and counts."""

    def __init__(self, model: RewardModel, size: int, rescore_every: int, first: dict[int, First]) -> None:
        """Begins with the first frames.

        Args:
            model: Scores whole episodes a second time.
            size: Side of the pictures, pixels.
            rescore_every: Every so many episodes.
            first: First frame of each row.
        """
        self._model, self._size, self._rescore_every = model, size, rescore_every
        self._episodes = [[first[row]] for row in sorted(first)]
        self.steps = self.reset_steps = self.episodes = self.rescored = 0
        self.largest_difference = 0.0
        self.lowest_reward = float("inf")

    def step(self, seen: Seen) -> None:
        """Checks one vector step.

        Args:
            seen: What it returned.

        Raises:
            SoakError: It is not what it must be.
        """
        made = ~seen.reset_only
        wanted = np.where(made, seen.progress + seen.success, 0.0)
        for name, bad in {
            "reward is not finite": ~np.isfinite(seen.rewards),
            "progress is outside [0, 1]": ~((seen.progress >= 0) & (seen.progress <= 1)),
            "success is outside [0, 1]": ~((seen.success >= 0) & (seen.success <= 1)),
            "reward is not progress + success": made & (np.abs(seen.rewards - wanted) > 1e-6),
            "reward of a step is zero": made & (seen.rewards == 0.0),
            "reward of a reset is not exactly zero": seen.reset_only & (seen.rewards != 0.0),
            "env_reward is not that of the frame": made & (seen.env_rewards != env_reward(seen.codes)),
            "a reset ended an episode": seen.reset_only & seen.ended,
        }.items():
            if bad.any():
                raise SoakError(
                    f"after {self.steps} steps, rows {np.flatnonzero(bad).tolist()}: {name}; {seen}"
                )
        self.steps += int(made.sum())
        self.reset_steps += int(seen.reset_only.sum())
        if made.any():
            self.lowest_reward = min(self.lowest_reward, float(seen.rewards[made].min()))
        for row in np.flatnonzero(made):
            frame = int(seen.codes[row]), float(seen.progress[row]), float(seen.success[row])
            self._episodes[row].append(frame)
        for row in np.flatnonzero(seen.ended):
            self._end(self._episodes[row])
        for row, frame in seen.fresh.items():
            self._episodes[row] = [frame]

    def _end(self, episode: list[First]) -> None:
        """Counts an episode, and scores some of them a second time."""
        self.episodes += 1
        if self.episodes % self._rescore_every:
            return
        # Always as many frames, the last one repeated, which changes no score before it: torch keeps a plan
        # for every shape that it has met, and these would look like a leak.
        shown = episode[:_RESCORED]
        pictures = [picture(code, self._size) for code, _, _ in shown]
        pictures += pictures[-1:] * (_RESCORED - len(pictures))
        again = self._model.score(np.stack(pictures), SENTENCE)
        streamed = np.array([scores for _, *scores in shown])
        whole = np.stack([again.progress, again.success], axis=1)[: len(shown)]
        difference = np.abs(streamed - whole).max()
        self.rescored += 1
        self.largest_difference = max(self.largest_difference, float(difference))
        if difference > TOLERANCE:
            raise SoakError(
                f"episode {self.episodes} of {len(episode)} frames, scored as a whole video, differs by "
                f"{difference:.2g} from what the wrapper paid: {TOLERANCE:g} at most is allowed"
            )


def soak(config: SoakConfig, console: Console) -> SoakResult:
    """Runs it, with a progress bar.

    Args:
        config: What to run.
        console: Of the progress bar.

    Returns:
        What came of it.

    Raises:
        SoakError: A check failed, the death of a worker went unnoticed, or a process was left behind.
    """
    import torch

    torch.set_num_threads(config.threads)
    kind = GymnasiumFleet if config.vector == "gymnasium" else Sb3Fleet
    fleet = kind(config.envs, config.size, config.seed, config.model)
    try:
        checker = Checker(fleet.model, config.size, config.rescore_every, fleet.reset())
        start = time.perf_counter()
        seen = _run(config, fleet, checker, console)
        seconds = time.perf_counter() - start
        death, noticed = _kill_one(fleet, np.random.default_rng(config.seed))
    finally:
        with _alarm("closing the environments"):
            fleet.close()
    left = left_behind(fleet.pids)
    if left:
        raise SoakError(f"processes left behind: {left}")
    grown = leak(seen)
    return SoakResult(
        checker.steps, checker.reset_steps, checker.episodes, checker.rescored, checker.largest_difference,
        checker.lowest_reward, seconds, grown.before, grown.after, grown.slope, death, noticed,
    )  # fmt: skip


def _run(config: SoakConfig, fleet: Fleet, checker: Checker, console: Console) -> list[tuple[float, float]]:
    """Steps and checks; returns (step, MiB) samples of memory, a tenth of the run left out as warm-up."""
    rng = np.random.default_rng(config.seed)
    every = max(1, config.steps // _LOOKS)
    samples: list[tuple[float, float]] = []
    what = f"steps of {config.envs} environments, {config.vector}"
    with progress(console, what, config.steps) as advance:
        due = config.steps // 10
        while checker.steps < config.steps:
            before = checker.steps
            checker.step(fleet.step(rng.uniform(-1.0, 1.0, (config.envs, 2)).astype(np.float32)))
            advance(checker.steps - before)
            if checker.steps >= due:
                samples.append((checker.steps, memory_of_tree(os.getpid()).resident / MIB))
                due += every
    return samples


def _kill_one(fleet: Fleet, rng: np.random.Generator) -> tuple[str, float]:
    """Kills a worker and steps until somebody says so.

    Returns:
        The error's message, and the seconds from the kill to it.

    Raises:
        SoakError: The error does not name the worker.
        TimeoutError: Nobody said so in time.
    """
    n = len(fleet.pids)
    worker = int(rng.integers(n))
    pid = fleet.pids[worker]
    start = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    try:
        with _alarm("noticing that a worker is dead"):
            while True:
                fleet.step(np.zeros((n, 2), dtype=np.float32))
    except WorkerDiedError as error:
        message = str(error)
    seconds = time.perf_counter() - start
    missing = [part for part in (f"worker {worker} ", f"pid {pid}", "SIGKILL") if part not in message]
    if missing:
        raise SoakError(f"the error does not name {', '.join(missing)}: {message}")
    return message, seconds


@contextmanager
def _alarm(what: str) -> Iterator[None]:
    """Raises `TimeoutError` inside where it takes longer than `PATIENCE`: a hang has no other end."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"{what} took more than {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def left_behind(pids: Sequence[int]) -> list[str]:
    """Which children of this process still run, or ended and were never waited for.

    Args:
        pids: Ids of children.

    Returns:
        A line for each.
    """
    left = []
    for pid in pids:
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue  # waited for, as it should be
        left.append(f"{pid} is a zombie" if ended else f"{pid} still runs")
    return left


def main(argv: Sequence[str] | None = None) -> None:
    """Step environments in worker processes, check every step, and kill a worker at the end."""
    config = tyro.cli(SoakConfig, args=argv, description=main.__doc__)
    result = soak(config, Console(stderr=True, markup=False))
    table = Table("what", "value")
    for name, value in asdict(result).items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console(markup=False).print(table)
    options = {key: value for key, value in asdict(config).items() if key != "json"}
    report = {"config": options, "result": asdict(result)}
    if config.json is not None:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
