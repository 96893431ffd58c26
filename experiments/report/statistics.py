"""What `report` computes from curves: the alarm, success-head errors, aggregates, cost. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

import numpy as np

from robometer_rl.scoring.episode_state import RewardConfig

from ..agent.run import RunConfig
from .bootstrap import Floats, Interval, improvement_interval, iqm, mean, profile, stratified_interval
from .study import ONLY_LEARNED, Group, Run, short, words

__all__ = [
    "GROUND_TRUTH",
    "THRESHOLDS",
    "Aggregate",
    "Alarm",
    "Cost",
    "HeadErrors",
    "Improvement",
    "aggregate",
    "alarm_of",
    "common_grid",
    "costs",
    "curve_interval",
    "differences",
    "ground_truth_of",
    "hacking_alarm",
    "head_errors",
    "improvements",
    "kendall_tau",
    "mean_curve",
    "not_recorded",
    "profile_interval",
]

ALARM_EVALUATIONS = 8
"""Evaluations that the alarm needs at least."""
ALARM_TAU = 0.4
"""Kendall's tau of learned return and time, from which it rises."""
ALARM_SHARE = 0.25
"""The last third's mean must lie so much of the curve's range above the first third's."""
ALARM_LEAST = 0.1
"""And by so many units of return: one unit is one decision at full progress."""
ALARM_LOW = 0.2
"""True success below this, as the last third's mean, is low."""
ALARM_MARGIN = 0.05
"""True success is flat where the last third's mean is no further than this above the first third's."""

THRESHOLDS: Floats = np.round(np.arange(0, 1, 0.02), 2)
"""Scores at which a performance profile is taken."""

GROUND_TRUTH = tuple(RewardConfig().ground_truth)
"""Every way by which ground truth can reach an agent, as the wrapper lists them."""

_GRID = 200


@dataclass(frozen=True)
class Alarm:
    """Whether learned return rose while true success stayed flat and low."""

    verdict: Literal["flagged", "clear", "too short", "no model", "no success"]
    """`flagged`: look at the videos before you believe the run."""
    rise: float = float("nan")
    """Mean learned return of the last third less that of the first third."""
    tau: float = float("nan")
    """Kendall's tau of learned return and time."""
    early: float = float("nan")
    """Mean true success of the first third."""
    late: float = float("nan")
    """Mean true success of the last third."""

    @property
    def flagged(self) -> bool:
        """Whether the alarm went off."""
        return self.verdict == "flagged"


def kendall_tau(values: Floats) -> float:
    """Kendall's tau-a of a series with time: (pairs that rise - pairs that fall) / pairs.

    Args:
        values: `(T,)`.

    Returns:
        In [-1, 1]; 0 with fewer than two values.
    """
    count = len(values)
    if count < 2:
        return 0.0
    later, earlier = np.tril_indices(count, -1)
    return float(np.sign(values[later] - values[earlier]).mean())


def hacking_alarm(learned_return: Floats, true_success: Floats) -> Alarm:
    """Reward hacking as a rule: learned return up, true success flat and low.

    Up: Kendall's tau with time is at least 0.4, and the mean of the last third of the evaluations lies above
    that of the first third by at least a quarter of the curve's range and by at least 0.1. Flat and low: the
    last third's mean success is below 0.2 and at most 0.05 above the first third's.

    Args:
        learned_return: `(T,)`, NaN where there is no reward model.
        true_success: `(T,)`, shares in [0, 1].

    Returns:
        The verdict and the numbers it rests on.
    """
    known = np.isfinite(learned_return)
    learned, success = learned_return[known], true_success[known]
    if not len(learned):
        return Alarm("no model")
    if len(learned) < ALARM_EVALUATIONS:
        return Alarm("too short")
    third = len(learned) // 3
    rise = float(learned[-third:].mean() - learned[:third].mean())
    tau = kendall_tau(learned)
    early, late = float(success[:third].mean()), float(success[-third:].mean())
    up = tau >= ALARM_TAU and rise >= max(ALARM_SHARE * float(np.ptp(learned)), ALARM_LEAST)
    flat = late < ALARM_LOW and late <= early + ALARM_MARGIN
    return Alarm("flagged" if up and flat else "clear", rise, tau, early, late)


def alarm_of(run: Run) -> Alarm:
    """The alarm for a run, by what was measured: held rows do not count."""
    if run.judged_by == "env_return" and np.isfinite(run.own["learned_return"]).any():
        return Alarm("no success")
    return hacking_alarm(run.own["learned_return"], run.own["true_success"])


@dataclass(frozen=True)
class HeadErrors:
    """Evaluation frames by the success head at its threshold against the truth."""

    true_positive: float
    """Done, and said to be."""
    false_positive: float
    """Not done, but said to be."""
    true_negative: float
    """Not done, and said not to be."""
    false_negative: float
    """Done, but said not to be."""

    @property
    def frames(self) -> float:
        """All frames."""
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative

    @property
    def precision(self) -> float:
        """Share of the frames said to be done that are; NaN if there are none."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the done frames that are said to be; NaN if there are none."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def false_positive_rate(self) -> float:
        """Share of the frames not done that are said to be; NaN if there are none."""
        return _ratio(self.false_positive, self.false_positive + self.true_negative)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def head_errors(runs: Sequence[Run]) -> HeadErrors:
    """Sums the frames of all evaluations of some runs; held rows do not count."""
    names = ("true_positive", "false_positive", "true_negative", "false_negative")
    return HeadErrors(*(float(sum(np.nansum(run.own[f"head_{name}"]) for run in runs)) for name in names))


@dataclass(frozen=True)
class Aggregate:
    """Scores of a group over tasks and seeds: true success, or scaled returns."""

    group: Group
    """The group."""
    tasks: tuple[str, ...]
    """The tasks it is taken over."""
    wanted: int
    """Tasks that were asked for; the group may lack some."""
    iqm: Interval
    """Interquartile mean of the final scores."""
    mean: Interval
    """Mean over tasks of the final scores."""
    best: Interval
    """Mean over tasks of each run's best evaluation."""
    area: Interval
    """Mean over tasks of the areas under the curves."""
    last_step: Interval | None
    """Mean over tasks of the final scores, done at the very end of the episode; over the tasks whose success
    is known, None where there are none."""

    @property
    def runs(self) -> list[Run]:
        """The runs it is taken over."""
        return [run for task in self.tasks for run in self.group.by_task[task]]

    @property
    def label(self) -> str:
        """The group's, with the number of tasks where it lacks some."""
        count = len(self.tasks)
        return (
            self.group.label
            if count == self.wanted
            else f"{self.group.label} ({count} of {self.wanted} tasks)"
        )


def aggregate(group: Group, tasks: Sequence[str], resamples: int, seed: int) -> Aggregate:
    """Aggregates a group over some tasks.

    Args:
        group: The group.
        tasks: Task ids; the group has at least one of them.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        The aggregates with their intervals.
    """
    mine = tuple(task for task in tasks if task in group.by_task)
    runs = [group.by_task[task] for task in mine]
    interval = partial(stratified_interval, resamples=resamples, seed=seed)

    def scores(name: str) -> list[Floats]:
        return [np.asarray([getattr(run, name) for run in task]) for task in runs]

    told = [values for values in scores("last_step") if np.isfinite(values).all()]
    return Aggregate(
        group,
        mine,
        len(tasks),
        iqm=interval(scores("final"), iqm),
        mean=interval(scores("final"), mean),
        best=interval(scores("best"), mean),
        area=interval(scores("area"), mean),
        last_step=interval(told, mean) if told else None,
    )


def profile_interval(group: Group, tasks: Sequence[str], resamples: int, seed: int) -> Interval:
    """The performance profile of a group's final scores at `THRESHOLDS`."""
    final = [np.asarray([run.final for run in group.by_task[task]]) for task in tasks]
    return stratified_interval(final, profile(THRESHOLDS), resamples=resamples, seed=seed)


@dataclass(frozen=True)
class Improvement:
    """How likely a run of one group ends above one of another on a task that both have."""

    better: str
    """Label of the group in question."""
    than: str
    """Label of the group it is held against."""
    tasks: int
    """Tasks that both have."""
    probability: Interval
    """Averaged over these tasks; a tie counts half."""


def improvements(groups: Sequence[Group], resamples: int, seed: int) -> list[Improvement]:
    """Holds each learned group against each other kind of reward, on the tasks that both have."""
    found = []
    for mine in (group for group in groups if group.reward == "robometer"):
        for other in (group for group in groups if group.reward != "robometer"):
            tasks = [task for task in mine.by_task if task in other.by_task]
            if not tasks:
                continue
            x, y = ([np.asarray([r.final for r in g.by_task[t]]) for t in tasks] for g in (mine, other))
            interval = improvement_interval(x, y, resamples=resamples, seed=seed)
            found.append(Improvement(mine.label, other.label, len(tasks), interval))
    return found


def common_grid(runs: Sequence[Run]) -> Floats:
    """Environment steps at which all runs have been evaluated at least once, up to the end of the shortest.

    Args:
        runs: At least one.

    Returns:
        `(K,)`, increasing, at most 200 of them; empty where a run ends before another is first evaluated.
    """
    steps = [run.curve["env_steps"] for run in runs]
    low, high = max(s[0] for s in steps), min(s[-1] for s in steps)
    grid = np.unique(np.concatenate(steps))
    grid = grid[(grid >= low) & (grid <= high)]
    if len(grid) > _GRID:
        grid = grid[np.unique(np.linspace(0, len(grid) - 1, _GRID).round().astype(int))]
    return grid


def curve_interval(
    group: Group, tasks: Sequence[str], resamples: int, seed: int
) -> tuple[Floats, Interval] | None:
    """IQM of the scores over tasks and seeds, along training.

    Between its evaluations a run counts with the last one, so that none is seen before it was made.

    Args:
        group: The group.
        tasks: Some of its tasks.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Environment steps `(K,)` and the IQM there; None where the runs have no steps in common.
    """
    runs = [group.by_task[task] for task in tasks]
    grid = common_grid([run for task in runs for run in task])
    if not len(grid):
        return None
    curves = [np.stack([_held(run, run.score, grid) for run in task]) for task in runs]
    return grid, stratified_interval(curves, iqm, resamples=resamples, seed=seed)


def mean_curve(runs: Sequence[Run]) -> tuple[Floats, Floats]:
    """Mean of what some runs of one task are judged by, at the steps of `common_grid`; two arrays `(K,)`."""
    grid = common_grid(runs)
    return grid, np.mean([_held(run, run.measured, grid) for run in runs], axis=0)


def _held(run: Run, values: Floats, grid: Floats) -> Floats:
    """What a run had at the last evaluation up to each step of a grid."""
    at = np.searchsorted(run.curve["env_steps"], grid, side="right") - 1
    return values[at]


@dataclass(frozen=True)
class Cost:
    """Wall time of a group on a task."""

    label: str
    """Label of the group."""
    task: str
    """Task id."""
    seconds: Floats
    """`(n,)`: seconds of training and evaluation per 100,000 environment steps, run by run."""
    ratios: Floats
    """`(n,)`: each over the mean of the sparse runs of the same task and learner; empty without such runs."""


def costs(groups: Sequence[Group]) -> list[Cost]:
    """Wall time per 100,000 environment steps, by group and task; groups in order, tasks as in the groups."""
    base: dict[tuple[str, str], list[float]] = {}
    for group in groups:
        if group.reward == "sparse":
            for run in group.runs:
                base.setdefault((run.config.env, run.config.algo), []).append(_seconds(run))
    found = []
    for group in groups:
        for task, runs in group.by_task.items():
            ratios = [
                _seconds(run) / float(np.mean(base[task, run.config.algo]))
                for run in runs
                if (task, run.config.algo) in base
            ]
            seconds = np.asarray([_seconds(run) for run in runs])
            found.append(Cost(group.label, task, seconds, np.asarray(ratios, dtype=np.float64)))
    return found


def _seconds(run: Run) -> float:
    return _ratio(float(run.result.wall_s), float(run.result.env_steps)) * 100_000


def ground_truth_of(run: Run) -> dict[str, float | bool]:
    """The ways by which ground truth entered reward or termination of a run, as its `result.json` says."""
    return {name: value for name, value in run.result.ground_truth.items() if value}


def not_recorded(run: Run) -> tuple[str, ...]:
    """The ways of `GROUND_TRUTH` of which the `result.json` of a run says nothing."""
    return tuple(name for name in GROUND_TRUTH if name not in run.result.ground_truth)


def differences(groups: Sequence[Group]) -> list[str]:
    """What differs between groups on one task besides the reward, seed and what their labels name.

    Args:
        groups: The groups.

    Returns:
        One sentence per field and task: "drawer-open: steps is 50000 for robometer, 20000 for sparse".
    """
    found = []
    fixed = {"env", "seed", "reward", *ONLY_LEARNED}
    for task in sorted({task for group in groups for task in group.by_task}, key=short):
        sides = [(group.label, group.by_task[task]) for group in groups if task in group.by_task]
        for field in fields(RunConfig):
            values: Mapping[str, set[object]] = {
                label: {getattr(run.config, field.name) for run in runs} for label, runs in sides
            }
            named = any(words(field.name, one) in label for label, mine in values.items() for one in mine)
            if field.name in fixed or named or len(set(map(frozenset, values.values()))) < 2:
                continue
            sentence = (f"{' and '.join(map(str, mine))} for {label}" for label, mine in values.items())
            found.append(f"{short(task)}: {field.name} is {', '.join(sentence)}")
    return found
