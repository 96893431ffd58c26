from __future__ import annotations

import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from robometer_rl.experiments.common import allocator


def test_freed_memory_stays_with_the_process() -> None:
    """In a process of its own: a large block that is freed and taken again needs no new pages."""
    code = """
import resource
import numpy as np
from robometer_rl.experiments.common.allocator import keep_freed_memory
done = keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(32 << 20, dtype=np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first, second = faults(), faults()
print(done, second < first / 10)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == (["True", "True"] if platform.libc_ver()[0] == "glibc" else ["False", "False"])


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: SimpleNamespace())
    assert allocator.keep_freed_memory() is False


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False
