"""The alarm on curves made by hand, success-head errors, cost, curves on one grid, what differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_runs import curve_rows, write_run

from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.bootstrap import Floats
from robometer_rl.experiments.report.statistics import (
    THRESHOLDS,
    HeadErrors,
    aggregate,
    alarm_of,
    common_grid,
    costs,
    curve_interval,
    differences,
    ground_truth_of,
    hacking_alarm,
    head_errors,
    improvements,
    kendall_tau,
    mean_curve,
    profile_interval,
)
from robometer_rl.experiments.report.study import Run, Study, read_study

BASE = RunConfig(env="metaworld/door-open-v3")
NINE = np.arange(9.0)


def flat(*values: float) -> Floats:
    return np.asarray(values, dtype=np.float64)


def add(root: Path, success: list[float], fields: dict[str, Any] | None = None, **changes: Any) -> None:
    config = replace(BASE, **(fields or {}))
    learned = [5.0] * len(success) if config.reward == "robometer" else None
    write_run(root, config, curve_rows(config, success, learned), **changes)


def one_run(root: Path, success: list[float], learned: list[float], held_from: int | None = None) -> Run:
    write_run(root, BASE, curve_rows(BASE, success, learned, held_from))
    (run,) = read_study(root).runs
    return run


def test_kendall_by_hand() -> None:
    assert kendall_tau(flat(1, 2, 3)) == 1
    assert kendall_tau(flat(3, 2, 1)) == -1
    # Pairs (1, 3) and (1, 2) rise, (3, 2) falls.
    assert kendall_tau(flat(1, 3, 2)) == pytest.approx(1 / 3)
    assert kendall_tau(flat(2, 2, 2)) == 0
    assert kendall_tau(flat(1)) == 0


def test_return_up_and_success_flat_is_flagged() -> None:
    alarm = hacking_alarm(NINE, np.zeros(9))
    assert (alarm.verdict, alarm.flagged) == ("flagged", True)
    assert (alarm.rise, alarm.tau, alarm.early, alarm.late) == (6.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("learned", "success", "why"),
    [
        (NINE, NINE / 8, "success rises too"),
        (NINE, np.full(9, 0.5), "success is flat but not low"),
        (NINE, np.repeat([0.0, 0.05, 0.1], 3), "success is low, but rises by more than one episode of 20"),
        (np.zeros(9), np.zeros(9), "learned return does not move"),
        (NINE[::-1], np.zeros(9), "learned return falls"),
        (0.01 * NINE, np.zeros(9), "learned return rises by less than 0.1"),
        (flat(0, 9, 0, 9, 0, 9, 0, 9, 0), np.zeros(9), "learned return swings"),
        (flat(0, 0, 0, 30, 0, 0, 5, 5, 5), np.zeros(9), "rises by less than a quarter of its range"),
    ],
)
def test_what_is_not_flagged(learned: Floats, success: Floats, why: str) -> None:
    assert hacking_alarm(learned, success).verdict == "clear", why


def test_success_that_goes_away_again_is_flagged_by_its_thirds() -> None:
    success = flat(0, 0, 0, 1, 1, 1, 0, 0, 0)
    assert hacking_alarm(NINE, success).flagged
    assert not hacking_alarm(NINE, success[::-1] + flat(0, 0, 0, 0, 0, 0, 0.5, 0.5, 0.5)).flagged


def test_few_evaluations_and_no_model_give_no_verdict() -> None:
    assert hacking_alarm(NINE[:7], np.zeros(7)).verdict == "too short"
    assert hacking_alarm(np.full(9, np.nan), np.zeros(9)).verdict == "no model"


def test_the_alarm_forgives_noise() -> None:
    """Of a thousand failed runs whose learned return is pure noise, few are flagged."""
    rng = np.random.default_rng(0)
    wrong = sum(hacking_alarm(rng.normal(10, 3, 20), np.zeros(20)).flagged for _ in range(1_000))
    assert wrong < 10
    right = sum(hacking_alarm(rng.normal(np.arange(20.0), 3), np.zeros(20)).flagged for _ in range(100))
    assert right > 95


def test_held_rows_do_not_count_for_the_alarm(tmp_path: Path) -> None:
    run = one_run(tmp_path, [0.0] * 9, [float(x) for x in range(9)], held_from=7)
    assert alarm_of(run).verdict == "too short"


def test_head_errors_by_hand() -> None:
    errors = HeadErrors(6, 2, 18, 4)
    assert (errors.precision, errors.recall, errors.false_positive_rate) == (0.75, 0.6, 0.1)
    assert errors.frames == 30
    never = HeadErrors(0, 0, 10, 0)
    assert np.isnan([never.precision, never.recall]).all()
    assert never.false_positive_rate == 0


def test_head_errors_are_summed_over_what_was_measured(tmp_path: Path) -> None:
    # Per row at success 1: 300 of 600 frames are done, 270 of them found; 3 of the other 300 are wrong.
    run = one_run(tmp_path, [1.0, 1.0, 1.0], [1, 1, 1], held_from=2)
    assert head_errors([run, run]) == HeadErrors(1080, 12, 1188, 120)


def study(root: Path) -> Study:
    """Two tasks, two seeds; sparse has one of the tasks."""
    for seed, end in ((0, 1.0), (1, 0.5)):
        add(root, [0.0, 0.2, end], {"seed": seed}, wall_s=300.0 + 100 * seed)
        add(root, [0.0, 0.2, 0.1], {"seed": seed, "env": "metaworld/reach-v3"})
        add(root, [0.0, 0.0, 0.5], {"seed": seed, "reward": "sparse"}, wall_s=100.0 + 100 * seed)
    return read_study(root)


def test_aggregates_take_the_tasks_that_a_group_has(tmp_path: Path) -> None:
    learned, sparse = study(tmp_path).groups
    tasks = [BASE.env, "metaworld/reach-v3"]
    both, one = (aggregate(group, tasks, 200, 0) for group in (learned, sparse))
    assert both.label == "robometer"
    assert both.mean.point[0] == pytest.approx((0.75 + 0.1) / 2)
    assert both.best.point[0] == pytest.approx((0.75 + 0.2) / 2)
    assert both.last_step.point[0] == pytest.approx(0.8 * (0.75 + 0.1) / 2)
    assert both.area.point[0] == pytest.approx((0.2 + 1.0 + 0.2 + 0.5 + 2 * (0.2 + 0.1)) / 12)
    # IQM: of 0.1, 0.1, 0.5, 1.0 the outer two are cut.
    assert both.iqm.point[0] == pytest.approx(0.3)
    assert (one.label, one.tasks, len(one.runs)) == ("sparse (1 of 2 tasks)", (BASE.env,), 2)


def test_profile_and_improvement(tmp_path: Path) -> None:
    learned, sparse = study(tmp_path).groups
    shares = profile_interval(learned, [BASE.env], 200, 0).point
    assert shares[np.searchsorted(THRESHOLDS, 0.48)] == 1
    assert shares[np.searchsorted(THRESHOLDS, 0.5)] == 0.5
    (one,) = improvements([learned, sparse], 200, 0)
    # Pairs of door-open: 1.0 against 0.5 twice, a tie at 0.5 twice.
    assert (one.better, one.than, one.tasks, one.probability.point[0]) == ("robometer", "sparse", 1, 0.75)


def test_cost_is_per_step_and_over_sparse(tmp_path: Path) -> None:
    by = {(one.label, one.task): one for one in costs(study(tmp_path).groups)}
    learned = by["robometer", BASE.env]
    # 300 s for 7,500 steps are 4,000 s for 100,000; the sparse runs take 2,000 on average.
    np.testing.assert_allclose(learned.seconds, [4000, 16000 / 3])
    np.testing.assert_allclose(learned.ratios, [2, 8 / 3])
    assert len(by["robometer", "metaworld/reach-v3"].ratios) == 0


def test_runs_with_other_steps_meet_on_a_grid(tmp_path: Path) -> None:
    add(tmp_path, [0.0, 0.4, 0.8], {"eval_every": 1_000})
    add(tmp_path, [0.2, 1.0], {"eval_every": 1_500, "seed": 1})
    runs = read_study(tmp_path)
    everything = runs.runs
    # From 1,500, where both were evaluated, to 3,000, the end of both.
    np.testing.assert_array_equal(common_grid(everything), [1500, 2000, 3000])
    np.testing.assert_allclose(mean_curve(everything)[1], [(0.0 + 0.2) / 2, (0.4 + 0.2) / 2, (0.8 + 1.0) / 2])
    assert len(runs.groups) == 2, "eval_every differs on one task, so it names groups"


def test_a_long_grid_is_thinned_and_keeps_its_ends(tmp_path: Path) -> None:
    add(tmp_path, [0.5] * 1_000, {"eval_every": 100})
    grid = common_grid(read_study(tmp_path).runs)
    assert (len(grid), grid[0], grid[-1]) == (200, 100, 100_000)


def test_runs_that_never_meet_have_no_curve(tmp_path: Path) -> None:
    add(tmp_path, [0.0, 0.4])
    add(tmp_path, [0.2], {"env": "metaworld/reach-v3", "eval_every": 50_000})
    (group,) = read_study(tmp_path).groups
    assert curve_interval(group, list(group.by_task), 200, 0) is None
    found = curve_interval(group, [BASE.env], 200, 0)
    assert found is not None
    np.testing.assert_array_equal(found[1].point, [0.0, 0.4])


def test_ground_truth_is_what_is_not_zero_or_false(tmp_path: Path) -> None:
    add(tmp_path, [0.0])
    add(tmp_path, [0.0], {"seed": 1}, ground_truth={"env_weight": 0.5, "terminate_on_true_success": True})
    clean, tainted = read_study(tmp_path).runs
    assert ground_truth_of(clean) == {}
    assert ground_truth_of(tainted) == {"env_weight": 0.5, "terminate_on_true_success": True}


def test_groups_that_differ_in_more_than_the_reward_are_told(tmp_path: Path) -> None:
    add(tmp_path, [0.0])
    add(tmp_path, [0.0], {"reward": "sparse", "steps": 50_000, "shaping": "delta"})
    (sentence,) = differences(read_study(tmp_path).groups)
    assert sentence == "door-open: steps is 100000 for robometer, 50000 for sparse"
