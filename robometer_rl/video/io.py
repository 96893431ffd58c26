"""Videos in, videos out: every way a video is stored becomes uint8 `(T, H, W, 3)` RGB.

Read are video files (through ffmpeg), animated gifs, numpy arrays and folders of images. Bad input is named
together with what was expected, since a model would score a transposed or wrongly scaled video all the same.
"""

from __future__ import annotations

import contextlib
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Video", "read_video", "write_mp4"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
MAX_BYTES = 4 * 2**30
"""Largest decoded video, in bytes; longer ones are to be subsampled instead of filling the memory."""
GIF_FPS = 10.0
"""Frame rate of a gif that names no duration; browsers play those at ten frames per second."""


@dataclass(frozen=True)
class Video:
    """A decoded video and where its frames come from."""

    frames: NDArray[np.uint8]
    """uint8 `(T, H, W, 3)` RGB, T >= 1."""
    fps: float | None
    """Frames per second of the source, None where the source does not say (arrays, folders)."""
    index: NDArray[np.int64]
    """`(T,)`, the number of each frame in the source, from 0; has gaps when the video was subsampled."""

    def __len__(self) -> int:
        """Number of frames kept."""
        return len(self.frames)

    @property
    def shown_fps(self) -> float:
        """Frames per second at which the kept frames play at the source's pace (10 where that is unknown)."""
        if self.fps is None:
            return GIF_FPS
        span = int(self.index[-1] - self.index[0])
        return self.fps * (len(self) - 1) / span if span else self.fps


def read_video(path: str | Path, fps: float | None = None) -> Video:
    """Read a video file, a gif, a numpy array or a folder of images.

    Args:
        path: mp4 (mov, avi, mkv, webm, m4v), gif, npy, npz, or a folder of png, jpg, bmp or webp images,
            which are taken in the order of the numbers in their names. Arrays are uint8 `(T, H, W, 3)`; an
            npz file holds one array, or names it `frames`, and may hold the scalar `fps`.
        fps: keep about so many frames per second, always the first and the last one. None keeps all.

    Returns:
        The frames kept, in RGB.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the file is of an unknown kind, empty, damaged, or holds no RGB video; or `fps` asks for a
            subsampling of something that has no frame rate.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no video at {path}")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number of frames per second, got {fps}")
    with warnings.catch_warnings():
        # imageio_ffmpeg leaves the pipes of a finished ffmpeg to the garbage collector, which complains.
        warnings.simplefilter("ignore", ResourceWarning)
        source, rate = _open(path)
        if fps is not None and rate is None:
            raise ValueError(
                f"{path} has no frame rate, so it cannot be subsampled to {fps:g} frames per second; "
                "leave fps out, or store the frames in an npz file that also holds the scalar 'fps'"
            )
        frames, index = _collect(source, path, rate, fps)
    return Video(frames=frames, fps=rate, index=index)


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
    """
    path = Path(path)
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
    """Send frames to ffmpeg and wait until the file is whole."""
    import imageio_ffmpeg

    _check_frame(first, f"frame 0 for {name}", None)
    height, width = _even(first).shape[:2]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=fps,
        codec="libx264",
        quality=8,
        macro_block_size=1,
        ffmpeg_log_level="error",
    )
    writer.send(None)
    try:
        for number, frame in enumerate(chain([first], others)):
            _check_frame(frame, f"frame {number} for {name}", first.shape)
            writer.send(np.ascontiguousarray(_even(frame)))
    finally:
        writer.close()


def _open(path: Path) -> tuple[Iterable[NDArray[np.uint8]], float | None]:
    """The frames of a source, decoded as they are asked for, and its frame rate."""
    if path.is_dir():
        return _folder(path), None
    suffix = path.suffix.lower()
    if suffix not in (*VIDEO_SUFFIXES, ".gif", *ARRAY_SUFFIXES):
        known = ", ".join((*VIDEO_SUFFIXES, ".gif", *ARRAY_SUFFIXES))
        raise ValueError(f"{path} is no video: expected one of {known}, or a folder of images")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    if suffix in ARRAY_SUFFIXES:
        return _array(path)
    if suffix == ".gif":
        return _gif(path)
    return _ffmpeg(path)


def _collect(
    source: Iterable[NDArray[np.uint8]], path: Path, rate: float | None, fps: float | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Keep the frames that `fps` asks for, checking each one.

    Returns:
        frames `(T, H, W, 3)` and their numbers `(T,)` in the source.
    """
    step = 1.0 if fps is None or rate is None else max(1.0, rate / fps)
    kept: list[NDArray[np.uint8]] = []
    index: list[int] = []
    shape: tuple[int, ...] | None = None
    number, last = -1, None
    for number, frame in enumerate(source):
        _check_frame(frame, f"frame {number} of {path}", shape)
        shape, last = frame.shape, frame
        # Rounding the next due time, instead of a fixed stride, holds the asked rate on average: 30 -> 20
        # works.
        if number >= round(len(kept) * step):
            kept.append(frame)
            index.append(number)
        if len(kept) * frame.nbytes > MAX_BYTES:
            raise ValueError(
                f"{path} is longer than {MAX_BYTES / 2**30:.0f} GiB decoded; subsample it with a lower fps"
            )
    if last is None:
        raise ValueError(f"{path} holds no frames")
    if index[-1] != number:
        kept.append(last)
        index.append(number)
    return np.stack(kept), np.asarray(index, dtype=np.int64)


def _check_frame(frame: NDArray[Any], what: str, shape: tuple[int, ...] | None) -> None:
    """Refuse all but uint8 `(H, W, 3)` of the shape of the frames before it."""
    if frame.dtype != np.uint8:
        raise ValueError(f"{what} has dtype {frame.dtype}, expected uint8 in [0, 255]")
    if frame.ndim != 3 or frame.shape[-1] != 3 or 0 in frame.shape:
        raise ValueError(f"{what} has shape {frame.shape}, expected (height, width, 3) in RGB")
    if shape is not None and frame.shape != shape:
        raise ValueError(f"{what} has shape {frame.shape}, but the frames before it have {shape}")


def _ffmpeg(path: Path) -> tuple[Iterator[NDArray[np.uint8]], float]:
    """Frames of a video file and its rate."""
    import imageio_ffmpeg

    decoder = imageio_ffmpeg.read_frames(str(path))
    meta = None
    # Its message is ffmpeg's banner, and as a cause it would keep ffmpeg's pipes open.
    with contextlib.suppress(OSError):
        meta = next(decoder)
    if meta is None:
        raise ValueError(f"{path} cannot be decoded as a video: the file is damaged or of another kind")
    rate, (width, height) = float(meta["fps"]), meta["size"]
    if not (np.isfinite(rate) and rate > 0):
        decoder.close()
        raise ValueError(f"{path} names a frame rate of {rate}, expected a positive number")

    def frames() -> Iterator[NDArray[np.uint8]]:
        count = 0
        with contextlib.closing(decoder):
            for buffer in decoder:
                yield np.frombuffer(buffer, np.uint8).reshape(height, width, 3)
                count += 1
        # ffmpeg ends quietly where the data ends; the header still knows how long the video was.
        expected = rate * float(meta["duration"])
        if count and count < 0.9 * expected - 1:
            warnings.warn(
                f"{path} is cut short: {count} frames could be read of about {expected:.0f}", stacklevel=2
            )

    return frames(), rate


def _gif(path: Path) -> tuple[Iterator[NDArray[np.uint8]], float]:
    """Frames of an animated gif, each as it is seen (gifs store differences), and the mean rate."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path, formats=("GIF",)) as gif:
            shown = [
                (np.asarray(image.convert("RGB")), float(image.info.get("duration", 0)))
                for image in ImageSequence.Iterator(gif)
            ]
    except (UnidentifiedImageError, OSError, EOFError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be decoded as a gif: {error}") from error
    milliseconds = float(np.mean([duration for _, duration in shown]))
    rate = 1000.0 / milliseconds if milliseconds > 0 else GIF_FPS
    return (frame for frame, _ in shown), rate


def _array(path: Path) -> tuple[Iterable[NDArray[np.uint8]], float | None]:
    """Frames of a npy or npz file; the rate where an npz file names it."""
    try:
        # Pickled objects in an array run code when they are loaded, so they are never allowed.
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _checked_array(loaded, str(path)), None
        with loaded as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be read as a numpy file without pickled objects: {error}") from error
    rate = arrays.pop("fps", None)
    if rate is not None and (rate.size != 1 or not np.isfinite(rate).all() or rate.item() <= 0):
        raise ValueError(f"'fps' in {path} must be one positive number, got {rate}")
    key = next(iter(arrays)) if len(arrays) == 1 else "frames"
    if key not in arrays:
        raise ValueError(f"{path} holds the arrays {sorted(arrays)}; name the one with the video 'frames'")
    return _checked_array(arrays[key], f"{path}[{key!r}]"), None if rate is None else float(rate.item())


def _checked_array(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """The array if it is uint8 `(T, H, W, 3)`, else an error that names the likely fix."""
    expected = "expected uint8 (T, height, width, 3) in RGB"
    if array.ndim != 4 or array.shape[-1] != 3:
        channels_first = array.ndim == 4 and array.shape[1] == 3
        fix = "; it looks channels-first: array.transpose(0, 2, 3, 1)" if channels_first else ""
        raise ValueError(f"{what} has shape {array.shape}, {expected}{fix}")
    if array.dtype != np.uint8:
        raise ValueError(f"{what} has dtype {array.dtype}, {expected} with values in [0, 255]")
    if array.shape[0] == 0:
        raise ValueError(f"{what} holds no frames: its shape is {array.shape}")
    return array


def _folder(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The images of a folder, in the order of the numbers in their names (frame_2 before frame_10)."""
    from PIL import Image, UnidentifiedImageError

    names = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    if not names:
        raise ValueError(f"the folder {path} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    for file in sorted(names, key=_natural):
        try:
            with Image.open(file) as image:
                yield np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{file} cannot be decoded as an image") from error


def _natural(file: Path) -> list[tuple[int, int, str]]:
    """Sort key that compares the digits in a name as numbers."""
    parts = re.split(r"(\d+)", file.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad `(H, W, 3)` to even height and width by repeating the last row or column."""
    height, width = frame.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
