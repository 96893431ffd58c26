"""Memory in which sub-environments, in their own processes or not, leave frames for the reward wrapper.

The memory has one row per sub-environment. Between two reads of the wrapper a row takes at most two events: a
step, and the reset after it. The wrapper reads only between calls, while no sub-environment runs, so neither
side locks: the reply that a worker sends through its pipe orders the memory.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..scoring.step_reader import STEP, StepRecord

__all__ = ["NOTHING", "SharedFrames"]

NOTHING = 0
"""Kind of an event that did not happen, beside `STEP` and `RESET`."""

_SLOTS = 2
_ROW = np.dtype(
    [
        ("read", np.int64),
        ("events", np.int64),
        ("kind", np.int8, (_SLOTS,)),
        ("framed", np.bool_, (_SLOTS,)),
        ("env_reward", np.float64),
        ("terminated", np.bool_),
        ("truncated", np.bool_),
        ("true_success", np.bool_),
    ],
    align=True,
)


class _Layout(NamedTuple):
    path: str
    n: int
    shapes: tuple[tuple[int, ...], ...]


class SharedFrames:
    """n rows of events and frames in one file that processes map; pickles as the way to that file.

    The file lies in memory where the system offers that (`/dev/shm`), and loses its name as soon as everybody
    has opened it, so that nothing is left behind however a process ends.
    """

    def __init__(self, n: int, shapes: Sequence[tuple[int, ...]]) -> None:
        """Makes the file and maps it.

        Args:
            n: Number of sub-environments.
            shapes: Shape `(H, W, 3)` of a picture, per camera.

        Raises:
            OSError: There is too little room for the file.
        """
        folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        handle, path = tempfile.mkstemp(prefix="robometer-", dir=folder)
        try:
            _allocate(handle, path, _size(n, shapes))
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(handle)
        self._map(_Layout(path, n, tuple(shapes)))

    def _map(self, layout: _Layout) -> None:
        self._layout = layout
        with open(layout.path, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)  # stays valid when the file loses its name
        self._reads = np.frombuffer(memory, dtype=np.int64, count=1)
        offset = _align(8)
        self._rows = np.frombuffer(memory, dtype=_ROW, count=layout.n, offset=offset)
        offset += _align(_ROW.itemsize * layout.n)
        self.over = np.frombuffer(memory, dtype=np.bool_, count=layout.n, offset=offset)
        """bool `(n,)`, set by the wrapper where predicted success ended an episode that must now reset."""
        offset += _align(layout.n)
        self._views: list[list[NDArray[np.uint8]]] = [[] for _ in range(_SLOTS)]
        for slot in self._views:
            for shape in layout.shapes:
                count = layout.n * math.prod(shape)
                view = np.frombuffer(memory, dtype=np.uint8, count=count, offset=offset)
                slot.append(view.reshape(layout.n, *shape))
                offset += _align(count)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles as a recipe: whoever unpickles maps the same memory."""
        return SharedFrames._open, (tuple(self._layout),)

    @classmethod
    def _open(cls, layout: tuple[str, int, tuple[tuple[int, ...], ...]]) -> SharedFrames:
        shared = object.__new__(cls)
        shared._map(_Layout(*layout))
        return shared

    def unlink(self) -> None:
        """Takes the file's name away, once everybody has opened it; the memory lives until all close it."""
        Path(self._layout.path).unlink(missing_ok=True)

    # What a sub-environment does.

    def post(self, row: int, event: StepRecord) -> None:
        """Leaves an event.

        Args:
            row: The sub-environment's row.
            event: What happened.

        Raises:
            RuntimeError: The wrapper has not read since the last two events.
            ValueError: A picture has another shape than the first.
        """
        record = self._rows[row : row + 1]
        if record["read"][0] != self._reads[0]:
            record["read"], record["events"], record["kind"] = self._reads[0], 0, NOTHING
        slot = int(record["events"][0])
        if slot == _SLOTS:
            raise RuntimeError(
                f"sub-environment {row} was stepped or reset without its reward wrapper: "
                "step and reset the outermost wrapper only"
            )
        for camera, picture in enumerate(event.frames or ()):
            expected = self._layout.shapes[camera]
            if picture.shape != expected:
                raise ValueError(
                    f"camera {camera} of sub-environment {row} gave a picture of shape {picture.shape}, "
                    f"expected {expected} as at first: one size is needed for a batch"
                )
            self._views[slot][camera][row] = picture
        record["kind"][0, slot] = event.kind
        record["framed"][0, slot] = event.frames is not None
        record["events"] = slot + 1
        if event.kind == STEP:
            record["env_reward"] = event.env_reward
            record["terminated"], record["truncated"] = event.terminated, event.truncated
            record["true_success"] = event.true_success

    # What the wrapper does.

    def read(self) -> NDArray[np.void]:
        """Returns the rows' events since the last read, a copy.

        The frames of `views` stay as they are until sub-environments run again.
        """
        rows = self._rows.copy()
        rows["kind"][rows["read"] != self._reads[0]] = NOTHING
        self._reads += 1
        return rows

    def skip(self) -> None:
        """Forgets the events since the last read: they belong to a call that failed half-way."""
        self._reads += 1

    def views(self, slot: int) -> list[NDArray[np.uint8]]:
        """Frames of the first (0) or second (1) event: one uint8 `(n, H, W, 3)` per camera, not a copy."""
        return self._views[slot]


def _allocate(handle: int, path: str, size: int) -> None:
    """Takes the whole memory now: a page that is missing later kills the process that writes to it (SIGBUS).

    Raises:
        OSError: There is too little room.
    """
    folder = os.path.dirname(path)
    free = shutil.disk_usage(folder).free
    try:
        if hasattr(os, "posix_fallocate"):  # Linux has it, macOS and Windows do not
            os.posix_fallocate(handle, 0, size)
        elif size > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            os.truncate(path, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG):
            raise
        enlarge = (
            "enlarge it (docker run --shm-size=2g, or mount -o remount,size=2g /dev/shm), remove what else "
            "lies there"
            if folder == "/dev/shm"
            else "set TMPDIR to a folder with more room"
        )
        raise OSError(
            error.errno,
            f"the frames of the environments need {size / 2**20:,.0f} MiB that processes share, and {folder} "
            f"has {free / 2**20:,.0f} MiB free: {enlarge}, or use fewer environments or smaller pictures",
        ) from error


def _align(size: int) -> int:
    return -(-size // 64) * 64  # so that no two arrays share a cache line


def _size(n: int, shapes: Sequence[tuple[int, ...]]) -> int:
    frames = sum(_align(n * math.prod(shape)) for shape in shapes)
    return _align(8) + _align(_ROW.itemsize * n) + _align(n) + _SLOTS * frames
