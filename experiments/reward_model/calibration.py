"""The validation episodes of `robometer-rl fit`: evaluation on the way, and the success thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from robometer_rl.rewards.protocol import TaskThreshold
from robometer_rl.rewards.training.sampling import TaskText

from ..episodes import Episode, list_episodes, read_episode, read_outcome
from .evaluate import load_by_task
from .metrics import threshold_at_fpr
from .task_thresholds import EpisodePeak, set_thresholds

__all__ = [
    "Calibration",
    "calibrate",
    "check_validation",
    "load_validation",
    "validation_episodes",
    "validation_paths",
]


def load_validation(root: Path, tasks: Sequence[str], per_kind: int) -> dict[str, list[Episode]]:
    """Read up to `per_kind` episodes of each kind of each task.

    Raises:
        ValueError: a task has no successes there, or no failures.
    """
    found = load_by_task(root, tasks, per_kind)
    lacking = [task for task, rows in found.items() if len({bool(e.known_success.any()) for e in rows}) < 2]
    if lacking:
        raise ValueError(
            f"{root} needs successes and failures of every task, it lacks one of the two for "
            f"{', '.join(lacking)}: collect them with `robometer-rl collect --out {root}`"
        )
    return found


def validation_paths(root: Path, tasks: Iterable[str]) -> list[Path]:
    """The files of the episodes of the tasks; none where `root` is no folder."""
    return [path for task in tasks for path in list_episodes(root, task)] if root.is_dir() else []


def validation_episodes(root: Path, tasks: Iterable[str]) -> Iterator[Episode]:
    """Read the episodes of the tasks one by one; none where `root` is no folder."""
    yield from map(read_episode, validation_paths(root, tasks))


def check_validation(root: Path, tasks: Iterable[str]) -> None:
    """Opens every episode that will be read after training: a damaged one is to be known before it.

    Args:
        root: Folder of the validation episodes; need not exist.
        tasks: Task ids.

    Raises:
        ValueError: A file is no whole episode file.
    """
    for path in validation_paths(root, tasks):
        read_outcome(path)


class Calibration(NamedTuple):
    """The thresholds of a model."""

    general: float | None
    """Success threshold for all tasks, in (0, 1]; None without a failed episode."""
    own: dict[str, TaskThreshold]
    """Thresholds of single tasks by task id; a task without a failed episode has none."""


def calibrate(rows: Sequence[EpisodePeak], texts: Mapping[str, TaskText], rate: float) -> Calibration:
    """Sets the thresholds that at most a share `rate` of the failed episodes reaches.

    Args:
        rows: Scored episodes that the model was not trained on.
        texts: Per task id, its sentences.
        rate: Allowed share in [0, 1), of all failures for the general threshold, of those of a task for its
            own.

    Returns:
        The general threshold and those of single tasks; of one task alone the two are the same.
    """
    failed = [row.peak for row in rows if row.done is False]
    own, _ = set_thresholds(rows, texts, rate)
    if len(texts) == 1 and own:  # the one just above the failures leaves no room for those that come
        return Calibration(next(iter(own.values())).threshold, own)
    return Calibration(threshold_at_fpr(failed, rate) if failed else None, own)
