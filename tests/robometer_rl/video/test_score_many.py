"""`robometer-rl score` for several videos: one row each, one file each for tables and page."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from robometer_test_fakes import MODEL

from robometer_rl.cli import main


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


def run(*words: Any, task: str | None = "count up") -> int:
    given = [] if task is None else ["--task", task]
    return main(["score", *map(str, words), *given, "--model", MODEL])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(text: str) -> list[list[str]]:
    """The cells of a table on the console."""
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line
    ]


def test_one_row_a_video_in_the_order_given(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [clip("b", [10, 50]), clip("a", [10, 90, 85])]
    assert run(*paths, "--csv", tmp_path / "out/s.csv", "--json", tmp_path / "out/s.json") == 0
    shown = capsys.readouterr()
    table = [line for line in lines(shown.out) if line[0].endswith(".npz")]
    assert table == [
        ["b.npz", "0.500", "0.100", "", "2", "0.2"],
        ["a.npz", "0.850", "0.900", "done", "3", "0.3"],
    ]
    assert "2 videos scored, 1 of them with success (threshold 0.50)" in shown.out
    assert "was fitted on: fake: count" in shown.out
    assert shown.err == ""
    b, a = rows(tmp_path / "out/s.csv")
    assert (b["video"], b["task"], b["final_progress"], b["first_success_frame"], b["frames"]) == (
        str(paths[0]), "count up", "0.5", "", "2",
    )  # fmt: skip
    assert (a["max_success"], a["first_success_frame"], a["seconds"], a["error"]) == ("0.9", "1", "0.3", "")
    data = json.loads((tmp_path / "out/s.json").read_text("utf-8"))
    assert data["model"] == MODEL
    assert [video["progress"] for video in data["videos"]] == [[0.1, 0.5], [0.1, 0.9, 0.85]]
    assert data["videos"][1]["time"] == [0, 0.1, 0.2]
    assert sorted(os.listdir(tmp_path / "out")) == ["s.csv", "s.json"]


def test_a_folder_of_one_video_is_a_table_and_the_video_itself_is_shown_by_frame(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = clip("run/a", [10, 90])
    assert run(path.parent, "--json", tmp_path / "s.json") == 0
    assert "1 video: count up" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["videos"][0]["final_progress"] == 0.9
    assert run(path, "--json", tmp_path / "s.json") == 0
    assert "final progress 0.90, success from frame 1" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["progress"] == [0.1, 0.9]


def test_one_video_may_have_a_table_and_a_page_too(clip: Any, tmp_path: Path) -> None:
    path = clip("a", [10, 90])
    assert run(path, "--csv", tmp_path / "s.csv", "--page", tmp_path / "s.html") == 0
    assert [row["final_progress"] for row in rows(tmp_path / "s.csv")] == ["0.9"]
    assert "a.npz" in (tmp_path / "s.html").read_text("utf-8")


def test_a_video_that_fails_stands_in_the_table_and_ends_with_1(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip("run/a", [10, 50])
    (tmp_path / "run/b.mp4").write_text("no video")
    (tmp_path / "run/notes.txt").write_text("not a video either")
    clip("run/c", [10, 90])
    outputs = ["--csv", tmp_path / "s.csv", "--json", tmp_path / "s.json", "--page", tmp_path / "s.html"]
    assert run(tmp_path / "run", *outputs) == 1
    shown = capsys.readouterr().out
    names = ["a.npz", "b.mp4", "c.npz"]
    assert [line[0] for line in lines(shown) if line[0] in names] == names
    assert "not scored:" in shown
    assert "2 videos scored, 1 of them with success (threshold 0.50), 1 not scored" in shown
    assert shown.replace("\n", "").count("notes.txt") == 1
    a, b, c = rows(tmp_path / "s.csv")
    assert (a["error"], c["error"]) == ("", "")
    assert "b.mp4 cannot be decoded as a video" in b["error"]
    assert (b["final_progress"], b["frames"]) == ("", "")
    data = json.loads((tmp_path / "s.json").read_text())
    assert "cannot be decoded" in data["videos"][1]["error"]
    assert data["passed_over"] == [str(tmp_path / "run/notes.txt")]
    assert "b.mp4 cannot be decoded as a video" in (tmp_path / "s.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["gone.mp4", "notes.txt"])
def test_a_named_file_that_is_no_video_ends_with_2_before_anything(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    assert run(clip("a", [10, 20]), tmp_path / name, "--csv", tmp_path / "s.csv") == 2
    shown = capsys.readouterr()
    assert name in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert not (tmp_path / "s.csv").exists()


def test_warnings_stand_below_the_table_with_the_name_of_their_video(
    clip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clip("still", [50] * 4), clip("moving", [10, 20])) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "still.npz: all 4 pictures of still.npz are the same" in said


def test_tasks_come_from_a_table(clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [clip("a", [10, 50]), clip("b", [10, 90])]
    (tmp_path / "tasks.csv").write_text("video,task\nb.npz,close it\na.npz,open it\n")
    assert run(*paths, "--tasks", tmp_path / "tasks.csv", "--csv", tmp_path / "s.csv", task=None) == 0
    assert [(Path(row["video"]).name, row["task"]) for row in rows(tmp_path / "s.csv")] == [
        ("a.npz", "open it"), ("b.npz", "close it"),
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "2 videos: 2 tasks" in shown
    assert ["a.npz", "open it", "0.500"] in [line[:3] for line in lines(shown)]


def test_without_videos_those_of_the_table_are_scored(clip: Any, tmp_path: Path) -> None:
    clip("a", [10, 50]), clip("b", [10, 90])
    (tmp_path / "tasks.csv").write_text("video,task\nb.npz,close it\na.npz,open it\n")
    assert run("--tasks", tmp_path / "tasks.csv", "--csv", tmp_path / "s.csv", task=None) == 0
    assert [Path(row["video"]).name for row in rows(tmp_path / "s.csv")] == ["b.npz", "a.npz"]


def test_a_single_video_takes_its_task_from_the_table(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tasks.csv").write_text("video,task\na.npz,open it\n")
    assert run(clip("a", [10, 50]), "--tasks", tmp_path / "tasks.csv", task=None) == 0
    assert "a.npz: open it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--plot", "s.png"],
            "--plot draws one video, and 2 are to be scored; --page FILE.html draws them all",
        ),
        (["--overlay", "s.mp4"], "--overlay draws one video, and 2 are to be scored"),
        (["--page", "s.pdf"], "--page s.pdf cannot be written; expected a file name ending in .html, .htm"),
        (["--csv", "."], "--csv . is a folder; expected the name of a file"),
        (["--csv", "s.txt", "--json", "s.txt"], "--json and --csv both name s.txt; expected two files"),
        (["--fps", "0"], "fps must be a positive number"),
        (["--rows", "1"], "rows must be at least 2, got 1"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(
    clip: Any, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(clip("a", [10, 20]), clip("b", [10, 20]), *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_one_of_task_and_tasks_is_needed_and_not_both(clip: Any, tmp_path: Path) -> None:
    for words in ([], ["--task", "x", "--tasks", "t.csv"]):
        with pytest.raises(SystemExit) as stop:
            main(["score", str(clip("a", [10, 20])), *words])
        assert stop.value.code == 2


def test_no_video_at_all_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "no video is named" in capsys.readouterr().err


def test_the_file_of_before_survives_a_write_that_fails(
    clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "s.json"
    target.write_text("before")

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        run(clip("a", [10, 20]), "--json", target)
    with pytest.raises(OSError, match="No space left"):
        run(clip("a", [10, 20]), clip("b", [10, 20]), "--json", target)
    assert target.read_text() == "before"
    assert not list(tmp_path.glob("*.part"))


def test_names_are_text_and_never_markup(clip: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(clip("[red]x:smile:", [10, 20]), clip("b", [10, 20]), task="lift [/INST] [bold]it[/bold] :x:")
        == 0
    )
    shown = capsys.readouterr().out
    assert "[red]x:smile:.npz" in shown
    assert "lift [/INST] [bold]it[/bold] :x:" in shown
