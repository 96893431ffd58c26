"""From the files and folders that a user names to the videos in them.

Two kinds of folder are told apart. A folder that holds pictures, and no video file at any depth, is one video
of stills. Any other is a folder of videos, and what is no video in it is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .io import check_readable, is_still, is_video_file
from .pictures import natural_order

__all__ = ["VideoPaths", "expand_paths", "file_identity", "short_names"]


@dataclass(frozen=True)
class VideoPaths:
    """What stands behind the paths that a user named."""

    videos: tuple[Path, ...]
    """Files and folders of stills, each once, in the order named; in a folder by the numbers in names."""
    passed_over: tuple[Path, ...]
    """Files in folders that are no videos."""


@dataclass
class _Folder:
    """What lies in a folder and below it."""

    videos: list[Path] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    has_video_file: bool = False


def expand_paths(paths: Sequence[str | Path]) -> VideoPaths:
    """Finds the videos that paths stand for.

    Args:
        paths: Videos and folders of videos, searched at any depth; `~` is the home folder. Hidden files and
            folders, such as the `._` files of macOS, are left out.

    Returns:
        Each video once, even where two paths lead to it.

    Raises:
        FileNotFoundError: There is nothing at a path.
        ValueError: No path is named, a file is no video, or a folder holds none.
    """
    if isinstance(paths, (str, Path)):
        raise ValueError(f"paths must be a list of videos and folders, got the one path {str(paths)!r}")
    if not paths:
        raise ValueError("no video is named; expected at least one video or folder of videos")
    videos: list[Path] = []
    passed_over: list[Path] = []
    for path in (Path(path).expanduser() for path in paths):
        if path.is_dir():
            found = _search(path, frozenset())
            if not found.videos:
                raise ValueError(f"the folder {path} holds neither videos nor pictures")
            videos += found.videos
            passed_over += found.passed_over
        else:
            check_readable(path)
            videos.append(path)
    chosen = _once(videos)
    named = {file_identity(path) for path in chosen}
    others = tuple(path for path in _once(passed_over) if file_identity(path) not in named)
    return VideoPaths(chosen, others)


def _search(folder: Path, above: frozenset[tuple[object, ...]]) -> _Folder:
    """What a folder holds; links to the folders above it are not followed."""
    above |= {file_identity(folder)}
    found, stills = _Folder(), False
    for entry in sorted(folder.iterdir(), key=natural_order):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if file_identity(entry) in above:
                continue
            below = _search(entry, above)
            found.videos += below.videos
            found.passed_over += below.passed_over
            found.has_video_file |= below.has_video_file
        elif is_video_file(entry):
            found.videos.append(entry)
            found.has_video_file = True
        else:
            stills |= is_still(entry)
            found.passed_over.append(entry)
    if stills and not found.has_video_file:
        return _Folder([folder])
    return found


def file_identity(path: str | Path) -> tuple[object, ...]:
    """What two paths to the same file or folder have in common.

    Args:
        path: Of a file or a folder that may be missing.

    Returns:
        A key: device and number of the file where it exists, else its absolute path.
    """
    path = Path(path).expanduser()
    try:
        status = path.stat()
    except OSError:
        return ("missing", os.path.abspath(path))
    return (status.st_dev, status.st_ino)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Names that tell files apart, without the folders that all have in common.

    Args:
        paths: Different files or folders.

    Returns:
        One name a path, in their order, with `/` between folders.
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]
    if len({path.anchor for path in absolute}) > 1:
        return [path.as_posix() for path in absolute]
    common = Path(os.path.commonpath([path.parent for path in absolute])) if absolute else Path()
    return [path.relative_to(common).as_posix() for path in absolute]


def _once(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths without those that lead to a file before them."""
    return tuple({file_identity(path): path for path in reversed(list(paths))}.values())[::-1]
