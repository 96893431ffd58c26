"""From recorded episodes to what the compact model trains on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.training.sampling import TrainingEpisode

from .episodes import Episode, first_moved

__all__ = ["to_training_episode"]


_BY_CHANCE = 0.1
"""Quality above which another task's behaviour has done a part of this task."""


def to_training_episode(episode: Episode, negative_below: float, has_inverse: bool) -> TrainingEpisode:
    """Turn a recorded episode into labels.

    Successes: the share of the expert's time to the first success. Another task's behaviour: 0 wherever it
    has not moved the object towards done by chance. Other failures: no progress but at the first frame, where
    nothing has been done yet.

    Args:
        episode: the recording.
        negative_below: progress of a success below which a frame counts as not done.
        has_inverse: whether a success shown backwards does a nameable task.

    Returns:
        The episode with its labels.
    """
    progress = episode.labels.copy()
    success = episode.success.astype(np.float32)
    if episode.kind == "other_task":
        progress = np.where(episode.quality > _BY_CHANCE, np.nan, np.zeros_like(progress))
    elif not episode.success.any():
        progress[0] = 0.0
    else:
        first = int(np.argmax(episode.success))
        unsure = np.flatnonzero(progress[:first] >= negative_below)
        success[unsure] = np.nan
    inverse = _inverse_labels(episode) if has_inverse and episode.success.any() else (None, None)
    return TrainingEpisode(episode.frames, episode.task, episode.rank, progress, success, *inverse)


def _inverse_labels(episode: Episode) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Labels of a success shown backwards: 0 where the success left the object, 1 once it is back."""
    moved = first_moved(episode.quality)
    first = int(np.argmax(episode.success))
    span = episode.clock[first] - episode.clock[moved] if moved is not None else 0.0
    if moved is None or span <= 0:
        return None, None
    progress = np.clip((episode.clock[first] - episode.clock) / span, 0.0, 1.0).astype(np.float32)
    progress[first:] = np.where(episode.success[first:], 0.0, np.nan)
    success = np.where(progress >= 1.0, 1.0, np.where(progress <= 0.9, 0.0, np.nan)).astype(np.float32)
    return progress, success
