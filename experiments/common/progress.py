"""How far a long command is: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console

__all__ = ["LOG_EVERY", "Advance", "progress", "tracked"]

LOG_EVERY = 30.0
"""Seconds between two lines where there is no terminal; the first and the last line come anyway."""

T = TypeVar("T")


class Advance(Protocol):
    """Says that something was done."""

    def __call__(self, steps: int = 1, note: str | None = None) -> None:
        """Counts steps, and shows a note beside them until the next one."""
        ...


@contextmanager
def progress(
    console: Console, what: str, total: int, done: int = 0, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Shows how far a loop is.

    On a terminal a bar moves. Elsewhere, in a log file or a job of a cluster, a line is printed at most every
    `LOG_EVERY` seconds: what is done of how much, the time taken and an estimate of the time left.

    Args:
        console: Where to show it.
        what: What is counted, such as "episodes".
        total: How many there are.
        done: How many of them were done before, by an earlier session.
        clock: Seconds; another one for tests.

    Yields:
        A function to call after each step.
    """
    if console.is_terminal:
        with _bar(console, what, total, done) as advance:
            yield advance
    else:
        log = _Log(console, what, total, done, clock)
        yield log.advance
        log.close()


def tracked(items: Iterable[T], console: Console | None, what: str, total: int) -> Iterator[T]:
    """Yields the items of a loop and shows how far it is.

    Args:
        items: What to go through.
        console: Where to show it; None shows nothing.
        what: What is counted.
        total: How many there are.

    Yields:
        The items.
    """
    if console is None:
        yield from items
        return
    with progress(console, what, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def _bar(console: Console, what: str, total: int, done: int) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        line = bar.add_task(what, total=total, completed=done)

        def advance(steps: int = 1, note: str | None = None) -> None:
            bar.update(line, advance=steps, description=what if note is None else f"{what}: {note}")

        yield advance


class _Log:
    """Lines for who is not there to watch."""

    def __init__(
        self, console: Console, what: str, total: int, done: int, clock: Callable[[], float]
    ) -> None:
        self._console, self._what, self._total, self._clock = console, what, total, clock
        self._done = self._before = done
        self._began = self._printed = clock()
        self._note: str | None = None
        self._shown = done
        self._print(f"{what}: {done:,} of {total:,}")

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Counts, and prints a line where the last one is old."""
        self._done += steps
        self._note = note
        if self._clock() - self._printed >= LOG_EVERY:
            self._say()

    def close(self) -> None:
        """Prints how it ended, unless the last line said so already."""
        if self._shown != self._done:
            self._say()

    def _say(self) -> None:
        now = self._clock()
        elapsed, made = now - self._began, self._done - self._before
        left = ""
        if made > 0 and self._done < self._total:
            left = f", about {_duration((self._total - self._done) * elapsed / made)} left"
        note = "" if self._note is None else f" ({self._note})"
        self._print(f"{self._what}: {self._done:,} of {self._total:,} in {_duration(elapsed)}{left}{note}")
        self._printed, self._shown = now, self._done

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min", "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
