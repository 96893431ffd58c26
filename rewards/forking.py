"""Refuses to compute in a forked process where torch would wait forever for threads left behind.

A fork copies the calling thread alone. Torch's pool of threads (OpenMP) still counts those of the parent, and
its next parallel operation never returns. Importing this module loads no torch.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

__all__ = ["check_threads"]

PATIENCE = 20.0
"""Seconds that a trial of some milliseconds may take before it counts as hanging."""

_POLL = 0.002  # seconds
_PARALLEL = 1 << 20  # elements, of which torch gives at least 32768 to a thread


class _Threads:
    """What is known of torch's threads; a forked process begins with a copy of its parent's."""

    used = False
    """Whether a model of ours has computed with several threads, here or in the parent of a fork."""
    suspect = False
    """Whether this process was forked off one that had torch, and nothing has been tried since."""


def _after_fork() -> None:
    _Threads.suspect = "torch" in sys.modules


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork)


def check_threads() -> None:
    """To be called before a model computes on the CPU.

    Raises:
        RuntimeError: This process was forked off one in which torch had started its threads.
    """
    if _Threads.used and not _Threads.suspect:
        return
    import torch

    if torch.get_num_threads() == 1:
        return
    if _Threads.suspect and (_Threads.used or _hangs(torch)):
        raise RuntimeError(
            "this process was forked after its parent had computed with torch, whose threads do not survive "
            "a fork, so scoring would never return: start workers afresh, with "
            'AsyncVectorEnv(..., context="spawn") or SubprocVecEnv(..., start_method="spawn"), or create '
            "them before the parent scores or trains. With OMP_NUM_THREADS=1 torch starts no threads, and a "
            "fork does no harm"
        )
    _Threads.used, _Threads.suspect = True, False


def _hangs(torch: Any) -> bool:
    """Tries a parallel operation in a fork of this process, which can be stopped if it does not return."""
    trial = os.fork()
    if trial == 0:
        torch.ones(_PARALLEL).add_(1.0)
        os._exit(0)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if os.waitpid(trial, os.WNOHANG)[0]:
            return False
        time.sleep(_POLL)
    os.kill(trial, signal.SIGKILL)
    os.waitpid(trial, 0)
    return True
