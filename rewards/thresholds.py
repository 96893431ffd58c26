"""Success thresholds of single tasks, from the scores of episodes: pure functions of numbers.

An episode is detected when its success score reaches the threshold. Its peak is the highest threshold that it
reaches. A false alarm is a failed episode that is detected.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .protocol import TaskThreshold

__all__ = [
    "CONFIDENCE",
    "FEWEST_UNLABELLED",
    "NoThresholdError",
    "canonical_sentence",
    "false_alarm_bound",
    "labelled_threshold",
    "success_peak",
    "unlabelled_threshold",
]

CONFIDENCE = 0.95
"""Confidence of `false_alarm_bound`."""
FEWEST_UNLABELLED = 10
"""Episodes from which a mixture is fitted."""

_EPSILON = 1e-6
"""Scores are kept so far from 0 and 1 where their logit is taken."""
_UNDECIDED = 0.5
"""Score at which the success head calls success and failure equally likely."""
_NARROWEST = 0.25
"""Smallest standard deviation of a mixture's component, in logits: scores that are equal make no spike."""
_ITERATIONS = 500
_TOLERANCE = 1e-9


class NoThresholdError(ValueError):
    """The episodes do not tell where a threshold should lie."""


def canonical_sentence(sentence: str) -> str:
    """Reduces a sentence to its words, so that case and punctuation make no difference.

    Args:
        sentence: Any sentence.

    Returns:
        Its words in lower case, with single blanks between them.
    """
    return " ".join("".join(c if c.isalnum() else " " for c in sentence.lower()).split())


def success_peak(success: ArrayLike, patience: int = 1) -> float:
    """The highest threshold at which a wrapper would detect success in an episode.

    The wrapper compares the score of each step, and not that of the reset's frame. It wants `patience` scores
    in a row.

    Args:
        success: Success scores `(T,)` in [0, 1], the reset's frame first.
        patience: Consecutive scores at the threshold that count as success, at least 1.

    Returns:
        Maximum over the steps of the minimum over the last `patience` scores, in [0, 1]; 0 where the episode
        has fewer steps.

    Raises:
        ValueError: The scores are not one row of numbers in [0, 1], or the patience is below 1.
    """
    scores = _peaks("success", success)
    if patience < 1:
        raise ValueError(f"patience should be at least 1, got {patience}")
    if len(scores) <= patience:
        return 0.0
    return float(np.lib.stride_tricks.sliding_window_view(scores[1:], patience).min(axis=1).max())


def labelled_threshold(peaks: ArrayLike, done: ArrayLike, false_alarm_rate: float) -> TaskThreshold:
    """The threshold that keeps the most successes while at most a share of the failures reaches it.

    All thresholds between two neighbouring peaks treat the episodes at hand alike. The one in the middle of
    the gap is taken, measured in logits. A quantile of few failures says little about the failures to come:
    the largest of ten is exceeded by one new failure in eleven. The same holds for the smallest of the
    successes. So the threshold keeps the same distance from both. Logits are used because the sigmoid
    squeezes scores near 0 and 1.

    Where no success exceeds the failures, nothing bounds the threshold from above. It then lies just above
    the failures that the rate excludes, and not below 0.5, where the head itself calls failure likelier.

    Args:
        peaks: `(N,)` in [0, 1], see `success_peak`.
        done: bool `(N,)`, whether the episode truly succeeds.
        false_alarm_rate: Largest share of the failures that may reach the threshold, in [0, 1).

    Returns:
        The threshold with what it was found from. It does not increase with the rate. Where more than the
        share of the failures have the score 1, no threshold can exclude them and it is 1.

    Raises:
        NoThresholdError: There is no failure.
        ValueError: A peak is outside [0, 1] or NaN, the two differ in length, or the rate is out of range.
    """
    peak, truth = _peaks("peaks", peaks), np.asarray(done, dtype=np.bool_)
    if peak.shape != truth.shape:
        raise ValueError(f"done should have the shape {peak.shape} of peaks, got {truth.shape}")
    if not 0.0 <= false_alarm_rate < 1.0:
        raise ValueError(f"false_alarm_rate should be from 0 up to, but not, 1, got {false_alarm_rate}")
    failed, succeeded = np.sort(peak[~truth])[::-1], peak[truth]
    if not len(failed):
        raise NoThresholdError(
            f"a false-alarm rate needs failed episodes, got {len(succeeded)} successes and no failure"
        )
    # 0.29 * 100 is a little less than 29.
    allowed = math.floor(false_alarm_rate * len(failed) + 1e-9)
    excluded = failed[min(allowed, len(failed) - 1)]
    kept = succeeded[succeeded > excluded]
    if len(kept):
        lowest = float(kept.min())
        threshold = _between(float(failed[failed < lowest].max()), lowest)
    else:
        threshold = min(1.0, max(float(np.nextafter(excluded, 2.0)), _UNDECIDED))
    return TaskThreshold(
        threshold=threshold,
        false_alarm_rate=float(false_alarm_rate),
        successes=len(succeeded),
        failures=len(failed),
        false_alarms=int(np.count_nonzero(failed >= threshold)),
        labelled=True,
    )


def unlabelled_threshold(peaks: ArrayLike, false_alarm_rate: float) -> TaskThreshold:
    """The threshold from episodes of which nobody knows whether they succeed.

    Two normal distributions are fitted to the logits of the peaks. The lower one is taken for the failures.
    Its upper quantile is the smallest threshold that holds the rate. Where the lowest peak of the upper
    group lies higher, the middle between the two is taken, as in `labelled_threshold`. The threshold is not
    below 0.5, where the head itself calls failure likelier: failures that come near the goal score far above
    the others, so that their tail is longer than that of a normal distribution.

    Args:
        peaks: `(N,)` in [0, 1], see `success_peak`; successes and failures mixed.
        false_alarm_rate: Largest share of the failures that may reach the threshold, in (0, 1).

    Returns:
        The threshold with what it was found from; successes and failures are those that the mixture tells
        apart. It does not increase with the rate.

    Raises:
        NoThresholdError: There are too few episodes, one distribution explains them as well by the Bayesian
            information criterion, or both groups lie on the same side of 0.5: then the head itself calls
            them both successes, or both failures.
        ValueError: A peak is outside [0, 1] or NaN, or the rate is out of range.
    """
    peak = _peaks("peaks", peaks)
    if not 0.0 < false_alarm_rate < 1.0:
        raise ValueError(f"false_alarm_rate should lie between 0 and 1, got {false_alarm_rate}")
    if len(peak) < FEWEST_UNLABELLED:
        raise NoThresholdError(
            f"an unlabelled threshold needs at least {FEWEST_UNLABELLED} episodes, got {len(peak)}"
        )
    values = np.sort(_logit(peak))
    mixture = _fit_mixture(values)
    single = _log_density(values, values.mean(), max(float(values.std()), _NARROWEST)).sum()
    count = math.log(len(values))
    if 2.0 * mixture.log_likelihood - 5.0 * count <= 2.0 * single - 2.0 * count:
        raise NoThresholdError(
            f"one group explains the success scores of the {len(peak)} episodes as well as two (peaks from "
            f"{peak.min():.3f} to {peak.max():.3f}): successes cannot be told from failures without labels"
        )
    if not mixture.means[0] < 0.0 < mixture.means[1]:
        low, high = (1.0 / (1.0 + math.exp(-mean)) for mean in mixture.means)
        raise NoThresholdError(
            f"the success scores of the {len(peak)} episodes form two groups, around {low:.3f} and "
            f"{high:.3f}, expected one below 0.5 and one above: without labels they may all be failures, or "
            "successes"
        )
    quantile = mixture.means[0] + NormalDist().inv_cdf(1.0 - false_alarm_rate) * mixture.deviations[0]
    upper = values[mixture.boundary(values) :]
    chosen = (quantile + upper[0]) / 2.0 if len(upper) and quantile < upper[0] else quantile
    chosen = max(chosen, 0.0)
    failures = len(values) - len(upper)
    return TaskThreshold(
        threshold=1.0 / (1.0 + math.exp(-chosen)),
        false_alarm_rate=float(false_alarm_rate),
        successes=len(upper),
        failures=failures,
        false_alarms=int(np.count_nonzero(values[:failures] >= chosen)),
        labelled=False,
    )


def false_alarm_bound(false_alarms: int, failures: int) -> float:
    """Upper confidence bound of a false-alarm rate (Clopper-Pearson, one-sided).

    Args:
        false_alarms: Failed episodes that reached the threshold.
        failures: Failed episodes in all, at least 1.

    Returns:
        The rate below which the true one lies with confidence `CONFIDENCE`, in (0, 1].

    Raises:
        ValueError: The numbers do not fit together.
    """
    if not 0 <= false_alarms <= failures or failures < 1:
        raise ValueError(f"expected 0 <= false_alarms <= failures, got {false_alarms} and {failures}")
    if false_alarms == failures:
        return 1.0

    def at_most(rate: float) -> float:
        """Probability of no more false alarms than there were."""
        chances = (
            math.comb(failures, k) * rate**k * (1.0 - rate) ** (failures - k) for k in range(false_alarms + 1)
        )
        return math.fsum(chances)

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if at_most(middle) > 1.0 - CONFIDENCE else (low, middle)
    return high


class _Mixture(NamedTuple):
    """Two normal distributions, the lower mean first."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    log_likelihood: float

    def boundary(self, values: NDArray[np.float64]) -> int:
        """Index of the first of the sorted values that the upper component explains better."""
        joint = _joint(values, self.weights, self.means, self.deviations)
        # The wider component explains both ends better: below the lower mean all is the lower one's.
        is_upper = (values > self.means[0]) & ((joint[1] >= joint[0]) | (values >= self.means[1]))
        return int(np.argmax(is_upper)) if is_upper.any() else len(values)


def _fit_mixture(values: NDArray[np.float64]) -> _Mixture:
    """Expectation maximisation, from the split of the sorted values with the least variance within."""
    splits = range(1, len(values))
    spread = [values[:k].var() * k + values[k:].var() * (len(values) - k) for k in splits]
    share = np.zeros((2, len(values)))
    share[0, : 1 + int(np.argmin(spread))] = 1.0
    share[1] = 1.0 - share[0]
    before = -math.inf
    for _ in range(_ITERATIONS):
        total = share.sum(axis=1)
        weights = total / len(values)
        means = share @ values / total
        squares = (share * (values - means[:, None]) ** 2).sum(axis=1) / total
        deviations = np.maximum(np.sqrt(squares), _NARROWEST)
        joint = _joint(values, weights, means, deviations)
        each = np.logaddexp(joint[0], joint[1])
        share = np.exp(joint - each)
        likelihood = float(each.sum())
        if likelihood - before < _TOLERANCE or share.sum(axis=1).min() < 1e-3:
            break
        before = likelihood
    order = np.argsort(means, kind="stable")
    return _Mixture(weights[order], means[order], deviations[order], likelihood)


def _joint(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    deviations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Log of weight times density, `(2, N)`."""
    return np.stack(
        [
            math.log(weight) + _log_density(values, mean, deviation)
            for weight, mean, deviation in zip(weights, means, deviations, strict=True)
        ]
    )


def _log_density(values: NDArray[np.float64], mean: float, deviation: float) -> NDArray[np.float64]:
    return -0.5 * ((values - mean) / deviation) ** 2 - math.log(deviation) - 0.5 * math.log(2.0 * math.pi)


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(scores, _EPSILON, 1.0 - _EPSILON)
    return np.log(inside) - np.log1p(-inside)


def _between(low: float, high: float) -> float:
    """The middle of two scores in logits; above `low` and at most `high`, whatever was rounded."""
    middle = _logit(np.array([low, high])).mean()
    return float(np.clip(1.0 / (1.0 + math.exp(-middle)), np.nextafter(low, 2.0), high))


def _peaks(name: str, values: ArrayLike) -> NDArray[np.float64]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or not ((row >= 0.0) & (row <= 1.0)).all():
        raise ValueError(f"{name} should be numbers (N,) in [0, 1], got {row}")
    return row
