"""Optional dependencies, imported where they are used and named where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

_EXTRA_OF = {
    "metaworld": "metaworld",
    "robosuite": "robosuite",
    "mujoco": "metaworld",
    "fast_simplification": "metaworld",
}


def require(module: str) -> Any:
    """Imports a module of an optional extra.

    Args:
        module: Dotted name; its first part decides the extra.

    Returns:
        The module.

    Raises:
        ImportError: It is not installed; the message is the command that installs it.
    """
    top = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != top:
            raise
        extra = _EXTRA_OF.get(top, "all")
        raise ImportError(
            f"{module} is not installed; it comes with: pip install 'robometer-rl[{extra}]'"
        ) from error
