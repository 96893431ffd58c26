"""What is known of many videos once they are scored: no frames, only a few small pictures of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .paths import short_names

__all__ = ["FailedVideo", "ScoredVideo", "VideoScores", "spread_evenly"]


@dataclass(frozen=True)
class ScoredVideo:
    """The scores of a video."""

    path: Path
    """The file, or the folder of stills."""
    task: str
    """The sentence by which it was scored."""
    progress: NDArray[np.float32]
    """`(T,)` in [0, 1]."""
    success: NDArray[np.float32]
    """`(T,)` in [0, 1]."""
    index: NDArray[np.int64]
    """`(T,)`, the number of each scored frame in the source, from 0."""
    times: NDArray[np.float64] | None
    """`(T,)`, seconds from the start; None where the source names no frame rate."""
    seconds: float | None
    """How long the source lasts; None where it names no frame rate."""
    success_threshold: float
    """Success probability from which the model counts the task as done."""
    pictures: tuple[bytes, ...]
    """A few frames, small, as JPEG files, evenly spread from the first to the last."""
    notes: tuple[str, ...] = ()
    """What was found wrong with it, though it was scored: flat pictures, a file that is cut short."""

    @property
    def final_progress(self) -> float:
        """Progress at the last frame."""
        return float(self.progress[-1])

    @property
    def max_success(self) -> float:
        """The highest success probability of all frames."""
        return float(self.success.max())

    @property
    def first_success_frame(self) -> int | None:
        """Number in the source of the first frame at or above the threshold; None where there is none."""
        done = np.flatnonzero(self.success >= self.success_threshold)
        return int(self.index[done[0]]) if len(done) else None


@dataclass(frozen=True)
class FailedVideo:
    """A video that could not be scored."""

    path: Path
    """The file, or the folder of stills."""
    task: str
    """The sentence by which it was to be scored."""
    error: str
    """Why it could not."""


@dataclass(frozen=True)
class VideoScores:
    """The scores of several videos by one model."""

    model: str
    """The model's spec, or its class where it was given as an object."""
    trained_worlds: tuple[str, ...]
    """Ids of the tasks that the model was trained on."""
    success_threshold: float
    """Success probability from which it counts a task as done."""
    results: tuple[ScoredVideo | FailedVideo, ...]
    """One a video, in the order in which they were named."""
    passed_over: tuple[Path, ...] = ()
    """Files in the folders that are no videos."""

    @cached_property
    def scored(self) -> tuple[ScoredVideo, ...]:
        """The videos that have scores."""
        return tuple(result for result in self.results if isinstance(result, ScoredVideo))

    @cached_property
    def failed(self) -> tuple[FailedVideo, ...]:
        """The videos that have none."""
        return tuple(result for result in self.results if isinstance(result, FailedVideo))

    @cached_property
    def names(self) -> dict[Path, str]:
        """A name of each video that tells it from the others, without the folders that all share."""
        paths = [result.path for result in self.results]
        return dict(zip(paths, short_names(paths), strict=True))


def spread_evenly(count: int, most: int) -> list[int]:
    """Chooses numbers below `count`, evenly spread, with the first and the last.

    Args:
        count: Of numbers there are, at least 1.
        most: Numbers to choose at most, at least 2.

    Returns:
        The numbers, rising.
    """
    if count <= most:
        return list(range(count))
    return sorted(set(np.linspace(0, count - 1, most).round().astype(int).tolist()))
