"""`report` reads what `train` writes, says what is wrong where it cannot, and groups runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_runs import curve_rows, write_run

from robometer_rl.experiments.agent.run import CURVE_COLUMNS, RunConfig, RunFolder
from robometer_rl.experiments.report.study import Study, read_curve, read_study, short

BASE = RunConfig(env="metaworld/door-open-v3")


def add(root: Path, success: list[float] | None = None, **changes: Any) -> RunFolder:
    config = replace(BASE, **changes)
    rates = [0.0, 0.5, 1.0] if success is None else success
    learned = [float(i) for i in range(len(rates))] if config.reward == "robometer" else None
    return write_run(root, config, curve_rows(config, rates, learned))


def labels(study: Study) -> list[str]:
    return [group.label for group in study.groups]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = add(tmp_path, [0.0, 0.9, 0.6])
    (run,) = read_study(tmp_path).runs
    assert (run.id, run.config) == (folder.path.name, BASE)
    assert (run.final, run.best, run.last_step) == (0.6, 0.9, 0.48)
    assert run.area == pytest.approx((0.0 + 0.9 + 0.6) / 3)
    np.testing.assert_array_equal(run.curve["env_steps"], [2500, 5000, 7500])
    assert run.held_from is None
    assert short(run.config.env) == "door-open"
    assert short("robosuite/Lift") == "Lift"


def test_held_rows_are_told_from_measured_ones(tmp_path: Path) -> None:
    write_run(tmp_path, BASE, curve_rows(BASE, [0.5, 1, 1, 1, 1], [1, 2, 2, 2, 2], held_from=3))
    (run,) = read_study(tmp_path).runs
    assert len(run.curve["env_steps"]) == 5
    assert len(run.own["env_steps"]) == 3
    assert run.held_from == 7500


def test_an_evaluation_counts_for_the_steps_since_the_one_before(tmp_path: Path) -> None:
    rows = curve_rows(BASE, [0.2, 1.0])
    rows[1]["env_steps"] = 4 * rows[0]["env_steps"]
    write_run(tmp_path, BASE, rows)
    (run,) = read_study(tmp_path).runs
    assert run.area == pytest.approx((1 * 0.2 + 3 * 1.0) / 4)


def test_groups_are_rewards(tmp_path: Path) -> None:
    for reward in ("none", "sparse", "robometer", "dense"):
        add(tmp_path, reward=reward)
        add(tmp_path, reward=reward, seed=1)
    study = read_study(tmp_path)
    assert labels(study) == ["robometer", "sparse", "dense", "none"]
    assert [[run.config.seed for run in group.runs] for group in study.groups] == [[0, 1]] * 4


def test_what_varies_on_one_task_names_the_group(tmp_path: Path) -> None:
    add(tmp_path)
    add(tmp_path, shaping="delta", score_every=2)
    add(tmp_path, reward="sparse")
    add(tmp_path, reward="sparse", algo="ppo")
    assert labels(read_study(tmp_path)) == [
        "robometer, progress+success, score_every=1",
        "robometer, delta, score_every=2",
        "sparse, sac",
        "sparse, ppo",
    ]


def test_a_name_begins_with_what_studies_are_about(tmp_path: Path) -> None:
    add(tmp_path)
    add(tmp_path, steps=50_000, n_envs=4, shaping="delta")
    assert labels(read_study(tmp_path))[1] == "robometer, delta, steps=50,000, n_envs=4"


def test_what_varies_from_task_to_task_belongs_to_the_task(tmp_path: Path) -> None:
    add(tmp_path)
    add(tmp_path, env="robosuite/Lift", horizon=100, steps=200_000)
    assert labels(read_study(tmp_path)) == ["robometer"]


def test_runs_that_differ_in_nothing_that_counts_are_no_seeds_of_their_own(tmp_path: Path) -> None:
    add(tmp_path, reward="sparse")
    add(tmp_path, reward="sparse", shaping="delta")
    study = read_study(tmp_path)
    assert len(study.runs) == 1
    assert "repeats" in study.left_out[0].why


def test_tasks_of_the_comparison(tmp_path: Path) -> None:
    other, third = "metaworld/reach-v3", "metaworld/push-v3"
    for env in (BASE.env, other, third):
        add(tmp_path, env=env)
    for env in (BASE.env, other):
        add(tmp_path, env=env, reward="sparse")
    assert read_study(tmp_path).main_tasks == [BASE.env, other]
    add(tmp_path, reward="dense")
    study = read_study(tmp_path)
    assert (study.main_tasks, study.common_tasks) == ([BASE.env, other], [BASE.env])
    assert study.tasks == [BASE.env, third, other]


def test_unfinished_runs_are_named_with_how_far_they_came(tmp_path: Path) -> None:
    add(tmp_path)
    late = replace(BASE, seed=1)
    folder = write_run(tmp_path, late, curve_rows(late, [0.0, 0.1], [0, 1]), done=False)
    with folder.curve.open("a") as file:
        file.write("7500,12")  # a line that is being written
    write_run(tmp_path, replace(BASE, seed=2), [], done=False).curve.unlink()
    study = read_study(tmp_path)
    assert len(study.runs) == 1
    reasons = sorted(one.why for one in study.left_out)
    assert reasons == [f"unfinished, {n} of 100,000 environment steps" for n in ("0", "5,000")]


def test_a_run_without_evaluations_is_left_out(tmp_path: Path) -> None:
    add(tmp_path)
    folder = add(tmp_path, seed=1)
    folder.curve.write_text(",".join(CURVE_COLUMNS) + "\n")
    assert "without a single evaluation" in read_study(tmp_path).left_out[0].why


def test_planned_runs_of_a_sweep_are_named(tmp_path: Path) -> None:
    there = add(tmp_path).path.name
    rows = [{"id": there, "state": "done"}, {"id": "gone", "state": "failed", "error": "killed"}]
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "x", "runs": rows}))
    (one,) = read_study(tmp_path).left_out
    assert (one.id, one.why) == ("gone", "in the sweep's manifest as failed: killed, without a folder")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"manifest\.json is no manifest"):
        read_study(tmp_path)


def test_a_folder_without_runs_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"looked for .*/RUN/config\.json.*curve\.csv.*result\.json"):
        read_study(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_study(tmp_path / "gone")
    folder = add(tmp_path)
    with pytest.raises(ValueError, match="give the folder around it"):
        read_study(folder.path)
    folder.result.unlink()
    with pytest.raises(ValueError, match=r"no finished run.*unfinished, 7,500 of"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("true_success", "abc", "line 3, column true_success: 'abc' is no number"),
        ("true_success", "1.5", "line 3, column true_success: 1.5 must be a share"),
        ("true_success", "nan", "line 3, column true_success: 'nan' must be a number"),
        ("env_steps", "", "line 3, column env_steps: '' must be a number"),
        ("env_steps", "2500", "line 3, column env_steps: 2500 after 2500"),
        ("head_false_positive", "-1", "line 3, column head_false_positive: -1 must be a count"),
    ],
)
def test_a_broken_cell_is_named(tmp_path: Path, column: str, cell: str, message: str) -> None:
    folder = add(tmp_path)
    lines = folder.curve.read_text().splitlines()
    cells = lines[2].split(",")
    cells[CURVE_COLUMNS.index(column)] = cell
    lines[2] = ",".join(cells)
    folder.curve.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message) as error:
        read_study(tmp_path)
    assert str(folder.curve) in str(error.value)


def test_what_a_run_without_a_model_lacks_may_be_empty_or_nan(tmp_path: Path) -> None:
    folder = add(tmp_path, reward="sparse")
    folder.curve.write_text(folder.curve.read_text().replace("nan", "", 1))
    assert np.isnan(read_curve(folder.curve)["learned_return"]).all()


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    folder = add(tmp_path)
    text = folder.curve.read_text()
    folder.curve.write_text(text.replace("true_success,", "success,", 1))
    with pytest.raises(ValueError, match=r"line 1: no column true_success; expected env_steps, wall_s"):
        read_study(tmp_path)
    folder.curve.write_text(text.rsplit(",", 1)[0])
    with pytest.raises(ValueError, match=r"column held: '' must be a number"):
        read_study(tmp_path)
    folder.curve.unlink()
    with pytest.raises(ValueError, match=r"curve\.csv is missing"):
        read_study(tmp_path)


def test_a_held_first_row_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, BASE, curve_rows(BASE, [1.0, 1.0], [1, 1], held_from=1))
    folder = RunFolder(tmp_path / BASE.run_id)
    lines = folder.curve.read_text().splitlines()
    folder.curve.write_text("\n".join([lines[0], lines[2]]))
    with pytest.raises(ValueError, match="first row is held"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("result.json", "{", r"result\.json, line 1, column 2: not JSON"),
        ("result.json", "[]", r"result\.json must hold a JSON object, found list"),
        ("result.json", '{"run_id": "x"}', r"result\.json lacks env_steps, wall_s.*expected keys: run_id"),
        ("config.json", '{"stepz": 1}', r"config\.json: unknown key 'stepz'.*did you mean 'steps'"),
        ("config.json", '{"seed": -1}', r"config\.json: seed=-1 must be"),
        ("config.json", "{", r"config\.json, line 1"),
    ],
)
def test_broken_json_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = add(tmp_path)
    (folder.path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_study(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("wall_s", "long"), ("env_steps", True), ("ground_truth", 3)])
def test_a_result_of_the_wrong_type_is_named(tmp_path: Path, key: str, value: object) -> None:
    folder = add(tmp_path)
    folder.result.write_text(json.dumps({**json.loads(folder.result.read_text()), key: value}))
    with pytest.raises(ValueError, match=f"{key}={value!r} must be"):
        read_study(tmp_path)
