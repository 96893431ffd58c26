"""Measures of a reward model, as pure functions of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robometer_rl.envs.extras import naming_extras

with naming_extras():
    from scipy import stats

__all__ = ["average_precision", "f1_score", "pearson_r", "roc_auc", "threshold_at_fpr", "tier_tau"]


def pearson_r(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation; 0 where one side does not vary, since it then says nothing of the other.

    Args:
        a: float `(N,)`.
        b: float `(N,)`; pairs in which b is NaN are left out.

    Returns:
        r in [-1, 1]; NaN with fewer than two pairs.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"expected two arrays of one shape, got {x.shape} and {y.shape}")
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    if len(x) < 2:
        return float("nan")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def tier_tau(tiers: ArrayLike, values: ArrayLike) -> float:
    """Kendall's tau over the pairs whose tiers differ: (concordant - discordant) / pairs.

    Args:
        tiers: `(N,)`, higher is better.
        values: float `(N,)`, what should order the tiers; an equal pair counts as neither.

    Returns:
        tau in [-1, 1]; NaN where all tiers are equal.
    """
    tier, value = np.asarray(tiers), np.asarray(values, dtype=np.float64)
    upper = np.triu_indices(len(tier), k=1)
    order = np.sign(tier[:, None] - tier[None, :])[upper]
    found = np.sign(value[:, None] - value[None, :])[upper]
    pairs = np.count_nonzero(order)
    return float((order * found).sum() / pairs) if pairs else float("nan")


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """The values as one row of numbers; NaN has no place in an order."""
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or np.isnan(row).any():
        raise ValueError(f"{name} should be numbers (N,) without NaN, got {row}")
    return row


def roc_auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the ROC curve: P(positive > negative) + P(equal) / 2.

    Args:
        positive: scores `(P,)` of what should score high.
        negative: scores `(N,)` of what should score low.

    Returns:
        AUC in [0, 1]; NaN where a side is empty.

    Raises:
        ValueError: A score is NaN.
    """
    high, low = _numbers("positive", positive), _numbers("negative", negative)
    if not len(high) or not len(low):
        return float("nan")
    return float(stats.mannwhitneyu(high, low).statistic / (len(high) * len(low)))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as a step sum (no interpolation); ties share one step.

    Args:
        labels: bool `(N,)`.
        scores: float `(N,)`.

    Returns:
        Average precision in [0, 1]; NaN without a positive.

    Raises:
        ValueError: A score is NaN, or the two differ in length.
    """
    truth, score = np.asarray(labels, dtype=bool), _numbers("scores", scores)
    if truth.shape != score.shape:
        raise ValueError(f"expected two arrays of one shape, got {truth.shape} and {score.shape}")
    if not truth.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order], score[order]
    last_of_tie = np.append(np.diff(score) != 0, True)
    hits = np.cumsum(truth)[last_of_tie]
    precision = hits / (np.flatnonzero(last_of_tie) + 1)
    recall_gain = np.diff(np.concatenate([[0], hits])) / truth.sum()
    return float((precision * recall_gain).sum())


def f1_score(labels: ArrayLike, predicted: ArrayLike) -> float:
    """Harmonic mean of precision and recall.

    Args:
        labels: bool `(N,)`.
        predicted: bool `(N,)`.

    Returns:
        F1 in [0, 1]; NaN without a positive label.

    Raises:
        ValueError: The two differ in length.
    """
    truth, said = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    if truth.shape != said.shape:
        raise ValueError(f"expected two arrays of one shape, got {truth.shape} and {said.shape}")
    if not truth.any():
        return float("nan")
    return float(2.0 * np.count_nonzero(truth & said) / (truth.sum() + said.sum()))


def threshold_at_fpr(negative: ArrayLike, rate: float) -> float:
    """Smallest threshold that at most a share `rate` of the negatives reaches.

    Args:
        negative: scores `(N,)` in [0, 1] of what should not be called done.
        rate: allowed share in [0, 1).

    Returns:
        Threshold in (0, 1]; a score counts as done when it is at least the threshold.

    Raises:
        ValueError: There is no negative, one is NaN, or the rate is out of range.
    """
    low = np.sort(_numbers("negative", negative))[::-1]
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"rate should be from 0 up to, but not, 1, got {rate}")
    if not len(low):
        raise ValueError("a threshold needs at least one negative, got none")
    allowed = int(np.floor(rate * len(low)))
    return float(np.nextafter(low[allowed], 2.0)) if low[allowed] < 1 else 1.0
