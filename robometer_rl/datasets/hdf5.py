"""HDF5 files, opened so that what is wrong with one is told by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robometer_rl.envs.extras import naming_extras

with naming_extras():
    import h5py

__all__ = ["opened"]


@contextmanager
def opened(path: Path, fault: str) -> Iterator[Any]:
    """Opens a file to read from.

    Args:
        path: The file.
        fault: What to say of one that cannot be read, such as "is not a whole episode file".

    Yields:
        The open file.

    Raises:
        OSError: The file is not there or must not be read.
        ValueError: It is not HDF5, is cut off, or what is read inside the block is not as it should be.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} {fault}: {error}") from error
