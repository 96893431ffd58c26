"""Runs on a Ray cluster: an actor for each run starts the same process on a node and sends its files home.

The machines need this package, the extra `ray`, and the same versions of Python and Ray. They need no shared
disk: a run begins with the files that the folder of the sweep has, its checkpoint among them, and what
changes comes back every few seconds. Where the folder is the same on both sides, nothing is sent. Paths in
a sweep file, such as that of a checkpoint to score with, are those of the nodes, and should be absolute.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robometer_rl.envs.extras import MissingExtraError

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray warns that it will change what a task without a GPU sees; `_Runner` decides that itself.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

try:
    import ray
except ModuleNotFoundError as error:
    raise MissingExtraError("--engine ray needs Ray: pip install 'robometer-rl[ray]'") from error

from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

from .file_sync import Changes, FileSender, receive, snapshot
from .process import Busy, Job, ProcessResult, RunProcess, end_holder, in_use
from .scheduler import RunEvent

__all__ = ["RayEngine"]

_TOKEN = ".token"
_CANNOT_START = 127
_INTERRUPTED = 130
_COUNT_SECONDS = 2.0
_TIDY_SECONDS = 10.0
_UNREACHABLE_SECONDS = 60.0
"""A node that does not answer for so long is given up."""


@dataclass(frozen=True)
class _News:
    """What an actor answers when asked how its run is."""

    where: str
    outcome: ProcessResult | None
    changes: Changes


class _Runner:
    """Carries out one attempt; lives on a node."""

    def __init__(self, job: Job, out: str, token: str, scratch: str, gpus: float) -> None:
        """Starts nothing: what goes wrong in here could not be told.

        Args:
            job: What to run.
            out: Folder of the sweep on the machine of the sweep.
            token: Content of the file by which that folder is recognised.
            scratch: Name for the folder of the sweep on machines that do not have it.
            gpus: Share of a GPU.
        """
        self._job = job
        shared = Path(out, _TOKEN)
        self._shared = shared.is_file() and shared.read_text(encoding="utf-8") == token
        self._out = Path(out) if self._shared else Path(tempfile.gettempdir(), scratch)
        if not gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._where = f"node {ray.get_runtime_context().get_node_id()[:8]} {ray.util.get_node_ip_address()}"
        self._process: RunProcess | None = None
        self._sender: FileSender | None = None

    def wants_files(self) -> bool:
        """Returns whether the files of the run have to be sent here."""
        return not self._shared

    def start(self, files: Mapping[str, bytes], impatient: bool) -> _News:
        """Starts the process, beginning with these files.

        Args:
            files: Where no disk is shared, what the run's folder has.
            impatient: Kill what an earlier attempt left behind in the folder.

        Returns:
            That it has started.

        Raises:
            Busy: An earlier attempt still has the folder.
            OSError: The process cannot be started.
        """
        folder = self._out / self._job.run_id
        if impatient:
            end_holder(folder)
        if not self._shared:
            if in_use(folder):
                raise Busy(f"{folder} on {self._where} is in use by an earlier attempt")
            shutil.rmtree(folder, ignore_errors=True)
            self._sender = FileSender(folder, files)
        self._process = RunProcess(self._job, self._out)
        return _News(self._where, None, Changes())

    def poll(self) -> _News:
        """Returns what changed since the last call."""
        assert self._process is not None
        outcome = self._process.poll()  # before the files: once it has ended they change no more
        changes = Changes() if self._sender is None else self._sender.changes()
        return _News(self._where, outcome, changes)

    def interrupt(self) -> None:
        """Asks for a checkpoint and the end."""
        if self._process is not None:
            self._process.interrupt()

    def close(self) -> None:
        """Ends the process, and leaves nothing on the node's disk."""
        if self._process is not None:
            self._process.kill()
        if self._sender is not None:
            shutil.rmtree(self._out / self._job.run_id, ignore_errors=True)
            with suppress(OSError):  # other runs have it
                self._out.rmdir()


@dataclass
class _Remote:
    """An attempt, seen from the sweep."""

    job: Job
    actor: Any
    question: Any
    """Reference of the answer that is awaited; None between two questions."""
    asked: str
    """What was asked: wants_files, start or poll."""
    heard: float
    """When it last answered."""


class RayEngine:
    """Starts runs on the nodes of a cluster."""

    def __init__(
        self,
        out: Path,
        address: str | None,
        workers: int,
        needs: Mapping[str, float],
        every: float = 2.0,
        shared: bool | None = None,
    ) -> None:
        """Joins the cluster.

        Args:
            out: Folder of the sweep.
            address: Of the cluster; None: RAY_ADDRESS, else a Ray of this machine alone.
            workers: Runs at a time; 0: as many as the nodes have room for.
            needs: What a run takes of its node: CPU, GPU, memory in bytes.
            every: Seconds between two looks at a run.
            shared: False sends files even where the nodes see the same folder.

        Raises:
            ConnectionError: There is no cluster at the address.
            ValueError: No node has room for even one run.
        """
        self._out = out.resolve()
        self._workers, self._every = workers, every
        self._needs = {name: value for name, value in needs.items() if value}
        self._remotes: dict[str, _Remote] = {}
        self._closing: list[tuple[Any, Any]] = []
        self._impatient: set[str] = set()
        self._news: list[RunEvent] = []
        self._token = uuid.uuid4().hex
        place = f"{platform.node()}:{self._out}".encode()
        self._scratch = f"robometer-rl-sweep-{hashlib.sha256(place).hexdigest()[:8]}"
        if shared is not False:
            (self._out / _TOKEN).write_text(self._token, encoding="utf-8")
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (RayError, RuntimeError, ConnectionError, ValueError) as error:
            raise ConnectionError(f"no Ray cluster at {address or 'RAY_ADDRESS'}: {error}") from error
        self._counted, self._capacity = time.monotonic(), self._count()
        if not self._capacity:
            ray.shutdown()
            wanted = ", ".join(f"{value:g} {name}" for name, value in self._needs.items())
            raise ValueError(f"no node of the Ray cluster has room for a run, which needs {wanted}")

    def _count(self) -> int:
        """How many runs fit on the nodes that are alive, one beside the other."""
        return sum(
            int(min(node["Resources"].get(name, 0.0) / value for name, value in self._needs.items()))
            for node in ray.nodes()
            if node["Alive"]
        )

    def room(self) -> int:
        """Returns how many more runs may start now."""
        if time.monotonic() > self._counted + _COUNT_SECONDS:
            self._counted, self._capacity = time.monotonic(), self._count()
        most = min(self._workers, self._capacity) if self._workers else self._capacity
        return most - len(self._remotes)

    def start(self, job: Job) -> None:
        """Asks for a place on a node; the run starts when there is one."""
        gpus = self._needs.get("GPU", 0.0)
        actor = (
            ray.remote(_Runner)
            .options(num_cpus=self._needs["CPU"], num_gpus=gpus, memory=self._needs.get("memory"))
            .remote(job, str(self._out), self._token, self._scratch, gpus)
        )
        self._remotes[job.run_id] = _Remote(job, actor, None, "", time.monotonic())
        self._ask(self._remotes[job.run_id], "wants_files")

    def _ask(self, remote: _Remote, what: str, *words: Any) -> None:
        remote.asked = what
        remote.question = getattr(remote.actor, what).remote(*words)

    def poll(self) -> list[RunEvent]:
        """Returns what happened since the last call."""
        for run_id, remote in list(self._remotes.items()):
            if remote.question is None:
                if time.monotonic() > remote.heard + self._every:
                    self._ask(remote, "poll")
            elif ray.wait([remote.question], timeout=0)[0]:
                self._hear(run_id, remote)
        self._release(timeout=0.0)
        news, self._news = self._news, []
        return news

    def _hear(self, run_id: str, remote: _Remote) -> None:
        """Takes an answer, or the error that came instead."""
        try:
            answer = ray.get(remote.question)
        except RayTaskError as error:
            cause = error.cause
            kind: Literal["busy", "ended"] = "busy" if isinstance(cause, Busy) else "ended"
            self._over(
                run_id,
                RunEvent(run_id, kind, ProcessResult(_CANNOT_START, f"{type(cause).__name__}: {cause}")),
            )
        except ActorUnavailableError as error:
            remote.question = None
            if time.monotonic() > remote.heard + _UNREACHABLE_SECONDS:
                self._lose(run_id, error)
        except RayError as error:
            self._lose(run_id, error)
        else:
            remote.question, remote.heard = None, time.monotonic()
            self._take(run_id, remote, answer)

    def _take(self, run_id: str, remote: _Remote, answer: Any) -> None:
        """Goes on after an answer."""
        if remote.asked == "wants_files":
            files = snapshot(self._out / run_id) if answer else {}
            self._ask(remote, "start", files, run_id in self._impatient)
            self._impatient.discard(run_id)
        elif remote.asked == "start":
            self._news.append(RunEvent(run_id, "started", where=answer.where))
        else:
            receive(self._out / run_id, answer.changes)
            if answer.outcome is not None:
                self._over(run_id, RunEvent(run_id, "ended", answer.outcome))

    def _lose(self, run_id: str, error: RayError) -> None:
        """The node died under a run."""
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        ray.kill(self._remotes[run_id].actor)
        del self._remotes[run_id]
        self._news.append(RunEvent(run_id, "lost", ProcessResult(_CANNOT_START, f"worker lost: {reason}")))

    def _release(self, timeout: float) -> None:
        """Ends the actors that are tidy.

        One that nobody holds ends by itself, but whether anybody does is for the garbage collector to find
        out, and until then it keeps its core.
        """
        waiting = [done for _, done in self._closing]
        tidy = ray.wait(waiting, num_returns=len(waiting), timeout=timeout)[0] if waiting else []
        for actor, done in list(self._closing):
            if done in tidy:
                ray.kill(actor)
                self._closing.remove((actor, done))

    def _over(self, run_id: str, event: RunEvent) -> None:
        """Lets the actor of an attempt tidy up."""
        actor = self._remotes.pop(run_id).actor
        self._closing.append((actor, actor.close.remote()))
        self._news.append(event)

    def interrupt(self) -> None:
        """Asks every run for a checkpoint and its end; those without a place give up."""
        for run_id, remote in list(self._remotes.items()):
            if remote.asked == "wants_files":
                ray.kill(remote.actor)
                del self._remotes[run_id]
                self._news.append(RunEvent(run_id, "ended", ProcessResult(_INTERRUPTED, "interrupted")))
            else:
                remote.actor.interrupt.remote()

    def kill(self) -> None:
        """Ends every run at once."""
        for run_id in list(self._remotes):
            self._over(run_id, RunEvent(run_id, "ended", ProcessResult(-signal.SIGKILL, "killed")))

    def end_holder(self, run_id: str) -> None:
        """Has the next attempt end what an earlier one left behind in the run's folder."""
        self._impatient.add(run_id)

    def close(self) -> None:
        """Leaves the cluster, once the nodes are tidy."""
        self.kill()
        self._release(_TIDY_SECONDS)
        (self._out / _TOKEN).unlink(missing_ok=True)
        ray.shutdown()
