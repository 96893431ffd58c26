"""Opens demonstrations, whatever layout they come in."""

from __future__ import annotations

from pathlib import Path

from .episode_folder import EpisodeFolder
from .protocol import EpisodeReader, ReadOptions
from .robomimic import RobomimicFile
from .video_folder import VideoFolder

__all__ = ["FORMATS", "EpisodeReader", "ReadOptions", "open_dataset"]

FORMATS: dict[str, type[EpisodeFolder] | type[RobomimicFile] | type[VideoFolder]] = {
    reader.format: reader for reader in (EpisodeFolder, RobomimicFile, VideoFolder)
}
"""The formats by name, in the order in which they are tried."""


def open_dataset(
    path: str | Path, options: ReadOptions | None = None, format: str | None = None
) -> EpisodeReader:
    """Opens a data set of demonstrations.

    Args:
        path: A folder of episodes, a folder of videos, or an HDF5 file of robomimic.
        options: How to read it; None is `ReadOptions()`.
        format: One of `FORMATS`; None finds out by looking.

    Returns:
        The reader; recordings are read one at a time as they are asked for.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: The format is unknown, an option does not fit it, or the data set cannot be read.
    """
    path = Path(path).expanduser()
    options = ReadOptions() if options is None else options
    valid = ", ".join(FORMATS)
    if format is not None and format not in FORMATS:
        raise ValueError(f"format {format!r} is unknown; valid formats: {valid}")
    if not path.exists():
        raise FileNotFoundError(f"there are no demonstrations at {path}")
    if format is None:
        fitting = [name for name, reader in FORMATS.items() if reader.recognises(path)]
        if not fitting:
            raise ValueError(f"{path} looks like none of the formats {valid}; name one with --format")
        format = fitting[0]
    options.refuse_foreign(format)
    return FORMATS[format](path, options)
