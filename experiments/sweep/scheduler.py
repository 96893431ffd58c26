"""The course of a sweep: who starts when, what becomes of those that end, and how it all stops."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Literal, Protocol

from .manifest import Entry, Manifest, now
from .process import Job, ProcessResult

__all__ = ["Engine", "Interruption", "Loop", "ProgressView", "RunEvent"]

WRONG_INPUT = 2
"""Exit status that no retry will change."""
LOST_WORKERS = 3
"""How often a run may lose the machine under it, in one start of the sweep, besides its retries."""
_TICK = 0.1
_BUSY_AGAIN = 1.0
_BUSY_FAILS = 10
"""A folder that stays in use for so many grace periods is given up."""


FINE = ProcessResult(0, "")


@dataclass(frozen=True)
class RunEvent:
    """What an engine has to tell about a run."""

    run_id: str
    """The run."""
    kind: Literal["started", "busy", "ended", "lost"]
    """Its process runs; its folder is in use; the process ended; the machine under it died."""
    outcome: ProcessResult = FINE
    """How it ended or was lost."""
    where: str = ""
    """The machine, empty for this one."""


class Engine(Protocol):
    """Where runs are carried out."""

    def room(self) -> int:
        """Returns how many more runs may start now."""
        ...

    def start(self, job: Job) -> None:
        """Starts a run, or asks for it; what becomes of it comes as events."""
        ...

    def poll(self) -> list[RunEvent]:
        """Returns what happened since the last call; comes back soon."""
        ...

    def interrupt(self) -> None:
        """Asks every run for a checkpoint and its end."""
        ...

    def kill(self) -> None:
        """Ends every run at once."""
        ...

    def end_holder(self, run_id: str) -> None:
        """Ends what an earlier sweep left behind in a run's folder."""
        ...

    def close(self) -> None:
        """Gives everything back."""
        ...


class ProgressView(Protocol):
    """Where the user sees it."""

    def changed(self, entry: Entry, note: str) -> None:
        """Tells that a run has another state."""
        ...

    def refresh(self) -> None:
        """Draws again what moves; called often."""
        ...


class Interruption:
    """Counts how often the user asked for the end: once is a clean stop, twice kills."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.asked = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes over Ctrl-C, SIGTERM and a closed terminal, and gives them back."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.asked += 1

        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # `nohup` has it ignored, and means it.
                if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Loop:
    """Takes the runs of a manifest to their end."""

    def __init__(
        self,
        manifest: Manifest,
        jobs: Mapping[str, Job],
        engine: Engine,
        board: ProgressView,
        retries: int,
        grace: float,
        stop: Interruption,
    ) -> None:
        """Everything is ready; nothing runs yet.

        Args:
            manifest: The runs; those that are not done are tried.
            jobs: How each is started, by run id.
            engine: Where.
            board: Told of every change.
            retries: How often a run that failed is tried again.
            grace: Seconds that a run has for its last checkpoint.
            stop: Asked all the time.
        """
        self._manifest, self._jobs, self._engine, self._board = manifest, jobs, engine, board
        self._retries, self._grace, self._stop = retries, grace, stop
        self._entries = {entry.id: entry for entry in manifest.entries}
        self._queue = [entry.id for entry in manifest.entries if entry.state != "done"]
        self._active: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._busy_since: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._stopping = False

    def run(self) -> None:
        """Runs until nothing is left to do.

        Raises:
            KeyboardInterrupt: The user asked for the end; what ran has been stopped and waits.
        """
        for run_id in self._queue:
            self._entries[run_id].state = "waiting"
        self._manifest.save()
        try:
            while (self._queue or self._active) and not self._stop.asked:
                self._start_some()
                self._listen()
                time.sleep(_TICK)
        finally:
            try:
                self._wind_down()
            finally:
                self._engine.close()
        if self._stop.asked and any(entry.state == "waiting" for entry in self._manifest.entries):
            raise KeyboardInterrupt

    def _start_some(self) -> None:
        room = self._engine.room()
        ready = [run_id for run_id in self._queue if self._not_before.get(run_id, 0.0) <= time.monotonic()]
        for run_id in ready[: max(room, 0)]:
            self._queue.remove(run_id)
            self._active.add(run_id)
            self._engine.start(self._jobs[run_id])

    def _listen(self) -> None:
        events = self._engine.poll()
        for event in events:
            entry = self._entries[event.run_id]
            note = getattr(self, f"_{event.kind}")(entry, event)
            self._save()
            self._board.changed(entry, note)
        self._board.refresh()

    def _started(self, entry: Entry, event: RunEvent) -> str:
        self._busy_since.pop(entry.id, None)
        entry.state, entry.where = "running", event.where
        entry.attempts += 1
        entry.started, entry.finished = now(), ""
        return f"attempt {entry.attempts}" if entry.attempts > 1 else ""

    def _busy(self, entry: Entry, event: RunEvent) -> str:
        """Another process has the folder: come back later, and see to it that it ends."""
        self._active.discard(entry.id)
        entry.state = "waiting"
        waited = time.monotonic() - self._busy_since.setdefault(entry.id, time.monotonic())
        if waited > _BUSY_FAILS * self._grace:
            entry.state, entry.error = "failed", event.outcome.error
            return ""
        if waited > self._grace:
            self._engine.end_holder(entry.id)
        self._not_before[entry.id] = time.monotonic() + _BUSY_AGAIN
        self._queue.append(entry.id)
        return event.outcome.error

    def _ended(self, entry: Entry, event: RunEvent) -> str:
        entry.exit_status = event.outcome.status
        self._failures[entry.id] += 1
        again = self._failures[entry.id] <= self._retries and event.outcome.status != WRONG_INPUT
        return self._settle(entry, event, again)

    def _lost(self, entry: Entry, event: RunEvent) -> str:
        entry.exit_status = None
        entry.lost += 1
        self._losses[entry.id] += 1
        return self._settle(entry, event, self._losses[entry.id] <= LOST_WORKERS)

    def _settle(self, entry: Entry, event: RunEvent, again: bool) -> str:
        """What becomes of a run whose attempt is over."""
        self._active.discard(entry.id)
        entry.finished = now()
        if self._manifest.folder(entry).done:
            entry.state, entry.error = "done", ""
            return ""
        if self._stopping:
            entry.state = "waiting"
            return "stopped"
        entry.error = event.outcome.error
        entry.state = "waiting" if again else "failed"
        if again:
            self._queue.append(entry.id)
        return "is tried again" if again else ""

    def _wind_down(self) -> None:
        """Stops what runs: asks, waits for checkpoints, kills what is left."""
        if not self._active:
            return
        self._stopping = True
        asked = self._stop.asked
        self._engine.interrupt()
        until = time.monotonic() + self._grace
        while self._active and time.monotonic() < until and self._stop.asked <= max(asked, 1):
            self._listen()
            time.sleep(_TICK)
        if self._active:
            self._engine.kill()
            until = time.monotonic() + self._grace
            while self._active and time.monotonic() < until:
                self._listen()
                time.sleep(_TICK)
        for run_id in self._active:
            self._entries[run_id].state = "waiting"
        self._save()

    def _save(self) -> None:
        """Writes the manifest; while all is stopped, a disk that is full must not cost the checkpoints."""
        with suppress(OSError) if self._stopping else nullcontext():
            self._manifest.save()
