"""What a user may choose about how the compact model runs, checked before anything is loaded."""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["Options", "check_device", "check_options", "check_precision", "check_threads"]

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_DEVICES = ("cpu", "cuda", "mps")


class Options(NamedTuple):
    """Checked options of a `CompactReward`."""

    device: torch.device
    """Where it runs."""
    dtype: torch.dtype
    """What the encoder's convolutions calculate in."""
    threads: int | None
    """Threads of torch, or None to leave them."""


def check_options(device: object = "cpu", precision: object = "float32", threads: object = None) -> Options:
    """Check the options of a `CompactReward`, which describes them.

    Raises:
        ValueError: an option has another value, or this machine lacks the device.
    """
    return Options(check_device(device), check_precision(precision), check_threads(threads))


def _available() -> list[str]:
    """The devices of this machine, by the names that `check_device` takes."""
    found = ["cpu"]
    found += [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return found


def check_device(name: object) -> torch.device:
    """The device of this name.

    Args:
        name: "cpu", "cuda", "cuda:<number>" or "mps".

    Raises:
        ValueError: another name, or a device that this machine or this build of torch lacks.
    """
    choices = 'device must be "cpu", "cuda", "cuda:<number>" or "mps"'
    here = f"available here: {', '.join(_available())}"
    try:
        device = torch.device(name) if isinstance(name, str) else None
    except RuntimeError as error:
        raise ValueError(f"{choices}, got {name!r}; {here}") from error
    if device is None or device.type not in _DEVICES:
        raise ValueError(f"{choices}, got {name!r}; {here}")
    number = device.index or 0
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if number >= counts[device.type]:
        raise ValueError(
            f"device {name!r} is not available: torch {torch.__version__} finds {counts[device.type]} "
            f"{device.type} devices on this machine; {here}"
        )
    return device


def check_precision(name: object) -> torch.dtype:
    """The dtype of this name.

    Args:
        name: "float32" or "bfloat16".

    Raises:
        ValueError: another name.
    """
    if not isinstance(name, str) or name not in _PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, _PRECISIONS))}, got {name!r}")
    return _PRECISIONS[name]


def check_threads(count: object) -> int | None:
    """The number of threads, or None for torch's own.

    Args:
        count: None or an integer, at least 1.

    Raises:
        ValueError: anything else.
    """
    if count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= 1):
        return count
    raise ValueError(f"threads must be an integer of at least 1, or None to leave torch's own, got {count!r}")
