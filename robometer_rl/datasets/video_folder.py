"""Folders of videos as demonstrations: `success/` and `failure/`, or a `labels.csv`, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame_checks import check_video
from ..frames import resize_frame
from ..video.io import UNKNOWN_FPS, VIDEO_SUFFIXES, Video, is_still, is_video_file, read_video
from ..video.pictures import ANIMATION_SUFFIXES
from .episodes import FAILURE, UNLABELLED, Episode
from .label_file import LABELS_FILE, VideoLabel, read_labels
from .protocol import EpisodeReader, ReadOptions, task_id_of

__all__ = ["FoundVideos", "VideoFolder", "find_videos", "frame_times", "label_frames"]

OUTCOME_OF = {
    "success": "success",
    "successes": "success",
    "failure": "failure",
    "failures": "failure",
    "fail": "failure",
}
"""Name of a folder, in any case -> the outcome of the videos in it."""

_RATED = (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES)
"""Suffixes of what has a frame rate."""


@dataclass(frozen=True)
class FoundVideos:
    """The videos of a folder, and what else lies there."""

    labels: dict[str, VideoLabel]
    """What is known of each video, by its path inside the folder."""
    others: list[str]
    """Paths of what is no video."""


def find_videos(root: Path) -> FoundVideos:
    """Finds the videos of a folder and what is known of them.

    Args:
        root: Holds videos, or folders of `OUTCOME_OF` with videos, or `labels.csv`, or several of these. A
            folder of pictures is a video. What `labels.csv` says goes before the folder a video lies in.

    Returns:
        The videos in the order of their paths, those of `labels.csv` first; hidden files are left alone.

    Raises:
        ValueError: `labels.csv` is not of its form, or names a video that is not there.
    """
    told = read_labels(root)
    missing = [name for name in told if not (root / name).exists()]
    if missing:
        raise ValueError(f"{root / LABELS_FILE} names videos that are not there: {', '.join(missing[:5])}")
    found, others = dict(told), []
    folders = [(root, "")]
    while folders:
        folder, outcome = folders.pop(0)
        for path in _visible(folder):
            name = path.relative_to(root).as_posix()
            inner = OUTCOME_OF.get(path.name.lower()) if folder == root and path.is_dir() else None
            # Inside success/ and failure/ at any depth, say by days; links could lead back.
            if inner is None and outcome and path.is_dir() and not path.is_symlink() and not _is_video(path):
                inner = outcome
            if inner is not None:
                folders.append((path, inner))
            elif name in told:
                if outcome and not told[name].outcome:
                    found[name] = replace(told[name], outcome=outcome)
            elif _is_video(path):
                found[name] = VideoLabel(outcome)
            elif name not in (LABELS_FILE, "tasks.json"):
                others.append(name)
    return FoundVideos(found, others)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return any(is_still(inner) for inner in _visible(path))
    return is_video_file(path)


class VideoFolder(EpisodeReader):
    """A folder of videos, see `find_videos`."""

    format = "videos"

    def __init__(self, root: Path, options: ReadOptions) -> None:
        """Lists the videos; none is decoded yet.

        Args:
            root: The folder.
            options: How to read them.

        Raises:
            ValueError: It holds no videos, or `labels.csv` is wrong, see `find_videos`.
        """
        found = find_videos(root)
        if not found.labels:
            raise ValueError(
                f"{root} holds no videos: put them into success/ and failure/, or name them in {LABELS_FILE}"
            )
        self.root, self.options = root, options
        self.labels = found.labels
        self.names: Sequence[str] = list(found.labels)
        others = found.others
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        self.notes: Sequence[str] = (
            [f"no videos, passed over: {', '.join(others[:5])}{more}"] if others else []
        )

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether it is a folder with a `labels.csv`, videos, or one of the folders of `OUTCOME_OF`."""
        return path.is_dir() and any(
            inner.name == LABELS_FILE
            or (inner.is_dir() and inner.name.lower() in OUTCOME_OF)
            or _is_video(inner)
            for inner in _visible(path)
        )

    def read(self, name: str) -> Episode:
        """Reads one video, see `EpisodeReader.read`; a success of unknown end is done at its last frame."""
        sentence = self.sentences(name)[0]
        label, options = self.labels[name], self.options
        size = options.image_size
        path = self.root / name
        rated = path.is_file() and path.suffix.lower() in _RATED
        video = read_video(
            path,
            options.fps if rated else None,
            (lambda frame: frame) if size is None else (lambda frame: resize_frame(frame, size)),
        )
        check_video(video.frames, name)
        success, progress = label_frames(label, frame_times(video), name)
        return Episode(
            task=options.task_id if options.task_id and not label.task else task_id_of(sentence),
            kind={"success": "success", "failure": FAILURE, "": UNLABELLED}[label.outcome],
            seed=self.names.index(name),
            frames=video.frames,
            success=success,
            frame_every=1,
            detail=name,
            progress=progress,
        )

    def sentences(self, name: str) -> Sequence[str]:
        """The sentence of a video, see `EpisodeReader.sentences`."""
        sentence = self.labels[name].task or self.options.task
        if sentence is None:
            raise ValueError(
                f"{name} has no sentence: give --task, or write it into the column task of {LABELS_FILE}"
            )
        return [sentence]

    def version(self, name: str) -> str:
        """See `EpisodeReader.version`."""
        stat = (self.root / name).stat()
        return repr((self.labels[name], self.options, stat.st_size, stat.st_mtime_ns))


def frame_times(video: Video) -> NDArray[np.float64]:
    """Seconds at which each frame of a video is shown; without a frame rate ten come in a second.

    Args:
        video: Decoded.

    Returns:
        float64 `(T,)`, the first at 0.
    """
    return video.index / UNKNOWN_FPS if video.times is None else video.times


def label_frames(
    label: VideoLabel, times: NDArray[np.float64], name: str
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float32] | None]:
    """Success and progress at each frame, of what a person said of the video.

    Args:
        label: What was said.
        times: float64 `(T,)`, seconds of each frame, ascending.
        name: What to call the video in an error.

    Returns:
        Success, bool `(T,)`, None where nobody has said; a success of unknown end is done at its last frame.
        Progress, float32 `(T,)`, where half the way was named: an even pace from 0 to 0.5, from there to 1
        where a success is done, and NaN after half the way of anything else; otherwise None.

    Raises:
        ValueError: A time lies after the last frame.
    """
    last = float(times[-1])
    # A moment that a person names between two frames is that of the frame that was on the screen, and rounded
    # when it was written.
    slack = 1e-3
    for what, seconds in (("done_at", label.done_at), ("half_way_at", label.half_way_at)):
        shown = last + (last / (len(times) - 1) if len(times) > 1 else 0.0)
        if seconds is not None and seconds > shown + slack:
            raise ValueError(f"{name}: {what}={seconds:g} lies after its last frame, at {last:.2f} s")
    success = None
    if label.outcome == "success":
        first = len(times) - 1
        if label.done_at is not None:
            first = min(first, int(np.searchsorted(times, label.done_at - slack)))
        success = np.arange(len(times)) >= first
    elif label.outcome == "failure":
        success = np.zeros(len(times), dtype=np.bool_)
    if label.half_way_at is None:
        return success, None
    half = label.half_way_at
    progress = np.full(len(times), np.nan, dtype=np.float64)
    before = times <= half + slack
    progress[before] = 0.5 * np.minimum(times[before] / half, 1.0) if half > 0 else 0.5
    if success is not None and success.any():
        end = float(times[success.argmax()])
        after = ~before
        progress[after] = np.minimum(0.5 + 0.5 * (times[after] - half) / max(end - half, 1e-9), 1.0)
        progress[success] = 1.0
    return success, progress.astype(np.float32)
