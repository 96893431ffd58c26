"""From recorded episodes to what the compact model trains on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.training.sampling import TrainingEpisode

from .episodes import UNMOVED, Episode, first_moved

__all__ = ["to_training_episode"]


_BY_CHANCE = 0.1
"""Quality above which another task's behaviour has done a part of this task."""


def to_training_episode(episode: Episode, negative_below: float, has_inverse: bool) -> TrainingEpisode:
    """Turn a recorded episode into labels.

    Successes: the share of the expert's time to the first success. Another task's behaviour, random motion,
    and a mime from where the object should have moved: 0 wherever they have not moved the object towards done
    by chance. An arm that roams is no progress, and a network that is not told so gives it 0.1 to 0.3 for
    nothing, which an agent finds and stays with; one that never saw a mime reads the hand for the object.
    Other failures, which begin as the expert does: no progress but at the first frame, where nothing has been
    done yet.

    Args:
        episode: the recording.
        negative_below: progress of a success below which a frame counts as not done.
        has_inverse: whether a success shown backwards does a nameable task.

    Returns:
        The episode with its labels.
    """
    progress = episode.labels.copy()
    success = episode.success.astype(np.float32)
    if episode.kind in ("other_task", "random", "mime"):
        unsure = episode.quality > _BY_CHANCE
        if episode.kind == "mime":
            # On its way to the object the hand does what an expert's does.
            unsure |= episode.clock <= 0.0
            unsure[0] = False
        progress = np.where(unsure, np.nan, np.zeros_like(progress))
    elif not episode.success.any():
        progress[0] = 0.0
    else:
        first = int(np.argmax(episode.success))
        nearly = np.flatnonzero(progress[:first] >= negative_below)
        success[nearly] = np.nan
    inverse = _inverse_labels(episode) if has_inverse else (None, None)
    return TrainingEpisode(episode.frames, episode.task, episode.rank, progress, success, *inverse)


def _inverse_labels(episode: Episode) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Labels of an episode shown backwards, where that does the inverse task.

    A success: progress 0 where it left the object, 1 once that is back. What gave up on the way: only whether
    the object is back, since it does not begin where the inverse task does.
    """
    if not episode.success.any():
        return _backwards_from_half_way(episode) if episode.kind in ("near_miss", "stalled") else (None, None)
    moved = first_moved(episode.quality)
    first = int(np.argmax(episode.success))
    span = episode.clock[first] - episode.clock[moved] if moved is not None else 0.0
    if moved is None or span <= 0:
        return None, None
    progress = np.clip((episode.clock[first] - episode.clock) / span, 0.0, 1.0).astype(np.float32)
    progress[first:] = np.where(episode.success[first:], 0.0, np.nan)
    success = np.where(np.isnan(progress), np.nan, progress >= 1.0).astype(np.float32)
    return progress, success


def _backwards_from_half_way(
    episode: Episode,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """No progress; done once the object is back; nothing at all where there was little to take back."""
    if episode.quality[-1] < 2 * _BY_CHANCE:
        return None, None
    back, away = episode.quality <= UNMOVED, episode.quality > _BY_CHANCE
    success = np.where(back, 1.0, np.where(away, 0.0, np.nan)).astype(np.float32)
    return np.full_like(success, np.nan), success
