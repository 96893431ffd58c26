"""Becomes another program that ends with its parent: `python child.py CORES PARENT PROGRAM ...`.

Run as a file by its path, before anything of the package is imported. Doing this between fork and exec of a
process with threads is not safe, so a fresh interpreter does it and is replaced by the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"
"""Out of memory, the system should take a run and not the sweep; 0 is ordinary, 1000 goes first."""


def main(argv: Sequence[str]) -> None:
    """Sets the process up and replaces it.

    Args:
        argv: Cores to stay on, with commas between them, or `-` for all; process id of the parent; the
            program and its arguments.

    Raises:
        OSError: The program cannot be started.
    """
    cores, parent, program = argv[0], int(argv[1]), list(argv[2:])
    # Shells and Ray start background work with SIGINT ignored, which programs inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    if sys.platform == "linux":
        # SIGTERM and not SIGKILL: a run makes a checkpoint of what would be lost.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(_OOM_SCORE)  # refused where the score is higher already
        if cores != "-":
            os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    if os.getppid() != parent:  # it died before the child was fixed
        sys.exit(128 + signal.SIGTERM)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
