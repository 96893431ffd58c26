"""Recorded episodes: what one holds, and its HDF5 file.

What nobody knows of an episode is None, and NaN where it is known of some frames only; it has no dataset in
the file. What a frame's label is, `experiments/reward_model/labels.py` says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.extras import naming_extras

from ..world_ids import is_task
from .hdf5 import opened

with naming_extras():
    import h5py

RANKS: dict[str, int] = {
    "success": 5,
    "noisy_success": 5,
    "near_miss": 4,
    "stalled": 3,
    "undone": 2,
    "random": 1,
    "other_task": 1,
    "mime": 1,
    "returned": 5,
    "cornered": 1,
}
"""Kind of scripted episode -> how good its end is; higher is preferred over lower in one task."""

FAILURE = "failure"
"""Kind of an episode without success of which nothing more is known."""

UNLABELLED = "unlabelled"
"""Kind of an episode of which nobody has said whether it succeeds."""

KINDS = (*RANKS, "agent", FAILURE, UNLABELLED)
"""All kinds: the scripted ones, what an agent did while it learned, and the two above."""

COLUMNS: dict[str, type[np.generic]] = {
    "success": np.bool_,
    "quality": np.float32,
    "clock": np.float32,
    "progress": np.float32,
}
"""What an episode may know of each frame, and its dtype in memory and in the file."""

AIMLESS = ("random", "other_task", "cornered")
"""Kinds in which nothing is done for the task at any time."""

UNMOVED = 0.05
"""Quality up to which the object counts as where it was."""

# A frame of 96x96 pixels fits DEFLATE's window of 32 KiB: with several frames in a chunk the static
# background of a frame is coded as a copy of the frame before.
_CHUNK_FRAMES = 16

_FAULT = "is not a whole episode file"

_LARGEST = 2**63 - 1
"""The largest whole number of an episode: HDF5 stores them in 64 bits."""


@dataclass(frozen=True)
class Episode:
    """One recorded episode of a task.

    Attributes:
        task: Task id, as ``metaworld/drawer-open-v3``: two names of letters, digits and `` _.+-``.
        kind: One of `KINDS`.
        seed: The seed the episode was asked for with, at least 0; names its file.
        frames: uint8 ``(T, H, W, 3)`` RGB; frame 0 is the state after the reset.
        success: bool ``(T,)``, whether the task is done at each frame, by the environment's own test or by a
            person; None where nobody has said, as in an `UNLABELLED` episode and in no other.
        quality: float32 ``(T,)`` in [0, 1], how near the object is to done; None where it is unknown, NaN at
            frames where it is.
        clock: float32 ``(T,)``, the expert's own time in full-speed steps: it rests in pauses and runs back
            when actions are undone. In a mime it begins where the object would have begun to move. None where
            it is unknown: a success then counts as done at an even pace.
        frame_every: Control steps between two frames, at least 1 (the last interval may be shorter).
        detail: What was drawn within the kind, for who looks into errors (a style, another task's name).
        progress: float32 ``(T,)`` in [0, 1], progress as somebody gave it (a person, another tool), NaN at
            frames of which nothing is said; None where nothing is. It goes before what `clock` and `quality`
            would tell.
    """

    task: str
    kind: str
    seed: int
    frames: NDArray[np.uint8]
    success: NDArray[np.bool_] | None
    quality: NDArray[np.float32] | None = None
    clock: NDArray[np.float32] | None = None
    frame_every: int = 2
    detail: str = ""
    progress: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Checks every field, so that a bad episode never reaches the disk.

        Raises:
            ValueError: A field has a wrong type, shape or range.
        """
        _check_name(self.task, self.kind, self.seed)
        _check_whole("frame_every", self.frame_every, 1)
        if not isinstance(self.detail, str) or "\0" in self.detail:
            raise ValueError(f"detail should be text, without a zero byte, got {self.detail!r}")
        frames = self.frames
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or not _is_rgb(frames.shape):
            raise ValueError(f"frames should be uint8 (T, H, W, 3), none of them 0, got {_what(frames)}")
        for name, dtype in COLUMNS.items():
            column = getattr(self, name)
            right = isinstance(column, np.ndarray) and column.dtype == dtype
            if column is not None and (not right or column.shape != (len(frames),)):
                raise ValueError(f"{name} should be {np.dtype(dtype)} ({len(frames)},), got {_what(column)}")
        self._check_outcome()
        whose = f"of {self.task} {self.kind} {self.seed}"
        if self.clock is not None and not np.isfinite(self.clock).all():
            raise ValueError(f"clock {whose} should be finite; None says that it is unknown")
        for name in ("quality", "progress"):
            column = getattr(self, name)
            outside = np.zeros(0, np.bool_) if column is None else (column < 0.0) | (column > 1.0)
            if outside.any():
                raise ValueError(
                    f"{name} {whose} should be from 0 to 1, or NaN where unknown, got {column[outside][0]:g}"
                )

    def _check_outcome(self) -> None:
        """Checks that the kind does not contradict the success."""
        if (self.success is None) != (self.kind == UNLABELLED):
            raise ValueError(
                f"success=None and kind={UNLABELLED!r} go together, got kind {self.kind!r} and success "
                f"{'None' if self.success is None else 'of each frame'}"
            )
        if self.kind == FAILURE and self.success is not None and self.success.any():
            raise ValueError(
                f"an episode of kind 'failure' succeeds nowhere, got success at frame {self.success.argmax()}"
            )

    @property
    def known_success(self) -> NDArray[np.bool_]:
        """Bool ``(T,)``, the success of an episode that must have one.

        Raises:
            ValueError: Nobody has said whether the episode succeeds.
        """
        if self.success is None:
            raise ValueError(
                f"{self.task} {self.kind} {self.seed} is unlabelled: nobody has said whether it succeeds; "
                "`robometer-rl label-demos` asks"
            )
        return self.success


def _is_rgb(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[-1] == 3 and 0 not in shape


def _what(value: object) -> str:
    """What to say of a value that is not the array that was wanted."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _check_whole(name: str, value: object, least: int) -> None:
    """Refuses what is no whole number from `least` to what a file holds; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= _LARGEST:
        raise ValueError(f"{name} should be a whole number from {least} to {_LARGEST}, got {value!r}")


def check_task(task: object) -> None:
    """Refuses what could name a file outside the data set, or several at once.

    Args:
        task: Task id, ``suite/name``.

    Raises:
        ValueError: It is none.
    """
    if not is_task(task):
        raise ValueError(
            f"task {task!r} should read 'suite/name', each of letters, digits and ' _.+-', "
            "and neither begin nor end with a space or a point"
        )


def _check_name(task: object, kind: object, seed: object) -> None:
    """Checks what an episode's file is named by."""
    check_task(task)
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown; valid kinds: {', '.join(KINDS)}")
    _check_whole("seed", seed, 0)


def episode_path(root: Path, task: str, kind: str, seed: int) -> Path:
    """The file of an episode.

    Args:
        root: Folder of the data set.
        task: Task id, ``suite/name``.
        kind: One of `KINDS`.
        seed: Non-negative.

    Returns:
        ``root/suite/name/kind-seed.h5``.

    Raises:
        ValueError: One of the three is no name of an episode.
    """
    _check_name(task, kind, seed)
    return Path(root) / task / f"{kind}-{seed:05d}.h5"


def write_episode(root: Path, episode: Episode) -> Path:
    """Writes an episode under a temporary name and renames it, so that a file is whole or absent.

    Args:
        root: Folder of the data set; made if needed.
        episode: What to write.

    Returns:
        The file. The same episode always gives the same bytes.
    """
    path = episode_path(root, episode.task, episode.kind, episode.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with h5py.File(part, "w", track_order=False) as file:
        file.create_dataset(
            "frames",
            data=episode.frames,
            chunks=(min(_CHUNK_FRAMES, len(episode.frames)), *episode.frames.shape[1:]),
            compression="gzip",
            compression_opts=1,
            track_times=False,
        )
        for name in COLUMNS:
            column = getattr(episode, name)
            if column is not None:
                file.create_dataset(name, data=column, track_times=False)
        file.attrs["task"] = episode.task
        file.attrs["kind"] = episode.kind
        file.attrs["seed"] = int(episode.seed)
        if episode.kind in RANKS:
            file.attrs["rank"] = RANKS[episode.kind]
        file.attrs["frame_every"] = int(episode.frame_every)
        file.attrs["detail"] = episode.detail
    os.replace(part, path)
    return path


def read_episode(path: Path) -> Episode:
    """Reads one episode file.

    Args:
        path: A file of `write_episode`.

    Returns:
        The episode, arrays in memory.

    Raises:
        OSError: The file is not there or must not be read.
        ValueError: The file is not HDF5, is cut off, or lacks a dataset or attribute, or one of them is not
            what an episode has there.
    """
    with opened(path, _FAULT) as file:
        return Episode(
            task=_text(file, "task"),
            kind=_text(file, "kind"),
            seed=_whole(file, "seed"),
            frames=_dataset(file, "frames", 4)[:],
            frame_every=_whole(file, "frame_every"),
            detail=_text(file, "detail"),
            **{name: _dataset(file, name, 1)[:] if name in file else None for name in COLUMNS},
        )


def read_frame_kind(path: Path) -> tuple[int, int, int]:
    """Height and width of an episode's frames in pixels and its `frame_every`, without reading the frames.

    Raises:
        ValueError: The file is no whole episode file.
    """
    with opened(path, _FAULT) as file:
        _, height, width, _ = _dataset(file, "frames", 4).shape
        return int(height), int(width), int(file.attrs["frame_every"])


def read_outcome(path: Path) -> bool:
    """Whether an episode succeeds at any frame, without reading the frames.

    Raises:
        ValueError: The file is no whole episode file, or nobody has said whether the episode succeeds.
    """
    with opened(path, _FAULT) as file:
        if "success" not in file:
            raise ValueError("it is unlabelled: `robometer-rl label-demos` asks whether it succeeds")
        return bool(np.any(_dataset(file, "success", 1)[:]))


@dataclass(frozen=True)
class EpisodeSummary:
    """An episode without its frames; the fields are those of `Episode`."""

    task: str
    kind: str
    seed: int
    detail: str
    success: NDArray[np.bool_] | None
    progress: NDArray[np.float32] | None


def read_summary(path: Path) -> EpisodeSummary:
    """Reads what an episode file says besides its frames.

    Args:
        path: A file of `write_episode`.

    Returns:
        The summary.

    Raises:
        ValueError: The file is no whole episode file.
    """
    with opened(path, _FAULT) as file:
        return EpisodeSummary(
            task=_text(file, "task"),
            kind=_text(file, "kind"),
            seed=_whole(file, "seed"),
            detail=_text(file, "detail"),
            success=_dataset(file, "success", 1)[:] if "success" in file else None,
            progress=_dataset(file, "progress", 1)[:] if "progress" in file else None,
        )


def _text(file: Any, name: str) -> str:
    """A text attribute; other writers of HDF5 store it as bytes."""
    value = file.attrs[name]
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        raise ValueError(f"its attribute {name} should be text, got {value!r}")
    return str(value)


def _whole(file: Any, name: str) -> Any:
    """A number attribute; what is no whole number is left for `Episode` to refuse."""
    value = file.attrs[name]
    return int(value) if isinstance(value, np.integer) else value


def _dataset(file: Any, name: str, dimensions: int) -> Any:
    """A dataset of so many dimensions, unread; a group, a scalar or an empty one is none."""
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None or len(found.shape) != dimensions:
        raise ValueError(f"its dataset {name} should have {dimensions} dimensions, got {found!r}")
    return found


def list_episodes(root: Path, task: str | None = None, kind: str | None = None) -> list[Path]:
    """The episode files of a data set, sorted.

    Args:
        root: Folder of the data set.
        task: Only this task id; None for all.
        kind: Only this kind; None for all.

    Returns:
        Paths in an order that does not depend on the file system.

    Raises:
        ValueError: `root` is not a folder, or `task` or `kind` is none.
    """
    if not Path(root).is_dir():
        raise ValueError(f"{root} is not a folder; `robometer-rl collect --out {root}` fills one")
    if task is not None:
        check_task(task)
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown; valid kinds: {', '.join(KINDS)}")
    return sorted(Path(root).glob(f"{task or '*/*'}/{kind or '[a-z]*'}-*.h5"))


def task_of(path: Path, root: Path) -> str:
    """The task id of an episode file, which is the name of its folder.

    Args:
        path: One of `list_episodes(root)`.
        root: Folder of the data set.

    Returns:
        The task id, "suite/task".
    """
    return path.parent.relative_to(root).as_posix()
