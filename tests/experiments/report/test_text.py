"""What the page of `report` says of ground truth is what each run recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from robometer_test_runs import curve_rows, write_run

from robometer_rl import RobometerReward
from robometer_rl.experiments.agent.run import RunConfig, RunFolder
from robometer_rl.experiments.report.analysis import Analysis, analyse
from robometer_rl.experiments.report.statistics import GROUND_TRUTH
from robometer_rl.experiments.report.study import read_study
from robometer_rl.experiments.report.text import group_truth, headline_truth

BASE = RunConfig(env="metaworld/door-open-v3")
CLEAN = {"env_weight": 0.0, "true_success_bonus": 0.0, "terminate_on_true_success": False}


def add(root: Path, seed: int, truth: dict[str, Any] | None, **changes: Any) -> RunFolder:
    config = replace(BASE, seed=seed, **changes)
    folder = write_run(root, config, curve_rows(config, [0.5], [1.0]))
    values = json.loads(folder.result.read_text())
    del values["ground_truth"]
    folder.result.write_text(json.dumps(values if truth is None else {**values, "ground_truth": truth}))
    return folder


def found(root: Path) -> Analysis:
    return analyse(read_study(root), 200, 0)


def test_the_ways_are_those_of_the_wrapper(fakes: Any) -> None:
    env = RobometerReward(fakes.FakeEnv(), fakes.SENTENCE, fakes.MODEL)
    assert set(GROUND_TRUTH) == set(env.ground_truth)


def test_runs_that_recorded_no_ground_truth_are_said_to_have_none(tmp_path: Path) -> None:
    for seed in range(2):
        add(tmp_path, seed, CLEAN)
    clean, line = headline_truth(found(tmp_path))
    assert clean
    assert line.startswith(
        "No ground truth entered the reward or the termination of any of the 2 learned runs."
    )
    (group,) = read_study(tmp_path).groups
    assert group_truth(group) == "no ground truth in the reward or the termination"


def test_runs_that_differ_are_told_apart(tmp_path: Path) -> None:
    add(tmp_path, 0, CLEAN)
    add(tmp_path, 1, {**CLEAN, "terminate_on_true_success": True})
    add(tmp_path, 2, {**CLEAN, "env_weight": 0.5})
    clean, line = headline_truth(found(tmp_path))
    assert not clean
    ways = "env_weight=0.5 and terminate_on_true_success=True"
    assert line == f"Ground truth entered the reward or the termination of 2 of 3 learned runs: {ways}."
    (group,) = read_study(tmp_path).groups
    assert group_truth(group) == f"ground truth entered in 2 of 3 runs ({ways})"


@pytest.mark.parametrize(
    ("truth", "gap"),
    [
        (None, "env_weight, terminate_on_true_success and true_success_bonus"),
        ({}, "env_weight, terminate_on_true_success and true_success_bonus"),
        ({"env_weight": 0.0, "true_success_bonus": 0.0}, "terminate_on_true_success"),
    ],
)
def test_a_run_that_recorded_nothing_is_not_taken_for_clean(
    tmp_path: Path, truth: dict[str, Any] | None, gap: str
) -> None:
    add(tmp_path, 0, CLEAN)
    add(tmp_path, 1, truth)
    clean, line = headline_truth(found(tmp_path))
    assert not clean
    assert line == (
        "1 of 2 learned runs did not record whether ground truth entered the reward or the termination "
        f"({gap} missing in result.json)."
    )
    (group,) = read_study(tmp_path).groups
    assert group_truth(group) == f"not recorded by 1 of 2 runs ({gap})"


def test_a_way_that_this_version_does_not_know_counts(tmp_path: Path) -> None:
    add(tmp_path, 0, {**CLEAN, "oracle_resets": True})
    clean, line = headline_truth(found(tmp_path))
    assert not clean
    assert line.endswith("1 of 1 learned run: oracle_resets=True.")


def test_baselines_are_read_from_their_files_too(tmp_path: Path) -> None:
    add(tmp_path, 0, {**CLEAN, "env_weight": 1.0}, reward="sparse")
    add(tmp_path, 0, CLEAN, reward="dense")
    add(tmp_path, 0, CLEAN, reward="none")
    said = {group.reward: group_truth(group) for group in read_study(tmp_path).groups}
    assert said["sparse"] == "ground truth entered (env_weight=1.0); the reward is true success, 0 or 1"
    assert said["dense"].startswith(
        "no ground truth in the reward or the termination; the reward is the suite's"
    )
    assert said["none"].endswith("the reward is 0 at every step")


@pytest.mark.parametrize("value", ["yes", None, float("nan"), [1]])
def test_a_record_that_is_no_number_is_named(tmp_path: Path, value: Any) -> None:
    folder = add(tmp_path, 0, {**CLEAN, "env_weight": value})
    with pytest.raises(
        ValueError, match=r"ground_truth: env_weight=.* must be true, false or a finite number"
    ) as e:
        read_study(tmp_path)
    assert str(folder.result) in str(e.value)
