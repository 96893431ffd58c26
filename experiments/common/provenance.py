"""What a measured number depends on besides the code: processor, cores, versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["processor", "versions"]


def processor(path: Path = Path("/proc/cpuinfo")) -> str:
    """Name of the processor.

    Args:
        path: Linux's list of processors; need not exist.

    Returns:
        The name, or what Python knows of it.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of packages, `not installed` for those that are not there."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
