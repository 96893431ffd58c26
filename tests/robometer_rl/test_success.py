"""Which values of `info` count as the environment's own success."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robometer_rl.success import named_success, read_success


@pytest.mark.parametrize("key", ["is_success", "success"])
@pytest.mark.parametrize(
    ("value", "done"),
    [
        (True, True),
        (np.bool_(False), False),
        (1.0, True),
        (0, False),
        (np.array([1.0]), True),
        ([False], False),
    ],
)
def test_one_truth_value_is_read_in_any_form(key: str, value: Any, done: bool) -> None:
    info = named_success({key: value})
    assert info["is_success"] is done
    assert read_success(info, needed=True) is done


def test_is_success_wins_over_success() -> None:
    assert named_success({"is_success": False, "success": True})["is_success"] is False


@pytest.mark.parametrize("info", [{}, {"success": None}, {"is_success": None}])
def test_none_is_not_told(info: dict[str, Any]) -> None:
    named = named_success(info)
    assert read_success(named, needed=False) is False
    with pytest.raises(RuntimeError, match="does not report"):
        read_success(named, needed=True)


ODD = [float("nan"), np.array([True, False]), "yes", {"arm": True}, 0.5, [1, [2, 3]]]


@pytest.mark.parametrize("value", ODD)
def test_is_success_that_is_no_truth_value_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r'info\["is_success"\]=.*expected True or False'):
        named_success({"is_success": value})


@pytest.mark.parametrize("value", ODD)
def test_success_that_is_no_truth_value_is_something_else(value: Any) -> None:
    info = named_success({"success": value})
    assert "is_success" not in info
    with pytest.raises(RuntimeError, match=r"does not report \(its info: success\)"):
        read_success(info, needed=True)


def test_the_environments_info_stays_as_it_was() -> None:
    info = {"success": 1.0}
    assert named_success(info) == {"success": 1.0, "is_success": True}
    assert info == {"success": 1.0}
