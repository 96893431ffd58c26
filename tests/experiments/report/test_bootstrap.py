"""IQM, mean, profile and their intervals: answers known by hand, and those of rliable 1.2.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap, trim_mean

from robometer_rl.experiments.report.bootstrap import (
    Floats,
    improvement_interval,
    iqm,
    mean,
    probability_of_improvement,
    profile,
    stratified_interval,
)

REFERENCE = json.loads(Path(__file__).with_name("rliable_reference.json").read_text())
CASES = [name for name in REFERENCE if name != "curves"]
# The 2.5% percentile of 5,000 resamples is off by 0.002 of the probability, about 0.01 of such scores.
TOLERANCE = 0.02


def by_task(matrix: list[Any]) -> list[Floats]:
    """(seeds, tasks, ...) as rliable has it -> one array per task."""
    return list(np.moveaxis(np.asarray(matrix, dtype=np.float64), 1, 0))


def flat(*values: float) -> Floats:
    return np.asarray(values, dtype=np.float64)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("key", "statistic"), [("iqm", iqm), ("mean", mean)])
def test_aggregates_are_those_of_rliable(name: str, key: str, statistic: Any) -> None:
    point, low, high = REFERENCE[name][key]
    ours = stratified_interval(by_task(REFERENCE[name]["x"]), statistic)
    assert ours.point[0] == pytest.approx(point, abs=1e-12)
    assert (ours.low[0], ours.high[0]) == pytest.approx((low, high), abs=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_profiles_are_those_of_rliable(name: str) -> None:
    case = REFERENCE[name]
    point, low, high = case["profile"]
    ours = stratified_interval(by_task(case["x"]), profile(flat(*case["thresholds"])))
    np.testing.assert_allclose(ours.point, point, atol=1e-12)
    # A share of n runs moves in steps of 1/n, so a percentile may fall on the next step.
    step = 1 / np.size(case["x"])
    np.testing.assert_allclose(ours.low, low, atol=step + 1e-9)
    np.testing.assert_allclose(ours.high, high, atol=step + 1e-9)


@pytest.mark.parametrize("name", CASES)
def test_improvement_is_that_of_rliable(name: str) -> None:
    case = REFERENCE[name]
    point, low, high = case["improvement"]
    ours = improvement_interval(by_task(case["x"]), by_task(case["y"]))
    assert ours.point[0] == pytest.approx(point, abs=1e-12)
    assert (ours.low[0], ours.high[0]) == pytest.approx((low, high), abs=TOLERANCE)


def test_curves_are_those_of_rliable() -> None:
    point, low, high = REFERENCE["curves"]["iqm"]
    ours = stratified_interval(by_task(REFERENCE["curves"]["x"]), iqm)
    np.testing.assert_allclose(ours.point, point, atol=1e-12)
    np.testing.assert_allclose(ours.low, low, atol=TOLERANCE)
    np.testing.assert_allclose(ours.high, high, atol=TOLERANCE)


@pytest.mark.parametrize("statistic", [iqm, mean])
@pytest.mark.parametrize("seeds", [(3, 3, 3, 3), (2, 3, 5, 4)])
def test_the_interval_is_that_of_scipy_where_every_task_has_two_seeds(
    statistic: Any, seeds: tuple[int, ...]
) -> None:
    # SciPy resamples each sample of its own, which is the stratification; it refuses a task with one seed.
    rng = np.random.default_rng(0)
    tasks = [rng.random(count) for count in seeds]
    weights = np.concatenate([np.full(count, np.lcm.reduce(seeds) // count) for count in seeds])

    def pooled(*samples: Floats, axis: int) -> Floats:
        assert axis == -1
        values = np.concatenate(samples, axis=-1)
        return statistic(values.reshape(-1, len(weights), 1), weights).reshape(values.shape[:-1])

    reference = bootstrap(
        tasks, pooled, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval  # fmt: skip
    ours = stratified_interval(tasks, statistic, resamples=20_000)
    # Two bootstraps of 20,000 resamples differ by about 0.003 in a percentile of such scores.
    assert (ours.low[0], ours.high[0]) == pytest.approx(tuple(reference), abs=0.01)


def test_iqm_by_hand() -> None:
    # 8 runs: two are cut at each end, (2 + 3 + 4 + 5) / 4 remains.
    ours = stratified_interval([flat(7, 0, 1, 2), flat(3, 4, 5, 6)], iqm)
    assert ours.point[0] == 3.5
    # 3 runs: int(0.75) = 0 are cut, the IQM is the mean.
    assert stratified_interval([flat(0, 1, 5)], iqm).point[0] == 2.0


def test_tasks_with_different_numbers_of_seeds_count_the_same() -> None:
    unequal = [flat(1, 1), flat(0, 0, 0)]
    assert stratified_interval(unequal, mean).point[0] == 0.5
    assert stratified_interval(unequal, profile(flat(0.5))).point[0] == 0.5
    # As if every run stood there as often as the least common multiple asks.
    rng = np.random.default_rng(0)
    scores = [rng.uniform(size=n) for n in (2, 3, 4)]
    repeated = np.concatenate([np.repeat(task, 12 // len(task)) for task in scores])
    assert stratified_interval(scores, iqm).point[0] == pytest.approx(trim_mean(repeated, 0.25))


def test_an_interval_by_hand() -> None:
    # Two seeds, 0 and 1: the mean of a resample is 0, 0.5 or 1 with probability 1/4, 1/2, 1/4.
    ours = stratified_interval([flat(0, 1)], mean)
    assert (ours.point[0], ours.low[0], ours.high[0]) == (0.5, 0.0, 1.0)
    half = stratified_interval([flat(0, 1)], mean, level=0.4)
    assert (half.low[0], half.high[0]) == (0.5, 0.5)


def test_seeds_are_resampled_within_their_task_only() -> None:
    # Tasks differ, seeds of a task do not: an interval over pooled runs would be wide, this one is a point.
    ours = stratified_interval([flat(0, 0), flat(1, 1)], mean)
    assert (ours.point[0], ours.low[0], ours.high[0]) == (0.5, 0.5, 0.5)


def test_one_seed_a_task_gives_no_interval() -> None:
    ours = stratified_interval([flat(0.2), flat(0.4)], mean)
    assert ours.point[0] == pytest.approx(0.3)
    assert np.isnan([ours.low[0], ours.high[0]]).all()
    assert np.isnan(improvement_interval([flat(1)], [flat(0)]).low[0])


def test_the_seed_decides_the_interval() -> None:
    scores = [np.random.default_rng(0).uniform(size=5)]
    first, again, other = (stratified_interval(scores, iqm, resamples=200, seed=s) for s in (1, 1, 2))
    assert (first.low[0], first.high[0]) == (again.low[0], again.high[0])
    assert (first.low[0], first.high[0]) != (other.low[0], other.high[0])


def test_batches_give_what_one_batch_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [np.random.default_rng(0).uniform(size=(4, 3))]
    whole = stratified_interval(scores, iqm, resamples=100)
    monkeypatch.setattr("robometer_rl.experiments.report.bootstrap._AT_ONCE", 7 * 12)
    parts = stratified_interval(scores, iqm, resamples=100)
    np.testing.assert_array_equal(whole.low, parts.low)


def test_improvement_by_hand() -> None:
    # Pairs (1, 0), (1, 1), (0, 0), (0, 1): one above, two ties.
    assert probability_of_improvement(flat(1, 0), flat(0, 1)) == 0.5
    assert probability_of_improvement(flat(1, 1), flat(0, 1)) == 0.75
    assert improvement_interval([flat(1, 1), flat(0, 0)], [flat(0, 0), flat(1, 1)]).point[0] == 0.5


def test_the_profile_counts_what_lies_above() -> None:
    ours = stratified_interval([flat(0, 0.5, 1, 1)], profile(flat(0, 0.5, 0.9, 1)))
    np.testing.assert_array_equal(ours.point, [0.75, 0.5, 0.5, 0])


def test_bad_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one task"):
        stratified_interval([], mean)
    with pytest.raises(ValueError, match="at least one seed"):
        stratified_interval([flat(1), flat()], mean)
    with pytest.raises(ValueError, match="same points"):
        stratified_interval([np.zeros((2, 3)), np.zeros((2, 4))], mean)
    with pytest.raises(ValueError, match="not finite"):
        stratified_interval([flat(1, np.nan)], mean)
    with pytest.raises(ValueError, match="same tasks"):
        improvement_interval([flat(1)], [])
