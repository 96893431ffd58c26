from __future__ import annotations

import io

import pytest
from rich.console import Console

from robometer_rl.experiments.common.progress import progress, tracked


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=False, width=200), file


def test_without_a_terminal_a_line_comes_every_half_minute_with_the_time_left() -> None:
    console, file = plain()
    clock = Clock()
    with progress(console, "episodes", 100, clock=clock) as advance:
        for step in range(100):
            clock.now += 10.0
            advance(note=f"task {step}")
    lines = file.getvalue().splitlines()
    assert lines[0] == "episodes: 0 of 100"
    assert lines[1] == "episodes: 3 of 100 in 30 s, about 16 min left (task 2)"
    assert lines[-1] == "episodes: 100 of 100 in 17 min (task 99)"
    assert len(lines) == 1 + 33 + 1


def test_what_an_earlier_session_did_does_not_make_the_estimate_rosy() -> None:
    console, file = plain()
    clock = Clock()
    with progress(console, "steps", 1_000, done=900, clock=clock) as advance:
        clock.now = 60.0
        advance(10)
    assert file.getvalue().splitlines() == [
        "steps: 900 of 1,000",
        "steps: 910 of 1,000 in 60 s, about 9 min left",
    ]


def test_the_note_is_text_and_never_markup() -> None:
    console, file = plain()
    with progress(console, "videos", 1) as advance:
        advance(note="x[red].mp4")
    assert file.getvalue().splitlines()[-1].endswith("(x[red].mp4)")


def test_on_a_terminal_a_bar_moves() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120)
    with progress(console, "videos", 4) as advance:
        advance(4, note="[bold]last")
    assert "4/4" in file.getvalue()
    assert "[bold]last" in file.getvalue()


def test_items_come_through_and_nothing_is_shown_without_a_console() -> None:
    console, file = plain()
    assert list(tracked("abc", console, "letters", 3)) == ["a", "b", "c"]
    assert file.getvalue().splitlines()[0] == "letters: 0 of 3"
    assert list(tracked("abc", None, "letters", 3)) == ["a", "b", "c"]


def test_an_error_in_the_loop_is_not_hidden() -> None:
    console, _ = plain()
    with pytest.raises(RuntimeError, match="oh"), progress(console, "steps", 2):
        raise RuntimeError("oh")
