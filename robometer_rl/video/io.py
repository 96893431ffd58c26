"""Videos in, videos out: every way a video is stored becomes uint8 `(T, H, W, 3)` RGB.

Read are video files (through PyAV), animated images, numpy arrays and folders of images. Bad input is named
together with what was expected, since a model would score a transposed or wrongly scaled video all the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pictures import (
    ANIMATION_SUFFIXES,
    ARRAY_SUFFIXES,
    IMAGE_SUFFIXES,
    holds_video,
    is_animated,
    read_animation,
    read_array,
    read_folder,
)
from .source import Source

__all__ = [
    "Video",
    "check_readable",
    "is_still",
    "is_video_file",
    "open_video",
    "read_video",
    "write_mp4",
]

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
MAX_BYTES = 4 * 2**30
"""Largest decoded video, in bytes; longer ones are to be subsampled instead of filling the memory."""
UNKNOWN_FPS = 10.0
"""Frames per second at which a video without a frame rate is shown; browsers play such gifs at that pace."""
MAX_SHOWN_FPS = 60.0
"""Fastest pace at which a video whose pictures come unevenly is shown."""


@dataclass(frozen=True)
class Video:
    """A decoded video and where its frames come from."""

    frames: NDArray[np.uint8]
    """uint8 `(T, H, W, 3)` RGB, T >= 1."""
    fps: float | None
    """Frames per second of the source, its mean where pictures come unevenly; None where the source does not
    say (arrays, folders)."""
    index: NDArray[np.int64]
    """`(T,)`, the number of each frame in the source, from 0. It has gaps where the video was subsampled, and
    repeats where it was subsampled across a pause."""
    times: NDArray[np.float64] | None = None
    """`(T,)`, seconds at which each frame is shown, the source's first at 0; None without a frame rate."""
    duration: float | None = None
    """Seconds until the source's last picture has been shown; None without a frame rate."""

    def __len__(self) -> int:
        """Number of frames kept."""
        return len(self.frames)

    @property
    def playback(self) -> tuple[float, NDArray[np.int64]]:
        """How to show the kept frames at the source's pace.

        Returns:
            A constant frame rate, and `(T,)`, how many times in a row each frame is shown at it, 1 or more.
        """
        once = np.ones(len(self), dtype=np.int64)
        if self.times is None or self.duration is None:
            return UNKNOWN_FPS, once
        ends = np.append(self.times[1:], max(self.duration, self.times[-1]))
        gaps = ends - self.times
        shortest = float(np.min(gaps[:-1], initial=np.inf, where=gaps[:-1] > 1e-6))
        pace = max(self.fps or 0.0, 1.0 / shortest)
        fps = min(pace, MAX_SHOWN_FPS) if pace > 0 else UNKNOWN_FPS
        edges = np.rint(np.append(self.times, ends[-1]) * fps).astype(np.int64)
        return fps, np.maximum(np.diff(edges), once)


def is_video_file(path: Path) -> bool:
    """Tells by its name whether a file is a video; of arrays and webp images, by what they hold.

    Args:
        path: A file.

    Returns:
        Whether it is one, readable or not. Arrays that have not four dimensions are none, nor are webp
        images of one picture.
    """
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return holds_video(path)
    if suffix in IMAGE_SUFFIXES:
        return suffix in ANIMATION_SUFFIXES and is_animated(path)
    return suffix in (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES)


def is_still(path: Path) -> bool:
    """Tells by its name whether a file is one picture of a folder that is a video.

    Args:
        path: A file.

    Returns:
        Whether it is one.
    """
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_video_file(path)


def check_readable(path: Path) -> None:
    """Decodes the first picture, so that what is no video is told before anything is scored.

    Args:
        path: As for `read_video`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: it is no video, or nothing of it can be read.
    """
    path = Path(path).expanduser()
    pictures = iter(open_video(path).pictures)
    for _, frame in pictures:
        _check_frame(frame, f"frame 0 of {path}", None)
        break
    else:
        raise ValueError(f"{path} holds no frames")


def read_video(
    path: str | Path,
    fps: float | None = None,
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> Video:
    """Read a video file, an animated image, a numpy array or a folder of images.

    Args:
        path: mp4 (mov, avi, mkv, webm, m4v), gif, webp, apng, npy, npz, or a folder of png, jpg, bmp or webp
            images, which are taken in the order of the numbers in their names. Arrays are uint8
            `(T, H, W, 3)`; an npz file holds one array, or names it `frames`, and may hold the scalar `fps`.
        fps: keep the picture that is shown at each of so many moments per second, always the first and the
            last one, and none twice where pictures come at a steady pace. None keeps every stored picture
            once, at its own time.
        change: what to do to each picture, uint8 `(H, W, 3)`, when it is decoded, such as to make it smaller:
            then a long video need not fit into the memory at its own size. None keeps it as it is.

    Returns:
        The frames kept, in RGB.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the file is of an unknown kind, empty, damaged, too large, or holds no RGB video; or `fps`
            asks for a subsampling of something that has no frame rate.
    """
    path = Path(path).expanduser()
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number of frames per second, got {fps}")
    source = open_video(path)
    if fps is not None and source.fps is None:
        raise ValueError(
            f"{path} has no frame rate, so it cannot be subsampled to {fps:g} frames per second; "
            "leave fps out, or store the frames in an npz file that also holds the scalar 'fps'"
        )
    return _collect(source, path, fps, change)


def write_mp4(path: str | Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write an H.264 mp4 that every player shows.

    Odd sizes are padded by one pixel at the right or the bottom, since H.264 stores colour for 2x2 blocks.

    Args:
        path: where to; the folder is made, the suffix must be `.mp4`.
        frames: at least one uint8 `(H, W, 3)` RGB frame, all of one size. May be a generator.
        fps: frames per second, > 0.

    Returns:
        The path written.

    Raises:
        ValueError: no frames, a wrong suffix or rate, or frames of another dtype or of different shapes.
        OSError: the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"a video is written as .mp4, got {path.name!r}")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number of frames per second, got {fps}")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"no frames to write to {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The unfinished file has another name, so that a video that exists is always a whole one.
    unfinished = path.with_name(f".{path.stem}.unfinished.mp4")
    try:
        _encode(unfinished, path.name, first, frames, fps)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _encode(
    path: Path, name: str, first: NDArray[np.uint8], others: Iterator[NDArray[np.uint8]], fps: float
) -> None:
    """Encode frames until the file is whole."""
    import av

    _check_frame(first, f"frame 0 for {name}", None)
    height, width = _even(first).shape[:2]
    # An absolute path: of `12:30.mp4` ffmpeg would take what stands before the colon for a protocol.
    with av.open(str(path.absolute()), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(100_000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "12", "preset": "veryfast"}
        for number, frame in enumerate(chain([first], others)):
            _check_frame(frame, f"frame {number} for {name}", first.shape)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(_even(frame)), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def open_video(path: Path) -> Source:
    """Open a video whose pictures are decoded as they are asked for.

    Args:
        path: as `read_video` takes it.

    Returns:
        The pictures, one at a time, and their pace.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the file is of an unknown kind, empty or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"no video at {path}")
    if path.is_dir():
        return read_folder(path)
    suffix = path.suffix.lower()
    known = (*VIDEO_SUFFIXES, *ANIMATION_SUFFIXES, *ARRAY_SUFFIXES)
    if suffix not in known:
        raise ValueError(f"{path} is no video: expected one of {', '.join(known)}, or a folder of images")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    if suffix in ARRAY_SUFFIXES:
        return read_array(path, MAX_BYTES)
    if suffix in ANIMATION_SUFFIXES:
        return read_animation(path)
    return _read_file(path)


def _collect(
    source: Source,
    path: Path,
    fps: float | None,
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None,
) -> Video:
    """Keep the pictures that `fps` asks for, checking each one."""
    kept: list[tuple[int, float, NDArray[np.uint8]]] = []
    # Between two pictures of the source; a picture that comes half of it late still counts as on time.
    gap = source.shortest_gap
    sparse = fps is not None and gap is not None and fps * gap < 1.0
    moments = 0  # of the asked rate that have been served
    before: tuple[int, float, NDArray[np.uint8]] | None = None
    shape: tuple[int, ...] | None = None

    def serve(until: float) -> None:
        """Keeps the picture before for the moments at which it is shown, up to a time."""
        nonlocal moments
        assert fps is not None
        assert gap is not None
        # The first picture is kept however short it is shown.
        while before is not None and (moments == 0 or round(moments / fps / gap) < round(until / gap)):
            kept.append(before)
            moments += 1

    for number, (time, frame) in enumerate(source.pictures):
        _check_frame(frame, f"frame {number} of {path}", shape)
        shape = frame.shape
        if sparse:
            serve(time)
        before = (number, time, frame if change is None else change(frame))
        if not sparse:
            kept.append(before)
        if len(kept) * before[2].nbytes > MAX_BYTES:
            raise ValueError(
                f"{path} is longer than {MAX_BYTES / 2**30:.0f} GiB decoded; subsample it with a lower fps"
            )
    if before is None:
        raise ValueError(f"{path} holds no frames")
    duration = source.duration(before[1], before[0] + 1)
    if sparse:
        assert duration is not None  # a source that knows its gaps has a frame rate
        serve(duration)
        if kept[-1][0] != before[0]:
            kept.append(before)
    times = _shown_at([time for _, time, _ in kept], [number for number, _, _ in kept], fps)
    return Video(
        frames=np.stack([frame for _, _, frame in kept]),
        fps=source.fps,
        index=np.asarray([number for number, _, _ in kept], dtype=np.int64),
        times=None if source.fps is None else times,
        duration=duration,
    )


def _shown_at(times: list[float], index: list[int], fps: float | None) -> NDArray[np.float64]:
    """The time of each kept frame: its own, and for one that is kept again the moment for which it is."""
    shown = np.asarray(times, dtype=np.float64)
    for place in range(1, len(index)):
        if index[place] == index[place - 1] and fps is not None:
            shown[place] = shown[place - 1] + 1.0 / fps
    return shown


def _check_frame(frame: NDArray[Any], what: str, shape: tuple[int, ...] | None) -> None:
    """Refuse all but uint8 `(H, W, 3)` of the shape of the frames before it."""
    if frame.dtype != np.uint8:
        raise ValueError(f"{what} has dtype {frame.dtype}, expected uint8 in [0, 255]")
    if frame.ndim != 3 or frame.shape[-1] != 3 or 0 in frame.shape:
        raise ValueError(f"{what} has shape {frame.shape}, expected (height, width, 3) in RGB")
    if shape is not None and frame.shape != shape:
        raise ValueError(f"{what} has shape {frame.shape}, but the frames before it have {shape}")


def _read_file(path: Path) -> Source:
    """Opens a video file; every stored picture comes once, at its own time, turned as it is meant."""
    import av

    damaged = f"{path} cannot be decoded as a video: the file is damaged or of another kind"
    try:
        # An absolute path: of `12:30.mp4` ffmpeg would take what stands before the colon for a protocol.
        # Titles and the like are not read, and need not be UTF-8.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(damaged) from error
    if not container.streams.video:
        container.close()
        raise ValueError(f"{path} holds no video stream")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    rate = float(stream.average_rate or stream.guessed_rate or 0.0)
    if not (np.isfinite(rate) and rate > 0):
        container.close()
        raise ValueError(f"{path} names a frame rate of {rate}, expected a positive number")
    fastest = float(stream.guessed_rate or rate)
    # The container may be longer than its video, with sound that goes on: only the stream's own count says
    # whether pictures are missing.
    length = (
        None if stream.duration is None or stream.time_base is None else stream.duration * stream.time_base
    )
    expected = int(stream.frames) or (None if length is None else int(float(length) * rate))

    def pictures() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        first, count = None, 0
        with container:
            try:
                for frame in container.decode(stream):
                    shown = float(frame.time) if frame.time is not None else count / rate
                    first = shown if first is None else first
                    picture = frame.to_ndarray(format="rgb24")
                    # The container says by how many degrees, against the clock, its pictures are turned.
                    yield shown - first, np.rot90(picture, round(frame.rotation / 90) % 4)
                    count += 1
            except av.error.FFmpegError as error:
                if not count:
                    raise ValueError(damaged) from error
        if expected is not None and count and count < 0.9 * expected - 1:
            warnings.warn(
                f"{path} is cut short: {count} of about {expected} frames could be read", stacklevel=2
            )

    return Source(pictures(), rate, 1.0 / max(rate, fastest), None if length is None else float(length))


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad `(H, W, 3)` to even height and width by repeating the last row or column."""
    height, width = frame.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
