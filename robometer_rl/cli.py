"""The command line: `robometer-rl score | fit | evaluate | collect | demo`.

A command is a row in `COMMANDS`: where its function lives and one line of help. The function takes one frozen
dataclass, whose fields are the command's options (parsed by tyro). Nothing is imported before its command is
called, so that the help comes at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from typing import Any

__all__ = ["COMMANDS", "Command", "main"]

TRACEBACK = "ROBOMETER_RL_TRACEBACK"
"""Environment variable; when set, errors show where they were raised."""


@dataclass(frozen=True)
class Command:
    """Where a command lives and what it is for."""

    module: str
    """Module that holds the function, imported when the command is called."""
    function: str
    """Name of the function; its one argument is a frozen dataclass."""
    help: str
    """One line for `robometer-rl --help`."""


COMMANDS: dict[str, Command] = {
    "score": Command("robometer_rl.score", "score", "score a video: progress and success of a task, frame by frame"),
    "demo": Command("robometer_rl.experiments.demo", "demo", "expert, half-way and random episodes, scored as they run"),
    "collect": Command("robometer_rl.experiments.collect", "collect", "collect trajectories of graded quality"),
    "fit": Command("robometer_rl.experiments.fit", "fit", "train the compact reward model on collected trajectories"),
    "evaluate": Command("robometer_rl.experiments.evaluate", "evaluate", "measure a reward model on held-out episodes"),
}


def main(argv: Sequence[str] | None = None, commands: Mapping[str, Command] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `robometer-rl`; None takes them from `sys.argv`.
        commands: the table of commands; None is `COMMANDS`.

    Returns:
        The exit status: 0 done, 2 wrong use or input, 130 interrupted.
    """
    commands = COMMANDS if commands is None else commands
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_usage(commands))
        return 0 if words else 2
    if words[0] == "--version":
        print(_version())
        return 0
    name, rest = words[0], words[1:]
    if name not in commands:
        print(_unknown(name, commands), file=sys.stderr)
        return 2
    try:
        _call(name, commands[name], rest)
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get(TRACEBACK):
            raise
        print(f"robometer-rl {name}: {_one_line(error)}  ({TRACEBACK}=1 shows where)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"robometer-rl {name}: interrupted", file=sys.stderr)
        return 130
    return 0


def _call(name: str, command: Command, words: Sequence[str]) -> None:
    """Import the command, read its options from the words, run it."""
    function = getattr(importlib.import_module(command.module), command.function)
    import tyro

    config = tyro.cli(
        config_of(function), args=list(words), prog=f"robometer-rl {name}", description=f"{command.help[:1].upper()}{command.help[1:]}."
    )
    function(config)


def config_of(function: Callable[..., Any]) -> type[Any]:
    """The dataclass that a command's function takes.

    Args:
        function: a function of one annotated argument.

    Returns:
        The type of that argument.

    Raises:
        TypeError: the function takes anything else than one dataclass.
    """
    hints = {key: hint for key, hint in typing.get_type_hints(function).items() if key != "return"}
    configs = list(hints.values())
    if len(configs) != 1 or not is_dataclass(configs[0]):
        raise TypeError(f"{function.__module__}.{function.__qualname__} must take one dataclass, takes {hints}")
    return typing.cast("type[Any]", configs[0])


def _usage(commands: Mapping[str, Command]) -> str:
    """The help of the program itself."""
    width = max(map(len, commands))
    rows = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    return "\n".join(
        ["usage: robometer-rl COMMAND [options]", "", "commands:", *rows, "",
         "`robometer-rl COMMAND --help` lists the options of one command."]
    )


def _unknown(name: str, commands: Mapping[str, Command]) -> str:
    """What to answer to a command that does not exist."""
    close = get_close_matches(name, commands, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"robometer-rl: unknown command {name!r}; choose from {', '.join(commands)}.{hint}"


def _version() -> str:
    """Name and version of the installed package."""
    from importlib.metadata import version

    return f"robometer-rl {version('robometer-rl')}"


def _one_line(error: BaseException) -> str:
    """The message of an error without line breaks; its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
