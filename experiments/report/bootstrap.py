"""Aggregates over runs with bootstrap intervals, after "Deep RL at the Edge of the Statistical Precipice".

Every run contributes one score (or one curve) to its task: its evaluation episodes are averaged first, so
that seeds, not episodes, are the sample. The intervals are percentile intervals of a bootstrap that is
stratified by task: within each task the seeds are drawn with replacement (Agarwal et al. 2021, and their
package rliable).

Each task counts the same. Where tasks have different numbers of seeds, a run weighs as if the runs of its
task were repeated up to the least common multiple of these numbers; with equal numbers this changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "Interval",
    "improvement_interval",
    "iqm",
    "mean",
    "probability_of_improvement",
    "profile",
    "stratified_interval",
]

Floats = NDArray[np.float64]

Statistic = Callable[[Floats, NDArray[np.int64]], Floats]
"""Values `(R, N, K)` of N runs and their weights `(N,)` -> `(R, K)`."""

_AT_ONCE = 4_000_000
"""Numbers in memory at once while resampling: 32 MB of float64."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval; NaN bounds where no task has two seeds to resample."""

    point: Floats
    """`(K,)`: the statistic of the runs as they are."""
    low: Floats
    """`(K,)`: lower bound."""
    high: Floats
    """`(K,)`: upper bound."""


def iqm(values: Floats, weights: NDArray[np.int64]) -> Floats:
    """Interquartile mean over runs: the mean of what is left when a quarter is cut off at each end.

    As in `scipy.stats.trim_mean`, whole runs are cut: `int(0.25 * n)` at each end, none of three or fewer.

    Args:
        values: `(R, N, K)`: resamples, runs, points.
        weights: `(N,)`: whole numbers of at least 1, how often each run counts.

    Returns:
        `(R, K)`.
    """
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    weight = weights[order]
    upto = np.cumsum(weight, axis=1)
    total = int(weights.sum())
    cut = int(0.25 * total)
    kept = np.clip(upto, cut, total - cut) - np.clip(upto - weight, cut, total - cut)
    return (ordered * kept).sum(axis=1) / (total - 2 * cut)


def mean(values: Floats, weights: NDArray[np.int64]) -> Floats:
    """Mean over tasks of the mean over a task's runs.

    Args:
        values: `(R, N, K)`: resamples, runs, points.
        weights: `(N,)`: how often each run counts.

    Returns:
        `(R, K)`.
    """
    return (values * weights[:, None]).sum(axis=1) / weights.sum()


def profile(thresholds: Floats) -> Statistic:
    """The performance profile as a statistic: the share of runs whose score lies above each threshold.

    Args:
        thresholds: `(K,)`.

    Returns:
        A statistic of scores `(R, N, 1)`.
    """

    def share(values: Floats, weights: NDArray[np.int64]) -> Floats:
        return mean((values > thresholds).astype(np.float64), weights)

    return share


def stratified_interval(
    scores: Sequence[Floats],
    statistic: Statistic,
    *,
    resamples: int = 5_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A statistic over tasks and seeds with its stratified percentile bootstrap interval.

    Args:
        scores: Per task `(n_seeds,)` final scores, or `(n_seeds, K)` curves over common points; the
            numbers of seeds may differ.
        statistic: `iqm`, `mean` or `profile(...)`.
        resamples: How often the seeds are drawn.
        seed: Of the drawing.
        level: Share of the bootstrap distribution between the bounds.

    Returns:
        The estimate per point. A task with one seed contributes no spread.

    Raises:
        ValueError: There is no task, a task without seeds, a score that is not finite, or tasks with
            different points.
    """
    tasks = _checked(scores)
    counts = np.asarray([len(task) for task in tasks], dtype=np.int64)
    runs = np.concatenate(tasks)
    weights = _weights(counts)
    point = statistic(runs[None], weights)[0]
    if counts.max() < 2:
        nothing = np.full_like(point, np.nan)
        return Interval(point, nothing, nothing)
    rng = np.random.default_rng(seed)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    sizes = np.repeat(counts, counts)
    batch = max(1, _AT_ONCE // (runs.size * max(1, len(point) // runs.shape[1])))
    drawn = []
    for done in range(0, resamples, batch):
        rows = min(batch, resamples - done)
        picks = starts + rng.integers(sizes, size=(rows, len(runs)))
        drawn.append(statistic(runs[picks], weights))
    return Interval(point, *_bounds(np.concatenate(drawn), level))


def probability_of_improvement(x: Floats, y: Floats) -> Floats:
    """How likely a run of x scores above a run of y on one task; a tie counts half.

    Args:
        x: `(..., n)` scores.
        y: `(..., m)` scores.

    Returns:
        `(...)`, in [0, 1].
    """
    above = (x[..., :, None] > y[..., None, :]).mean(axis=(-2, -1))
    tied = (x[..., :, None] == y[..., None, :]).mean(axis=(-2, -1))
    return np.asarray(above + 0.5 * tied)


def improvement_interval(
    x: Sequence[Floats],
    y: Sequence[Floats],
    *,
    resamples: int = 5_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Probability of improvement, averaged over tasks, with its interval; both sides are resampled.

    Args:
        x: Per task `(n_seeds,)` scores.
        y: The same tasks in the same order.
        resamples: How often the seeds are drawn.
        seed: Of the drawing.
        level: Share of the bootstrap distribution between the bounds.

    Returns:
        One estimate, arrays of shape `(1,)`.

    Raises:
        ValueError: There is no task, a task lacks seeds, or the sides have different numbers of tasks.
    """
    if len(x) != len(y):
        raise ValueError(f"both sides need the same tasks, got {len(x)} and {len(y)}")
    pairs = [(a[:, 0], b[:, 0]) for a, b in zip(_checked(x), _checked(y), strict=True)]
    point = np.mean([probability_of_improvement(a, b) for a, b in pairs], keepdims=True)
    if max(max(len(a), len(b)) for a, b in pairs) < 2:
        return Interval(point, np.full(1, np.nan), np.full(1, np.nan))
    rng = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for a, b in pairs:
        again = (side[rng.integers(len(side), size=(resamples, len(side)))] for side in (a, b))
        total += probability_of_improvement(*again)
    return Interval(point, *_bounds(total[:, None] / len(pairs), level))


def _checked(scores: Sequence[Floats]) -> list[Floats]:
    """The scores as `(n_seeds, K)` per task."""
    if not scores:
        raise ValueError("an interval needs at least one task")
    tasks = [np.asarray(task, dtype=np.float64) for task in scores]
    tasks = [task[:, None] if task.ndim == 1 else task for task in tasks]
    for number, task in enumerate(tasks):
        if task.ndim != 2 or len(task) == 0 or task.shape[1] != tasks[0].shape[1]:
            raise ValueError(
                f"task {number} has scores of shape {task.shape}; expected (seeds,) or (seeds, points) with "
                "at least one seed, and the same points for all tasks"
            )
        if not np.isfinite(task).all():
            raise ValueError(f"task {number} has scores that are not finite")
    return tasks


def _weights(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each run counts, so that all tasks count the same."""
    return np.repeat(np.lcm.reduce(counts) // counts, counts)


def _bounds(drawn: Floats, level: float) -> tuple[Floats, Floats]:
    """Percentiles of `(R, K)` that hold `level` between them."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return low, high
