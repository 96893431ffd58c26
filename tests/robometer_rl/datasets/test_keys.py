"""Keys from a terminal, which here is a pseudo one."""

from __future__ import annotations

import os
import pty
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from robometer_rl.datasets.keys import TerminalKeys


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; the end at which a person sits."""
    person, program = pty.openpty()
    with os.fdopen(program) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield person
    os.close(person)


def wait_for(keys: TerminalKeys, count: int) -> str:
    """A pseudo terminal hands over with a delay."""
    pressed, end = "", time.monotonic() + 5.0
    while len(pressed) < count and time.monotonic() < end:
        pressed += keys()
    return pressed


def test_keys_come_one_by_one_without_return(terminal: int) -> None:
    keys = TerminalKeys()
    assert keys() == ""
    os.write(terminal, b"sf")
    assert wait_for(keys, 2) == "sf"
    assert keys() == ""
    keys.close()


def test_the_terminal_is_given_back_as_it_was(terminal: int) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    keys = TerminalKeys()
    assert termios.tcgetattr(sys.stdin.fileno()) == before, "nothing is changed before it is read"
    keys()
    assert not termios.tcgetattr(sys.stdin.fileno())[3] & (termios.ICANON | termios.ECHO)
    assert termios.tcgetattr(sys.stdin.fileno())[3] & termios.ISIG, "Ctrl-C must still interrupt"
    keys.close()
    assert termios.tcgetattr(sys.stdin.fileno()) == before
    keys.close()


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(ValueError, match="pass keys="):
            TerminalKeys()
