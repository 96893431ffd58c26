"""What a frame's label is: progress, success, and how good the end of an episode is.

From recorded episodes to what the compact model trains on. The only labels made elsewhere are those of a
video under another task's sentence, zeros, which the sampler draws.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robometer_rl.rewards.training.sampling import TaskText, TrainingEpisode

from ..episodes import AIMLESS, FAILURE, RANKS, UNMOVED, Episode

__all__ = [
    "BY_CHANCE",
    "BY_HAND",
    "UNKNOWN_SCALE",
    "QualityScale",
    "episode_rank",
    "failure_progress",
    "first_moved",
    "label_all",
    "object_moved",
    "progress_labels",
    "quality_scale",
    "success_progress",
    "to_training_episode",
]

BY_CHANCE = 0.1
"""Quality above which what had nothing to do with the task has done a part of it."""

BY_HAND = {"robosuite/Lift": 0.2, "robosuite/Door": 0.1, "robosuite/Stack": 0.1}
"""Quality that the hand earns at the object, doing nothing to it; elsewhere quality is the object's alone."""

_NEARLY = 0.7
"""Quality above which an agent that stops has nearly done it: scripted stalls stop at or below."""

_BINS = 10
"""Equal steps of quality in which successes are looked up."""
_FEWEST = 8
"""Frames of successes that a step needs."""
_WIDEST = 0.3
"""Largest interquartile range of their labels: above it, the object does not tell how far the task is."""


def progress_labels(clock: ArrayLike, success: ArrayLike) -> NDArray[np.float32]:
    """Progress of an episode that succeeds: the share of the expert's time to the first success.

    Args:
        clock: ``(T,)`` the expert's own time at each frame.
        success: bool ``(T,)`` the true success at each frame.

    Returns:
        float32 ``(T,)``: ``clock / clock[first success]`` in [0, 1] up to the first success, 1 wherever
        success holds from there on, NaN (no label) where it is lost again; all NaN without any success.

    Raises:
        ValueError: The two differ in shape or are not one-dimensional.
    """
    time = np.asarray(clock, dtype=np.float32)
    done = np.asarray(success, dtype=bool)
    if time.ndim != 1 or time.shape != done.shape:
        raise ValueError(f"clock and success should both be (T,), got {time.shape} and {done.shape}")
    labels = np.full(time.shape, np.nan, dtype=np.float32)
    if not done.any():
        return labels
    first = int(np.argmax(done))
    # A success at clock 0 came by itself: the frames before it show nothing of the expert's way and get no
    # label.
    if time[first] > 0:
        labels[:first] = np.clip(time[:first] / time[first], 0.0, 1.0)
    labels[first:][done[first:]] = 1.0
    return labels


def success_progress(episode: Episode) -> NDArray[np.float32]:
    """Progress of a success: as it was given, else by its clock, else at an even pace.

    Args:
        episode: The recording; its success is known.

    Returns:
        float32 ``(T,)`` in [0, 1], NaN without a label, see `progress_labels`; all NaN without any success.
    """
    done = episode.known_success
    if episode.progress is not None and done.any():
        return np.where(done, np.float32(1.0), episode.progress)
    clock = np.arange(len(done)) if episode.clock is None else episode.clock
    return progress_labels(clock, done)


def object_moved(task: str) -> float:
    """The quality above which a part of the task has been done, which a hand beside the object has not.

    Args:
        task: Task id; one outside the table has a quality that is the object's alone.

    Returns:
        In [0, 1].
    """
    return max(BY_CHANCE, BY_HAND.get(task, 0.0) + UNMOVED)


def first_moved(quality: ArrayLike, threshold: float = UNMOVED) -> int | None:
    """The first frame at which the object has moved towards done.

    Args:
        quality: ``(T,)`` in [0, 1], 0 at the start state.
        threshold: Quality above which the object counts as moved.

    Returns:
        The index, or None if it never moves.
    """
    moved = np.flatnonzero(np.asarray(quality) > threshold)
    return int(moved[0]) if len(moved) else None


def episode_rank(episode: Episode) -> int:
    """How good the end of an episode is; an agent's ranks as the scripted kind that ends alike.

    A failure of which nothing more is known ranks last: beside others it is no better for anything.

    Args:
        episode: The recording.

    Returns:
        1 to 5, higher is better.
    """
    if episode.kind in RANKS:
        return RANKS[episode.kind]
    if episode.known_success[-1]:
        return RANKS["success"]
    if episode.kind == FAILURE:
        return RANKS["random"]
    # An end of which nothing is known counts as the worst: any other would be preferred for no reason.
    end = 0.0 if episode.quality is None else float(np.nan_to_num(episode.quality[-1], nan=0.0))
    least = object_moved(episode.task)
    return RANKS["near_miss"] if end > _NEARLY else RANKS["stalled"] if end > least else RANKS["random"]


@dataclass(frozen=True)
class QualityScale:
    """What progress a success of a task has when its object is as near to done as this.

    Attributes:
        quality: Rising, in [0, 1], `(n,)`; none where successes do not tell.
        progress: Never falling, in [0, 1], `(n,)`.
    """

    quality: NDArray[np.float64]
    progress: NDArray[np.float64]

    def __call__(self, quality: NDArray[np.float32]) -> NDArray[np.float32]:
        """Progress at each quality; NaN outside the range that is known."""
        if not len(self.quality):
            return np.full(quality.shape, np.nan, dtype=np.float32)
        found = np.interp(quality, self.quality, self.progress, left=np.nan, right=np.nan)
        return found.astype(np.float32)


UNKNOWN_SCALE = QualityScale(np.zeros(0), np.zeros(0))
"""The scale of a task of which nothing is known."""


def quality_scale(episodes: Iterable[Episode]) -> QualityScale:
    """Measure, in the successes of one task, the progress that goes with each quality of the object.

    Args:
        episodes: recordings of the task; only scripted successes are read.

    Returns:
        The median label per step of quality, made to rise.
    """
    quality, progress = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for episode in episodes:
        if episode.kind in ("success", "noisy_success") and episode.quality is not None:
            first = int(np.argmax(episode.known_success))
            known = episode.quality[:first] > UNMOVED
            quality.append(episode.quality[:first][known])
            progress.append(success_progress(episode)[:first][known])
    qualities, labels = np.concatenate(quality), np.concatenate(progress)
    steps = np.minimum((qualities * _BINS).astype(int), _BINS - 1)
    rows = []
    for step in range(_BINS):
        inside = steps == step
        values = labels[inside & np.isfinite(labels)]
        if len(values) >= _FEWEST and np.subtract(*np.quantile(values, [0.75, 0.25])) <= _WIDEST:
            rows.append((float(np.median(qualities[inside])), float(np.median(values))))
    if len(rows) < 2:
        return UNKNOWN_SCALE
    levels, medians = np.array(rows).T
    return QualityScale(levels, np.maximum.accumulate(medians))


def label_all(
    episodes: Sequence[Episode], texts: Mapping[str, TaskText], negative_below: float
) -> list[TrainingEpisode]:
    """Turn all recordings of a data set into labels, each task by its own scale.

    Args:
        episodes: the recordings.
        texts: the sentences of each of their tasks.
        negative_below: see `to_training_episode`.

    Returns:
        The episodes with their labels, in the same order.
    """
    by_task = defaultdict(list)
    for episode in episodes:
        by_task[episode.task].append(episode)
    scales = {task: quality_scale(recorded) for task, recorded in by_task.items()}
    return [
        to_training_episode(e, negative_below, bool(texts[e.task].inverse_sentences), scales[e.task])
        for e in episodes
    ]


def to_training_episode(
    episode: Episode, negative_below: float, has_inverse: bool, scale: QualityScale = UNKNOWN_SCALE
) -> TrainingEpisode:
    """Turn a recorded episode into labels.

    Scripted successes: the share of the expert's time to the first success. Everything else is told by its
    object, see `failure_progress`.

    Args:
        episode: the recording.
        negative_below: progress of a success below which a frame counts as not done.
        has_inverse: whether a success shown backwards does a nameable task.
        scale: progress that goes with a quality of the object, in this task.

    Returns:
        The episode with its labels.
    """
    success = episode.known_success.astype(np.float32)
    if episode.known_success.any() and episode.kind != "agent":
        progress = success_progress(episode)
        first = int(np.argmax(episode.known_success))
        nearly = np.flatnonzero(progress[:first] >= negative_below)
        success[nearly] = np.nan
    else:
        progress = failure_progress(episode, scale)
    inverse = _inverse_labels(episode) if has_inverse else (None, None)
    return TrainingEpisode(episode.frames, episode.task, episode_rank(episode), progress, success, *inverse)


def failure_progress(episode: Episode, scale: QualityScale = UNKNOWN_SCALE) -> NDArray[np.float32]:
    """Gives what is not an expert's success its progress, where it is known.

    Done is 1. An object on its way is worth what successes have when theirs is as near; nothing, where they
    do not tell. Where the object lies as it lay, another task's behaviour, random motion, an arm in a corner,
    a mime from where the object should have moved, and an agent that never moves it or has brought it back,
    have made no progress, however near the hand is: an arm that roams, told nothing, gets 0.1 to 0.3 for it,
    which agents find and stay with, and a network that never saw a mime reads the hand for the object. The
    way to the object may be an expert's: no label.

    Args:
        episode: The recording, not a scripted success.
        scale: Progress that goes with a quality of the object, in this task.

    Returns:
        float32 ``(T,)`` in [0, 1], NaN without a label.
    """
    unknown = np.full(len(episode.frames), np.nan, dtype=np.float32)
    quality = unknown if episode.quality is None else episode.quality
    moved = quality > object_moved(episode.task)
    # Where the object is not known to lie as it lay, nothing is said; aimless motion has done nothing anyhow.
    idle = ~moved if episode.kind in AIMLESS else quality <= object_moved(episode.task)
    if episode.kind == "mime":
        idle &= False if episode.clock is None else episode.clock > 0.0
    elif episode.kind == "agent":
        idle &= np.logical_or.accumulate(moved) | ~moved.any()
    elif episode.kind not in AIMLESS:
        idle[:] = False
    # At the first frame nothing has been done yet.
    idle[0] |= not moved[0]
    progress = np.where(moved, scale(quality), unknown)
    progress[idle] = 0.0
    if episode.progress is not None:
        progress = episode.progress.copy()
    progress[episode.known_success] = 1.0
    return progress.astype(np.float32)


def _inverse_labels(episode: Episode) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Labels of an episode shown backwards, where that does the inverse task.

    A success: progress 0 where it left the object, 1 once that is back. What gave up on the way: only whether
    the object is back, since it does not begin where the inverse task does.
    """
    done, quality, clock = episode.known_success, episode.quality, episode.clock
    if quality is None or clock is None:
        return None, None
    if not done.any():
        half_way = episode.kind in ("near_miss", "stalled")
        return _backwards_from_half_way(quality) if half_way else (None, None)
    moved = first_moved(quality)
    first = int(np.argmax(done))
    span = clock[first] - clock[moved] if moved is not None else 0.0
    if moved is None or span <= 0:
        return None, None
    progress = np.clip((clock[first] - clock) / span, 0.0, 1.0).astype(np.float32)
    progress[first:] = np.where(done[first:], 0.0, np.nan)
    success = np.where(np.isnan(progress), np.nan, progress >= 1.0).astype(np.float32)
    return progress, success


def _backwards_from_half_way(
    quality: NDArray[np.float32],
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """No progress; done once the object is back; nothing at all where there was little to take back."""
    if not quality[-1] >= 2 * BY_CHANCE:
        return None, None
    back, away = quality <= UNMOVED, quality > BY_CHANCE
    success = np.where(back, 1.0, np.where(away, 0.0, np.nan)).astype(np.float32)
    return np.full_like(success, np.nan), success
