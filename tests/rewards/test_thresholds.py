"""Thresholds of single tasks: known answers, and what holds for all peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robometer_rl.envs.tasks import TASKS, plain_words
from robometer_rl.rewards.thresholds import (
    NoThresholdError,
    canonical_sentence,
    false_alarm_bound,
    labelled_threshold,
    success_peak,
    unlabelled_threshold,
)

SCORES = st.one_of(
    st.floats(0.0, 1.0, width=32), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, float(np.float32(0.9))])
)
RATES = st.floats(0.0, 0.99)
EPISODES = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=40)


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x)))


def detected(peaks: Any, threshold: float) -> Any:
    return np.asarray(peaks) >= threshold


# Peaks.


@pytest.mark.parametrize(
    ("success", "patience", "peak"),
    [
        ([0.0, 0.2, 0.7, 0.1], 1, 0.7),
        ([0.9, 0.2, 0.7, 0.1], 1, 0.7),  # the wrapper compares no score of a reset
        ([0.0, 0.2, 0.7, 0.6, 0.1], 2, 0.6),
        ([0.0, 0.9, 0.1, 0.9, 0.1], 2, 0.1),
        ([0.0, 0.9, 0.8, 0.7], 3, 0.7),
        ([0.0, 0.9, 0.8], 3, 0.0),  # never three in a row
        ([0.8], 1, 0.0),
    ],
)
def test_the_peak_is_the_highest_threshold_that_is_reached(
    success: list[float], patience: int, peak: float
) -> None:
    assert success_peak(success, patience) == peak


@given(st.lists(SCORES, min_size=1, max_size=12), st.integers(1, 4), st.floats(0.01, 1.0))
def test_the_peak_says_what_the_streak_of_the_wrapper_says(
    success: list[float], patience: int, threshold: float
) -> None:
    streak, reached = 0, False
    for score in success[1:]:
        streak = streak + 1 if score >= threshold else 0
        reached |= streak >= patience
    assert (success_peak(success, patience) >= threshold) == reached


@pytest.mark.parametrize(
    ("success", "patience", "words"),
    [([0.1, float("nan")], 1, "in .0, 1."), ([[0.1]], 1, "numbers .N,"), ([0.1, 0.2], 0, "patience .* 0")],
)
def test_scores_that_are_none_have_no_peak(success: Any, patience: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        success_peak(success, patience)


# With labels.


@pytest.mark.parametrize(
    ("failed", "succeeded", "rate", "expected"),
    [
        # Separable: the middle of the gap in logits, whatever the rate excludes.
        ([0.2], [0.8], 0.0, 0.5),
        ([0.1, 0.2], [0.8, 0.9], 0.0, 0.5),
        ([0.02, 0.1], [0.9], 0.0, 0.5),
        ([0.1] * 9 + [0.2], [0.8, 0.9], 0.05, 0.5),
        ([0.5], [0.9], 0.0, float(sigmoid(logit(0.9) / 2))),
        # A failure above a success: the rate decides who is given up.
        ([0.1] * 9 + [0.8], [0.5, 0.9], 0.0, float(sigmoid((logit(0.8) + logit(0.9)) / 2))),
        ([0.1] * 9 + [0.8], [0.5, 0.9], 0.1, float(sigmoid((logit(0.1) + logit(0.5)) / 2))),
        # Nothing exceeds the failures: just above them, and not below 0.5.
        ([0.7, 0.6], [], 0.0, float(np.nextafter(0.7, 2))),
        ([0.7, 0.6], [0.3], 0.5, float(np.nextafter(0.6, 2))),
        ([0.1, 0.2], [], 0.0, 0.5),
        ([0.7], [0.7], 0.0, float(np.nextafter(0.7, 2))),
        ([0.1, 0.3], [0.3], 0.0, 0.5),
        # A failure with the score 1 is excluded by no threshold.
        ([1.0], [0.9], 0.0, 1.0),
        ([1.0, 0.2], [0.8], 0.5, 0.5),
    ],
)
def test_labelled_thresholds_by_hand(
    failed: list[float], succeeded: list[float], rate: float, expected: float
) -> None:
    found = labelled_threshold([*failed, *succeeded], [False] * len(failed) + [True] * len(succeeded), rate)
    assert found.threshold == pytest.approx(expected, rel=1e-9)
    assert (found.failures, found.successes, found.labelled) == (len(failed), len(succeeded), True)
    assert found.false_alarms == detected(failed, found.threshold).sum()


def test_a_share_that_rounding_makes_smaller_is_still_allowed() -> None:
    """0.29 * 100 is 28.999999999999996."""
    failed = np.linspace(0.5, 0.9, 100)
    found = labelled_threshold(failed, np.zeros(100, bool), 0.29)
    assert found.false_alarms == 29


@given(EPISODES, RATES)
def test_at_most_the_share_of_failures_reaches_the_threshold(
    episodes: list[tuple[float, bool]], rate: float
) -> None:
    peaks, done = np.array([p for p, _ in episodes]), np.array([d for _, d in episodes])
    if done.all():
        with pytest.raises(NoThresholdError, match=r"got .* successes and no failure"):
            labelled_threshold(peaks, done, rate)
        return
    found = labelled_threshold(peaks, done, rate)
    assert 0.0 < found.threshold <= 1.0
    if found.threshold < 1.0:
        assert found.false_alarms <= rate * (~done).sum() + 1e-6
    # No lower threshold that also holds the rate detects more successes.
    for lower in peaks[peaks < found.threshold]:
        if lower > 0 and detected(peaks[~done], lower).sum() <= rate * (~done).sum():
            assert detected(peaks[done], lower).sum() == detected(peaks[done], found.threshold).sum()


@given(EPISODES, RATES, RATES)
def test_the_labelled_threshold_falls_as_the_rate_rises(
    episodes: list[tuple[float, bool]], a: float, b: float
) -> None:
    peaks, done = [p for p, _ in episodes], [d for _, d in episodes]
    if not all(done):
        few, many = (labelled_threshold(peaks, done, rate).threshold for rate in sorted((a, b)))
        assert few >= many


@given(st.lists(SCORES, min_size=1), st.lists(SCORES, min_size=1), RATES)
def test_separable_episodes_are_told_apart_without_error(
    low: list[float], high: list[float], rate: float
) -> None:
    failed = np.array(low) / 2
    succeeded = np.array(high) / 4 + 0.75
    found = labelled_threshold([*failed, *succeeded], [False] * len(low) + [True] * len(high), rate)
    assert detected(succeeded, found.threshold).all()
    assert not detected(failed, found.threshold).any()


def test_neighbouring_scores_leave_room_for_a_threshold() -> None:
    low = float(np.float32(0.9999999))
    high = float(np.nextafter(np.float32(low), np.float32(2)))
    for below, above in ((low, high), (0.0, 1e-12), (float(np.nextafter(1, 0)), 1.0)):
        found = labelled_threshold([below, above], [False, True], 0.0)
        assert below < found.threshold <= above


@pytest.mark.parametrize(
    ("peaks", "done", "rate", "words"),
    [
        ([0.1, 1.2], [False, True], 0.1, "in .0, 1."),
        ([0.1, float("nan")], [False, True], 0.1, "in .0, 1."),
        ([0.1], [False, True], 0.1, "done should have the shape"),
        ([0.1], [False], 1.0, "false_alarm_rate .* got 1"),
        ([0.1], [False], -0.1, "false_alarm_rate .* got -0.1"),
        ([], [], 0.1, "got 0 successes and no failure"),
    ],
)
def test_bad_labelled_input_is_named(peaks: Any, done: Any, rate: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        labelled_threshold(peaks, done, rate)


# What so few episodes say.


@pytest.mark.parametrize(
    ("failures", "rate", "measured"), [(49, 0.02, False), (50, 0.02, True), (9, 0, False)]
)
def test_a_rate_needs_failures_enough_that_one_is_the_allowed_share(
    failures: int, rate: float, measured: bool
) -> None:
    found = labelled_threshold([0.1] * failures, [False] * failures, rate)
    assert found.is_rate_measured is measured


@pytest.mark.parametrize(
    ("false_alarms", "failures"), [(0, 1), (0, 10), (0, 59), (1, 10), (3, 30), (30, 30), (7, 200)]
)
def test_the_bound_is_that_of_clopper_and_pearson(false_alarms: int, failures: int) -> None:
    expected = 1.0
    if false_alarms < failures:
        expected = stats.beta.ppf(0.95, false_alarms + 1, failures - false_alarms)
    assert false_alarm_bound(false_alarms, failures) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("false_alarms", "failures"), [(0, 0), (2, 1), (-1, 3)])
def test_counts_that_do_not_fit_together_have_no_bound(false_alarms: int, failures: int) -> None:
    with pytest.raises(ValueError, match="0 <= false_alarms <= failures"):
        false_alarm_bound(false_alarms, failures)


# Without labels.


def two_groups(seed: int, failures: int = 40, successes: int = 30) -> Any:
    rng = np.random.default_rng(seed)
    return sigmoid(np.concatenate([rng.normal(-4, 1, failures), rng.normal(4, 1, successes)]))


@pytest.mark.parametrize("seed", range(5))
def test_two_groups_are_told_apart_without_labels(seed: int) -> None:
    peaks = two_groups(seed)
    found = unlabelled_threshold(peaks, 0.02)
    assert (found.failures, found.successes, found.labelled) == (40, 30, False)
    assert detected(peaks, found.threshold).tolist() == [False] * 40 + [True] * 30
    assert found.is_rate_measured is False


def test_an_unlabelled_threshold_by_hand() -> None:
    """Each group two values, so that mean and deviation are plain: -3 and 1, 5 and 1, none shared."""
    logits = np.array([-4.0, -2.0] * 10 + [4.0, 6.0] * 10)
    found = unlabelled_threshold(sigmoid(logits), 0.02)
    quantile = -3 + stats.norm.ppf(0.98)
    assert logit(found.threshold) == pytest.approx((quantile + 4) / 2, abs=0.02)


def test_without_labels_no_threshold_lies_below_one_half() -> None:
    """A tight group of failures has a quantile of 0.003, and a failure at 0.2 joins the successes."""
    logits = [*np.linspace(-7, -6, 20), -1.4, *np.linspace(3, 6, 20)]
    assert unlabelled_threshold(sigmoid(logits), 0.02).threshold == 0.5


def test_overlapping_groups_hold_the_rate() -> None:
    rng = np.random.default_rng(0)
    failed, succeeded = rng.normal(-2, 1.5, 4000), rng.normal(2.5, 1, 3000)
    found = unlabelled_threshold(sigmoid(np.concatenate([failed, succeeded])), 0.05)
    assert detected(sigmoid(failed), found.threshold).mean() == pytest.approx(0.05, abs=0.015)


@given(st.integers(0, 30), st.floats(0.001, 0.9), st.floats(0.001, 0.9))
def test_the_unlabelled_threshold_falls_as_the_rate_rises(seed: int, a: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    peaks = sigmoid(np.concatenate([rng.normal(-3, 1.5, 40), rng.normal(4, 1, 40)]))
    few, many = (unlabelled_threshold(peaks, rate).threshold for rate in sorted((a, b)))
    assert few >= many


def test_the_order_of_the_episodes_does_not_matter() -> None:
    peaks = two_groups(1)
    shuffled = np.random.default_rng(0).permutation(peaks)
    assert unlabelled_threshold(peaks, 0.02) == unlabelled_threshold(shuffled, 0.02)


@pytest.mark.parametrize(
    ("peaks", "words"),
    [
        (sigmoid(np.random.default_rng(0).normal(-3, 1, 60)), "one group explains"),
        (sigmoid(np.random.default_rng(0).normal(4, 1, 60)), "one group explains"),
        (np.full(20, 0.5), "one group explains"),
        (np.zeros(20), "one group explains"),
        (two_groups(0)[:0], "at least 10 episodes, got 0"),
        ([0.9], "at least 10 episodes, got 1"),
        (
            sigmoid(np.random.default_rng(0).normal([-9, -3], 0.5, (20, 2)).ravel()),
            "two groups, .* may all be",
        ),
        (sigmoid(np.random.default_rng(0).normal([2, 8], 0.5, (20, 2)).ravel()), "two groups, .* may all be"),
    ],
)
def test_episodes_that_look_alike_give_no_threshold(peaks: Any, words: str) -> None:
    with pytest.raises(NoThresholdError, match=words):
        unlabelled_threshold(peaks, 0.02)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_an_unlabelled_rate_lies_between_0_and_1(rate: float) -> None:
    with pytest.raises(ValueError, match="false_alarm_rate should lie between 0 and 1"):
        unlabelled_threshold(two_groups(0), rate)


@given(st.lists(SCORES, min_size=10, max_size=60), st.floats(0.001, 0.9))
def test_any_peaks_give_a_threshold_or_a_reason(peaks: list[float], rate: float) -> None:
    try:
        found = unlabelled_threshold(peaks, rate)
    except NoThresholdError:
        return
    assert 0.0 < found.threshold <= 1.0
    assert found.failures + found.successes == len(peaks)


# Sentences.


def test_a_sentence_is_reduced_as_the_table_of_tasks_does() -> None:
    for task in TASKS.values():
        for sentence in (task.sentence, *task.paraphrases, " Öffne  die Tür, bitte! "):
            assert canonical_sentence(sentence) == plain_words(sentence)
    assert canonical_sentence("Open the DOOR.") == "open the door"
