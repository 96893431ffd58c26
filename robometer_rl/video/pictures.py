"""Videos that are kept as pictures: animated images, numpy arrays, folders of images.

Sizes are checked before anything is decoded: a small file can describe more pixels than the memory holds.
"""

from __future__ import annotations

import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .source import Source

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ANIMATION_SUFFIXES",
    "ARRAY_SUFFIXES",
    "IMAGE_SUFFIXES",
    "holds_video",
    "is_animated",
    "natural_order",
    "read_animation",
    "read_array",
    "read_folder",
]

ANIMATION_SUFFIXES = (".gif", ".webp", ".apng")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
DEFAULT_SECONDS = 0.1
"""How long a picture of an animation that names no duration is shown; browsers do the same."""
_UNREADABLE = (EOFError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What a damaged numpy file raises. RuntimeError: a password or a compression (NotImplementedError) that
zipfile does not have."""


def is_animated(path: Path) -> bool:
    """Tells whether an image file holds several pictures.

    Args:
        path: An image file.

    Returns:
        Whether it does; False for one that cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except (UnidentifiedImageError, OSError, EOFError, SyntaxError, Image.DecompressionBombError):
        return False


def read_animation(path: Path) -> Source:
    """Opens an animated image; each picture as it is seen (gifs store differences), at its own time.

    Args:
        path: A gif, webp or png file.

    Returns:
        Its pictures, decoded one at a time.

    Raises:
        ValueError: It cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow finds some damage of a gif only by reading past its end: an IndexError.
    faults = (
        UnidentifiedImageError, OSError, EOFError, SyntaxError, IndexError, Image.DecompressionBombError,
    )  # fmt: skip

    def refuse(error: Exception) -> ValueError:
        return ValueError(f"{path} cannot be decoded as an animated image: {error}")

    try:
        with Image.open(path, formats=("GIF", "WEBP", "PNG")) as image:
            seconds = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                image.load()  # a webp tells a picture's duration only then
                shown = float(image.info.get("duration", 0) or 0) / 1000.0
                seconds.append(shown if shown > 0 else DEFAULT_SECONDS)
    except faults as error:
        raise refuse(error) from error

    def pictures() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        starts = np.concatenate([[0.0], np.cumsum(seconds)[:-1]])
        try:
            with Image.open(path, formats=("GIF", "WEBP", "PNG")) as image:
                for number, start in enumerate(starts):
                    image.seek(number)
                    yield float(start), np.asarray(image.convert("RGB"))
        except faults as error:
            raise refuse(error) from error

    total = float(np.sum(seconds))
    return Source(pictures(), len(seconds) / total, min(seconds), total)


def read_array(path: Path, most: int) -> Source:
    """Opens a npy or npz file; the frame rate where an npz file names it.

    Args:
        path: The file.
        most: Bytes that the array may have.

    Returns:
        Its pictures.

    Raises:
        ValueError: It is damaged, too large, or holds no uint8 `(T, H, W, 3)` array.
    """
    try:
        array, what, rate = _npy(path, most) if path.suffix.lower() == ".npy" else _npz(path, most)
    except _UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as a numpy file: {error}") from error
    _check_array(array, what)
    gap = 1.0 if rate is None else 1.0 / rate
    pictures = ((number * gap, picture) for number, picture in enumerate(array))
    return Source(pictures, rate, None if rate is None else gap, None if rate is None else len(array) * gap)


def _npy(path: Path, most: int) -> tuple[NDArray[Any], str, float | None]:
    with path.open("rb") as file:
        _check_header(file, str(path), most, path.stat().st_size)
        file.seek(0)
        return np.load(file, allow_pickle=False), str(path), None


def _npz(path: Path, most: int) -> tuple[NDArray[Any], str, float | None]:
    """The array with the video, what to call it, and the frame rate."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

        def read(name: str, limit: int) -> NDArray[Any]:
            with archive.open(members[name]) as file:
                _check_header(file, f"{path}[{name!r}]", limit, members[name].file_size)
            with archive.open(members[name]) as file:
                return np.lib.format.read_array(file, allow_pickle=False)

        names = [name for name in members if name != "fps"]
        key = names[0] if len(names) == 1 else "frames"
        if key not in members:
            raise ValueError(
                f"{path} holds the arrays {sorted(members)}; name the one with the video 'frames'"
            )
        rate = read("fps", 1024) if "fps" in members else None
        numeric = rate is None or rate.dtype.kind in "iuf"
        if rate is not None and not (
            numeric and rate.size == 1 and np.isfinite(rate).all() and rate.item() > 0
        ):
            raise ValueError(f"'fps' in {path} must be one positive number, got {rate}")
        return read(key, most), f"{path}[{key!r}]", None if rate is None else float(rate.item())


def holds_video(path: Path) -> bool:
    """Tells by its header alone whether a numpy file is meant as a video, among others that hold numbers.

    Args:
        path: A npy or npz file.

    Returns:
        Whether it holds an array of four dimensions, or cannot be read, which `read_array` then reports.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return len(_header(file)[0]) == 4
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            names = [name for name in members if name != "fps"]
            key = names[0] if len(names) == 1 else "frames"
            if key not in members:
                return False
            with archive.open(members[key]) as file:
                return len(_header(file)[0]) == 4
    except (*_UNREADABLE, ValueError, tokenize.TokenError):
        return True


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an array in numpy's format."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    return shape, dtype


def _check_header(file: IO[bytes], what: str, most: int, stored: int) -> None:
    """Refuses an array that is too large, holds objects, or is not all there, by its header alone."""
    try:
        shape, dtype = _header(file)
    except (ValueError, tokenize.TokenError) as error:
        raise ValueError(f"{what} cannot be read as a numpy file: {error}") from error
    if dtype.hasobject:
        # Pickled objects in an array run code when they are loaded, so they are never allowed.
        raise ValueError(f"{what} holds pickled objects, which are never loaded")
    size = int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize
    if size > most:
        raise ValueError(
            f"{what} has shape {shape}, {size / 2**30:.1f} GiB; at most {most / 2**30:.3g} GiB are read: "
            "store fewer or smaller frames"
        )
    if stored - file.tell() < size:
        raise ValueError(f"{what} is damaged: it cannot be read whole, its shape {shape} needs {size} bytes")


def _check_array(array: NDArray[Any], what: str) -> None:
    """Refuses all but uint8 `(T, H, W, 3)`, and names the likely fix."""
    expected = "expected uint8 (T, height, width, 3) in RGB"
    if array.ndim != 4 or array.shape[-1] != 3:
        channels_first = array.ndim == 4 and array.shape[1] == 3
        fix = "; it looks channels-first: array.transpose(0, 2, 3, 1)" if channels_first else ""
        raise ValueError(f"{what} has shape {array.shape}, {expected}{fix}")
    if array.dtype != np.uint8:
        raise ValueError(f"{what} has dtype {array.dtype}, {expected} with values in [0, 255]")
    if array.shape[0] == 0:
        raise ValueError(f"{what} holds no frames: its shape is {array.shape}")


def read_folder(path: Path) -> Source:
    """Opens a folder of images, in the order of the numbers in their names (frame_2 before frame_10).

    Args:
        path: The folder. Hidden files, such as the `._` files of macOS, are no images.

    Returns:
        Its pictures, upright where the camera noted how it was held (EXIF).

    Raises:
        ValueError: It holds no images, or, when it comes to one, that cannot be read as one RGB picture.
    """
    files = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    files = sorted((file for file in files if not file.name.startswith(".")), key=natural_order)
    if not files:
        raise ValueError(f"the folder {path} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return Source((float(number), _picture(file)) for number, file in enumerate(files))


def _picture(file: Path) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            count = getattr(image, "n_frames", 1)
            if count > 1:
                raise ValueError(
                    f"{file} is an animation of {count} pictures: pass the file itself as the video"
                )
            return _as_rgb(ImageOps.exif_transpose(image), file)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} cannot be decoded as an image: {error}") from error


def _as_rgb(image: Image, file: Path) -> NDArray[np.uint8]:
    """The picture in 8 bits; Pillow cuts 16 bits off at 255 instead of scaling them."""
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65_535:
            raise ValueError(
                f"{file} has levels from {levels.min()} to {levels.max()}; expected 8 or 16 bits"
            )
        grey = np.rint(levels / 257.0).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode == "F":
        raise ValueError(f"{file} holds floating-point levels; expected 8 or 16 bits a channel")
    return np.asarray(image.convert("RGB"))


def natural_order(file: Path) -> list[tuple[int, int, str]]:
    """Sort key of files in one folder that compares the digits in a name as numbers.

    Args:
        file: The file.

    Returns:
        The key, by which frame_2 comes before frame_10.
    """
    parts = re.split(r"(\d+)", file.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
