"""Worker processes of a vector environment: who died, and an end without hanging or zombies."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["WorkerDiedError", "Workers"]

_PATIENCE = 10.0  # seconds for a process to end that is told to


class WorkerDiedError(RuntimeError):
    """A worker process ended while its vector environment ran; the others were stopped."""


class Workers:
    """The worker processes behind a vector environment of Gymnasium or SB3; none where it runs in-process."""

    def __init__(self, base: Any) -> None:
        """Finds them.

        Args:
            base: The innermost vector environment.
        """
        self._base = base
        self._processes: Sequence[BaseProcess] = list(getattr(base, "processes", []))
        self._pipes: Sequence[Any] = list(getattr(base, "parent_pipes", None) or getattr(base, "remotes", []))
        # SB3 makes all pipes before it forks, so forked siblings hold a dead worker's end open, and reading
        # from it would wait for ever. Spawned workers inherit nothing: there the pipe itself tells.
        self._hides_death = hasattr(base, "remotes") and any(map(_is_forked, self._processes))

    def __len__(self) -> int:
        """Number of worker processes."""
        return len(self._processes)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around a call that talks to workers: says which one died.

        Raises:
            WorkerDiedError: A worker's end of the pipe is closed, or it died before.
        """
        try:
            yield
        except (EOFError, ConnectionError) as error:
            if not self._processes:
                raise
            raise self._worker_died() from error

    def check(self) -> None:
        """Raises `WorkerDiedError` if a worker has ended, where its pipe would not tell."""
        if self._hides_death and any(process.exitcode is not None for process in self._processes):
            raise self._worker_died()

    def await_replies(self) -> None:
        """Waits until every worker has answered a call, where a pipe would not tell that none will come.

        Raises:
            WorkerDiedError: A worker ended without an answer.
        """
        if not self._hides_death:
            return
        waiting = dict(zip(self._pipes, self._processes, strict=True))
        while waiting:
            ready = connection.wait([*waiting, *(process.sentinel for process in waiting.values())])
            for pipe, process in list(waiting.items()):
                if pipe in ready:
                    del waiting[pipe]
                elif process.sentinel in ready and not pipe.poll():
                    raise self._worker_died()

    def _worker_died(self) -> WorkerDiedError:
        """Stops the other workers and returns the error that names the dead."""
        # The end of a pipe may be seen a moment before the end of its process, and that before its exit code.
        ended = connection.wait([process.sentinel for process in self._processes], timeout=_PATIENCE)
        for process in self._processes:
            if process.sentinel in ended:
                process.join(_PATIENCE)
        dead = [
            f"worker {i} of {len(self._processes)} (pid {process.pid}) {_cause(process.exitcode)}"
            for i, process in enumerate(self._processes)
            if process.exitcode is not None
        ]
        self.stop()
        return WorkerDiedError(
            f"{'; '.join(dead) or 'a worker closed its pipe'}. The other workers were stopped and this "
            "vector environment is closed: make a new one. Nothing was scored for the call that found this."
        )

    def stop(self) -> None:
        """Ends every worker, waits for it, and marks the vector environment closed."""
        for process in self._processes:
            if process.exitcode is None:
                process.terminate()
        for process in self._processes:
            process.join(_PATIENCE)
            if process.exitcode is None:
                process.kill()
                process.join()
        for pipe in self._pipes:
            pipe.close()
        self._base.closed = True


def _is_forked(process: BaseProcess) -> bool:
    if "fork" not in multiprocessing.get_all_start_methods():
        return False
    return isinstance(process, multiprocessing.get_context("fork").Process)


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name} (exit code {exitcode})"
    return f"ended with exit code {exitcode}; what it printed says why"
