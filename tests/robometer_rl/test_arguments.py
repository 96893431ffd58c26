from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import tyro

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import InputError


@dataclass(frozen=True)
class Options:
    """A command's options."""

    steps: int = 1
    """At least 1."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps} must be at least 1")


@dataclass(frozen=True)
class Command:
    """Options inside options."""

    run: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    """The run."""


def test_options_are_read_into_their_dataclass() -> None:
    assert read_arguments(Options, ["--steps", "3"], "try") == Options(3)


def test_the_usage_names_the_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        read_arguments(Options, ["--help"], "try", "Tries things.")
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: robometer-rl try " in shown
    assert "Tries things." in shown


def test_an_unknown_option_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        read_arguments(Options, ["--setps", "3"], "try")
    assert leaving.value.code == 2
    assert "--steps" in capsys.readouterr().err


def test_a_value_outside_its_range_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        read_arguments(Options, ["--steps", "0"], "try")
    assert leaving.value.code == 2
    assert "steps=0 must be at least 1" in capsys.readouterr().err


def test_a_value_that_tyro_does_not_report_is_wrong_input() -> None:
    with pytest.raises(InputError, match="steps=0 must be at least 1"):
        read_arguments(Command, ["--steps", "0"], "try")
