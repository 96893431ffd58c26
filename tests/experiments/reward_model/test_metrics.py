"""Measures, by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robometer_rl.experiments.reward_model.metrics import (
    average_precision,
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


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=50), st.floats(0, 0.5))
def test_a_calibrated_threshold_keeps_its_promise(scores: list[float], rate: float) -> None:
    threshold = threshold_at_fpr(scores, rate)
    reached = np.mean(np.array(scores) >= threshold)
    assert reached <= rate + 1e-12
    # and is the smallest such: one step down would let one more through, unless ties forbid it
    lower = np.nextafter(threshold, 0)
    assert np.mean(np.array(scores) >= np.nextafter(lower, 0)) > rate - 1e-12
