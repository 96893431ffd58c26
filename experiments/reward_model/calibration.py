"""The validation episodes of `robometer-rl fit`: evaluation on the way, and the success threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from robometer_rl.rewards import RewardModel
from robometer_rl.rewards.thresholds import success_peak
from robometer_rl.rewards.training.sampling import TaskText

from ..episodes import Episode, list_episodes, read_episode, read_outcome
from .evaluate import EncodedVideo, load_by_task
from .metrics import threshold_at_fpr

__all__ = ["calibrate", "check_validation", "load_validation", "validation_episodes"]


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


def validation_episodes(root: Path, tasks: Iterable[str]) -> Iterator[Episode]:
    """Read the episodes of the tasks one by one; none where `root` is no folder."""
    if root.is_dir():
        for task in tasks:
            yield from map(read_episode, list_episodes(root, task))


def check_validation(root: Path, tasks: Iterable[str]) -> None:
    """Opens every episode that will be read after training: a damaged one is to be known before it.

    Args:
        root: Folder of the validation episodes; need not exist.
        tasks: Task ids.

    Raises:
        ValueError: A file is no whole episode file.
    """
    if root.is_dir():
        for task in tasks:
            for path in list_episodes(root, task):
                read_outcome(path)


def calibrate(
    model: RewardModel, episodes: Iterable[Episode], texts: Mapping[str, TaskText], rate: float
) -> float | None:
    """Success threshold that at most a share `rate` of the failed episodes reaches after a step.

    Args:
        model: the reward model.
        episodes: successes among them are passed over.
        texts: per task id, its sentences; the first one is asked for.
        rate: allowed share in [0, 1).

    Returns:
        Threshold in (0, 1]; None without a failed episode.
    """
    peaks = [
        success_peak(EncodedVideo(model, episode.frames).score(texts[episode.task].sentences[0]).success)
        for episode in episodes
        if not episode.known_success.any()
    ]
    return threshold_at_fpr(peaks, rate) if peaks else None
