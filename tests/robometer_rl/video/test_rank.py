"""`robometer-rl rank`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from robometer_test_fakes import MODEL, FakeRewardModel

from robometer_rl.cli import main


@pytest.fixture
def folder(clip: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "140")
    for name, level in (("a", 30), ("b", 90), ("c", 50)):
        path = clip(f"run/{name}", [0, level])
    return Path(path).parent


def run(folder: Path, *words: Any, task: str = "count up", model: str = MODEL) -> int:
    return main(["rank", str(folder), *map(str, words), "--task", task, "--model", model])


def cells(text: str) -> list[list[str]]:
    lines = (line.strip("│").split("│") for line in text.splitlines() if "│" in line)
    return [[cell.strip() for cell in line] for line in lines]


def test_the_best_comes_first_on_the_console_in_csv_and_in_json(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = ["--csv", tmp_path / "r.csv", "--json", tmp_path / "r.json", "--page", tmp_path / "r.html"]
    assert run(folder, *outputs) == 0
    shown = capsys.readouterr()
    table = [line for line in cells(shown.out) if len(line) > 1 and line[1].endswith(".npz")]
    assert [line[:3] for line in table] == [
        ["1", "b.npz", "0.900 (1)"], ["2", "c.npz", "0.500 (2)"], ["3", "a.npz", "0.300 (3)"],
    ]  # fmt: skip
    assert "3 comparisons; Kendall tau of progress and preference 1.00" in shown.out
    assert shown.err == ""
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["place"], Path(row["video"]).name, row["preference_rank"]) for row in rows] == [
        ("1", "b.npz", "1"), ("2", "c.npz", "2"), ("3", "a.npz", "3"),
    ]  # fmt: skip
    data = json.loads((tmp_path / "r.json").read_text())
    assert (data["by"], data["kendall_tau"]) == ("both", 1.0)
    probabilities = {
        frozenset((Path(one["first"]).stem, Path(one["second"]).stem)): one["probability"]
        for one in data["comparisons"]
    }
    assert max(probabilities[frozenset("ab")], 1 - probabilities[frozenset("ab")]) == pytest.approx(0.8)
    assert [video["progress"] for video in data["videos"]] == [[0, 0.9], [0, 0.5], [0, 0.3]]
    assert "Ranking of videos" in (tmp_path / "r.html").read_text("utf-8")


def test_by_progress_compares_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(*words: object) -> float:
        raise AssertionError("videos were compared")

    monkeypatch.setattr(FakeRewardModel, "prefer", compared)
    assert run(folder, "--by", "progress", "--json", tmp_path / "r.json") == 0
    shown = capsys.readouterr().out
    assert "Kendall" not in shown
    assert "strength" not in shown
    data = json.loads((tmp_path / "r.json").read_text())
    assert [video["strength"] for video in data["videos"]] == [None, None, None]
    assert (data["kendall_tau"], data["comparisons"]) == (None, [])


def test_a_video_that_fails_comes_last_and_ends_with_1(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.mp4").write_text("no video")
    assert run(folder, "--csv", tmp_path / "r.csv") == 1
    assert "1 not scored" in capsys.readouterr().out
    with (tmp_path / "r.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["place"], last["strength"]) == ("", "")
    assert "cannot be decoded" in last["error"]


def test_a_model_without_preference_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*words: object) -> float:
        raise NotImplementedError

    monkeypatch.setattr(FakeRewardModel, "prefer", missing)
    assert run(folder) == 2
    error = capsys.readouterr().err
    assert (
        f"the model '{MODEL}' does not compare videos; order them by progress alone (--by progress)" in error
    )
    assert error.count("\n") == 1
    assert run(folder, "--by", "progress") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pairs", "1"], "pairs=1 cannot connect 3 videos by comparisons; expected at least 2"),
        (["--seed", "-1"], "seed must be 0 or more, got -1"),
        (["--fps", "0"], "fps must be a positive number"),
        (["--page", "r.md"], "--page r.md cannot be written"),
        (["gone.mp4"], "no video at gone.mp4"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(folder, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
