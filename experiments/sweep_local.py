"""Runs as processes of this machine, each on cores of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .sweep_loop import Event
from .sweep_process import Busy, Job, Outcome, RunProcess, end_holder

__all__ = ["LocalEngine", "cores_of_this_process"]

_CANNOT_START = 127


def cores_of_this_process() -> list[int]:
    """Returns the cores that this process may use; a container or `taskset` may have left it a few."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class LocalEngine:
    """Starts runs on this machine."""

    def __init__(self, out: Path, workers: int, cpus: int, cores: Sequence[int]) -> None:
        """Nothing runs yet.

        Args:
            out: Folder of the sweep.
            workers: How many runs at a time.
            cpus: Cores of a run; where workers need more than there are, they share.
            cores: Numbers of the cores to use.
        """
        self._out = out
        self._slots = [
            tuple(sorted({cores[(slot * cpus + core) % len(cores)] for core in range(cpus)}))
            for slot in range(workers)
        ]
        self._running: dict[str, tuple[RunProcess, tuple[int, ...]]] = {}
        self._news: list[Event] = []

    def room(self) -> int:
        """Returns how many more runs may start now."""
        return len(self._slots)

    def start(self, job: Job) -> None:
        """Starts a run."""
        cores = self._slots.pop(0)
        try:
            self._running[job.run_id] = (RunProcess(job, self._out, cores), cores)
        except Busy as error:
            self._slots.append(cores)
            self._news.append(Event(job.run_id, "busy", Outcome(0, str(error))))
        except OSError as error:
            self._slots.append(cores)
            self._news.append(Event(job.run_id, "ended", Outcome(_CANNOT_START, f"cannot start: {error}")))
        else:
            self._news.append(Event(job.run_id, "started"))

    def poll(self) -> list[Event]:
        """Returns what happened since the last call."""
        for run_id, (process, cores) in list(self._running.items()):
            outcome = process.poll()
            if outcome is not None:
                del self._running[run_id]
                self._slots.append(cores)
                self._news.append(Event(run_id, "ended", outcome))
        news, self._news = self._news, []
        return news

    def interrupt(self) -> None:
        """Asks every run for a checkpoint and its end."""
        for process, _ in self._running.values():
            process.interrupt()

    def kill(self) -> None:
        """Ends every run at once."""
        for process, _ in self._running.values():
            process.kill()

    def end_holder(self, run_id: str) -> None:
        """Ends what an earlier sweep left behind in a run's folder."""
        end_holder(self._out / run_id)

    def close(self) -> None:
        """Leaves nothing running."""
        self.kill()
