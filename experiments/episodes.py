"""Recorded episodes: what one holds, its HDF5 file, its progress labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robometer_rl.envs.extras import naming_extras
from robometer_rl.envs.suites.robosuite_scenes import SCENES

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

KINDS = (*RANKS, "agent")
"""All kinds: the scripted ones, and what an agent did while it learned, which may end in any way."""

AIMLESS = ("random", "other_task", "cornered")
"""Kinds in which nothing is done for the task at any time."""

BY_CHANCE = 0.1
"""Quality above which what had nothing to do with the task has done a part of it."""

BY_HAND = {f"robosuite/{name}": scene.by_hand for name, scene in SCENES.items()}
"""Quality that the hand earns at the object, doing nothing to it; elsewhere quality is the object's alone."""

_NEARLY = 0.7
"""Quality above which an agent that stops has nearly done it: scripted stalls stop at or below."""

# A frame of 96x96 pixels fits DEFLATE's window of 32 KiB: with several frames in a chunk the static
# background of a frame is coded as a copy of the frame before.
_CHUNK_FRAMES = 16


@dataclass(frozen=True)
class Episode:
    """One recorded episode of a task.

    Attributes:
        task: Task id, as ``metaworld/drawer-open-v3``.
        kind: One of `KINDS`.
        seed: The seed the episode was asked for with; names its file.
        frames: uint8 ``(T, H, W, 3)`` RGB; frame 0 is the state after the reset.
        success: bool ``(T,)``, the environment's own success test.
        quality: float32 ``(T,)`` in [0, 1], how near the object is to done.
        clock: float32 ``(T,)``, the expert's own time in full-speed steps: it rests in pauses and runs back
            when actions are undone. In a mime it begins where the object would have begun to move.
        frame_every: Control steps between two frames (the last interval may be shorter).
        detail: What was drawn within the kind, for who looks into errors (a style, another task's name).
    """

    task: str
    kind: str
    seed: int
    frames: NDArray[np.uint8]
    success: NDArray[np.bool_]
    quality: NDArray[np.float32]
    clock: NDArray[np.float32]
    frame_every: int = 2
    detail: str = ""

    def __post_init__(self) -> None:
        """Checks kind, types and shapes, so that a bad episode never reaches the disk."""
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is unknown; valid kinds: {', '.join(KINDS)}")
        if self.task.count("/") != 1:
            raise ValueError(f"task {self.task!r} should read 'suite/name'")
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[-1] != 3:
            raise ValueError(
                f"frames should be uint8 (T, H, W, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        wanted = {"success": np.bool_, "quality": np.float32, "clock": np.float32}
        for name, dtype in wanted.items():
            column = getattr(self, name)
            if column.dtype != dtype or column.shape != (len(self.frames),):
                raise ValueError(
                    f"{name} should be {np.dtype(dtype)} ({len(self.frames)},), "
                    f"got {column.dtype} {column.shape}"
                )
        if not (np.isfinite(self.quality).all() and np.isfinite(self.clock).all()):
            raise ValueError(f"quality and clock of {self.task} {self.kind} {self.seed} should be finite")

    @property
    def rank(self) -> int:
        """How good its end is, 1 to 5; an agent's episode ranks as the scripted kind that ends alike."""
        if self.kind in RANKS:
            return RANKS[self.kind]
        if self.success[-1]:
            return RANKS["success"]
        end = float(self.quality[-1])
        least = object_moved(self.task)
        return RANKS["near_miss"] if end > _NEARLY else RANKS["stalled"] if end > least else RANKS["random"]

    @property
    def labels(self) -> NDArray[np.float32]:
        """Progress labels, float32 ``(T,)``; see `progress_labels`."""
        return progress_labels(self.clock, self.success)


def episode_path(root: Path, task: str, kind: str, seed: int) -> Path:
    """The file of an episode.

    Args:
        root: Folder of the data set.
        task: Task id, ``suite/name``.
        kind: One of `KINDS`.
        seed: Non-negative.

    Returns:
        ``root/suite/name/kind-seed.h5``.
    """
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
        for name in ("success", "quality", "clock"):
            file.create_dataset(name, data=getattr(episode, name), track_times=False)
        file.attrs["task"] = episode.task
        file.attrs["kind"] = episode.kind
        file.attrs["seed"] = episode.seed
        file.attrs["rank"] = episode.rank
        file.attrs["frame_every"] = episode.frame_every
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
        ValueError: The file is not HDF5, is cut off, or lacks a dataset or attribute.
    """
    try:
        with h5py.File(path, "r") as file:
            return Episode(
                task=str(file.attrs["task"]),
                kind=str(file.attrs["kind"]),
                seed=int(file.attrs["seed"]),
                frames=file["frames"][:],
                success=file["success"][:],
                quality=file["quality"][:],
                clock=file["clock"][:],
                frame_every=int(file.attrs["frame_every"]),
                detail=str(file.attrs["detail"]),
            )
    except FileNotFoundError:
        raise
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not a whole episode file: {error}") from error


def list_episodes(root: Path, task: str | None = None, kind: str | None = None) -> list[Path]:
    """The episode files of a data set, sorted.

    Args:
        root: Folder of the data set.
        task: Only this task id; None for all.
        kind: Only this kind; None for all.

    Returns:
        Paths in an order that does not depend on the file system.

    Raises:
        ValueError: `root` is not a folder, or `kind` is unknown.
    """
    if not Path(root).is_dir():
        raise ValueError(f"{root} is not a folder; `robometer-rl collect --out {root}` fills one")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown; valid kinds: {', '.join(KINDS)}")
    return sorted(Path(root).glob(f"{task or '*/*'}/{kind or '[a-z]*'}-*.h5"))


UNMOVED = 0.05
"""Quality up to which the object counts as where it was."""


def progress_labels(clock: ArrayLike, success: ArrayLike) -> NDArray[np.float32]:
    """Progress of an episode that succeeds: the share of the expert's time to the first success.

    Args:
        clock: ``(T,)`` the expert's own time at each frame.
        success: bool ``(T,)`` the true success at each frame.

    Returns:
        float32 ``(T,)``: ``clock / clock[first success]`` in [0, 1] up to the first success, 1 wherever
        success holds from there on, NaN (no label) where it is lost again; all NaN without any success.

    Raises:
        ValueError: The two differ in shape or are not one-dimensional.
    """
    time = np.asarray(clock, dtype=np.float32)
    done = np.asarray(success, dtype=bool)
    if time.ndim != 1 or time.shape != done.shape:
        raise ValueError(f"clock and success should both be (T,), got {time.shape} and {done.shape}")
    labels = np.full(time.shape, np.nan, dtype=np.float32)
    if not done.any():
        return labels
    first = int(np.argmax(done))
    # A success at clock 0 came by itself: the frames before it show nothing of the expert's way and get no
    # label.
    if time[first] > 0:
        labels[:first] = np.clip(time[:first] / time[first], 0.0, 1.0)
    labels[first:][done[first:]] = 1.0
    return labels


def object_moved(task: str) -> float:
    """The quality above which a part of the task has been done, which a hand beside the object has not.

    Args:
        task: Task id; one outside the table has a quality that is the object's alone.

    Returns:
        In [0, 1].
    """
    return max(BY_CHANCE, BY_HAND.get(task, 0.0) + UNMOVED)


def first_moved(quality: ArrayLike, threshold: float = UNMOVED) -> int | None:
    """The first frame at which the object has moved towards done.

    Args:
        quality: ``(T,)`` in [0, 1], 0 at the start state.
        threshold: Quality above which the object counts as moved.

    Returns:
        The index, or None if it never moves.
    """
    moved = np.flatnonzero(np.asarray(quality) > threshold)
    return int(moved[0]) if len(moved) else None
