"""The manifest of a sweep, `manifest.json` in its folder: every run, its state, how often it was tried.

It is written anew, in one piece, at every change of state. What is done is decided by the run folders: a run
is done when its `result.json` is there, whatever the manifest says.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from robometer_rl.errors import InputError

from ..agent.run import RunConfig, RunFolder, command_line, config_from_dict
from ..common.files import write_json
from .spec import Sweep

__all__ = ["MANIFEST", "Entry", "Manifest", "State", "exclusive", "is_held", "load", "now", "open_manifest"]

MANIFEST = "manifest.json"
"""File name of a manifest."""

State = Literal["waiting", "running", "done", "failed"]
"""`failed`: after its retries; the next start of the sweep tries it again."""

_LOCK = ".lock"
_PATIENCE = 2.0
"""Seconds to try for the lock: whoever asks for the status holds it for a moment."""


@dataclass
class Entry:
    """One run of the manifest."""

    id: str
    """Run id, the name of its folder."""
    config: RunConfig
    """The run."""
    command: str
    """Command that makes it by hand."""
    state: State = "waiting"
    """Where it stands."""
    attempts: int = 0
    """How often it was started, over all starts of the sweep."""
    lost: int = 0
    """How many of these ended because the machine under them died."""
    exit_status: int | None = None
    """Of the last attempt that ended; negative: the signal that killed it."""
    error: str = ""
    """Why the last attempt failed; empty where it did not."""
    where: str = ""
    """Machine of the last attempt; empty for this one."""
    started: str = ""
    """When the last attempt began, ISO 8601, UTC."""
    finished: str = ""
    """When it ended; empty while it runs."""


@dataclass
class Manifest:
    """All runs of a sweep in their order, and the folder that they are in."""

    out: Path
    """The folder."""
    name: str
    """Name of the sweep."""
    entries: list[Entry]
    """The runs."""

    def save(self) -> None:
        """Writes the file in one piece."""
        runs = [{**asdict(entry), "config": asdict(entry.config)} for entry in self.entries]
        write_json(self.out / MANIFEST, {"name": self.name, "runs": runs})

    def folder(self, entry: Entry) -> RunFolder:
        """Returns the folder of a run."""
        return RunFolder(self.out / entry.id)


def now() -> str:
    """Returns the time as the manifest writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def load(out: Path, alive: bool | None = None) -> Manifest:
    """Reads a manifest, with what the run folders say about it.

    Args:
        out: Folder of the sweep.
        alive: Whether its sweep is running; None finds out.

    Returns:
        The manifest; runs that were running when their sweep died wait.

    Raises:
        ValueError: The file is no manifest.
        FileNotFoundError: There is none.
    """
    path = out / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"no sweep in {out}: {path} is missing")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(out, str(values["name"]), [_entry(row) for row in values["runs"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no manifest of a sweep: {error!r}") from error
    alive = is_held(out) if alive is None else alive
    for entry in manifest.entries:
        if manifest.folder(entry).done:
            entry.state, entry.error = "done", ""
        elif entry.state == "done" or (entry.state == "running" and not alive):
            entry.state = "waiting"
    return manifest


def _entry(row: dict[str, Any]) -> Entry:
    known = {item.name for item in fields(Entry)}
    if row["state"] not in get_args(State):
        raise ValueError(f"state {row['state']!r} of {row['id']}")
    kept = {key: value for key, value in row.items() if key in known}
    return Entry(**{**kept, "config": config_from_dict(row["config"])})


def open_manifest(out: Path, sweep: Sweep, extra: str = "") -> Manifest:
    """Lays a sweep over what its folder holds already, while no other has it. Writes nothing.

    Args:
        out: Folder of the sweep; need not exist.
        sweep: The runs that are wanted.
        extra: Further options of `robometer-rl train`, for the commands.

    Returns:
        The manifest, in the order of the sweep, with what is known of each run.

    Raises:
        ValueError: The folder has runs that the sweep does not, or a run folder belongs to another run.
    """
    before = load(out, alive=False) if (out / MANIFEST).exists() else Manifest(out, sweep.name, [])
    wanted = {config.run_id: config for config in sweep.runs}
    known = {entry.id: entry for entry in before.entries}
    extra_runs = [entry for entry in before.entries if entry.id not in wanted]
    if extra_runs:
        raise ValueError(_other_sweep(before, extra_runs, sweep))
    entries = []
    for run_id, config in wanted.items():
        entry = known.get(run_id, Entry(run_id, config, ""))
        entry.command = command_line(config, out, extra)
        _check_folder(RunFolder(out / run_id), config)
        if RunFolder(out / run_id).done:
            entry.state = "done"
        entries.append(entry)
    return Manifest(out, sweep.name, entries)


def _other_sweep(before: Manifest, extra: Sequence[Entry], sweep: Sweep) -> str:
    """Says in which fields the runs of a folder and those of a sweep differ."""
    differences = []
    for item in fields(RunConfig):
        there = list(dict.fromkeys(str(getattr(entry.config, item.name)) for entry in before.entries))
        here = list(dict.fromkeys(str(getattr(config, item.name)) for config in sweep.runs))
        if set(there) - set(here):
            differences.append(f"{item.name} is {', '.join(there)} there and {', '.join(here)} here")
    what = "; ".join(differences) or "other combinations of the same values"
    return (
        f"{before.out} holds another sweep: {len(extra)} of its {len(before.entries)} runs are not in this "
        f"one ({what}). Choose another --out, or keep its runs in the file; more runs may be added"
    )


def _check_folder(folder: RunFolder, config: RunConfig) -> None:
    """Refuses a run folder whose files are those of another run."""
    if not folder.config.exists():
        return
    try:
        there = folder.read_config()
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{folder.config} describes no run ({error}); remove the folder, or choose another --out"
        ) from error
    if there != config:
        names = [
            f"{item.name} is {getattr(there, item.name)!r} and not {getattr(config, item.name)!r}"
            for item in fields(RunConfig)
            if getattr(there, item.name) != getattr(config, item.name)
        ]
        raise ValueError(
            f"{folder.path} holds the run of another configuration: {', '.join(names)}; "
            "remove the folder, or choose another --out"
        )


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Holds the folder of a sweep, so that no second sweep works in it.

    Args:
        out: Folder of the sweep, which exists.

    Yields:
        Nothing.

    Raises:
        InputError: Another sweep has it.
    """
    with (out / _LOCK).open("a+", encoding="utf-8") as file:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    message = f"a sweep is running in {out} (process {holder}); --status shows it"
                    raise InputError(message) from error
                time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_held(out: Path) -> bool:
    """Returns whether a sweep is running in a folder."""
    path = out / _LOCK
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
