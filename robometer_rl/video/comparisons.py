"""From comparisons of two to an order of all: which pairs, how strong each is, how far two orders agree.

Pure functions of numbers; the videos are compared elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bradley_terry", "comparison_groups", "draw_pairs", "kendall_tau_b", "ranks"]

PRIOR = 0.1
"""Comparisons with an average video that each is taken to have had, half of them won."""
_STEPS, _TOLERANCE = 100, 1e-10


def draw_pairs(count: int, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Chooses who is compared with whom: everybody with everybody where that is few enough.

    Otherwise a random chain through all comes first, so that every two are compared, at least by way of
    others. Then whoever had the fewest comparisons meets whoever else had the fewest.

    Args:
        count: Of the things to compare, n >= 0.
        most: Pairs at most; at least n - 1.
        rng: Draws the pairs, and which of two comes first.

    Returns:
        Different pairs of numbers below n. The numbers of comparisons differ by 2 at most.

    Raises:
        ValueError: So few pairs cannot connect all.
    """
    if count > 1 and most < count - 1:
        raise ValueError(f"{most} pairs cannot connect {count} videos; expected at least {count - 1}")
    if count * (count - 1) // 2 <= most:
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    else:
        pairs = _balanced_pairs(count, most, rng)
    turned = rng.random(len(pairs)) < 0.5
    return [(b, a) if turn else (a, b) for (a, b), turn in zip(pairs, turned, strict=True)]


def _balanced_pairs(count: int, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    order = rng.permutation(count)
    met = np.eye(count, dtype=np.bool_)
    times = np.zeros(count, dtype=np.int64)
    pairs: list[tuple[int, int]] = []

    def meet(a: int, b: int) -> None:
        met[a, b] = met[b, a] = True
        times[[a, b]] += 1
        pairs.append((min(a, b), max(a, b)))

    for a, b in pairwise(order):
        meet(int(a), int(b))
    while len(pairs) < most:
        lot = rng.permutation(count)
        # The one with the fewest, among those that have not yet met everybody.
        a = int(lot[np.argmin(np.where(met.all(axis=1), count, times)[lot])])
        b = int(lot[np.argmin(np.where(met[a], count, times)[lot])])
        meet(a, b)
    return pairs


def bradley_terry(
    pairs: Sequence[tuple[int, int]], wins: ArrayLike, count: int, prior: float = PRIOR
) -> NDArray[np.float64]:
    """Strengths under which the comparisons are most likely: P(a beats b) = 1 / (1 + exp(s_b - s_a)).

    A comparison may be won in part, which is how a probability or a draw is counted. The prior keeps the
    strength finite of one that wins, or loses, every comparison. It also gives groups that were never
    compared with each other a common zero. That zero does not say which group is stronger; see
    `comparison_groups`.

    Args:
        pairs: k pairs of different numbers below n; a pair may stand there several times.
        wins: `(k,)` in [0, 1], the share of each comparison that the first of the pair won.
        count: n.
        prior: Comparisons with a video of strength 0, half of them won, that each is given, > 0.

    Returns:
        `(n,)`, in units of the logit: against one that is 1 weaker 0.73 of the comparisons are won.

    Raises:
        ValueError: A pair or a win is out of range, their numbers differ, or the prior is not positive.
    """
    first, second, won = _checked(pairs, wins, count)
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"prior must be a positive number of comparisons, got {prior}")

    def likelihood(s: NDArray[np.float64]) -> float:
        gap = s[first] - s[second]
        compared = won * np.logaddexp(0, -gap) + (1 - won) * np.logaddexp(0, gap)
        anchored = 0.5 * prior * (np.logaddexp(0, -s) + np.logaddexp(0, s))
        return -float(compared.sum() + anchored.sum())

    strength = np.zeros(count)
    for _ in range(_STEPS):
        gradient, curvature = _derivatives(strength, first, second, won, prior)
        step = np.linalg.solve(curvature, gradient)
        # The likelihood is concave; a whole step of Newton's method may still overshoot where it is flat.
        size, before = 1.0, likelihood(strength)
        while size > 1e-6 and likelihood(strength + size * step) < before:
            size /= 2
        strength = strength + size * step
        if np.abs(size * step).max(initial=0.0) < _TOLERANCE:
            break
    return strength


def _derivatives(
    strength: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    won: NDArray[np.float64],
    prior: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient of the log-likelihood, and minus its matrix of second derivatives."""
    expected = _sigmoid(strength[first] - strength[second])
    alone = _sigmoid(strength)
    gradient = prior * (0.5 - alone)
    np.add.at(gradient, first, won - expected)
    np.add.at(gradient, second, expected - won)
    curvature = np.diag(prior * alone * (1 - alone))
    weight = expected * (1 - expected)
    np.add.at(curvature, (first, first), weight)
    np.add.at(curvature, (second, second), weight)
    np.subtract.at(curvature, (first, second), weight)
    np.subtract.at(curvature, (second, first), weight)
    return gradient, curvature


def comparison_groups(pairs: Sequence[tuple[int, int]], count: int) -> NDArray[np.int64]:
    """Finds who was compared with whom, at least by way of others.

    Args:
        pairs: Pairs of numbers below n.
        count: n.

    Returns:
        `(n,)`, the number of the group that each is in, from 0 in the order of their first members. Strengths
        of different groups cannot be compared.
    """
    group = np.arange(count)
    for a, b in pairs:
        group[group == group[b]] = group[a]
    seen: dict[int, int] = {}
    return np.array([seen.setdefault(int(one), len(seen)) for one in group], dtype=np.int64)


def ranks(values: ArrayLike) -> NDArray[np.int64]:
    """Places in the order from the highest value down.

    Args:
        values: `(n,)`.

    Returns:
        `(n,)`, 1 for the highest; equal values share the better place, and the place after it stays empty.
    """
    array = np.asarray(values, dtype=np.float64)
    return 1 + (array[None, :] > array[:, None]).sum(axis=1)


def kendall_tau_b(a: ArrayLike, b: ArrayLike) -> float:
    """How far two orders of the same things agree, by all pairs of them.

    Args:
        a: `(n,)`.
        b: `(n,)`.

    Returns:
        Kendall's tau-b: 1 where all pairs stand in the same order, -1 where all are turned round, with ties
        taken into account; NaN where one of them puts all things level, or there is at most one.

    Raises:
        ValueError: The two differ in length.
    """
    one, two = (np.asarray(values, dtype=np.float64) for values in (a, b))
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"two orders of the same things have one length, got {one.shape} and {two.shape}")
    # Row by row: a matrix of all pairs would grow with the square of their number.
    concordance = pairs_one = pairs_two = 0
    for i in range(len(one)):
        sign_one, sign_two = np.sign(one[i] - one[i + 1 :]), np.sign(two[i] - two[i + 1 :])
        concordance += int((sign_one * sign_two).sum())
        pairs_one += int(np.count_nonzero(sign_one))
        pairs_two += int(np.count_nonzero(sign_two))
    if not pairs_one or not pairs_two:
        return float("nan")
    return concordance / math.sqrt(pairs_one * pairs_two)


def _checked(
    pairs: Sequence[tuple[int, int]], wins: ArrayLike, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The pairs as two columns, and the wins."""
    table = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    won = np.asarray(wins, dtype=np.float64)
    if won.shape != (len(table),):
        raise ValueError(f"wins must have shape ({len(table)},), one a pair, got {won.shape}")
    wrong = (table < 0).any(axis=1) | (table >= count).any(axis=1) | (table[:, 0] == table[:, 1])
    if wrong.any():
        raise ValueError(f"pairs must be of two different numbers below {count}, got {table[wrong][0]}")
    if not ((won >= 0) & (won <= 1)).all():
        raise ValueError(f"wins must lie in [0, 1], got {won[~((won >= 0) & (won <= 1))][0]}")
    return table[:, 0], table[:, 1], won


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -values))
