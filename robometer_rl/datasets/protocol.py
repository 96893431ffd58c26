"""What every reader of demonstrations does, whatever layout they come in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..frames import MIN_SIDE
from .episodes import Episode, check_task

__all__ = [
    "EpisodeReader",
    "Flip",
    "ReadOptions",
    "kept_frames",
    "short_hash",
    "task_id_of",
    "thinned_success",
]

Flip = Literal["auto", "vertical", "none"]
"""Whether stored pictures stand on their head; "auto" goes by what wrote them."""

OPTIONS_OF = {
    "fps": ("videos",),
    "frame_every": ("robomimic", "episodes"),
    "camera": ("robomimic",),
    "flip": ("robomimic",),
}
"""Options that are not for every format, and the formats that they are for."""


@dataclass(frozen=True)
class ReadOptions:
    """How recordings become episodes."""

    task: str | None = None
    """The sentence of every recording, where the data set does not name one itself."""
    task_id: str | None = None
    """Id of that task, `suite/name`; made of the sentence if None."""
    image_size: int | None = 96
    """Side of the square in pixels to which each picture is resized when it is decoded; None keeps them."""
    fps: float | None = 10.0
    """Pictures per second of video, where it has more; pictures without a frame rate are all kept."""
    frame_every: int = 1
    """Each how many-th stored picture is kept, for what is stored by control steps; always the last one."""
    camera: str | None = None
    """Name of the camera's dataset; None takes the only one, or the one called agentview."""
    flip: Flip = "auto"
    """Turns pictures by their horizontal axis."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: An option is outside its range.
        """
        if self.task is not None and not self.task.strip():
            raise ValueError(f"the task should be a sentence, got {self.task!r}")
        if self.task_id is not None:
            check_task(self.task_id)
        if self.image_size is not None and self.image_size < MIN_SIDE:
            raise ValueError(f"image_size must be at least {MIN_SIDE}, got {self.image_size}")
        if self.fps is not None and not 0 < self.fps < float("inf"):
            raise ValueError(f"fps must be a positive number of pictures per second, got {self.fps}")
        if self.frame_every < 1:
            raise ValueError(f"frame_every must be at least 1, got {self.frame_every}")

    def refuse_foreign(self, format: str) -> None:
        """Refuses options that would change nothing.

        Args:
            format: Name of the data set's format.

        Raises:
            ValueError: An option was given that this format does not have.
        """
        for name, formats in OPTIONS_OF.items():
            if format not in formats and getattr(self, name) != getattr(ReadOptions, name):
                given, valid = getattr(self, name), " and ".join(formats)
                raise ValueError(f"{name}={given!r} is for {valid}, not for {format}")


class EpisodeReader(Protocol):
    """A data set of recordings, read one at a time.

    A reader is one more class in `robometer_rl/datasets` and one row in `FORMATS` of `reader.py`.
    """

    format: str
    """Its name, as `--format` takes it."""
    root: Path
    """The file or folder."""
    options: ReadOptions
    names: Sequence[str]
    """A name for each recording: its path inside the folder, or its group inside the file."""
    notes: Sequence[str]
    """What was passed over when it was opened, and why; a sentence each."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether something that exists looks like this format."""
        ...

    def read(self, name: str) -> Episode:
        """Reads one recording.

        Args:
            name: One of `names`.

        Returns:
            The episode. Its `seed` is its place in `names`.

        Raises:
            ValueError: It cannot be read; the message says why.
        """
        ...

    def sentences(self, name: str) -> Sequence[str]:
        """The sentence of a recording's task, and other ways to say it.

        Args:
            name: One of `names`.

        Returns:
            At least one.

        Raises:
            ValueError: Nobody has named one.
        """
        ...

    def version(self, name: str) -> str:
        """All that `read` depends on besides the pictures, so that a changed label is read anew."""
        ...

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.names)

    def __iter__(self) -> Iterator[Episode]:
        """Reads one recording after another; none is kept."""
        return (self.read(name) for name in self.names)


def task_id_of(sentence: str) -> str:
    """The id of a task that has a sentence only: "Push the block!" gives "own/push-the-block".

    Args:
        sentence: Not blank.

    Returns:
        `own/` and the sentence's words; a hash of it where it has none.
    """
    words = re.sub(r"[^\w]+", "-", sentence.lower()).strip("-")[:60].strip("-")
    return f"own/{words or short_hash(sentence)}"


def kept_frames(count: int, every: int) -> NDArray[np.int64]:
    """Which frames are kept where each so many-th is: the first and the last always.

    Args:
        count: Number of frames, at least 1.
        every: At least 1.

    Returns:
        int64, ascending indices.
    """
    return np.unique(np.append(np.arange(0, count, every), count - 1))


def thinned_success(success: NDArray[np.bool_], kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Success at the frames that are kept; one that held between two of them alone counts at the next.

    Args:
        success: bool `(T,)`.
        kept: Ascending indices; the last is T - 1.

    Returns:
        bool, one per kept frame.
    """
    thinned = success[kept]
    if success.any() and not thinned.any():
        thinned[np.searchsorted(kept, success.argmax())] = True
    return thinned


def short_hash(*parts: Any) -> str:
    """Eight hexadecimal digits that differ where the parts do."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
