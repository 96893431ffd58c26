"""One attempt at a run: the process on this machine, its cores, its memory, its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..agent.run import RunFolder
from ..common.process_memory import memory_of_session
from .manifest import now

__all__ = ["LOG", "PROGRAM", "Busy", "Job", "ProcessResult", "RunProcess", "end_holder", "in_use"]

PROGRAM = ("python", "-m", "robometer_rl.cli", "train")
"""What carries out a run; `python` stands for the interpreter of the machine that it runs on."""

LOG = "log.txt"
"""File of a run that takes what its process prints, one attempt after the other."""

_LOCK = ".lock"
_CHILD = Path(__file__).with_name("child.py")
_WATCH_SECONDS = 0.5
_TAIL = 8192  # bytes
_LONGEST = 300  # characters of an error
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Busy(Exception):
    """The folder of the run is still in use by another process: one whose sweep was killed, as a rule."""


@dataclass(frozen=True)
class Job:
    """A run, ready to start."""

    run_id: str
    """Run id, the name of its folder."""
    words: tuple[str, ...]
    """Options for the program, without `--out`."""
    program: tuple[str, ...] = PROGRAM
    """Program."""
    cpus: int = 1
    """Threads, and cores where `cores` pins it."""
    memory_gb: float | None = None
    """Memory of the run and all its processes in GB (10**9 bytes); over it, the attempt is killed. Pages that
    processes share count once on Linux and in each of them elsewhere."""


@dataclass(frozen=True)
class ProcessResult:
    """How an attempt ended."""

    status: int
    """Exit status; negative: the signal that killed it."""
    error: str
    """Why it failed; empty where the run is done."""


class RunProcess:
    """One attempt at a run."""

    def __init__(self, job: Job, out: Path, cores: Sequence[int] = ()) -> None:
        """Starts the process.

        Args:
            job: What to run.
            out: Folder of runs.
            cores: Cores to stay on; none leaves that to the system.

        Raises:
            Busy: Another process has the run's folder.
            OSError: The folder or the process cannot be made.
        """
        self._job = job
        self._folder = RunFolder(out / job.run_id)
        self._folder.path.mkdir(parents=True, exist_ok=True)
        self._watched = 0.0
        self._over: str = ""
        program = [sys.executable if job.program[0] == "python" else job.program[0], *job.program[1:]]
        words = [*program, *job.words, "--out", str(out)]
        pinned = ",".join(map(str, cores)) or "-"
        with (self._folder.path / LOG).open("ab") as log, _lock(self._folder.path) as lock:
            log.write(f"--- {now()} {shlex.join(words)}\n".encode())
            self._log_start = log.tell()
            log.flush()
            # A session of its own: Ctrl-C in the terminal reaches the sweep only, which then asks each run.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), pinned, str(os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(job.cpus),
                start_new_session=True,
                pass_fds=(lock,),
            )
            os.truncate(lock, 0)
            os.write(lock, f"{platform.node()} {self._process.pid}\n".encode())

    def poll(self) -> ProcessResult | None:
        """Looks after the process.

        Returns:
            How it ended, or None while it runs.
        """
        status = self._process.poll()
        if status is None:
            self._watch()
            return None
        self.kill()  # what it started and left behind
        if status == 0 and self._folder.done:
            return ProcessResult(0, "")
        return ProcessResult(status, self._reason(status))

    def interrupt(self) -> None:
        """Asks for a checkpoint and the end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the process, and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _watch(self) -> None:
        """Kills the attempt when it is over its memory."""
        limit = self._job.memory_gb
        if limit is None or self._over or time.monotonic() < self._watched + _WATCH_SECONDS:
            return
        self._watched = time.monotonic()
        used = memory_of_session(self._process.pid).proportional / 1e9
        if used > limit:
            self._over = f"out of memory: {used:.2f} GB used, the limit is {limit:g} GB (--memory-gb)"
            self.kill()

    def _reason(self, status: int) -> str:
        """Puts the end of an attempt in one line."""
        if self._over:
            return self._over
        last = _last_line(self._folder.path / LOG, self._log_start)
        if status == 0:
            return f"exit status 0, but no {self._folder.result.name}; last line: {last}"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}; last line: {last}"
        return last or f"exit status {status}, nothing printed"


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Holds the folder of a run while its process starts; that inherits the lock, and all that it starts."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise Busy(f"{folder} is in use by another process: {_holder(folder)}") from error
    finally:
        os.close(descriptor)


def _holder(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / _LOCK).read_text(encoding="utf-8").strip()
    return ""


def in_use(folder: Path) -> bool:
    """Returns whether a process of an earlier attempt still has the folder of a run."""
    if not (folder / _LOCK).exists():
        return False
    try:
        with _lock(folder):
            return False
    except Busy:
        return True


def end_holder(folder: Path) -> None:
    """Kills what a dead sweep left behind in a run's folder, if it is on this machine and still there.

    Args:
        folder: Folder of a run.
    """
    host, _, pid = _holder(folder).rpartition(" ")
    if host == platform.node() and pid.isdigit() and in_use(folder):
        # While the lock is held, the session that the process led exists, so its number is nobody else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(pid), signal.SIGKILL)


def _environment(cpus: int) -> dict[str, str]:
    """The environment of a run: no more threads than cores, and output as it comes."""
    threads = dict.fromkeys(_THREADS, str(cpus))
    # Mesa's software renderer: 0 draws in the calling thread, which on one core is the quickest.
    threads["LP_NUM_THREADS"] = str(cpus if cpus > 1 else 0)
    # `python -m` would look for packages in the working directory first, which `robometer-rl` does not.
    return {**os.environ, **threads, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def _last_line(log: Path, start: int) -> str:
    """The last line of an attempt's output that is not empty."""
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - _TAIL))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip()[-_LONGEST:] for line in reversed(lines) if line.strip()), "")
