from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from robometer_rl.experiments.common import process_memory
from robometer_rl.experiments.common.process_memory import (
    MIB,
    memory_of,
    memory_of_session,
    memory_of_tree,
    process_tree,
)

HOLD = "import sys; held = bytearray(b'x') * (64 << 20); print('ready', flush=True); sys.stdin.read()"
"""A program that holds 64 MiB until its input ends."""


@contextmanager
def running(code: str, **options: bool) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-I", "-S", "-c", code]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def test_pages_that_a_process_touches_are_counted_and_their_return_too() -> None:
    before = memory_of()
    with mmap.mmap(-1, 64 * MIB) as pages:  # a map of its own: freed heap is never used again for it
        pages.write(b"x" * len(pages))
        held = memory_of()
    after = memory_of()
    for name in ("resident", "proportional"):
        assert 60 * MIB < getattr(held, name) - getattr(before, name) < 140 * MIB
        assert getattr(after, name) < getattr(held, name) - 60 * MIB


def test_a_tree_holds_its_children() -> None:
    with running(HOLD) as child:
        assert process_tree(os.getpid())[0] == os.getpid()
        assert child.pid in process_tree(os.getpid())
        assert process_tree(child.pid) == [child.pid]
        assert 64 * MIB < memory_of(child.pid).resident < 128 * MIB
        assert memory_of_tree(os.getpid()).resident > memory_of().resident + 64 * MIB


def test_a_session_holds_those_whose_parent_has_ended() -> None:
    orphans = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-I", "-S", "-c", {HOLD!r}])
"""
    with running(orphans, start_new_session=True) as leader:
        leader.wait()
        assert process_tree(leader.pid) == []
        assert 64 * MIB < memory_of_session(leader.pid).proportional < 128 * MIB
    assert memory_of_session(os.getpid() + (1 << 23)) == process_memory.Memory(0, 0)


def test_a_process_that_has_ended_is_said_to_have() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie from here
        with pytest.raises(ProcessLookupError, match=f"no process {child.pid}, or it has ended"):
            memory_of(child.pid)
    with pytest.raises(ProcessLookupError, match=f"no process {child.pid}"):
        memory_of(child.pid)
    assert process_tree(child.pid) == []


def test_without_a_proportional_set_the_resident_set_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)  # as macOS does for every process but this one

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    memory = memory_of()
    assert memory.proportional == memory.resident > 10 * MIB


def test_a_process_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    with pytest.raises(PermissionError, match=f"does not show the memory of process {os.getpid()}"):
        memory_of(os.getpid())
