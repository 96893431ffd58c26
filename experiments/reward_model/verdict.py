"""Whether a fit is good: measured at its end, on episodes that it was not trained on where there are any."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards import RewardModel
from robometer_rl.rewards.thresholds import success_peak
from robometer_rl.rewards.training.sampling import TaskText

from ..episodes import Episode, list_episodes, read_outcome, task_of
from .evaluate import EncodedVideo
from .labels import failure_progress, success_progress
from .metrics import pearson_r, roc_auc

__all__ = ["GOOD", "EpisodeScore", "hold_aside", "measures", "score_episodes", "validation_error", "verdict"]

GOOD = {"voc": 0.90, "success_auc": 0.90}
"""Measure -> value from which a fit is called good; the bundled model has stricter goals (`evaluate`)."""

_NAMES = {"voc": "VOC", "success_auc": "success AUC"}
_FEWEST = 5
"""Successes, or failures, of a task from which one in so many is held aside."""


class EpisodeScore(NamedTuple):
    """What a model makes of one episode, under the canonical sentence of its task."""

    task: str
    succeeded: bool
    """Whether the episode truly succeeds at any frame."""
    voc: float
    """Correlation of the scored progress with the labels, in [-1, 1]; NaN where the episode fails."""
    peak: float
    """Highest success threshold that it reaches in a wrapper, in [0, 1], see `success_peak`."""
    overpaid: float = math.nan
    """By how much the scored progress lies above the labels of a failed agent, mean over the frames that have
    one, in [0, 1]; NaN of other episodes."""


def hold_aside(root: Path, validation: Path) -> tuple[list[Path], list[Path]]:
    """Splits the episodes of a folder into those to train on and those to judge the fit by.

    Held aside is every fifth success and every fifth failure of a task of which `validation` does not have
    both; nothing where a task has fewer than five. The choice depends on the files alone.

    Args:
        root: Folder of the training episodes.
        validation: Folder of the validation episodes; need not exist.

    Returns:
        The training paths and the held-aside ones, each sorted.
    """
    judged: dict[str, set[bool]] = defaultdict(set)
    if validation.is_dir():
        for path in list_episodes(validation):
            task = task_of(path, validation)
            if len(judged[task]) < 2:
                judged[task].add(read_outcome(path))
    sorts: dict[tuple[str, bool], list[Path]] = defaultdict(list)
    everything = list_episodes(root)
    for path in everything:
        task = task_of(path, root)
        if len(judged[task]) < 2:
            sorts[task, read_outcome(path)].append(path)
    aside = {path for rows in sorts.values() for path in rows[_FEWEST - 1 :: _FEWEST]}
    return [path for path in everything if path not in aside], sorted(aside)


def score_episodes(
    model: RewardModel, episodes: Iterable[Episode], texts: Mapping[str, TaskText]
) -> list[EpisodeScore]:
    """Scores each episode once.

    Args:
        model: The reward model.
        episodes: Read one by one.
        texts: Per task id, its sentences; the first one is asked for.

    Returns:
        One row per episode.
    """
    rows = []
    for episode in episodes:
        scores = EncodedVideo(model, episode.frames).score(texts[episode.task].sentences[0])
        succeeded = bool(episode.known_success.any())
        labels = success_progress(episode)
        voc = pearson_r(scores.progress, labels) if succeeded else math.nan
        agents = not succeeded and (episode.kind == "agent" or episode.progress is not None)
        above = _mean_above(scores.progress, failure_progress(episode)) if agents else math.nan
        rows.append(EpisodeScore(episode.task, succeeded, voc, success_peak(scores.success), above))
    return rows


def _mean_above(scored: NDArray[np.float32], told: NDArray[np.float32]) -> float:
    """By how much the one (T,) lies above the other where that is known; NaN where it nowhere is."""
    known = np.isfinite(told)
    return float(np.maximum(scored[known] - told[known], 0.0).mean()) if known.any() else math.nan


def measures(rows: Sequence[EpisodeScore]) -> dict[str, float]:
    """VOC and the success head's AUC, each the mean over the tasks that tell it.

    Args:
        rows: Scored episodes of any number of tasks.

    Returns:
        `voc` in [-1, 1], NaN without a labelled success, and `success_auc` in [0, 1], of the episodes' peaks,
        NaN where no task has both a success and a failure.
    """
    found: dict[str, list[float]] = {"voc": [], "success_auc": []}
    for task in sorted({row.task for row in rows}):
        mine = [row for row in rows if row.task == task]
        vocs = [row.voc for row in mine if not math.isnan(row.voc)]
        if vocs:
            found["voc"].append(float(np.mean(vocs)))
        auc = roc_auc(
            [row.peak for row in mine if row.succeeded], [row.peak for row in mine if not row.succeeded]
        )
        if not math.isnan(auc):
            found["success_auc"].append(auc)
    return {name: float(np.mean(values)) if values else math.nan for name, values in found.items()}


def validation_error(found: Mapping[str, float], rows: Sequence[EpisodeScore]) -> float:
    """What a fit stops by: what VOC and AUC lack, and what failures of agents are overpaid.

    Args:
        found: What `measures` returns of the rows.
        rows: Scored episodes that are kept aside, a success among them.

    Returns:
        The mean of `1 - voc`, `1 - success_auc` and the mean `overpaid`, of those that are known.
    """
    parts = [1.0 - value for value in found.values() if not math.isnan(value)]
    overpaid = [row.overpaid for row in rows if not math.isnan(row.overpaid)]
    if overpaid:
        parts.append(float(np.mean(overpaid)))
    return float(np.mean(parts))


def verdict(found: Mapping[str, float], on: str) -> str:
    """One sentence that says whether a fit is good, with the numbers and the thresholds.

    Args:
        found: What `measures` returns.
        on: Which episodes it was measured on, such as "12 validation episodes".

    Returns:
        The sentence.
    """
    numbers = ", ".join(
        f"{_NAMES[name]} not measured" if math.isnan(found[name]) else f"{_NAMES[name]} {found[name]:.2f}"
        for name in GOOD
    )
    wanted = ", ".join(f"{_NAMES[name]} from {least:.2f}" for name, least in GOOD.items())
    known = [found[name] >= least for name, least in GOOD.items() if not math.isnan(found[name])]
    said = "The fit is not good" if not all(known) else "The fit is good"
    if all(known) and len(known) < len(GOOD):
        said = "Whether the fit is good is not known, for lack of successes or of failures to measure it on"
    return f"{said}: {numbers} on {on} (good: {wanted})."
