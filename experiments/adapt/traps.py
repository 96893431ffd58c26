"""Traps for a reward model: videos in which nothing is done, or no longer, that a shortcut would pay for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards import RewardModel

from ..episodes import AIMLESS, Episode
from ..reward_model.evaluate import EncodedVideo, rewind_r

__all__ = ["Trap", "set_traps"]

_STALL = 16
"""Frames for which a video stands still at its end."""


@dataclass(frozen=True)
class Trap:
    """What one kind of trap shows."""

    name: str
    """Key in the verdict's file."""
    says: str
    """What is measured, in words."""
    value: float
    """The figure; NaN where no episode tells it."""
    most: float | None
    """Value up to which it is good; None where `least` holds."""
    least: float | None = None
    """Value from which it is good."""

    @property
    def passed(self) -> bool | None:
        """Whether the model is not caught; None where it is not known."""
        if np.isnan(self.value):
            return None
        return self.value <= self.most if self.most is not None else self.value >= (self.least or 0.0)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def set_traps(model: RewardModel, shown: Sequence[tuple[Episode, EncodedVideo]], sentence: str) -> list[Trap]:
    """Shows a model the traps that can be made of the episodes of one task.

    Args:
        model: The reward model.
        shown: Episodes that it was not trained on, of known success, and their videos as it reads them.
        sentence: What they show.

    Returns:
        One row per trap.
    """
    aimless: list[float] = []
    stalls: list[float] = []
    stills: list[float] = []
    rewinds: list[float] = []
    for episode, video in shown:
        progress = video.score(sentence).progress
        if episode.kind in AIMLESS:
            aimless.append(float(progress.mean()))
        length = len(episode.frames)
        stalled = np.concatenate([np.arange(length), np.full(_STALL, length - 1)])
        after = video.score(sentence, stalled).progress[length - 1 :]
        stalls.append(float(np.abs(after - after[0]).max()))
        stills.append(float(video.score(sentence, np.zeros(_STALL, np.int64)).progress.max()))
        if episode.known_success.any():
            rewinds.append(rewind_r(video, episode, sentence))
    return [
        Trap("aimless_progress", "mean progress of aimless motion", _mean(aimless), 0.15),
        Trap("stall_drift", "drift of progress while the picture stands still", _mean(stalls), 0.15),
        Trap("still_progress", "progress of a robot that never moves", _mean(stills), 0.15),
        Trap("rewind_r", "correlation of progress when a success is rewound", _mean(rewinds), None, 0.7),
        Trap("flat_progress", "progress of a flat grey picture", _flat(model, shown, sentence), 0.3),
    ]


def _flat(model: RewardModel, shown: Sequence[tuple[Episode, EncodedVideo]], sentence: str) -> float:
    """Highest progress while the picture is lost after the first frame."""
    if not shown:
        return float("nan")
    first: NDArray[np.uint8] = shown[0][0].frames[:1]
    grey = np.full_like(first, 127).repeat(_STALL, axis=0)
    return float(model.score(np.concatenate([first, grey]), sentence).progress[1:].max())
