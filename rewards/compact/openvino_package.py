"""The optional package openvino: found or explained, and imported without its usage reports."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

__all__ = ["import_openvino"]

_REPORTER = "openvino_telemetry"


def import_openvino() -> ModuleType:
    """The package `openvino`, its usage reports left out.

    openvino's own import tells its makers of each use, over the network and without asking, where the package
    openvino-telemetry is installed too, as pip does. Without that package it falls back to a stand-in that
    reports nothing, so it is hidden while the import lasts.

    Raises:
        ImportError: openvino is not installed, or is too old.
    """
    is_hidden = _REPORTER not in sys.modules
    if is_hidden:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]  # how Python spells "cannot be imported"
    try:
        importlib.import_module("openvino.opset13")
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ImportError(
            'backend "openvino" needs the package openvino, 2025 or later: '
            "pip install 'robometer-rl[openvino]', or leave the backend at \"torch\" "
            f"({error})"
        ) from error
    finally:
        if is_hidden:
            del sys.modules[_REPORTER]
