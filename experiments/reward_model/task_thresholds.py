"""Success thresholds of single tasks: set from recorded episodes, and measured against fixed ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from robometer_rl.rewards import RewardModel
from robometer_rl.rewards.protocol import TaskThreshold
from robometer_rl.rewards.thresholds import (
    NoThresholdError,
    labelled_threshold,
    success_peak,
    unlabelled_threshold,
)
from robometer_rl.rewards.training.sampling import TaskText

from ..common.progress import tracked
from ..episodes import read_episode
from .metrics import f1_score

__all__ = ["Detection", "EpisodePeak", "best_threshold", "detections", "score_peaks", "set_thresholds"]


class EpisodePeak(NamedTuple):
    """What decides whether a threshold detects an episode."""

    task: str
    done: bool | None
    """Whether the episode truly succeeds at any frame; None where nobody has said."""
    peak: float
    """Highest threshold that it reaches, see `success_peak`."""


class Detection(NamedTuple):
    """How well a threshold tells the successes of one task from its failures."""

    threshold: float
    f1: float
    """Harmonic mean of precision and recall over episodes, in [0, 1]; NaN without a success."""
    false_alarms: float
    """Share of the failures that are detected, in [0, 1]; NaN without a failure."""


def score_peaks(
    model: RewardModel,
    paths: Sequence[Path],
    texts: Mapping[str, TaskText],
    patience: int,
    console: Console | None = None,
) -> list[EpisodePeak]:
    """Scores episodes, each under the canonical sentence of its task.

    Args:
        model: The reward model.
        paths: Episode files; read one by one.
        texts: Per task id, its sentences; the first one is asked for.
        patience: Consecutive scores that count as success.
        console: Shows progress where given.

    Returns:
        One row per episode.

    Raises:
        ValueError: A file is no whole episode file.
    """
    rows = []
    for path in tracked(paths, console, "episodes scored", len(paths)):
        episode = read_episode(path)
        success = model.score(episode.frames, texts[episode.task].sentences[0]).success
        done = None if episode.success is None else bool(episode.success.any())
        rows.append(EpisodePeak(episode.task, done, success_peak(success, patience)))
    return rows


def set_thresholds(
    rows: Iterable[EpisodePeak],
    texts: Mapping[str, TaskText],
    rate: float,
    *,
    labelled: bool = True,
    patience: int = 1,
) -> tuple[dict[str, TaskThreshold], dict[str, str]]:
    """Sets the threshold of each task.

    Args:
        rows: Scored episodes of any number of tasks.
        texts: Per task id, its sentences; by each of them the threshold will be found.
        rate: Share of failed episodes that may reach a threshold.
        labelled: Whether to use what is known of their success.
        patience: Consecutive scores that counted as success.

    Returns:
        The thresholds by task id, and by id of each other task why it has none. With `labelled` the episodes
        of which nobody has said whether they succeed are passed over.
    """
    found, refused = {}, {}
    for task, mine in _by_task(rows).items():
        known = [row for row in mine if row.done is not None] if labelled else mine
        peaks = [row.peak for row in known]
        try:
            threshold = (
                labelled_threshold(peaks, [bool(row.done) for row in known], rate)
                if labelled
                else unlabelled_threshold(peaks, rate)
            )
        except NoThresholdError as error:
            refused[task] = str(error)
            continue
        found[task] = replace(threshold, patience=patience, sentences=tuple(texts[task].sentences))
    return found, refused


def detections(rows: Iterable[EpisodePeak], thresholds: Mapping[str, float]) -> dict[str, Detection]:
    """Measures thresholds on episodes.

    Args:
        rows: Scored episodes; those of which nobody has said whether they succeed are passed over.
        thresholds: By task id; the episodes of other tasks are passed over.

    Returns:
        One row per task that has both.
    """
    return {
        task: _detection(mine, thresholds[task])
        for task, mine in _by_task(row for row in rows if row.done is not None).items()
        if task in thresholds
    }


def best_threshold(rows: Iterable[EpisodePeak]) -> float:
    """The one threshold with the largest F1, in the mean over the tasks that have a success.

    Args:
        rows: Scored episodes.

    Returns:
        Threshold in (0, 1], in the middle of all that are as good as it; NaN where no task has a success.
    """
    known = (row for row in rows if row.done is not None)
    tasks = [mine for mine in _by_task(known).values() if any(row.done for row in mine)]
    if not tasks:
        return math.nan
    peaks = np.unique([row.peak for mine in tasks for row in mine] + [1.0])
    candidates = np.unique(np.append((peaks[1:] + peaks[:-1]) / 2.0, peaks))
    candidates = candidates[candidates > 0.0]
    mean = np.mean([[_detection(mine, t).f1 for t in candidates.tolist()] for mine in tasks], axis=0)
    best = candidates[np.isclose(mean, mean.max())]
    return float(best[len(best) // 2])


def _detection(rows: Sequence[EpisodePeak], threshold: float) -> Detection:
    done = np.array([row.done for row in rows], dtype=np.bool_)
    detected = np.array([row.peak for row in rows]) >= threshold
    false_alarms = float(detected[~done].mean()) if not done.all() else math.nan
    return Detection(threshold, f1_score(done, detected), false_alarms)


def _by_task(rows: Iterable[EpisodePeak]) -> dict[str, list[EpisodePeak]]:
    found: dict[str, list[EpisodePeak]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row)
    return dict(sorted(found.items()))
