"""What a user sees of a sweep: a table that lives in a terminal, lines elsewhere."""

from __future__ import annotations

import csv
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..agent.run import RunFolder
from .manifest import Entry, Manifest

__all__ = ["LineView", "LiveView", "Progress", "progress", "summary", "table"]

_COLOURS = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "red"}
_SECONDS_BETWEEN_DRAWINGS = 1.0
_LINES_AROUND = 6
"""Lines of a terminal that the table cannot have for runs: its head, the summary, the prompt."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, by its files."""

    env_steps: int = 0
    """Environment steps at the last evaluation."""
    true_success: float | None = None
    """Last true success, in [0, 1]; None before the first evaluation, and where it is unknown."""
    minutes: float | None = None
    """Minutes of training over all sessions; of a running run, those of its last attempt so far."""
    minutes_left: float | None = None
    """Minutes until a running run has all its steps, at the pace so far."""
    env_return: float | None = None
    """Last return of the environment's own reward, where success is unknown."""


def progress(manifest: Manifest, entry: Entry) -> Progress:
    """Reads how far a run is.

    Args:
        manifest: Its sweep.
        entry: The run.

    Returns:
        What its curve and result say.
    """
    folder = manifest.folder(entry)
    steps, wall_s, success, own = _last_evaluation(folder)
    minutes = wall_s / 60 if wall_s else None
    left = None
    if folder.done:
        result = json.loads(folder.result.read_text(encoding="utf-8"))
        steps, minutes = int(result.get("env_steps", steps)), float(result.get("wall_s", wall_s)) / 60
    elif entry.state == "running":
        begun = datetime.fromisoformat(entry.started)
        minutes = (datetime.now(timezone.utc) - begun).total_seconds() / 60
        left = max(entry.config.steps - steps, 0) * wall_s / steps / 60 if steps else None
    return Progress(steps, success, minutes, left, own)


_Evaluation: TypeAlias = "tuple[int, float, float | None, float | None]"


def _last_evaluation(folder: RunFolder) -> _Evaluation:
    """Environment steps, seconds, true success or else the own return: the last whole row of a curve."""
    found: _Evaluation = (0, 0.0, None, None)
    if not folder.curve.exists():
        return found
    with folder.curve.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                steps, wall_s = float(row["env_steps"]), float(row["wall_s"])
                success = float(row["true_success"])
                known = not math.isnan(success)
                own = None if known else float(row["env_return"])
                found = (int(steps), wall_s, success if known else None, own)
            except (KeyError, TypeError, ValueError):
                continue  # a row that is being written
    return found


def table(manifest: Manifest, most: int | None = None) -> Table:
    """Draws the runs of a sweep: environment steps, last true success, minutes spent and left.

    Args:
        manifest: The sweep.
        most: Rows at most; what runs or failed comes before what is done or waits.

    Returns:
        A table for `rich`.
    """
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("run", no_wrap=True)
    for name in ("state", "steps", "success", "min", "left"):
        drawn.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    drawn.add_column("", overflow="ellipsis", no_wrap=True)
    for entry in _chosen(manifest.entries, most):
        seen = progress(manifest, entry)
        colour = _COLOURS[entry.state]
        drawn.add_row(
            entry.id,
            Text(entry.state, style=colour),
            f"{_short(seen.env_steps)}/{_short(entry.config.steps)}",
            _judged(seen),
            _minutes(seen.minutes),
            _minutes(seen.minutes_left),
            Text(_note(entry)),
        )
    return drawn


def _chosen(entries: Sequence[Entry], most: int | None) -> list[Entry]:
    if most is None or len(entries) <= most:
        return list(entries)
    last_done = [entry for entry in reversed(entries) if entry.state == "done"]
    waiting = [entry for entry in entries if entry.state == "waiting"]
    urgent = [entry for entry in entries if entry.state in ("running", "failed")]
    few = [*urgent, *last_done[: max(most // 3, 1)], *waiting, *last_done[max(most // 3, 1) :]]
    kept = {entry.id for entry in few[:most]}
    return [entry for entry in entries if entry.id in kept]


def _short(steps: int) -> str:
    return f"{steps / 1000:g}k" if steps >= 1000 else str(steps)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _judged(seen: Progress) -> str:
    """True success, or the return of the environment's own reward where that is unknown."""
    return _number(seen.true_success, 2) if seen.env_return is None else f"return {seen.env_return:.1f}"


def _minutes(value: float | None) -> str:
    return _number(value, 1 if value is not None and value < 10 else 0)


def _note(entry: Entry) -> str:
    parts = [f"attempt {entry.attempts}"] if entry.attempts > 1 else []
    parts += [f"lost {entry.lost}"] if entry.lost else []
    parts += [entry.where] if entry.where and entry.state == "running" else []
    parts += [entry.error] if entry.error and entry.state != "done" else []
    return ", ".join(parts)


def summary(manifest: Manifest) -> str:
    """Counts the runs by state, and guesses when all are done.

    Args:
        manifest: The sweep.

    Returns:
        One line.
    """
    counts = Counter(entry.state for entry in manifest.entries)
    line = f"{counts['done']} of {len(manifest.entries)} done"
    line += "".join(
        f", {counts[state]} {state}" for state in ("running", "waiting", "failed") if counts[state]
    )
    seen = [(entry, progress(manifest, entry)) for entry in manifest.entries if entry.state != "waiting"]
    whole = [one.minutes for entry, one in seen if entry.state == "done" and one.minutes]
    running = [one.minutes_left for entry, one in seen if one.minutes_left is not None]
    whole = whole or [(one.minutes or 0) + (one.minutes_left or 0) for _, one in seen if one.minutes_left]
    if counts["running"] and whole:
        typical = sum(whole) / len(whole)
        unknown = counts["waiting"] + counts["running"] - len(running)
        left = (sum(running) + unknown * typical) / counts["running"]
        line += f"; about {left / 60:.1f} h left" if left > 90 else f"; about {left:.0f} min left"
    return line


class LineView:
    """One line for each change of state."""

    def __init__(self, console: Console, manifest: Manifest) -> None:
        """Nothing is printed yet."""
        self._console, self._manifest = console, manifest

    def changed(self, entry: Entry, note: str) -> None:
        """Prints the change."""
        self._console.print(_line(self._manifest, entry, note), soft_wrap=True)

    def refresh(self) -> None:
        """Lines do not move."""


class LiveView:
    """A table that is drawn again and again; what failed stands above it for good."""

    def __init__(self, live: Live, manifest: Manifest) -> None:
        """Draws the table once."""
        self._live, self._manifest, self._drawn = live, manifest, 0.0
        self.refresh()

    def changed(self, entry: Entry, note: str) -> None:
        """Draws the table; what failed is printed above it."""
        if entry.error and entry.state != "done":
            self._live.console.print(_line(self._manifest, entry, note))
        self._drawn = 0.0

    def refresh(self) -> None:
        """Draws the table, at most once a second."""
        if time.monotonic() < self._drawn + _SECONDS_BETWEEN_DRAWINGS:
            return
        most = max(self._live.console.height - _LINES_AROUND, 3)
        self._live.update(Group(table(self._manifest, most), Text(summary(self._manifest))), refresh=True)
        self._drawn = time.monotonic()


def _line(manifest: Manifest, entry: Entry, note: str) -> Text:
    """A change of state in words."""
    seen = progress(manifest, entry)
    words = [note] if note else []
    if entry.state == "done":
        success = f"true success {_number(seen.true_success, 2) or 'not measured'}"
        words.append(success if seen.env_return is None else _judged(seen))
        words.append(f"{seen.env_steps} steps, {_number(seen.minutes, 1)} min")
    elif entry.error and entry.state != "running" and note != entry.error:
        words.append(entry.error)
    if entry.where and entry.state == "running":
        words.append(entry.where)
    done = sum(other.state == "done" for other in manifest.entries)
    text = Text(f"{datetime.now():%H:%M:%S} {done}/{len(manifest.entries)} ")
    text.append(entry.state, style=_COLOURS[entry.state])
    return text.append(f" {entry.id}" + (f": {', '.join(words)}" if words else ""))
