"""The environment's own success, under the one name that the wrappers read and report: `is_success`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["named_success", "read_success"]


def named_success(info: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of info in which success, where the environment tells it, is called `is_success`."""
    report = dict(info)
    if "is_success" not in report and "success" in report:
        report["is_success"] = bool(report["success"])
    return report


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
    if needed and "is_success" not in info:
        raise RuntimeError(
            'true_success_bonus and terminate_on_true_success need info["is_success"], which this '
            f"environment does not report (its info: {', '.join(sorted(map(str, info))) or 'nothing'})"
        )
    return bool(info.get("is_success", False))
