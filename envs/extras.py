"""Optional dependencies, imported where they are used and named where they are missing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["MissingExtraError", "naming_extras", "require"]

_EXTRA_OF = {
    "metaworld": "metaworld",
    "robosuite": "robosuite",
    "mujoco": "metaworld",
    "fast_simplification": "metaworld",
    "gymnasium_robotics": "examples",
    "gym_pusht": "examples",
    "pymunk": "examples",
    "shapely": "examples",
    "h5py": "train",
    "psutil": "train",
    "ray": "ray",
    "tensorboard": "train",
    "yaml": "train",
    "scipy": "train",
    "sb3_contrib": "train",
    "stable_baselines3": "train",
}


class MissingExtraError(ImportError):
    """An optional package is not installed; the message is the command that installs it."""


@contextmanager
def naming_extras() -> Iterator[None]:
    """Around imports of optional modules: says of one that is missing how to install it.

    Raises:
        MissingExtraError: It is not installed; the message is the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(
            f"{error.name} is not installed; it comes with: pip install 'robometer-rl[{extra}]'"
        ) from error


def require(module: str) -> Any:
    """Imports a module of an optional extra.

    Args:
        module: Dotted name; its first part decides the extra.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed; the message is the command that installs it.
    """
    with naming_extras():
        return importlib.import_module(module)
