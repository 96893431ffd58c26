"""The environment's own success, under the one name that the wrappers read and report: `is_success`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["named_success", "read_success"]


def named_success(info: Mapping[str, Any]) -> dict[str, Any]:
    """Names the environment's success `is_success`.

    Args:
        info: The environment's info. `is_success` counts, else `success` where it is a truth value; None
            means that the environment does not tell.

    Returns:
        A copy, with `is_success` as a bool where the environment tells it.

    Raises:
        ValueError: `is_success` is not a truth value.
    """
    report = dict(info)
    if report.get("is_success") is not None:
        told = _truth(report["is_success"])
        if told is None:
            raise ValueError(
                f'the environment reports info["is_success"]={report["is_success"]!r}; expected True or False'
            )
        report["is_success"] = told
    elif (told := _truth(report.get("success"))) is not None:  # a key that others use for other things too
        report["is_success"] = told
    return report


def _truth(value: Any) -> bool | None:
    """Reads a bool, 0 or 1, or an array that holds just one of these; None for all else, NaN too."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # a list of lists of different lengths, for one
        return None
    if array.size == 1 and array.dtype.kind in "biuf" and array.item() in (0, 1):
        return bool(array.item())
    return None


def read_success(info: Mapping[str, Any], needed: bool) -> bool:
    """Reads the true success.

    Args:
        info: What `named_success` returned.
        needed: Whether an option depends on it.

    Returns:
        The success; False where the environment does not tell.

    Raises:
        RuntimeError: It is needed and the environment does not tell.
    """
    told = info.get("is_success")
    if needed and told is None:
        raise RuntimeError(
            'true_success_bonus and terminate_on_true_success need info["is_success"], which this '
            f"environment does not report (its info: {', '.join(sorted(map(str, info))) or 'nothing'})"
        )
    return bool(told)
