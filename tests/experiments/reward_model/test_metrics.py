"""Measures, by hand and against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from robometer_rl.experiments.reward_model.metrics import (
    average_precision,
    f1_score,
    pearson_r,
    roc_auc,
    threshold_at_fpr,
    tier_tau,
)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 1, 2], [0, 1, 2], 1.0),
        ([0, 1, 2], [2, 1, 0], -1.0),
        ([1, 1, 1], [0, 1, 2], 0.0),
        ([0, 9, 1, 2], [0, math.nan, 1, 2], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.0),
    ],
)
def test_pearson(a: list[float], b: list[float], expected: float) -> None:
    assert pearson_r(a, b) == pytest.approx(expected)


def test_pearson_of_too_little_is_not_a_number() -> None:
    assert math.isnan(pearson_r([1.0], [1.0]))


@pytest.mark.parametrize(
    ("tiers", "values", "expected"),
    [
        ([3, 2, 1, 0], [0.9, 0.7, 0.4, 0.1], 1.0),
        ([3, 2, 1, 0], [0.1, 0.4, 0.7, 0.9], -1.0),
        ([1, 1, 0], [0.9, 0.1, 0.5], 0.0),
        ([1, 0], [0.5, 0.5], 0.0),
        ([2, 1, 0], [0.5, 0.9, 0.1], 1 / 3),
    ],
)
def test_tier_tau(tiers: list[int], values: list[float], expected: float) -> None:
    assert tier_tau(tiers, values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [([0.9, 0.8], [0.1, 0.2], 1.0), ([0.1], [0.9], 0.0), ([0.5], [0.5], 0.5), ([0.9, 0.1], [0.5], 0.5)],
)
def test_roc_auc(positive: list[float], negative: list[float], expected: float) -> None:
    assert roc_auc(positive, negative) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 1.0),
        ([0, 1], [0.9, 0.1], 0.5),
        ([1, 0, 1], [0.9, 0.8, 0.7], (1.0 + 2 / 3) / 2),
        ([1, 0], [0.5, 0.5], 0.5),
    ],
)
def test_average_precision(labels: list[int], scores: list[float], expected: float) -> None:
    assert average_precision(labels, scores) == pytest.approx(expected)


# Few values, so that many tie; and any float, so that the smallest difference counts.
_score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))
_rows = st.lists(st.tuples(st.booleans(), _score), min_size=1, max_size=60)


@given(_rows)
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    labels, scores = map(np.array, zip(*rows, strict=True))
    if labels.any():
        expected = reference.average_precision_score(labels, scores)
        assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(average_precision(labels, scores)), "scikit-learn warns and says 0"


@given(_rows)
def test_roc_auc_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    labels, scores = map(np.array, zip(*rows, strict=True))
    if labels.any() and not labels.all():
        expected = reference.roc_auc_score(labels, scores)
        assert roc_auc(scores[labels], scores[~labels]) == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(roc_auc(scores[labels], scores[~labels])), "scikit-learn warns and says NaN"


@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_frames_with_ties_measure_as_in_scikit_learn(seed: int) -> None:
    """As many as an evaluation has, rounded to three digits: most scores tie with another."""
    rng = np.random.default_rng(seed)
    labels = rng.random(5000) < (0.5, 0.01, 0.99)[seed]
    scores = np.round(np.clip(0.3 * labels + rng.normal(0.4, 0.2, 5000), 0, 1), 3).astype(np.float32)
    assert average_precision(labels, scores) == pytest.approx(
        reference.average_precision_score(labels, scores), abs=1e-9
    )
    assert roc_auc(scores[labels], scores[~labels]) == pytest.approx(
        reference.roc_auc_score(labels, scores), abs=1e-9
    )


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([1, 0, 1], [0.5, 0.5, 0.5]), ([1, 1], [0.2, 0.9]), ([1], [0.0]), ([0, 1], [0.0, 1e-300])],
    ids=["one score for all", "no negative", "one frame", "the smallest difference"],
)
def test_degenerate_cases_measure_as_in_scikit_learn(labels: list[int], scores: list[float]) -> None:
    expected = reference.average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected)


def test_a_score_that_is_no_number_is_refused() -> None:
    nan = [0.5, math.nan]
    with pytest.raises(ValueError, match="NaN"):
        average_precision([1, 0], nan)
    with pytest.raises(ValueError, match="NaN"):
        roc_auc(nan, [0.1])
    with pytest.raises(ValueError, match="NaN"):
        roc_auc([0.1], nan)
    with pytest.raises(ValueError, match="NaN"):
        threshold_at_fpr(nan, 0.0)
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        average_precision([1, 0], [0.1, 0.2, 0.3])


@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"rate should be from 0 up to, but not, 1, got"):
        threshold_at_fpr([0.5], rate)


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=50), st.floats(0, 0.5))
def test_a_calibrated_threshold_keeps_its_promise(scores: list[float], rate: float) -> None:
    threshold = threshold_at_fpr(scores, rate)
    reached = np.mean(np.array(scores) >= threshold)
    assert reached <= rate + 1e-12
    # and is the smallest such: one step down would let one more through, unless ties forbid it
    lower = np.nextafter(threshold, 0)
    assert np.mean(np.array(scores) >= np.nextafter(lower, 0)) > rate - 1e-12


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_f1_is_that_of_the_reference(pairs: list[tuple[bool, bool]]) -> None:
    labels, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    if not any(labels):
        assert math.isnan(f1_score(labels, predicted))
    else:
        assert f1_score(labels, predicted) == pytest.approx(reference.f1_score(labels, predicted))


def test_f1_of_rows_that_differ_in_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of one shape, got \(1,\) and \(2,\)"):
        f1_score([True], [True, False])
