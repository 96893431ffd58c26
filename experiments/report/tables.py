"""Tables of `report`: by run on the page and as the CSV of `--summary`, by task for the README."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from ..common.markdown import fill_marked
from .analysis import Analysis
from .blocks import Block, Cell, Column, Paragraph, Table, number
from .bootstrap import Interval
from .statistics import Aggregate, HeadErrors, head_errors
from .study import Group, Run, short
from .text import plural

__all__ = [
    "SUMMARY",
    "alarm_table",
    "fill_benchmark",
    "head_errors_blocks",
    "run_table",
    "summary_csv",
    "task_markdown",
]

SUMMARY = (
    "id", "env", "algo", "reward", "shaping", "seed", "final", "best", "steps", "solved", "wall_s", "flagged",
    "judged_by",
)  # fmt: skip
"""Columns of the summary; `shaping` is empty where the reward is not learned. `final` and `best` are what
`judged_by` says, true success or the return of the environment's own reward."""

GOOD = 0.8
"""True success that counts as reached in the column of steps."""


def steps_to(run: Run, success: float = GOOD) -> float:
    """Environment steps at the first evaluation that reaches some true success; NaN if none does."""
    reached = np.flatnonzero(run.own["true_success"] >= success)
    return float(run.own["env_steps"][reached[0]]) if len(reached) else float("nan")


def run_table(found: Analysis) -> Table:
    """Every finished run, one row each."""
    columns = [
        Column("task"),
        Column("group"),
        Column("seed", True),
        Column("final", True, f"{_unit(found)} of the last evaluation"),
        Column("best", True, f"{_unit(found)} of the best evaluation"),
        Column("at last step", True, "last evaluation, task solved at the last step of the episode"),
        Column(
            f"steps to {GOOD:g}", True, f"environment steps to the first true success of {GOOD:g} or more"
        ),
        Column("steps", True, "environment steps of training"),
        Column("solved", False, "the last three evaluations are at 0.95 or more"),
        Column("wall time, min", True),
        Column("alarm"),
        Column("run"),
    ]
    rows = [
        [
            Cell(short(run.config.env)),
            Cell(group.label),
            number(run.config.seed, 0),
            *(number(float(value)) for value in (run.measured[-1], run.measured.max(), run.last_step)),
            number(steps_to(run), 0),
            number(run.result.env_steps, 0),
            Cell("solved" if run.result.solved else ""),
            number(run.result.wall_s / 60, 1),
            _verdict(found, run),
            Cell(run.id),
        ]
        for group in found.study.groups
        for run in group.runs
    ]
    return Table(columns, rows, "every run")


def _unit(found: Analysis) -> str:
    """What runs are judged by, in their own unit."""
    words = {"true success": "true success", "normalised return": "return of the environment's own reward"}
    return words.get(
        found.study.measure, "true success, or the environment's own return where it is unknown,"
    )


def _verdict(found: Analysis, run: Run) -> Cell:
    alarm = found.alarms[run.id]
    if alarm.verdict == "no model":
        return Cell("", "")
    return Cell(alarm.verdict, css="flagged" if alarm.flagged else "")


def alarm_table(found: Analysis) -> Table:
    """What the alarm's verdicts rest on, one row per learned run, the flagged first."""
    columns = [
        Column("task"),
        Column("group"),
        Column("seed", True),
        Column("verdict"),
        Column(
            "learned return, rise",
            True,
            "mean of the last third of the evaluations minus the mean of the first",
        ),
        Column("Kendall tau", True, "rank correlation of learned return and time"),
        Column("true success, first third", True, "mean over the first third of the evaluations"),
        Column("true success, last third", True, "mean over the last third of the evaluations"),
    ]
    rows = []
    for group in found.study.learned():
        for run in sorted(group.runs, key=lambda run: not found.alarms[run.id].flagged):
            alarm = found.alarms[run.id]
            numbers = (alarm.rise, alarm.tau, alarm.early, alarm.late)
            rows.append(
                [
                    Cell(short(run.config.env)),
                    Cell(group.label),
                    number(run.config.seed, 0),
                    _verdict(found, run),
                    *(number(value) for value in numbers),
                ]
            )
    return Table(columns, rows, "alarm by run")


def head_errors_blocks(found: Analysis) -> list[Block]:
    """Errors of the success head over all learned runs, and by task and group."""
    whole = head_errors(found.learned_runs)
    sentence = (
        f"The learned runs have {whole.frames:,.0f} evaluation frames in total. Over all of them, precision "
        f"is {_share(whole.precision)}, recall {_share(whole.recall)} and the false positive rate "
        f"{_share(whole.false_positive_rate)}."
    )
    columns = [
        Column("task"),
        Column("group"),
        Column("frames", True, "number of frames, over all evaluations and seeds"),
        Column("solved", True, "share of the frames that the simulator counts as solved"),
        Column("precision", True, "share of the frames predicted as solved that are solved"),
        Column("recall", True, "share of the solved frames that are predicted as solved"),
        Column("false positive rate", True, "share of the unsolved frames that are predicted as solved"),
        Column("false positives", True, "number of unsolved frames that are predicted as solved"),
    ]
    rows = [
        [Cell(short(task)), Cell(group.label), *_head_cells(head_errors(runs))]
        for group in found.study.learned()
        for task, runs in group.by_task.items()
    ]
    return [Paragraph(sentence), Table(columns, rows, "errors of the success head")]


def _head_cells(errors: HeadErrors) -> list[Cell]:
    done = errors.true_positive + errors.false_negative
    return [
        number(errors.frames, 0),
        number(done / errors.frames if errors.frames else float("nan"), 3),
        number(errors.precision, 3),
        number(errors.recall, 3),
        number(errors.false_positive_rate, 4),
        number(errors.false_positive, 0),
    ]


def _share(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "not defined"


def summary_csv(found: Analysis) -> str:
    """The finished runs as CSV with the columns of `SUMMARY`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SUMMARY)
    for run in found.study.runs:
        config, result, alarm = run.config, run.result, found.alarms[run.id]
        learned = config.reward == "robometer"
        flagged = int(alarm.flagged) if alarm.verdict in ("flagged", "clear") else ""
        writer.writerow(
            [
                run.id, config.env, config.algo, config.reward, config.shaping if learned else "",
                config.seed, f"{run.measured[-1]:g}", f"{run.measured.max():g}", result.env_steps,
                int(result.solved), f"{result.wall_s:g}", flagged, run.judged_by,
            ]
        )  # fmt: skip
    return text.getvalue()


def task_markdown(found: Analysis) -> str:
    """Final true success by task and group as a Markdown table, with the aggregates below.

    Args:
        found: What was found.

    Returns:
        Markdown without a closing line break.
    """
    groups = found.study.groups
    rows = [
        f"| task | {' | '.join(_in_markdown(group.label) for group in groups)} |",
        "|---" * (len(groups) + 1) + "|",
    ]
    for task in found.study.tasks:
        cells = (_markdown_cell(group, task) for group in groups)
        rows.append(f"| {short(task)} | {' | '.join(cells)} |")
    common = plural(len(found.study.common_tasks), "common task")
    for aggregates, over in ((found.aggregates, ""), (found.shared, f", {common}")):
        for name, title in (("iqm", "IQM"), ("mean", "mean"), ("area", "mean over training")):
            if aggregates:
                shown = {one.group.label: _markdown_aggregate(one, name) for one in aggregates}
                cells = (shown.get(group.label, "") for group in groups)
                rows.append(f"| **{title}{over}** [95% interval] | {' | '.join(cells)} |")
    return "\n".join(rows)


def _in_markdown(label: str) -> str:
    """A label as the cell of a Markdown table, which a bar or a line break would end."""
    return " ".join(label.split()).replace("|", r"\|")


def _markdown_aggregate(one: Aggregate, name: str) -> str:
    interval: Interval = getattr(one, name)
    point, low, high = (float(bound[0]) for bound in (interval.point, interval.low, interval.high))
    bounds = f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""
    partly = f" ({plural(len(one.tasks), 'task')})" if len(one.tasks) < one.wanted else ""
    return f"**{point:.2f}**{bounds}{partly}"


def _markdown_cell(group: Group, task: str) -> str:
    runs = group.by_task.get(task, [])
    if not runs:
        return ""
    finals = [float(run.measured[-1]) for run in runs]
    each: Sequence[str] = [f"{final:.2f}" for final in finals]
    return f"{np.mean(finals):.2f} ({', '.join(each)})"


def fill_benchmark(text: str, markdown: str, study: str, name: str = "the file") -> str:
    """Puts a study's table between `<!-- benchmark STUDY -->` and the next `<!-- end -->`.

    Args:
        text: Markdown of a file, which may hold places for other studies too.
        markdown: The table.
        study: Name of the study: of the folder that holds its runs.
        name: Of the file, for errors.

    Returns:
        The text with the table in place.

    Raises:
        ValueError: The markers are missing, there are two of them, or another marker stands between.
    """
    marker = f"<!-- benchmark {study} -->"
    filled, places = fill_marked(text, {f"benchmark {study}": markdown})
    if places != 1 or text.count(marker) != 1:
        raise ValueError(
            f"{name} must hold a line `{marker}` once and a line `<!-- end -->` below it, with "
            f"nothing but the table between; found {text.count(marker)} of the first"
        )
    return filled
