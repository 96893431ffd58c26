"""`robometer-rl report`: the page says what the files say; summary and README table follow from them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from robometer_test_runs import curve_rows, write_run, write_study

from robometer_rl.cli import main as command_line
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.analysis import analyse
from robometer_rl.experiments.report.report import ReportConfig, report
from robometer_rl.experiments.report.study import read_study
from robometer_rl.experiments.report.tables import SUMMARY, fill_benchmark, task_markdown
from robometer_rl.experiments.report.videos import choose, fitting

BASE = RunConfig(env="metaworld/door-open-v3")
HACKED = [float(x) for x in range(9)]


def add(root: Path, success: Sequence[float], learned: Sequence[float] | None = None, **changes: Any) -> Path:
    fields = {name: changes.pop(name) for name in list(changes) if hasattr(BASE, name)}
    config = replace(BASE, **fields)
    if config.reward == "robometer" and learned is None:
        learned = [1.0] * len(success)
    return write_run(root, config, curve_rows(config, success, learned), **changes).path


def small(root: Path) -> Path:
    """One task, three seeds; one seed of the learned reward is hacked."""
    for seed, end in enumerate((1.0, 0.8, 0.0)):
        success = np.linspace(0, end, 9).round(2).tolist()
        add(root, success, HACKED, seed=seed, wall_s=600)
        add(root, [0.5 * x for x in success], reward="sparse", seed=seed, wall_s=300)
    return root


def page(root: Path, **options: Any) -> str:
    _, html = report(ReportConfig(root, resamples=200, **options))
    text = re.sub(r"data:(image|video)/[^\"]+", "", html.read_text(encoding="utf-8"))
    text = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", text))


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    text = words(page(small(tmp_path)))
    assert "6 finished runs of SAC on 1 task, seeds 0, 1, 2. Groups: robometer and sparse." in text
    assert "No ground truth entered the reward or the termination of any of the 3 learned runs" in text
    assert "sparse: ground truth entered (env_weight=1.0); the reward is true success, 0 or 1." in text
    assert "robometer: IQM of true success 0.60 [0.00, 1.00], mean 0.60" in text
    assert "door-open 0.60 (1.00, 0.80, 0.00) 0.30 (0.50, 0.40, 0.00)" in text
    assert (
        "The alarm flags 1 of 3 learned runs: the learned return rises, true success does not. Flagged: "
        "door-open, seed 2." in text
    )
    assert (
        "robometer: 2.00 times the wall time of the sparse runs on the same task with the same algorithm "
        "(median of 3 runs, range 2.00 to 2.00)." in text
    )
    assert "robometer-rl train --env metaworld/door-open-v3 --reward sparse --seed 2" in text
    assert f"robometer-rl report {tmp_path} --resamples 200" in text
    assert "There are 3 seeds per task and group." in text
    assert (
        "The IQM drops no run if there are fewer than four. For robometer and sparse it is the mean." in text
    )
    for word in (
        "mujoco 3.3.0",
        "Some Processor, 2 cores",
        "Seeds of the runs: 0, 1, 2",
        "Performance profile",
    ):
        assert word in text


def test_the_weights_of_the_reward_model_are_named(tmp_path: Path) -> None:
    add(tmp_path, [0.5], weights="0123456789ab")
    add(tmp_path, [0.5], seed=1)
    add(tmp_path, [0.5], reward="sparse", weights="")
    assert "Weights of the reward model: 0123456789ab (the first digits of their SHA-256)." in words(
        page(tmp_path)
    )


def test_caveats_are_numbered_below_the_table_that_they_limit(tmp_path: Path) -> None:
    _, html = report(ReportConfig(small(tmp_path), resamples=200))
    source = html.read_text(encoding="utf-8")
    for key in ("results", "alarm", "head", "cost"):
        section = source.split(f'<section id="{key}">')[1].split("</section>")[0]
        assert section.index("</table>") < section.index("<h3>Caveats</h3>") < section.index("<ol class")


def test_a_table_of_many_rows_scrolls_and_says_so(tmp_path: Path) -> None:
    for seed in range(31):
        add(tmp_path, [0.5], reward="sparse", seed=seed)
    _, html = report(ReportConfig(tmp_path, resamples=200))
    source = html.read_text(encoding="utf-8")
    assert source.count('class="scroll tall"') == 1
    assert "The table has 31 rows." in source


def test_it_is_one_file_and_pngs(tmp_path: Path) -> None:
    small(tmp_path / "runs")
    found, html = report(ReportConfig(tmp_path / "runs", out=tmp_path / "out", resamples=200))
    assert html == tmp_path / "out" / "index.html"
    assert not (tmp_path / "runs" / "report").exists()
    source = html.read_text(encoding="utf-8")
    # Nothing outside is referred to: data inside the page, and places on it.
    assert set(re.findall(r"(?:src|href)=\"([^\"]{1,5})", source)) <= {
        "data:", "#resu", "#task", "#alar", "#head", "#vide", "#cost", "#runs", "#repe", "#glos",
    }  # fmt: skip
    assert "://" not in re.sub(r"data:image/png;base64,[^\"]+", "", source)
    names = {path.name for path in html.parent.glob("*.png")}
    assert names == {
        "aggregates.png", "alarms.png", "profiles.png", "returns.png", "sample_efficiency.png", "tasks.png",
    }  # fmt: skip
    for path in html.parent.glob("*.png"):
        assert len(Image.open(path).convert("RGB").getcolors(10**6) or []) > 10
    assert [run.config.seed for run in found.flagged] == [2]


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    small(tmp_path)
    pages = [report(ReportConfig(tmp_path, resamples=200))[1].read_bytes() for _ in range(2)]
    assert pages[0] == pages[1]


def test_ground_truth_is_told_where_it_entered(tmp_path: Path) -> None:
    add(tmp_path, [0.5], ground_truth={"env_weight": 0.5, "true_success_bonus": 0.0})
    add(tmp_path, [0.5], seed=1)
    add(tmp_path, [0.5], reward="dense")
    text = words(page(tmp_path))
    assert (
        "Ground truth entered the reward or the termination of 1 of 2 learned runs: env_weight=0.5. 1 of 2 "
        "learned runs did not record whether" in text
    )
    assert (
        "dense: ground truth entered (env_weight=1.0); the reward is the suite's hand-written reward" in text
    )
    assert "No ground truth entered" not in text


def test_a_study_without_learned_runs(tmp_path: Path) -> None:
    add(tmp_path, [0.5, 1.0], reward="sparse")
    add(tmp_path, [0.5, 0.0], reward="none")
    text = words(page(tmp_path))
    assert "No finished run uses a learned reward." in text
    assert "(one seed)" in text
    assert "Errors of the success head" not in text


def test_runs_too_short_for_the_alarm_are_counted(tmp_path: Path) -> None:
    add(tmp_path, [0.0] * 3, [1.0, 2.0, 3.0])
    add(tmp_path, [0.0] * 9, [1.0] * 9, seed=1)
    assert (
        "The alarm flags none of 2 learned runs. 1 run has no verdict (fewer than 8 evaluations)."
        in words(page(tmp_path))
    )  # fmt: skip


def test_unequal_tasks_are_told_and_compared_on_common_ones(tmp_path: Path) -> None:
    other = "metaworld/reach-v3"
    for env in (BASE.env, other):
        add(tmp_path, [0.5], env=env)
        add(tmp_path, [0.5], env=env, reward="sparse")
    add(tmp_path, [0.9], reward="dense")
    add(tmp_path, [0.9], reward="sparse", env="metaworld/push-v3")
    text = words(page(tmp_path))
    assert "dense (1 of 2 tasks): IQM of true success 0.90" in text
    assert "Some of these tasks have no runs of dense." in text
    assert "On the 1 task that all groups have" in text
    assert "Each group on all its tasks" in text


def test_caveats_come_from_the_runs(tmp_path: Path) -> None:
    add(tmp_path, [0.5], stop_when_solved=True)
    add(tmp_path, [0.5], seed=1, stop_when_solved=True, machine="Another", sessions=2)
    add(tmp_path, [0.5], env="metaworld/reach-v3", reward="sparse", final_true_success=0.9)
    write_run(tmp_path, replace(BASE, seed=7), [], done=False)
    text = words(page(tmp_path))
    assert "different machines" in text
    assert "1 of 3 runs was interrupted and resumed" in text
    assert "disagree on the final true success of reach-v3-sac-sparse-s0" in text
    assert "True success decides when such a run stops." in text
    assert "The groups have no task in common." in text
    assert "unfinished, 0 of 100,000 environment steps" in text


def test_videos_are_chosen_and_capped(tmp_path: Path) -> None:
    study = small(tmp_path)
    for path in study.glob("*robometer*"):
        (path / "videos").mkdir()
        for name in ("best", "wrong"):
            (path / "videos" / f"{name}.mp4").write_bytes(b"x" * 1000)
    clips = choose(analyse(read_study(study), 200, 0))
    # The hacked run's failure first; it is also the one that ended worst. Then the best run's best.
    assert [(clip.kind, clip.run.config.seed, clip.flagged) for clip in clips] == [
        ("wrong", 2, True),
        ("best", 0, False),
    ]
    assert "door-open, seed 2: the failed episode with the highest learned return" in clips[0].caption
    assert [len(part) for part in fitting(clips, 2000)] == [2, 0]
    assert [len(part) for part in fitting(clips, 1999)] == [1, 1]
    text = words(page(study, max_video_mb=0.0015))
    assert "These videos are left out to limit the size of the page:" in text
    assert "videos/best.mp4: door-open, seed 0: the best episode" in text


def test_a_run_is_named_with_its_group_where_several_learn_from_the_model(tmp_path: Path) -> None:
    study = small(tmp_path)
    success = [0.0] * 9
    folder = add(study, success, HACKED, shaping="delta", seed=2)
    (folder / "videos").mkdir()
    (folder / "videos" / "wrong.mp4").write_bytes(b"x")
    named = ["door-open, seed 2 (robometer, progress+success)", "door-open, seed 2 (robometer, delta)"]
    found = analyse(read_study(study), 200, 0)
    assert sorted(map(found.name_of, found.flagged)) == sorted(named)
    assert choose(found)[0].caption.startswith(f"{named[1]}: the failed episode")
    assert f"Flagged: {'; '.join(map(found.name_of, found.flagged))}." in words(page(study))


def test_a_missing_video_is_replaced_by_the_next_run(tmp_path: Path) -> None:
    study = small(tmp_path)
    (second,) = study.glob("*robometer-s1*")
    (second / "videos").mkdir()
    (second / "videos" / "best.mp4").write_bytes(b"x")
    assert [clip.run.config.seed for clip in choose(analyse(read_study(study), 200, 0))] == [1]


def test_the_summary_has_one_row_per_finished_run(tmp_path: Path) -> None:
    small(tmp_path / "runs")
    report(ReportConfig(tmp_path / "runs", resamples=200, summary=tmp_path / "new" / "summary.csv"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new" / "summary.csv").read_text())))
    assert tuple(rows[0]) == SUMMARY
    assert [(row["reward"], row["seed"], row["final"], row["flagged"]) for row in rows] == [
        ("robometer", "0", "1", "0"),
        ("robometer", "1", "0.8", "0"),
        ("robometer", "2", "0", "1"),
        ("sparse", "0", "0.5", ""),
        ("sparse", "1", "0.4", ""),
        ("sparse", "2", "0", ""),
    ]
    assert (rows[0]["env"], rows[0]["steps"], rows[0]["wall_s"]) == (BASE.env, "22500", "600")
    assert [rows[i]["shaping"] for i in (0, 3)] == ["progress+success", ""]


def test_the_readme_gets_the_table(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(
        "a\n<!-- benchmark runs -->\nSTALE\n<!-- end -->\nb\n<!-- summary -->\nkept\n<!-- end -->\n"
        "<!-- benchmark other -->\nOTHER\n<!-- end -->\n"
    )
    found, _ = report(ReportConfig(small(tmp_path / "runs"), resamples=200, readme=readme))
    text = readme.read_text()
    assert "STALE" not in text
    assert text.endswith(
        "<!-- end -->\nb\n<!-- summary -->\nkept\n<!-- end -->\n"
        "<!-- benchmark other -->\nOTHER\n<!-- end -->\n"
    )
    assert "| door-open | 0.60 (1.00, 0.80, 0.00) | 0.30 (0.50, 0.40, 0.00) |\n" in text
    assert "| **mean** [95% interval] | **0.60** [0.00, 1.00] |" in text
    assert fill_benchmark(text, task_markdown(found), "runs") == text


@pytest.mark.parametrize(
    "text",
    [
        "no markers\n",
        "<!-- benchmark runs -->\nno end\n",
        "<!-- benchmark other -->\n<!-- end -->\n",
        "<!-- benchmark runs -->\n<!-- summary -->\n<!-- end -->\n",
        "<!-- benchmark runs -->\n<!-- end -->\n<!-- benchmark runs -->\n<!-- end -->\n",
    ],
)
def test_missing_markers_are_an_error_and_nothing_is_written(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    small(tmp_path / "runs")
    with pytest.raises(ValueError, match=r"README\.md must hold a line `<!-- benchmark runs -->` once"):
        report(ReportConfig(tmp_path / "runs", resamples=200, readme=readme))
    assert readme.read_text() == text
    assert not (tmp_path / "runs" / "report").exists()


def test_an_empty_place_between_the_markers_is_filled() -> None:
    assert (
        fill_benchmark("<!-- benchmark runs -->\n<!-- end -->\n", "T", "runs")
        == "<!-- benchmark runs -->\nT\n<!-- end -->\n"
    )


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = small(tmp_path)
    assert command_line(["report", str(study), "--resamples", "200"]) == 0
    printed = capsys.readouterr().out
    assert "No ground truth entered" in printed
    assert "| door-open | 0.60 (1.00, 0.80, 0.00) |" in printed
    assert "flagged by the alarm: door-open-v3-sac-robometer-s2-" in printed
    assert (study / "report" / "index.html").is_file()
    # The folder that the report itself made is not taken for a run.
    assert command_line(["report", str(study), "--resamples", "200"]) == 0


def test_wrong_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["report", str(tmp_path)]) == 2
    assert "holds no runs" in capsys.readouterr().err
    assert command_line(["report", str(tmp_path / "gone")]) == 2
    assert "no folder" in capsys.readouterr().err
    with pytest.raises(ValueError, match="resamples=5"):
        ReportConfig(tmp_path, resamples=5)
    with pytest.raises(ValueError, match="max_video_mb=-1"):
        ReportConfig(tmp_path, max_video_mb=-1)


def test_many_groups_and_tasks_are_drawn(tmp_path: Path) -> None:
    write_study(tmp_path, tasks=("door-open", "reach", "push", "coffee-push"), seeds=2, videos=False)
    for shaping in ("delta", "potential", "success", "progress"):
        add(tmp_path, [0.1] * 12, [0.1] * 12, shaping=shaping)
    found, html = report(ReportConfig(tmp_path, resamples=200))
    assert len(found.study.groups) == 7
    assert html.stat().st_size < 3e6
