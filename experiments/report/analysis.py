"""Everything that the page of `report` shows, computed once: aggregates, curves, alarms, cost, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .bootstrap import Interval
from .figures import (
    Curve,
    draw_alarms,
    draw_curves,
    draw_intervals,
    draw_profiles,
    draw_returns,
    draw_tasks,
)
from .statistics import (
    Aggregate,
    Alarm,
    Cost,
    Improvement,
    aggregate,
    alarm_of,
    costs,
    curve_interval,
    improvements,
    profile_interval,
)
from .study import Group, Run, Study, short

__all__ = ["Analysis", "analyse", "figures"]


@dataclass(frozen=True)
class Analysis:
    """What was found in a folder of runs."""

    study: Study
    """The runs."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of the bootstrap."""
    aggregates: tuple[Aggregate, ...]
    """One per group that has any of the study's main tasks, over those that it has."""
    shared: tuple[Aggregate, ...]
    """One per group over the tasks that all groups have; empty where these are the main ones, or none."""
    own: tuple[Aggregate, ...]
    """Groups that have other tasks than the main ones, over all of theirs."""
    curves: tuple[tuple[Aggregate, Curve], ...]
    """IQM of the scores along training, over the tasks of `aggregates`."""
    profiles: tuple[tuple[Aggregate, Interval], ...]
    """Performance profiles over the same tasks."""
    improvements: tuple[Improvement, ...]
    """Each learned group against each other reward."""
    alarms: dict[str, Alarm]
    """Run id -> verdict, for all runs."""
    costs: tuple[Cost, ...]
    """Wall time by group and task."""

    @cached_property
    def learned_runs(self) -> list[Run]:
        """All finished runs that learned from the reward model."""
        return [run for group in self.study.learned() for run in group.runs]

    @cached_property
    def flagged(self) -> list[Run]:
        """The learned runs for which the alarm went off."""
        return [run for run in self.learned_runs if self.alarms[run.id].flagged]

    def name_of(self, run: Run) -> str:
        """A learned run in words: task and seed, and its group where several groups learn from the model."""
        name, learned = f"{short(run.config.env)}, seed {run.config.seed}", self.study.learned()
        group = next(group for group in learned if run in group.runs)
        return f"{name} ({group.label})" if len(learned) > 1 else name


def analyse(study: Study, resamples: int, seed: int) -> Analysis:
    """Computes everything.

    Args:
        study: The runs.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        What was found.
    """
    groups, main, common = study.groups, study.main_tasks, study.common_tasks

    def over(tasks: Sequence[str], some: Sequence[Group]) -> tuple[Aggregate, ...]:
        return tuple(aggregate(group, tasks, resamples, seed) for group in some)

    aggregates = over(main, [group for group in groups if set(main) & set(group.by_task)])
    more = [group for group in groups if set(group.by_task) - set(main)]
    curves = [(one, curve_interval(one.group, one.tasks, resamples, seed)) for one in aggregates]
    profiles = [(one, profile_interval(one.group, one.tasks, resamples, seed)) for one in aggregates]
    return Analysis(
        study=study,
        resamples=resamples,
        seed=seed,
        aggregates=aggregates,
        shared=over(common, groups) if common and common != main else (),
        own=tuple(aggregate(group, list(group.by_task), resamples, seed) for group in more),
        curves=tuple((one, curve) for one, curve in curves if curve is not None),
        profiles=tuple(profiles),
        improvements=tuple(improvements(groups, resamples, seed)),
        alarms={run.id: alarm_of(run) for run in study.runs},
        costs=tuple(costs(groups)),
    )


def figures(found: Analysis) -> dict[str, bytes]:
    """Draws every figure that there is something to draw for.

    Args:
        found: What was found.

    Returns:
        File name -> PNG.
    """
    study = found.study
    drawn = {
        "aggregates.png": draw_intervals(found.aggregates, study.measure),
        "tasks.png": draw_tasks(study.groups, study.tasks),
        "profiles.png": draw_profiles(found.profiles, study.measure),
    }
    if found.curves:
        drawn["sample_efficiency.png"] = draw_curves(found.curves, f"{study.measure}, IQM over runs")
    learned = study.learned()
    if learned:
        tasks = [task for task in study.tasks if any(task in group.by_task for group in learned)]
        drawn["returns.png"] = draw_returns(learned, tasks, found.alarms)
    if found.flagged:
        drawn["alarms.png"] = draw_alarms({found.name_of(run): run for run in found.flagged})
    return drawn
