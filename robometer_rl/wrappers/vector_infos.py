"""Gymnasium's vector infos, a dict of arrays with a mask `_key` beside each key, read row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["row_of"]


def row_of(infos: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Returns the info of one sub-environment, numbers as Python's own.

    Args:
        infos: Infos of a vector environment.
        row: The sub-environment.

    Returns:
        Its info; keys that it did not report are missing.
    """
    info: dict[str, Any] = {}
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        if mask is None or not mask[row]:
            continue  # a mask itself, or a key of other sub-environments
        if isinstance(values, Mapping):
            info[key] = row_of(values, row)
        else:
            value = values[row]
            scalar = hasattr(value, "item") and getattr(value, "ndim", 1) == 0
            info[key] = value.item() if scalar else value
    return info
