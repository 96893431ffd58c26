"""Pictures that show nothing: flat ones (black, gray, any one colour) and ones that never change.

A reward model scores them like any other, and may well take a black video for a success. Nothing but the
picture tells, so it is looked at before it is scored.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeadFrameWarning", "FrameMonitor", "FrameStats", "check_video", "is_flat"]

FLAT_STD = 1.0
"""Standard deviation of a flat picture, in levels of 255 and in each channel, at most."""
FLAT_RANGE = 16
"""Levels between the darkest and the brightest pixel of a flat picture, in each channel, at most: the noise
of a covered lens is flat, while a small object on an even ground is not."""
FLAT_RUN = 3
"""Flat pictures in a row before a warning: some environments begin with a black one."""
FROZEN = 30
"""Pictures like the first of their episode, bit by bit, before a warning: a robot that has come to rest later
in the episode stands as still, and is no fault."""
_GRID = 32
"""Samples per side of a picture that are looked at first, whatever its size."""

_CAUSES = (
    "the renderer has lost its OpenGL context to another one of the process (close environments before "
    "others are made, or give each its own process), the camera looks at nothing, there is no light, or the "
    "observation is not a picture"
)


class DeadFrameWarning(UserWarning):
    """Pictures are flat or never change, so their scores mean nothing."""


@dataclass(frozen=True)
class FrameStats:
    """What a picture is made of."""

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    mean: float
    """Of all pixels and channels, 0 to 255."""
    std: float
    """Of all pixels and channels."""
    low: int
    """Darkest value."""
    high: int
    """Brightest value."""

    @classmethod
    def of(cls, frame: NDArray[np.uint8]) -> FrameStats:
        """Measures a picture, uint8 `(H, W, 3)`."""
        height, width, _ = frame.shape
        return cls(height, width, float(frame.mean()), float(frame.std()), int(frame.min()), int(frame.max()))

    def __str__(self) -> str:
        """Says it in one line."""
        return (
            f"{self.width}x{self.height} pixels, mean {self.mean:.1f}, std {self.std:.1f}, min {self.low}, "
            f"max {self.high}"
        )


def is_flat(frame: NDArray[np.uint8]) -> bool:
    """Tells whether a picture shows nothing: one colour and at most some noise.

    Args:
        frame: uint8 `(H, W, 3)`.

    Returns:
        Whether it is flat.
    """
    return bool(_narrow(_sample(frame[None]))[0]) and _all_flat(frame)


def _sample(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most 32 x 32 pixels of each picture `(m, H, W, 3)`, evenly spread; a contiguous copy."""
    _, height, width, _ = frames.shape
    return np.ascontiguousarray(frames[:, :: -(-height // _GRID), :: -(-width // _GRID)])


def _narrow(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the values of each channel lie close together, bool `(m,)`; frames are contiguous."""
    count, height, width, channels = frames.shape
    # Rows first and columns after them: several times as fast as both at once.
    columns = frames.reshape(count, height, width * channels)
    high, low = (extreme(axis=1).reshape(count, width, channels) for extreme in (columns.max, columns.min))
    return np.asarray((high.max(axis=1) - low.min(axis=1) <= FLAT_RANGE).all(axis=1))


def _all_flat(frame: NDArray[np.uint8]) -> bool:
    narrow = bool(_narrow(np.ascontiguousarray(frame[None]))[0])
    return narrow and bool((frame.std(axis=(0, 1)) <= FLAT_STD).all())


class FrameMonitor:
    """Looks at the pictures of n running episodes, and says once of each fault what it is and what to do."""

    def __init__(self, n: int, cameras: Sequence[str]) -> None:
        """Prepares n episodes that have not begun.

        Args:
            n: Number of episodes.
            cameras: What to call each camera in a message.
        """
        self._cameras = list(cameras)
        shape = (len(self._cameras), n)
        self._seen = np.zeros(shape, dtype=np.int64)
        self._flat = np.zeros(shape, dtype=np.int64)
        self._flat_run = np.zeros(shape, dtype=np.int64)
        self._still = np.zeros(shape, dtype=np.int64)
        """Pictures that were like the first; -1 once there was another."""
        self._first: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._whole: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._stats = ""
        self._told: set[str] = set()

    def see(
        self,
        began: NDArray[np.bool_],
        pushed: NDArray[np.bool_],
        views: Sequence[NDArray[np.uint8]],
        stacklevel: int = 5,
    ) -> None:
        """Looks at the pictures that are about to be scored.

        Args:
            began: bool `(n,)`, whose episode begins with this picture.
            pushed: bool `(n,)`, which rows of the views hold a new picture.
            views: One uint8 `(n, H, W, 3)` per camera.
            stacklevel: As for `warnings.warn`.
        """
        for counts in (self._seen, self._flat, self._flat_run, self._still):
            counts[:, began] = 0
        rows = np.flatnonzero(pushed).tolist()
        if not rows:
            return
        for camera, view in enumerate(views):
            samples = _sample(view)
            narrow = _narrow(samples)
            for row in rows:
                self._seen[camera, row] += 1
                flat = bool(narrow[row]) and _all_flat(view[row])
                if flat:
                    self._stats = str(FrameStats.of(view[row]))
                self._flat[camera, row] += flat
                self._flat_run[camera, row] = self._flat_run[camera, row] + 1 if flat else 0
                if self._flat_run[camera, row] == FLAT_RUN:
                    self._warn("flat", camera, row, stacklevel + 1)
                if self._still[camera, row] >= 0 and self._is_frozen(camera, row, samples[row], view[row]):
                    self._still[camera, row] = -1
                    if not flat:
                        self._stats = str(FrameStats.of(view[row]))
                        self._warn("frozen", camera, row, stacklevel + 1)

    def _is_frozen(self, camera: int, row: int, sample: NDArray[np.uint8], frame: NDArray[np.uint8]) -> bool:
        """Compares with the first picture by samples, and at last with a whole one."""
        key = camera, row
        if self._seen[key] == 1:
            self._first[key] = sample.copy()
        same = np.array_equal(self._first[key], sample)
        if same and self._still[key] == FROZEN // 2:
            self._whole[key] = frame.copy()
        if same and self._still[key] >= FROZEN:
            if np.array_equal(self._whole.pop(key), frame):
                return True
            same = False
        self._still[key] = self._still[key] + 1 if same else -1
        return False

    def end(self, rows: NDArray[np.bool_]) -> None:
        """Ends episodes.

        Args:
            rows: bool `(n,)`, which.

        Raises:
            RuntimeError: Every picture of one of them, at least two, was flat.
        """
        dead = rows & (self._flat == self._seen) & (self._seen >= 2)
        if dead.any():
            camera, row = np.argwhere(dead)[0].tolist()
            raise RuntimeError(
                f"all {self._seen[camera, row]} pictures of an episode were flat{self._where(camera, row)}; "
                f"the last: {self._stats}. Their scores mean nothing, and they would be paid like any other. "
                f"{_advice(self._cameras[camera])}"
            )

    def _warn(self, fault: str, camera: int, row: int, stacklevel: int) -> None:
        if fault in self._told:
            return
        self._told.add(fault)
        told = (
            f"{FLAT_RUN} pictures in a row are flat"
            if fault == "flat"
            else f"the picture has not changed by a bit in {FROZEN} steps since the reset"
        )
        warnings.warn(
            f"{told}{self._where(camera, row)}: {self._stats}. Its scores mean nothing. "
            f"{_advice(self._cameras[camera])}",
            DeadFrameWarning,
            stacklevel=stacklevel,
        )

    def _where(self, camera: int, row: int) -> str:
        environment = f" of environment {row}" if self._seen.shape[1] > 1 else ""
        return f" ({self._cameras[camera]}{environment})"


def _advice(camera: str) -> str:
    return f"Look at what {camera} gives, e.g. with matplotlib's imshow. Usual causes: {_CAUSES}"


def check_video(frames: NDArray[np.uint8], name: str) -> list[str]:
    """Looks at a recorded video.

    Args:
        frames: uint8 `(T, H, W, 3)`, T at least 1.
        name: What to call it in a message.

    Returns:
        What is wrong with its pictures, a sentence each; mostly nothing.

    Raises:
        ValueError: Every picture is flat.
    """
    flat = np.array([is_flat(frame) for frame in frames])
    if flat.all():
        raise ValueError(
            f"all {len(frames)} pictures of {name} are flat; the first: {FrameStats.of(frames[0])}. Their "
            "scores would mean nothing, so look at the video: the camera saw nothing, or it was not recorded"
        )
    told = []
    first = int(np.argmax(flat))
    if flat.sum() >= FLAT_RUN:
        told.append(
            f"{flat.sum()} of {len(frames)} pictures of {name} are flat, the first of them number {first}: "
            f"{FrameStats.of(frames[first])}. Their scores mean nothing"
        )
    if len(frames) >= FLAT_RUN and all(np.array_equal(frames[0], frame) for frame in frames[1:]):
        told.append(
            f"all {len(frames)} pictures of {name} are the same: {FrameStats.of(frames[0])}. If something "
            "moved there, the camera or the recording stood still"
        )
    return told
