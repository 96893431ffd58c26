"""The seam between wrappers and reward models: numpy in, numpy out.

A wrapper knows these types and nothing else about a model. Only code inside
`robometer_rl.rewards` imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ANY_WORLD",
    "FrameResizer",
    "RewardModel",
    "RewardStream",
    "Scores",
    "TaskReader",
    "TaskThreshold",
    "ThresholdsPerTask",
    "UnreadTaskWarning",
]

ANY_WORLD = "*"
"""Entry of `RewardModel.trained_worlds` by which a general model says that no world is foreign to it."""


class UnreadTaskWarning(UserWarning):
    """A model knows few words of a task sentence, so that its scores may not be about that task."""


class Scores(NamedTuple):
    """Progress and success of one video (`(T,)`) or of n streams (`(n,)`)."""

    progress: NDArray[np.float32]
    """Fraction of the task done, in [0, 1]."""
    success: NDArray[np.float32]
    """Probability that the task is done at this frame, in [0, 1]."""


@runtime_checkable
class RewardStream(Protocol):
    """n running episodes, scored frame by frame."""

    n: int

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the masked episodes and set their tasks.

        Args:
            tasks: n sentences, one per stream; those outside the mask are ignored.
            mask: bool `(n,)`, the streams to reset; None resets all.
        """
        ...

    def push(self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Scores:
        """Add one frame to each masked episode and score it.

        Args:
            frames: uint8 `(n, H, W, 3)` RGB; rows outside the mask are ignored.
            mask: bool `(n,)`, the streams to advance; None advances all.

        Returns:
            Scores of shape `(n,)`, float32 in [0, 1]; NaN in the rows outside the mask.
        """
        ...


@runtime_checkable
class RewardModel(Protocol):
    """A model that reads a task sentence and a video."""

    success_threshold: float
    """Success probability from which the task counts as done, calibrated per checkpoint."""
    trained_worlds: tuple[str, ...]
    """Ids of the tasks that the checkpoint was trained on, e.g. `metaworld/drawer-open-v3`."""

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        """Score every frame of one video, each from the frames up to it.

        Args:
            frames: uint8 `(T, H, W, 3)` RGB, T >= 1.
            task: a non-empty sentence.

        Returns:
            Scores of shape `(T,)`, float32 in [0, 1].
        """
        ...

    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        """Probability in [0, 1] that video a shows the task done better than video b."""
        ...

    def stream(self, n: int) -> RewardStream:
        """Open n running episodes; agrees with `score` on the same frames to 1e-4."""
        ...


@runtime_checkable
class FrameResizer(Protocol):
    """A reward model that reads frames at a size of its own, and brings them there beforehand.

    Optional beside `RewardModel`: frames that wait to be scored are then kept at that size.
    """

    def resize_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize frames as the model itself does, so that they score the same, to the last bit.

        Args:
            frames: uint8 `(T, H, W, 3)` RGB, T >= 1.

        Returns:
            uint8 `(T, H', W', 3)` RGB; the frames themselves where they have that size.
        """
        ...


@runtime_checkable
class TaskReader(Protocol):
    """A reward model that can say which words it cannot read. Optional beside `RewardModel`."""

    def unread_words(self, task: str) -> tuple[str, ...]:
        """The words of a sentence that the model does not know, or knows in pieces only, in their order."""
        ...


@dataclass(frozen=True)
class TaskThreshold:
    """A success threshold that was calibrated for one task, and what it was found from."""

    threshold: float
    """Success score, in (0, 1], from which a step counts as done."""
    false_alarm_rate: float
    """Share of failed episodes that was allowed to reach the threshold, in [0, 1)."""
    successes: int
    """Successful episodes that it was found from; without labels, those that look like successes."""
    failures: int
    """Failed episodes that it was found from; without labels, those that look like failures."""
    false_alarms: int
    """How many of these failures reach the threshold."""
    labelled: bool
    """Whether it was known which episodes succeed."""
    patience: int = 1
    """Consecutive scores at the threshold that counted as success."""
    sentences: tuple[str, ...] = ()
    """Sentences that ask for the task."""

    @property
    def is_rate_measured(self) -> bool:
        """Whether there were failures enough that one of them is at most the allowed share."""
        return self.labelled and self.failures * self.false_alarm_rate >= 1.0 - 1e-9


@runtime_checkable
class ThresholdsPerTask(Protocol):
    """A reward model with success thresholds for single tasks. Optional beside `RewardModel`."""

    def task_threshold(self, task: str) -> TaskThreshold | None:
        """The threshold that was calibrated for a task.

        Args:
            task: A sentence; case and punctuation make no difference.

        Returns:
            The threshold; None if there is none for this sentence.
        """
        ...
