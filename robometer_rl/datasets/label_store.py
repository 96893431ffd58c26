"""What `robometer-rl label-demos` shows and changes: the videos of a folder, or unlabelled episodes."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..video.io import UNKNOWN_FPS, open_video, write_mp4
from .episodes import (
    FAILURE,
    UNLABELLED,
    Episode,
    EpisodeSummary,
    episode_path,
    list_episodes,
    read_episode,
    read_summary,
    write_episode,
)
from .label_file import VideoLabel, read_labels, write_labels
from .locks import claimed_number
from .sentences import read_tasks
from .video_folder import find_videos, label_frames

__all__ = ["ClipCache", "EpisodeLabels", "LabelItem", "LabelStore", "ShownClip", "VideoLabels", "open_labels"]

BY_HAND = "labelled by hand; "
"""Before the detail of an episode that a person has labelled here."""
KIND_OF = {"success": "success", "failure": FAILURE, "": UNLABELLED}
SHOWN_FPS = 30.0
"""Pictures per second on the page, at most."""
SHOWN_SIDE = 640
"""Longer side of a picture on the page, in pixels, at most."""
CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class LabelItem:
    """One recording, and what has been said of it."""

    name: str
    """Its path inside the folder."""
    label: VideoLabel
    task: str
    """What it is to show, as a sentence; empty where the folder does not say."""


@dataclass(frozen=True)
class ShownClip:
    """A recording as a browser plays it."""

    mp4: bytes
    """H.264, at a constant pace; picture i is shown from i / fps on."""
    fps: float
    frames: int


class LabelStore(Protocol):
    """Recordings that a person labels."""

    root: Path

    def items(self) -> list[LabelItem]:
        """The recordings as they are on the disk now."""
        ...

    def clip(self, name: str) -> ShownClip:
        """A recording to play.

        Raises:
            KeyError: There is no recording of this name.
            ValueError: It cannot be read.
        """
        ...

    def save(self, name: str, label: VideoLabel) -> LabelItem:
        """Writes what a person said, whole or not at all.

        Args:
            name: Of the recording.
            label: Outcome and moments; its task is not read.

        Returns:
            The recording as it is now; its name may be another one.

        Raises:
            KeyError: There is no recording of this name.
            ValueError: A moment lies outside it.
        """
        ...


def open_labels(root: Path) -> LabelStore:
    """Opens a folder of episodes or of videos.

    Args:
        root: The folder.

    Returns:
        The store; episodes where there are any, else videos.

    Raises:
        ValueError: It is no folder, or holds nothing to label.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: name one of videos, or of unlabelled episodes")
    if list_episodes(root):
        return EpisodeLabels(root)
    return VideoLabels(root)


class VideoLabels(LabelStore):
    """The videos of a folder, labelled in its `labels.csv`."""

    def __init__(self, root: Path) -> None:
        """Looks whether there are videos.

        Args:
            root: The folder.

        Raises:
            ValueError: It holds none, or its `labels.csv` is wrong.
        """
        if not find_videos(root).labels:
            raise ValueError(f"{root} holds neither videos nor episodes")
        self.root = root
        self._lock = threading.Lock()

    def items(self) -> list[LabelItem]:
        """See `LabelStore.items`."""
        found = find_videos(self.root).labels
        # By name, whatever the order in `labels.csv`: no row of the list should jump when it is answered.
        return [LabelItem(name, found[name], found[name].task) for name in sorted(found)]

    def clip(self, name: str) -> ShownClip:
        """See `LabelStore.clip`."""
        if name not in find_videos(self.root).labels:
            raise KeyError(name)
        source = open_video(self.root / name)
        rate = UNKNOWN_FPS if source.fps is None else 1.0 / (source.shortest_gap or 1.0 / source.fps)
        pace = min(rate, SHOWN_FPS)
        scale = UNKNOWN_FPS if source.fps is None else 1.0
        return _encode(_at_pace(((time / scale, frame) for time, frame in source.pictures), pace), pace)

    def save(self, name: str, label: VideoLabel) -> LabelItem:
        """See `LabelStore.save`; moments are checked when the video is read."""
        with self._lock:
            found = find_videos(self.root).labels
            if name not in found:
                raise KeyError(name)
            write_labels(self.root, {**read_labels(self.root), name: replace(label, task=found[name].task)})
        now = find_videos(self.root).labels[name]
        return LabelItem(name, now, now.task)


class EpisodeLabels(LabelStore):
    """The unlabelled episodes of a folder, and those that were labelled here before."""

    def __init__(self, root: Path) -> None:
        """Looks whether there are such episodes.

        Args:
            root: The folder.

        Raises:
            ValueError: It holds none, or its `tasks.json` is wrong.
        """
        self.root = root
        self._lock = threading.Lock()
        read_tasks(root)
        if not self.items():
            raise ValueError(f"{root} holds no unlabelled episodes: every one of them says how it ends")

    def items(self) -> list[LabelItem]:
        """See `LabelStore.items`."""
        tasks = read_tasks(self.root)
        rows = []
        for path in list_episodes(self.root):
            kind = path.stem.rpartition("-")[0]
            if kind in KIND_OF.values():
                episode = read_summary(path)
                if kind == UNLABELLED or episode.detail.startswith(BY_HAND):
                    rows.append((episode.task, episode.seed, self._item(path, episode, tasks)))
        return [item for _, _, item in sorted(rows, key=lambda row: row[:2])]

    def clip(self, name: str) -> ShownClip:
        """See `LabelStore.clip`; a frame is shown for a tenth of a second."""
        return _encode(iter(read_episode(self._path(name)).frames), UNKNOWN_FPS)

    def save(self, name: str, label: VideoLabel) -> LabelItem:
        """See `LabelStore.save`; the older file goes away when the new one is whole."""
        with self._lock:
            old = self._path(name)
            episode = read_episode(old)
            times = np.arange(len(episode.frames)) / UNKNOWN_FPS
            success, progress = label_frames(label, times, name)
            new = replace(
                episode,
                kind=KIND_OF[label.outcome],
                success=success,
                progress=progress,
                detail=BY_HAND + episode.detail.removeprefix(BY_HAND),
            )
            path = self._write(new, old)
            if path != old:
                old.unlink()
        return self._item(path, new, read_tasks(self.root))

    def _write(self, episode: Episode, old: Path) -> Path:
        """Writes an episode under its own number, or another one where a different recording has it."""
        target = episode_path(self.root, episode.task, episode.kind, episode.seed)
        if target == old or not target.exists() or _same_pictures(read_episode(target), episode):
            return write_episode(self.root, episode)
        with claimed_number(self.root, episode.task) as number:
            return write_episode(self.root, replace(episode, seed=number))

    def _path(self, name: str) -> Path:
        """The file of a recording; names are compared, never joined to the folder unseen."""
        for path in list_episodes(self.root):
            if path.relative_to(self.root).as_posix() == name:
                return path
        raise KeyError(name)

    def _item(self, path: Path, episode: EpisodeSummary | Episode, tasks: dict[str, list[str]]) -> LabelItem:
        outcome = {kind: outcome for outcome, kind in KIND_OF.items()}[episode.kind]
        done_at = half_way_at = None
        if episode.success is not None and episode.success.any():
            done_at = float(episode.success.argmax() / UNKNOWN_FPS)
        if episode.progress is not None and not np.isnan(episode.progress).all():
            half_way_at = float(np.nanargmin(np.abs(episode.progress - 0.5)) / UNKNOWN_FPS)
        name = path.relative_to(self.root).as_posix()
        return LabelItem(name, VideoLabel(outcome, done_at, half_way_at), tasks.get(episode.task, [""])[0])


def _same_pictures(one: Episode, other: Episode) -> bool:
    return np.array_equal(one.frames, other.frames)


def _at_pace(pictures: Iterable[tuple[float, NDArray[np.uint8]]], pace: float) -> Iterator[NDArray[np.uint8]]:
    """The picture that is shown at each tick of a constant pace; the last one at least once."""
    tick = 0
    before: NDArray[np.uint8] | None = None
    for seconds, frame in pictures:
        # A picture that comes a quarter of a tick late still counts as on time.
        while before is not None and tick / pace < seconds - 0.25 / pace:
            yield before
            tick += 1
        before = frame
    if before is not None:
        yield before


def _encode(frames: Iterator[NDArray[np.uint8]], fps: float) -> ShownClip:
    count = 0

    def counted() -> Iterator[NDArray[np.uint8]]:
        nonlocal count
        for frame in frames:
            count += 1
            yield _small(frame)

    with tempfile.TemporaryDirectory() as folder:
        path = write_mp4(Path(folder) / "clip.mp4", counted(), fps)
        return ShownClip(path.read_bytes(), fps, count)


def _small(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = frame.shape[:2]
    scale = SHOWN_SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(frame)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    return np.array(Image.fromarray(np.ascontiguousarray(frame)).resize(size, Image.Resampling.BILINEAR))


class ClipCache:
    """The clips that were played last, in memory."""

    def __init__(self, store: LabelStore, most: int = CACHE_BYTES) -> None:
        """Begins empty.

        Args:
            store: Where clips come from.
            most: Bytes to keep; the newest clip is kept in any case.
        """
        self._store, self._most = store, most
        self._lock = threading.Lock()
        self._clips: OrderedDict[tuple[Any, ...], ShownClip] = OrderedDict()

    def get(self, name: str) -> ShownClip:
        """A clip, see `LabelStore.clip`; two requests for one at a time encode it once."""
        with self._lock:
            stat = os.stat(self._store.root / name) if (self._store.root / name).exists() else None
            key = (name, stat and stat.st_size, stat and stat.st_mtime_ns)
            if key not in self._clips:
                self._clips[key] = self._store.clip(name)
            self._clips.move_to_end(key)
            while len(self._clips) > 1 and sum(len(clip.mp4) for clip in self._clips.values()) > self._most:
                self._clips.popitem(last=False)
            return self._clips[key]
