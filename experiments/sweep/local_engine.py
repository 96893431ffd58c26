"""Runs as processes of this machine, each on cores of its own."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from robometer_rl.envs.extras import naming_extras

from .process import Busy, Job, ProcessResult, RunProcess, end_holder
from .scheduler import RunEvent

with naming_extras():
    import psutil

__all__ = ["LocalEngine", "cores_of_this_process", "memory_of_this_process"]

CONTROL_GROUP = Path("/sys/fs/cgroup")
_CANNOT_START = 127


def cores_of_this_process() -> list[int]:
    """Returns the cores that this process may use: `taskset` and containers leave it a few of them."""
    cores = list(range(os.cpu_count() or 1))
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
    quota, _, period = _limit_of_container("cpu.max").partition(" ")
    return cores[: max(math.ceil(int(quota) / int(period)), 1)] if quota.isdigit() else cores


def memory_of_this_process() -> int:
    """Returns the bytes of memory that all processes here may use together."""
    memory = int(psutil.virtual_memory().total)
    limit = _limit_of_container("memory.max")
    return min(memory, int(limit)) if limit.isdigit() else memory


def _limit_of_container(name: str) -> str:
    """A limit of the control group (version 2), "max" or empty where there is none."""
    try:
        return (CONTROL_GROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


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
        self._news: list[RunEvent] = []

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
            self._news.append(RunEvent(job.run_id, "busy", ProcessResult(0, str(error))))
        except OSError as error:
            self._slots.append(cores)
            self._news.append(
                RunEvent(job.run_id, "ended", ProcessResult(_CANNOT_START, f"cannot start: {error}"))
            )
        else:
            self._news.append(RunEvent(job.run_id, "started"))

    def poll(self) -> list[RunEvent]:
        """Returns what happened since the last call."""
        for run_id, (process, cores) in list(self._running.items()):
            outcome = process.poll()
            if outcome is not None:
                del self._running[run_id]
                self._slots.append(cores)
                self._news.append(RunEvent(run_id, "ended", outcome))
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
