"""The figures of `report` as PNG bytes. Colour says the reward, marker and lightness the group within it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .bootstrap import Floats, Interval
from .statistics import THRESHOLDS, Aggregate, Alarm, mean_curve
from .study import Group, Run, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "colour_of",
    "draw_alarms",
    "draw_curves",
    "draw_intervals",
    "draw_profiles",
    "draw_returns",
    "draw_tasks",
    "fold",
]

# Hue by reward, lightness by group within it: told apart without colour vision by lightness and marker.
_COLOURS = {
    "robometer": ("#2563eb", "#7dabf8", "#1e3a8a", "#0891b2", "#a5b4fc", "#164e63"),
    "sparse": ("#9a6b00", "#d9a93f", "#5c4000", "#b45309", "#f0cf8a", "#431407"),
    "dense": ("#a21caf", "#e39be8", "#5b0f63", "#db2777", "#f5c2f0", "#831843"),
    "none": ("#6b7280", "#a3a9b4", "#374151", "#94a3b8", "#d1d5db", "#1f2937"),
}
_MARKERS = {"robometer": "os^vpH", "sparse": "DPXdh8", "dense": "^v<>s*", "none": "x+1234"}
_RED, _INK = "#c2410c", "#111827"
_DPI = 144
_COLUMNS = 3
_HALF = 5.6
"""Inches of a figure that shares its row with another."""
_FLAG = "flagged by the alarm"
_FLAGGED = 6
"""Flagged runs that are drawn; the table lists them all."""

Curve = tuple[Floats, Interval]
"""Environment steps `(K,)` and true success there."""


def colour_of(group: Group) -> str:
    """The colour of a group, the same in every figure and table."""
    return _COLOURS[group.reward][group.variant % 6]


def fold(label: str, width: int) -> str:
    """Breaks a label into lines.

    Args:
        label: Its own line breaks stay.
        width: Letters of a line; a part that is longer has a line of its own.

    Returns:
        The label, broken behind blanks, slashes and underscores only: the name of a model has no blank. A
        dollar sign is marked as text, since Matplotlib takes what stands between two of them for mathematics.
    """
    lines = [""]
    for part in re.split(r"(?<=[ /_\n])", label):
        if lines[-1].endswith("\n") or (lines[-1] and len(lines[-1] + part.rstrip()) > width):
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines).replace("$", r"\$")


def _marker(group: Group) -> str:
    return _MARKERS[group.reward][group.variant % 6]


def _bold(order: int) -> dict[str, Any]:
    """Width and depth of a group's line: the first is on top and thinnest, so that equal ones all show."""
    return {"linewidth": min(1.8 + 0.7 * order, 4.0), "zorder": 10 - min(order, 6)}


def _figure(width: float, height: float) -> Figure:
    """A figure that belongs to no window and no global state, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _plain(axes: Axes, **labels: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set(**labels)


def _thousands(axes: Axes) -> None:
    """Environment steps as 20k, 40k."""
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    axes.set(xlim=(0, None))


def _columns(labels: Sequence[str], width: float) -> int:
    """Columns of a legend that fit into some inches: a character is about a fifteenth of one."""
    return max(1, min(len(labels), int(width // (0.6 + max(map(len, labels)) / 15))))


def _head(labels: Sequence[str], width: float) -> float:
    """Inches that the legend takes from the height."""
    return 0.1 + 0.21 * -(-len(labels) // _columns(labels, width))


def _legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """One legend above all panels: on the curves it would hide some."""
    width = figure.get_figwidth()
    columns = _columns(labels, width)
    shown = [fold(label, int(13 * (width / columns - 0.6))) for label in labels]
    figure.legend(handles, shown, frameon=False, loc="outside upper left", ncols=columns)


def _panels(count: int, height: float, labels: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Small axes in rows of three, what is not needed left empty; the height is that of a row."""
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    width = 3.0 * columns + 0.4 if columns > 1 else _HALF
    figure = _figure(width, height * rows + 0.4 + _head(labels, width))
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def draw_intervals(aggregates: Sequence[Aggregate], measure: str = "true success") -> bytes:
    """IQM and mean of the final scores, one row a group, with their intervals."""
    labels = [fold(one.label, 28) for one in aggregates]
    figure = _figure(
        _HALF, 1.0 + 0.3 * len(aggregates) + 0.16 * sum(label.count("\n") + 1 for label in labels)
    )
    panels = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, ("iqm", "mean"), strict=True):
        for row, one in enumerate(aggregates):
            interval: Interval = getattr(one, name)
            colour = colour_of(one.group)
            if np.isfinite(interval.low[0]):
                span = [interval.low[0], interval.high[0]]
                axes.plot(span, [row, row], color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
            axes.plot(interval.point[0], row, _marker(one.group), color=colour, markersize=8)
        title = {"iqm": f"IQM of {measure}", "mean": f"mean of {measure}"}[name]
        _plain(axes, xlabel=title, xlim=(-0.03, 1.03), ylim=(len(aggregates) - 0.5, -0.5))
        axes.set_yticks(range(len(aggregates)), labels)
        axes.tick_params(axis="y", length=0)
    return _png(figure)


def draw_curves(curves: Sequence[tuple[Aggregate, Curve]], ylabel: str) -> bytes:
    """Sample efficiency: one line a group with its interval as a band."""
    labels = [one.label for one, _ in curves]
    figure = _figure(_HALF, 3.5 + _head(labels, _HALF))
    axes = figure.subplots()
    handles = []
    for order, (one, (steps, interval)) in enumerate(curves):
        colour = colour_of(one.group)
        axes.fill_between(steps, interval.low, interval.high, color=colour, alpha=0.16, linewidth=0)
        every = max(1, len(steps) // 12)
        (line,) = axes.plot(steps, interval.point, color=colour, marker=_marker(one.group),
                            markevery=every, markersize=6, **_bold(order))  # fmt: skip
        handles.append(line)
    _plain(axes, xlabel="environment steps", ylabel=ylabel, ylim=(-0.03, 1.03))
    _thousands(axes)
    _legend(figure, handles, labels)
    return _png(figure)


def draw_tasks(groups: Sequence[Group], tasks: Sequence[str]) -> bytes:
    """True success over environment steps, task by task: each run thin, the mean of a group's runs bold.

    A task whose environment tells of no success shows the return of the environment's own reward.

    Where a run stopped as solved there is a diamond, and what is held from there on is dotted.
    """
    figure, panels = _panels(len(tasks), 2.1, [group.label for group in groups])
    handles: dict[str, Any] = {}
    for axes, task in zip(panels, tasks, strict=True):
        for order, group in enumerate(groups):
            runs = group.by_task.get(task, [])
            for run in runs:
                _thin(axes, run, colour_of(group))
            if runs:
                (line,) = axes.plot(*mean_curve(runs), color=colour_of(group), **_bold(order))
                handles.setdefault(group.label, line)
        _of_task(axes, groups, task, 0.03)
        _thousands(axes)
    figure.supxlabel("environment steps", fontsize=10)
    figure.supylabel(_measured(groups, tasks), fontsize=10)
    shown = [group.label for group in groups if group.label in handles]
    _legend(figure, [handles[label] for label in shown], shown)
    return _png(figure)


def _by_return(groups: Sequence[Group], task: str) -> bool:
    """Whether the runs of a task are judged by their return."""
    return any(run.judged_by == "env_return" for group in groups for run in group.by_task.get(task, []))


def _measured(groups: Sequence[Group], tasks: Sequence[str]) -> str:
    """What the panels of some tasks show."""
    found = {_by_return(groups, task) for task in tasks}
    return "true success" if found == {False} else "return" if found == {True} else "true success or return"


def _of_task(axes: Axes, groups: Sequence[Group], task: str, margin: float) -> None:
    """Title and range of a task's panel; returns have no range of their own."""
    returns = _by_return(groups, task)
    _plain(axes, **({} if returns else {"ylim": (-margin, 1 + margin)}))
    axes.set_title(f"{short(task)} (return)" if returns else short(task), fontsize=10, loc="left")


def _thin(axes: Axes, run: Run, colour: str) -> None:
    """One run: solid where it was measured, dotted where its last evaluation is held."""
    own, whole = run.own, run.curve
    axes.plot(own["env_steps"], own[run.judged_by], color=colour, alpha=0.4, linewidth=1)
    if run.held_from is not None:
        since = whole["env_steps"] >= run.held_from
        axes.plot(whole["env_steps"][since], whole["true_success"][since], ":", color=colour, linewidth=1.2)
        axes.plot(run.held_from, own["true_success"][-1], "D", color=colour, markersize=5)


def draw_profiles(profiles: Sequence[tuple[Aggregate, Interval]], measure: str = "true success") -> bytes:
    """Performance profiles: the share of runs whose final score lies above each threshold."""
    labels = [one.label for one, _ in profiles]
    figure = _figure(_HALF, 3.2 + _head(labels, _HALF))
    axes = figure.subplots()
    handles = []
    for order, (one, interval) in enumerate(profiles):
        colour = colour_of(one.group)
        axes.fill_between(
            THRESHOLDS, interval.low, interval.high, color=colour, alpha=0.16, linewidth=0, step="post"
        )
        (line,) = axes.step(THRESHOLDS, interval.point, color=colour, where="post", marker=_marker(one.group),
                            markevery=5, markersize=6, **_bold(order))  # fmt: skip
        handles.append(line)
    label = "share of runs above it"
    _plain(axes, xlabel=f"final {measure}", ylabel=label, xlim=(0, 1), ylim=(-0.03, 1.03))
    _legend(figure, handles, labels)
    return _png(figure)


def draw_returns(groups: Sequence[Group], tasks: Sequence[str], alarms: dict[str, Alarm]) -> bytes:
    """Learned return against true success, one line a run from its first evaluation (hollow) to its last.

    An honest reward leads up to the right; a run that is paid for nothing creeps along the floor.
    """
    figure, panels = _panels(len(tasks), 2.3, [*(group.label for group in groups), _FLAG])
    handles: dict[str, Any] = {}
    for axes, task in zip(panels, tasks, strict=True):
        for group in groups:
            for run in group.by_task.get(task, []):
                flagged = alarms[run.id].flagged
                colour = _RED if flagged else colour_of(group)
                x, y = run.own["learned_return"], run.own[run.judged_by]
                (line,) = axes.plot(x, y, color=colour, alpha=0.9 if flagged else 0.55, linewidth=1.4)
                axes.plot(x[:1], y[:1], "o", color=colour, markerfacecolor="white", markersize=5)
                axes.plot(
                    x[-1:], y[-1:], "X" if flagged else "o", color=colour, markersize=7 if flagged else 5
                )
                handles.setdefault(_FLAG if flagged else group.label, line)
        _of_task(axes, groups, task, 0.06)
        _honest(axes)
    figure.supxlabel("learned return of the evaluation episodes (each task on its own scale)", fontsize=10)
    figure.supylabel(_measured(groups, tasks), fontsize=10)
    _legend(figure, list(handles.values()), list(handles))
    return _png(figure)


def _honest(axes: Axes) -> None:
    """Keeps returns that hardly differ from filling the width as if they did."""
    axes.ticklabel_format(axis="x", useOffset=False)
    low, high = axes.get_xlim()
    if high - low < 1:
        axes.set_xlim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)


def draw_alarms(runs: Mapping[str, Run]) -> bytes:
    """For each flagged run by name, at most six: learned return over training, true success below it."""
    shown = list(runs.items())[:_FLAGGED]
    figure = _figure(max(4.6, 3.0 * min(len(shown), _COLUMNS)), 3.4 * -(-len(shown) // _COLUMNS))
    blocks = np.atleast_1d(
        np.asarray(figure.subfigures(-(-len(shown) // _COLUMNS), min(len(shown), _COLUMNS)))
    ).flat
    for block, (name, run) in zip(blocks, shown, strict=False):
        above, below = block.subplots(2, 1, sharex=True)
        above.plot(run.own["env_steps"], run.own["learned_return"], color=_RED, linewidth=2)
        below.plot(run.own["env_steps"], run.own["true_success"], color=_INK, linewidth=2)
        _plain(above, ylabel="learned return")
        _plain(below, ylabel="true success", xlabel="environment steps", ylim=(-0.06, 1.06))
        _thousands(below)
        above.set_title(fold(name.replace(" (", "\n("), 28), fontsize=10, loc="left")
    return _png(figure)
