"""Videos that are not stored with the runs: the page says so, lists commands and has no empty player."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from robometer_test_runs import curve_rows, write_run, write_study

from robometer_rl.cli import main as command_line
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.analysis import Analysis, analyse
from robometer_rl.experiments.report.report import ReportConfig, report
from robometer_rl.experiments.report.study import read_study
from robometer_rl.experiments.report.videos import choose, commands_for, not_kept

BASE = RunConfig(env="metaworld/door-open-v3")


def add(root: Path, seed: int, success: list[float], learned: float = 1.0, task: str = "door-open") -> Path:
    config = replace(BASE, seed=seed, env=f"metaworld/{task}-v3")
    return write_run(root, config, curve_rows(config, success, [learned] * len(success))).path


def found(root: Path) -> Analysis:
    return analyse(read_study(root), 200, 0)


def store(run: Path, *kinds: str, content: bytes = b"x") -> None:
    (run / "videos").mkdir(exist_ok=True)
    for kind in kinds:
        (run / "videos" / f"{kind}.mp4").write_bytes(content)


def test_what_the_page_would_show_is_not_kept_where_no_file_is_there(tmp_path: Path) -> None:
    add(tmp_path, 0, [0.5, 0.9])
    add(tmp_path, 1, [0.5, 0.2])
    missing = not_kept(found(tmp_path))
    assert [(clip.kind, clip.run.config.seed) for clip in missing] == [("best", 0), ("wrong", 1)]
    assert choose(found(tmp_path)) == []


def test_what_another_run_of_the_task_shows_is_not_missed(tmp_path: Path) -> None:
    add(tmp_path, 0, [0.5, 0.9])
    store(add(tmp_path, 1, [0.5, 0.2]), "best", "wrong")
    assert not_kept(found(tmp_path)) == []
    assert [clip.run.config.seed for clip in choose(found(tmp_path))] == [1, 1]


def test_a_video_that_training_does_not_draw_is_not_missed(tmp_path: Path) -> None:
    add(tmp_path, 0, [0.5, 1.0])
    add(tmp_path, 0, [0.0, 0.0], task="reach")
    missing = not_kept(found(tmp_path))
    assert [(clip.kind, clip.run.config.env) for clip in missing] == [
        ("best", "metaworld/door-open-v3"),
        ("wrong", "metaworld/reach-v3"),
    ]


def test_an_empty_file_is_no_video(tmp_path: Path) -> None:
    store(add(tmp_path, 0, [0.5, 0.5]), "best", "wrong", content=b"")
    assert choose(found(tmp_path)) == []
    assert [clip.kind for clip in not_kept(found(tmp_path))] == ["best", "wrong"]


def test_the_commands_train_each_run_once_in_another_folder(tmp_path: Path) -> None:
    runs = tmp_path / "my runs"
    add(runs, 0, [0.5, 0.5])
    train = "robometer-rl train --env metaworld/door-open-v3 --reward robometer --seed 0"
    assert commands_for(not_kept(found(runs)), runs) == [
        f"{train} --out '{runs}-videos'",
        f"robometer-rl report '{runs}-videos'",
    ]


def test_a_study_with_nothing_but_curves_makes_the_whole_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path, tasks=("door-open", "reach"), seeds=2, videos=False)
    kept = {"config.json", "curve.csv", "result.json"}
    assert {path.name for path in tmp_path.glob("*/*")} == kept
    assert command_line(["report", str(tmp_path), "--resamples", "200"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"not stored with the runs: \d videos; the page has the commands", printed)
    source = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<video" not in source
    assert "Videos that are not stored" in source
    assert source.count(f"--out {tmp_path}-videos") >= 2
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {
        "index.html", "aggregates.png", "profiles.png", "returns.png", "sample_efficiency.png", "tasks.png",
    }  # fmt: skip


def test_stored_and_missing_videos_stand_side_by_side(tmp_path: Path) -> None:
    store(add(tmp_path, 0, [0.5, 0.9]), "best")
    _, html = report(ReportConfig(tmp_path, resamples=200))
    source = html.read_text(encoding="utf-8")
    assert source.count("<video") == 1
    assert "1 video is not stored with the runs." in source
    assert "if the installed reward model has other weights" in source


def test_a_study_whose_videos_are_all_there_has_no_such_list(tmp_path: Path) -> None:
    store(add(tmp_path, 0, [0.5, 0.9]), "best", "wrong")
    _, html = report(ReportConfig(tmp_path, resamples=200))
    assert "not stored" not in html.read_text(encoding="utf-8")
