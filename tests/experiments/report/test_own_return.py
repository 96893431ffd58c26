"""Runs in environments of somebody's own, with success and without, on the page of `report`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from robometer_test_runs import curve_rows, write_run

from robometer_rl import cli
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.study import read_study, short

CUP = RunConfig(
    "my_package:make_cup", reward="dense", task="put the cup on the shelf", eval_every=100, steps=800
)
NAN = float("nan")


def add(root: Path, config: RunConfig, returns: Sequence[float], known: bool = False) -> None:
    """A run with these returns; without success where it is not known."""
    rows = curve_rows(
        config, [0.5] * len(returns), [1.0] * len(returns) if config.reward == "robometer" else None
    )
    for row, value in zip(rows, returns, strict=True):
        row["env_return"] = value
        if not known:
            row |= {"true_success": NAN, "true_success_last": NAN, "train_true_success": NAN}
            row |= {name: 0 for name in row if name.startswith("head_")}
    unknown = dict.fromkeys(("best_true_success", "final_true_success", "final_true_success_last"))
    if known:
        write_run(root, config, rows)
    else:
        write_run(root, config, rows, judged_by="env_return", success_source="none", **unknown)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for seed, last in enumerate((10.0, 30.0)):
        add(tmp_path, replace(CUP, seed=seed), [-10.0] * 7 + [last])
        add(tmp_path, replace(CUP, seed=seed, reward="robometer"), [-10.0] * 7 + [last / 2])
    return tmp_path


def test_returns_are_scaled_by_all_runs_of_their_task(study: Path) -> None:
    found = read_study(study)
    assert found.measure == "normalised return"
    assert found.by_return == [CUP.env]
    dense = next(group for group in found.groups if group.reward == "dense")
    assert [run.final for run in dense.runs] == [0.5, 1.0]
    assert [float(run.measured[-1]) for run in dense.runs] == [10.0, 30.0]
    assert all(np.isnan(run.last_step) for run in dense.runs)


def test_the_page_says_by_what_its_runs_are_judged(study: Path, tmp_path: Path) -> None:
    assert (
        cli.main(
            ["report", str(study), "--out", str(tmp_path / "page"), "--summary", str(tmp_path / "s.csv")]
        )
        == 0
    )
    page = re.sub(r"data:[^\"']+", "", (tmp_path / "page" / "index.html").read_text())
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Learned reward against normalised return" in text
    assert "put the cup on the shelf" in text
    assert "judged by the environment&#39;s own return: it reports no success" in text
    assert "no verdict (the environment reports no success)" in text
    assert "20.00 (10.00, 30.00)" in text
    assert "nan" not in text.lower().split()
    assert "true success" not in text.lower().partition(" terms true success ")[0]
    assert ",10,10," in (tmp_path / "s.csv").read_text()
    assert "env_return" in (tmp_path / "s.csv").read_text()


def test_a_task_with_success_is_judged_by_it(tmp_path: Path) -> None:
    add(tmp_path, CUP, [1.0] * 8, known=True)
    found = read_study(tmp_path)
    assert found.measure == "true success"
    assert [run.final for run in found.runs] == [0.5]


def test_tasks_of_both_kinds_share_a_page(study: Path, tmp_path: Path) -> None:
    other = replace(CUP, env="my_package:make_door", task="close the door")
    add(study, other, [1.0] * 8, known=True)
    assert read_study(study).measure == "score"
    assert cli.main(["report", str(study), "--out", str(tmp_path / "page")]) == 0
    assert "close the door" in (tmp_path / "page" / "index.html").read_text()


def test_a_task_whose_success_only_some_runs_know_is_judged_by_return(tmp_path: Path) -> None:
    add(tmp_path, CUP, [0.0] * 7 + [4.0], known=True)
    add(tmp_path, replace(CUP, success="none"), [0.0] * 7 + [2.0])
    assert {run.judged_by for run in read_study(tmp_path).runs} == {"env_return"}
    assert sorted(run.final for run in read_study(tmp_path).runs) == [0.5, 1.0]


def test_a_run_of_unknown_success_without_returns_is_broken(tmp_path: Path) -> None:
    add(tmp_path, CUP, [1.0, NAN])
    with pytest.raises(ValueError, match=r"line 3, column env_return: 'nan' must be a number"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("metaworld/drawer-open-v3", "drawer-open"),
        ("robosuite/Lift", "Lift"),
        ("CartPole-v1", "CartPole-v1"),
        ("gymnasium_robotics:FetchPush-v4", "FetchPush-v4"),
        ("my_package:mine/Cup-v0", "Cup-v0"),
        ("my_package.worlds:make_cup", "make_cup"),
    ],
)
def test_tasks_have_short_names(task: str, name: str) -> None:
    assert short(task) == name
