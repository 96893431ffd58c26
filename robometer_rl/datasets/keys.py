"""Keys that a person presses in the terminal while a program runs, read without waiting for one."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any, Protocol

__all__ = ["KeySource", "TerminalKeys"]


class KeySource(Protocol):
    """Where key presses come from."""

    def __call__(self) -> str:
        """The keys pressed since the last call, in order; empty if none."""
        ...


class TerminalKeys:
    """The keys pressed in the terminal that the program was started in.

    From the first call to `close` the terminal hands over each key at once and does not show it; Ctrl-C still
    interrupts.
    """

    def __init__(self) -> None:
        """Checks that there is a terminal; it stays as it is until the first call.

        Raises:
            ValueError: The standard input is no terminal.
        """
        if not sys.stdin.isatty():
            raise ValueError(
                "keys are read from the terminal, and the standard input is none (a notebook, a pipe or a "
                "worker process): pass keys=, a function that returns the keys pressed since its last call"
            )
        self._restore: list[Any] | None = None

    if sys.platform == "win32":

        def __call__(self) -> str:
            """The keys pressed since the last call, in order; empty if none."""
            import msvcrt

            pressed = ""
            while msvcrt.kbhit():
                pressed += msvcrt.getwch()
            return pressed

        def close(self) -> None:
            """Does nothing here."""

    else:

        def __call__(self) -> str:
            """The keys pressed since the last call, in order; empty if none."""
            import select

            fd = sys.stdin.fileno()
            if self._restore is None:
                self._start(fd)
            pressed = b""
            while select.select([fd], [], [], 0)[0]:
                read = os.read(fd, 1024)
                if not read:  # the terminal is gone
                    break
                pressed += read
            return pressed.decode(errors="replace")

        def _start(self, fd: int) -> None:
            """Makes the terminal hand over single keys; given back at the program's end at the latest."""
            import termios
            import tty

            self._restore = termios.tcgetattr(fd)
            atexit.register(self.close)
            tty.setcbreak(fd, termios.TCSANOW)

        def close(self) -> None:
            """Gives the terminal back as it was."""
            import termios

            if self._restore is not None:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._restore)
                self._restore = None
            atexit.unregister(self.close)
