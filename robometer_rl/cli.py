"""The command line: `robometer-rl score | rank | demo | collect | fit | train | sweep | report | ...`.

A command is a row in `COMMANDS`: the module that holds its `main(argv)` and one line of help. `main` reads
its options into one frozen dataclass and runs. Nothing is imported before its command is called, so that the
help comes at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from robometer_rl.envs.extras import MissingExtraError

from .errors import InputError

__all__ = ["COMMANDS", "Command", "main"]

TRACEBACK = "ROBOMETER_RL_TRACEBACK"
"""Environment variable; when set, errors of wrong input show where they were raised too."""


@dataclass(frozen=True)
class Command:
    """Where a command lives and what it is for."""

    module: str
    """Module with a `main(argv)` for the words after the command's name; imported when it is called."""
    help: str
    """One line for `robometer-rl --help`."""


COMMANDS: dict[str, Command] = {
    "score": Command(
        "robometer_rl.video.score", "score videos: progress and success of a task, frame by frame"
    ),
    "rank": Command("robometer_rl.video.rank", "order videos of one task from the best to the worst"),
    "demo": Command(
        "robometer_rl.experiments.examples.demo",
        "watch expert, half-way and random episodes earn their scores",
    ),
    "improve": Command(
        "robometer_rl.experiments.adapt.improve",
        "find what agents cheat a reward model with, and refit it on that",
    ),
    "check-env": Command(
        "robometer_rl.experiments.adapt.check_env",
        "look at your environment as the model does: pictures, success, scores, what to do next",
    ),
    "collect": Command("robometer_rl.experiments.collect.collect", "collect trajectories of graded quality"),
    "import-demos": Command(
        "robometer_rl.experiments.collect.import_demos",
        "make episodes of demonstrations: folders of videos, robomimic's HDF5",
    ),
    "label-demos": Command(
        "robometer_rl.datasets.label_demos", "mark on a local page where videos and episodes are done"
    ),
    "fit": Command(
        "robometer_rl.experiments.reward_model.fit",
        "train the compact reward model on collected trajectories",
    ),
    "adapt": Command(
        "robometer_rl.experiments.adapt.adapt",
        "adapt the reward model to your own environment from a few demonstrations",
    ),
    "examine": Command(
        "robometer_rl.experiments.adapt.examine",
        "measure a reward model on episodes of your own, and say what it is good for",
    ),
    "average": Command(
        "robometer_rl.experiments.reward_model.average", "average checkpoints and calibrate their mean"
    ),
    "calibrate": Command(
        "robometer_rl.experiments.reward_model.calibrate",
        "set the success threshold of each task from recorded episodes",
    ),
    "evaluate": Command(
        "robometer_rl.experiments.reward_model.evaluate", "measure a reward model on held-out episodes"
    ),
    "train": Command("robometer_rl.experiments.agent.train", "train an agent and judge it by true success"),
    "sweep": Command(
        "robometer_rl.experiments.sweep.sweep", "run many trainings: tasks x rewards x seeds, resumable"
    ),
    "report": Command(
        "robometer_rl.experiments.report.report", "one HTML page and PNGs from a folder of runs"
    ),
    "bench": Command(
        "robometer_rl.experiments.bench.bench", "measure what a wrapped step costs, and the memory"
    ),
}


def main(argv: Sequence[str] | None = None, commands: Mapping[str, Command] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `robometer-rl`; None takes them from `sys.argv`.
        commands: the table of commands; None is `COMMANDS`.

    Returns:
        The exit status: the command's own, 0 where it returns none; 2 for wrong input (`InputError`) and for
        an extra that is not installed, which no second try will change; 130 interrupted.

    Raises:
        Exception: Whatever else went wrong, as it is: Python prints its traceback and ends with status 1.
    """
    commands = COMMANDS if commands is None else commands
    _show_what_can_be_shown()
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
        status = importlib.import_module(commands[name].module).main(rest)
    except (InputError, MissingExtraError) as error:
        if os.environ.get(TRACEBACK):
            raise
        print(f"robometer-rl {name}: {_one_line(error)}  ({TRACEBACK}=1 shows where)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"robometer-rl {name}: interrupted", file=sys.stderr)
        return 130
    return status or 0


def _show_what_can_be_shown() -> None:
    """Shows a character that the console lacks (cp1252, ASCII) as an escape; it must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _usage(commands: Mapping[str, Command]) -> str:
    """The help of the program itself."""
    width = max(map(len, commands))
    rows = [f"  {name:<{width}}  {command.help}" for name, command in commands.items()]
    closing = "`robometer-rl COMMAND --help` lists the options of one command."
    return "\n".join(["usage: robometer-rl COMMAND [options]", "", "commands:", *rows, "", closing])


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
