"""Videos whose picture is lost: a camera that fails shows nothing done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .sampling import TrainingEpisode

__all__ = ["lose_pictures"]

_FRAMES = 16
"""Frames of such a video."""


def lose_pictures(
    episodes: Sequence[TrainingEpisode], per_task: int, rng: np.random.Generator
) -> list[TrainingEpisode]:
    """Makes videos that begin like an episode and then show one colour, or one colour with noise.

    A task whose end is the absence of something, such as dirt, is else read as done where nothing is seen.

    Args:
        episodes: The episodes of all tasks.
        per_task: How many videos to make for each task.
        rng: Source of all randomness.

    Returns:
        Episodes of the lowest rank with progress 0 and success 0 throughout.
    """
    lost = []
    for task in sorted({episode.task for episode in episodes}):
        own = [episode for episode in episodes if episode.task == task]
        lowest = min(episode.rank for episode in own)
        for _ in range(per_task):
            first = own[rng.integers(len(own))].frames[:1]
            # Greys, since that is what a camera without a picture shows, tinted a little.
            colour = rng.uniform(0, 255) + rng.normal(scale=12.0, size=3)
            spread = rng.uniform(0, 60) * (rng.random() < 0.5)
            noise = rng.normal(scale=spread, size=(_FRAMES, *first.shape[1:]))
            flat = np.clip(colour + noise, 0, 255).astype(np.uint8)
            zeros = np.zeros(1 + _FRAMES, dtype=np.float32)
            lost.append(TrainingEpisode(np.concatenate([first, flat]), task, lowest, zeros, zeros))
    return lost
