from __future__ import annotations

import errno

import pytest

from robometer_rl.errors import InputError, checking_input


@pytest.mark.parametrize(
    "error",
    [ValueError("a"), TypeError("b"), FileNotFoundError("c"), PermissionError("d"), IsADirectoryError("e")],
)
def test_what_is_wrong_while_input_is_checked_is_wrong_input(error: Exception) -> None:
    with pytest.raises(InputError, match=str(error)) as caught, checking_input():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        BlockingIOError(errno.EAGAIN, "no process can be started now"),
        RuntimeError("f"),
        MemoryError("g"),
    ],
)
def test_a_fault_of_the_moment_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, checking_input():
        raise error
    assert caught.value is error


def test_an_input_error_is_not_wrapped_again() -> None:
    first = InputError("once")
    with pytest.raises(InputError) as caught, checking_input():
        raise first
    assert caught.value is first
    assert isinstance(first, ValueError)


def test_an_error_without_words_is_named_by_its_type() -> None:
    with pytest.raises(InputError, match=r"^ValueError$"), checking_input():
        raise ValueError
