"""How the process's allocator treats freed memory."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Lets glibc keep freed memory: mapping it anew for large tensors took a third of a CPU step of `fit`.

    It holds for the whole process until its end, so only a command that owns its process calls it.

    Returns:
        Whether it was done: other C libraries (musl, macOS, Windows) have no such setting.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 256 * 2**20))
    return all([mallopt(option, value) == 1 for option, value in settings])
