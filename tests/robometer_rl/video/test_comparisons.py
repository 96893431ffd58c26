from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from robometer_rl.video.comparisons import bradley_terry, comparison_groups, draw_pairs, kendall_tau_b, ranks

WEAK = 1e-7
"""A prior so weak that the strengths are those of the comparisons alone."""


def test_two_strengths_are_the_logit_of_the_share_won() -> None:
    """3 of 4 won: exp(s_a - s_b) = 3."""
    strength = bradley_terry([(0, 1)] * 4, [1, 1, 1, 0], 2, prior=WEAK)
    np.testing.assert_allclose(strength, [np.log(3) / 2, -np.log(3) / 2], atol=1e-5)


def test_a_probability_counts_as_a_share_and_the_order_in_a_pair_is_free() -> None:
    once = bradley_terry([(0, 1)], [0.75], 2, prior=WEAK)
    np.testing.assert_allclose(once, [np.log(3) / 2, -np.log(3) / 2], atol=1e-5)
    np.testing.assert_allclose(bradley_terry([(1, 0)], [0.25], 2, prior=WEAK), once, atol=1e-9)


def test_the_strengths_that_made_the_probabilities_are_found_from_part_of_the_pairs() -> None:
    true = np.array([1.5, 0.0, -0.5, 2.0, -3.0])
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 1)]
    wins = [1 / (1 + np.exp(true[b] - true[a])) for a, b in pairs]
    strength = bradley_terry(pairs, wins, 5, prior=WEAK)
    np.testing.assert_allclose(strength - strength[1], true, atol=1e-4)


def test_draws_and_a_circle_leave_all_level() -> None:
    np.testing.assert_allclose(bradley_terry([(0, 1), (1, 2)], [0.5, 0.5], 3), 0, atol=1e-9)
    np.testing.assert_allclose(bradley_terry([(0, 1), (1, 2), (2, 0)], [1, 1, 1], 3), 0, atol=1e-9)


def test_one_that_wins_all_is_the_strongest_and_finite() -> None:
    """Alone against one other with a prior of 1: 1 - s(2x) + (1/2 - s(x)) = 0, whose solution is checked."""
    strength = bradley_terry([(0, 1)], [1.0], 2, prior=1.0)

    def share(value: float) -> float:
        return 1 / (1 + np.exp(-value))

    assert strength[0] == pytest.approx(-strength[1])
    assert 1 - share(2 * strength[0]) + 0.5 - share(strength[0]) == pytest.approx(0, abs=1e-9)
    others = bradley_terry([(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)], [1, 1, 1, 0.5, 0.5], 4)
    assert np.isfinite(others).all()
    assert others.argmax() == 0
    many = bradley_terry([(a, b) for a in range(30) for b in range(a + 1, 30)], np.ones(435), 30)
    assert (np.diff(many) < 0).all()


def test_groups_that_never_met_have_a_common_zero() -> None:
    pairs, wins = [(0, 1), (2, 3)], [0.9, 0.9]
    strength = bradley_terry(pairs, wins, 5)
    assert strength[0] == pytest.approx(strength[2])
    assert strength[4] == 0
    assert comparison_groups(pairs, 5).tolist() == [0, 0, 1, 1, 2]
    assert comparison_groups([(3, 4), (1, 3), (0, 2)], 5).tolist() == [0, 1, 0, 1, 1]
    assert comparison_groups([], 2).tolist() == [0, 1]


def test_no_comparison_at_all_is_no_error() -> None:
    assert bradley_terry([], [], 0).shape == (0,)
    assert bradley_terry([], [], 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("pairs", "wins", "prior", "message"),
    [
        ([(0, 2)], [0.5], 0.1, r"two different numbers below 2, got \[0 2\]"),
        ([(-1, 0)], [0.5], 0.1, "two different numbers below 2"),
        ([(1, 1)], [0.5], 0.1, "two different numbers below 2"),
        ([(0, 1)], [1.5], 0.1, r"wins must lie in \[0, 1\], got 1.5"),
        ([(0, 1)], [float("nan")], 0.1, r"wins must lie in \[0, 1\], got nan"),
        ([(0, 1)], [0.5, 0.5], 0.1, r"wins must have shape \(1,\)"),
        ([(0, 1)], [0.5], 0.0, "prior must be a positive number of comparisons, got 0.0"),
    ],
)
def test_what_is_no_comparison_is_refused(
    pairs: list[tuple[int, int]], wins: list[float], prior: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bradley_terry(pairs, wins, 2, prior)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 40), spare=st.integers(0, 120), seed=st.integers(0, 2**32 - 1))
def test_pairs_differ_connect_all_and_share_the_work(count: int, spare: int, seed: int) -> None:
    most = count - 1 + spare
    pairs = draw_pairs(count, most, np.random.default_rng(seed))
    assert len(pairs) == min(most, count * (count - 1) // 2)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(a != b for a, b in pairs)
    assert set(comparison_groups(pairs, count).tolist()) == {0}
    times = np.bincount(np.asarray(pairs).ravel(), minlength=count)
    assert times.max() - times.min() <= 2


def test_pairs_repeat_with_the_seed_and_turn_either_way() -> None:
    drawn = [draw_pairs(30, 60, np.random.default_rng(seed)) for seed in (7, 7, 8)]
    assert drawn[0] == drawn[1] != drawn[2]
    turned = sum(a > b for a, b in draw_pairs(30, 435, np.random.default_rng(0)))
    assert 150 < turned < 285


def test_too_few_pairs_are_refused_and_one_video_needs_none() -> None:
    with pytest.raises(ValueError, match="8 pairs cannot connect 10 videos; expected at least 9"):
        draw_pairs(10, 8, np.random.default_rng(0))
    assert draw_pairs(1, 0, np.random.default_rng(0)) == []
    assert draw_pairs(0, 0, np.random.default_rng(0)) == []


def test_equal_values_share_the_better_rank() -> None:
    assert ranks([0.2, 0.9, 0.2, 0.1]).tolist() == [2, 1, 2, 4]
    assert ranks([]).tolist() == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
def test_tau_is_that_of_scipy(rows: list[tuple[int, int]]) -> None:
    a, b = zip(*rows, strict=True)
    np.testing.assert_allclose(kendall_tau_b(a, b), kendalltau(a, b).statistic, atol=1e-12)


def test_tau_by_hand() -> None:
    """Of three pairs two stand in the same order."""
    assert kendall_tau_b([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert kendall_tau_b([1, 2], [2, 1]) == -1
    assert np.isnan(kendall_tau_b([1], [1]))
    with pytest.raises(ValueError, match=r"got \(1,\) and \(2,\)"):
        kendall_tau_b([1], [1, 2])
