"""Several processes that write into one folder: who has which number, and whose turn it is."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .episodes import check_task

__all__ = ["claimed_number", "locked"]

_NUMBER = re.compile(r"(?:\.|[a-z_]+-)(\d+)\.(?:h5|claim)")
"""An episode's file, or the claim of one that is being written."""

_STALE = 60.0
"""Seconds after which a lock is that of a process that has died: what is done under one takes far less."""


def _take(path: Path) -> bool:
    """Makes an empty file; False where there is one already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


@contextmanager
def claimed_number(root: Path, task: str) -> Iterator[int]:
    """A number that no episode of the task has, and that no other process is given meanwhile.

    The kinds of a task share their numbers, so that an episode keeps its own when it gets another kind.

    Args:
        root: Folder of the data set; made if needed.
        task: Task id, ``suite/name``.

    Yields:
        The number after the largest that is there.

    Raises:
        ValueError: `task` is no task id.
    """
    check_task(task)
    folder = Path(root) / task
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        found = (_NUMBER.fullmatch(path.name) for path in folder.iterdir())
        number = max((int(match[1]) + 1 for match in found if match), default=number)
        claim = folder / f".{number:05d}.claim"
        if not _take(claim):
            continue
        # Between the look and the claim another process may have written the episode and dropped its own.
        if any(folder.glob(f"[a-z]*-{number:05d}.h5")):
            claim.unlink()
            continue
        break
    try:
        yield number
    finally:
        claim.unlink()


@contextmanager
def locked(path: Path, patience: float = 10.0) -> Iterator[None]:
    """Waits until no other process is at work on a file.

    Args:
        path: The file; its folder exists.
        patience: Seconds to wait at most.

    Raises:
        TimeoutError: Another process does not finish.
    """
    lock = path.with_name(f".{path.name}.lock")
    end = time.monotonic() + patience
    while not _take(lock):
        try:
            age = time.time() - lock.stat().st_mtime
        except FileNotFoundError:  # it has just been given back
            continue
        if age > _STALE:
            lock.unlink(missing_ok=True)
        elif time.monotonic() > end:
            raise TimeoutError(f"another process keeps {lock}; if none is running, remove it")
        else:
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
