"""The files of a run on their way between two machines that share no disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..agent.run import DONE
from .process import LOG

__all__ = ["Changes", "FileSender", "receive", "snapshot"]

_UNFINISHED = "part"
"""Names of files and folders that are being written: this, or ending in a dot and this."""


@dataclass(frozen=True)
class Changes:
    """What changed in a folder since the last time."""

    written: dict[str, bytes] = field(default_factory=dict)
    """New contents by path below the folder."""
    gone: tuple[str, ...] = ()
    """Paths that are no more."""
    log: bytes = b""
    """What the log has more."""


class FileSender:
    """Notices what changes in a run's folder."""

    def __init__(self, folder: Path, known: Mapping[str, bytes] | None = None) -> None:
        """Nothing has been sent yet.

        Args:
            folder: Folder of the run; need not exist.
            known: Files that the other side has: they are written here first. None: it has none, and files
                that are here already are news.
        """
        self._folder = folder
        self._log_sent = 0
        self._sent: dict[str, tuple[int, int]] = {}
        if known is not None:
            receive(folder, Changes(dict(known)))
            self._sent = self._listed()

    def changes(self) -> Changes:
        """Reads what is new.

        Returns:
            New and changed files, each whole: what changes while it is read comes the next time, with all
            that lies beside it.
        """
        listed = self._listed()
        by_folder: dict[str, list[str]] = defaultdict(list)
        for name, signature in listed.items():
            if self._sent.get(name) != signature:
                by_folder[str(PurePosixPath(name).parent)].append(name)
        written: dict[str, bytes] = {}
        for names in by_folder.values():
            contents = {}
            with contextlib.suppress(OSError):
                for name in names:
                    content = (self._folder / name).read_bytes()
                    if _signature(self._folder / name) == listed[name]:
                        contents[name] = content
            if len(contents) == len(names):
                written |= contents
                self._sent |= {name: listed[name] for name in names}
            elif not any("/" in name for name in names):
                # Files at the top stand each for itself.
                written |= contents
                self._sent |= {name: listed[name] for name in contents}
        gone = tuple(name for name in self._sent if name not in listed)
        for name in gone:
            del self._sent[name]
        return Changes(written, gone, self._more_log())

    def _listed(self) -> dict[str, tuple[int, int]]:
        found = {}
        for root, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if _is_whole(name)]
            for name in files:
                path = Path(root, name)
                if _is_whole(name) and path != self._folder / LOG:
                    with contextlib.suppress(OSError):
                        found[path.relative_to(self._folder).as_posix()] = _signature(path)
        return found

    def _more_log(self) -> bytes:
        path = self._folder / LOG
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(self._log_sent)
            more = file.read()
        self._log_sent += len(more)
        return more


def _is_whole(name: str) -> bool:
    return not name.startswith(".") and name != _UNFINISHED and not name.endswith(f".{_UNFINISHED}")


def _signature(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def snapshot(folder: Path) -> dict[str, bytes]:
    """Reads all that a run needs to go on elsewhere: every file but its log.

    Args:
        folder: Folder of the run; need not exist.

    Returns:
        Contents by path below the folder.
    """
    return FileSender(folder).changes().written


def receive(folder: Path, changes: Changes) -> None:
    """Brings a folder up to date.

    A folder that is new appears in one piece, so that no half checkpoint is ever taken for a whole one, and
    the file that marks a run as done appears last.

    Args:
        folder: Folder of the run; made where it is missing.
        changes: What changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_folder: dict[Path, dict[str, bytes]] = defaultdict(dict)
    for name, content in changes.written.items():
        path = folder / name
        by_folder[path.parent][path.name] = content
    for target in sorted(by_folder, key=lambda path: path == folder):
        files = by_folder[target]
        if target != folder and not target.exists():
            part = target.with_name(f".{target.name}.{_UNFINISHED}")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for name, content in files.items():
                (part / name).write_bytes(content)
            os.replace(part, target)
            continue
        for name in sorted(files, key=lambda name: name == DONE and target == folder):
            _replace(target / name, files[name])
    for name in changes.gone:
        (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the first that holds more stays, and so do those above it
            for parent in PurePosixPath(name).parents[:-1]:
                (folder / parent).rmdir()
    if changes.log:
        with (folder / LOG).open("ab") as file:
            file.write(changes.log)


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{_UNFINISHED}")
    part.write_bytes(content)
    os.replace(part, path)
