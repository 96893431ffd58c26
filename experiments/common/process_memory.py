"""Memory of processes: of one, of one and its descendants, of a session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from robometer_rl.envs.extras import naming_extras

with naming_extras():
    import psutil

__all__ = ["MIB", "Memory", "memory_of", "memory_of_session", "memory_of_tree", "process_tree"]

MIB = 1 << 20
"""Bytes of a MiB."""


@dataclass(frozen=True)
class Memory:
    """Of one process, or the sum over several; bytes."""

    resident: int
    """Resident set. A sum counts a page that k processes share k times."""
    proportional: int
    """Proportional set: a page that k processes share counts 1/k in each, so that a sum counts it once. Only
    Linux has it; elsewhere this is the resident set, which is never less."""


def memory_of(pid: int | None = None) -> Memory:
    """Reads the memory of a process.

    Args:
        pid: Its id; None is this process.

    Returns:
        What it holds now.

    Raises:
        ProcessLookupError: There is no such process, or it has ended.
        PermissionError: The process belongs to another user.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.ZombieProcess(process.pid)
        resident = process.memory_info().rss
        return Memory(resident, process.memory_full_info().pss if sys.platform == "linux" else resident)
    except psutil.NoSuchProcess as error:  # a zombie as well
        raise ProcessLookupError(f"there is no process {pid}, or it has ended") from error
    except psutil.AccessDenied as error:
        raise PermissionError(f"the system does not show the memory of process {pid}: {error}") from error


def process_tree(pid: int) -> list[int]:
    """A process and its descendants that live.

    Args:
        pid: Id of the root.

    Returns:
        Their ids, the root first; empty where it has ended.
    """
    try:
        root = psutil.Process(pid)
        return [pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def memory_of_tree(pid: int) -> Memory:
    """Sums over a process and its descendants.

    Args:
        pid: Id of the root.

    Returns:
        What they hold together, bytes.
    """
    return _sum(process_tree(pid))


def memory_of_session(session: int) -> Memory:
    """Sums over the processes of a session, also over those whose parent has ended, which no tree holds.

    Args:
        session: Id of the session, which is that of the process that leads it.

    Returns:
        What they hold together, bytes.
    """
    return _sum(pid for pid in psutil.pids() if _session_of(pid) == session)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):  # it has ended, or a system hides other sessions
        return None


def _sum(pids: Iterable[int]) -> Memory:
    resident = proportional = 0
    for pid in pids:
        # It may have ended meanwhile; one that became another user's cannot be read.
        with suppress(ProcessLookupError, PermissionError):
            memory = memory_of(pid)
            resident += memory.resident
            proportional += memory.proportional
    return Memory(resident, proportional)
