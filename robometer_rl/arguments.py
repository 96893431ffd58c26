"""The words of a command, read into its frozen dataclass by tyro."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import tyro

from .errors import checking_input

__all__ = ["read_arguments"]

C = TypeVar("C")


def read_arguments(
    config: type[C], argv: Sequence[str] | None, command: str, description: str | None = None
) -> C:
    """Reads a command's options.

    Args:
        config: The dataclass of the options.
        argv: The words after the command's name; None takes them from `sys.argv`.
        command: Name of the subcommand, for the line `usage: robometer-rl COMMAND ...`.
        description: What the command does, for its help.

    Returns:
        The options, checked by the dataclass.

    Raises:
        InputError: A value is outside its range, and tyro does not report it itself.
        SystemExit: An option is unknown, of a wrong type or outside its range (status 2), or help was asked
            for (status 0).
    """
    with checking_input():
        return tyro.cli(config, prog=f"robometer-rl {command}", args=argv, description=description)
