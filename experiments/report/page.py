"""The page of `report`: its sections, from what `Analysis` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape

import numpy as np

from .analysis import Analysis
from .figures import colour_of
from .html import Cell, Column, Raw, commands, figure, number, page, share, table, video
from .statistics import Aggregate
from .study import Group, short
from .tables import alarm_table, head_table, run_table
from .text import (
    ALARM_RULE,
    GLOSSARY,
    alarm_verdict,
    caveats,
    headline_truth,
    labels,
    measured,
    names,
    plural,
    task_names,
    truths,
)
from .videos import Clip

__all__ = ["render"]

FINDINGS = 4
"""Groups and comparisons that the head of the page names; the tables have them all."""

Pictures = Mapping[str, bytes]
Clips = tuple[Sequence[Clip], Sequence[Clip]]
"""Shown, and left out."""


def render(found: Analysis, pictures: Pictures, clips: Clips, command: str, today: date) -> str:
    """Writes the page.

    Args:
        found: What was found.
        pictures: File name -> PNG, of `report_analysis.figures`.
        clips: Videos to show, and those that are left out for their size.
        command: The command that makes the page again.
        today: The date it shows.

    Returns:
        One HTML file that needs no other.
    """
    sections = [
        ("results", "Results", _results(found, pictures)),
        ("tasks", "Task by task", _tasks(found, pictures)),
        ("alarm", "Learned return against true success", _alarm(found, pictures)),
        ("head", "Errors of the success head", _head(found)),
        ("videos", "Videos", _videos(found, clips)),
        ("cost", "Cost", _cost(found)),
        ("runs", "Every run", _runs(found)),
        ("repeat", "How to repeat it", _repeat(found, command)),
        ("glossary", "What the words mean", _glossary()),
        ("caveats", "Caveats", _caveats(found)),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title, _ in sections)
    parts = [
        f"<header>\n{_head_of_page(found, pictures, today)}\n</header>",
        f'<nav aria-label="sections"><ul>{links}</ul></nav>',
        *(f'<section id="{key}">\n<h2>{title}</h2>\n{html}\n</section>' for key, title, html in sections),
    ]
    return page(f"Learned reward against true success: {found.study.path.name}", "\n".join(parts))


def _paragraph(text: str, css: str = "") -> str:
    return f"<p{f' class={chr(34)}{css}{chr(34)}' if css else ''}>{escape(text)}</p>"


def _list(items: Sequence[str], tag: str = "ul", css: str = "") -> str:
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<{tag}{f' class={chr(34)}{css}{chr(34)}' if css else ''}>{rows}</{tag}>"


def _label(group: Group) -> Cell:
    """The name of a group with its colour."""
    swatch = f'<span class="swatch" style="background:{colour_of(group)}"></span>'
    return Cell(Raw(swatch + escape(group.label)), group.label)


def _head_of_page(found: Analysis, pictures: Pictures, today: date) -> str:
    clean, line = headline_truth(found)
    findings = _list(_findings(found), css="findings")
    curve = ""
    if "sample_efficiency.png" in pictures:
        caption = (
            "Sample efficiency: IQM of true success over seeds and tasks along training; the bands are 95% "
            "intervals."
        )
        curve = figure(pictures["sample_efficiency.png"], "True success over environment steps", caption)
    return "\n".join(
        [
            "<h1>Learned reward against true success</h1>",
            _paragraph(f"{found.study.path.name}, {today.isoformat()}. {measured(found)}"),
            _paragraph(line, f"verdict {'good' if clean else 'bad'}"),
            _paragraph(f"Ground truth by group. {truths(found.study.groups)}", "muted"),
            f'<div class="pair"><div>{findings}</div>{curve}</div>',
        ]
    )


def _findings(found: Analysis) -> list[str]:
    """The results in a few sentences."""
    lines = [
        f"{one.label}: IQM of true success {share(one.iqm).shown}, mean {share(one.mean).shown}, over "
        f"{plural(len(one.runs), 'run')} on {plural(len(one.tasks), 'task')}."
        for one in sorted(found.aggregates, key=lambda one: -len(one.runs))[:FINDINGS]
    ]
    sparse = {group.label for group in found.study.groups if group.reward == "sparse"}
    against = [one for one in found.improvements if one.than in sparse]
    lines += [
        f"A run of {one.better} ends above one of {one.than} with probability {share(one.probability).shown} "
        f"on the {plural(one.tasks, 'task')} that both have."
        for one in sorted(against, key=lambda one: -one.tasks)[:FINDINGS]
    ]
    if max(len(found.aggregates), len(against)) > FINDINGS:
        lines.append("The other groups are in the tables below.")
    if found.learned_runs:
        which = "; ".join(found.name_of(run) for run in found.flagged)
        verdict = alarm_verdict(found).replace("None", "none", 1)
        lines.append(f"Reward-hacking alarm: {verdict}{f' Look at {which}.' if which else ''}")
    if found.study.left_out:
        missing = plural(len(found.study.left_out), "run")
        lines.append(f"Not in these numbers: {missing}, listed under \N{LEFT DOUBLE QUOTATION MARK}Every "
                     "run\N{RIGHT DOUBLE QUOTATION MARK}.")  # fmt: skip
    return lines


def _aggregate_table(aggregates: Sequence[Aggregate], label: str) -> str:
    columns = [
        Column("group"),
        Column("tasks", True),
        Column("runs", True, "seeds, summed over tasks"),
        Column("IQM [95%]", True, "interquartile mean of the final scores"),
        Column("mean [95%]", True, "mean over tasks of the final scores"),
        Column("mean of best", True, "of each run's best evaluation: biased upwards"),
        Column("mean over training", True, "area under the curve: what is solved sooner has more"),
        Column("mean at last step", True, "the task must be done at the very end of the episode"),
    ]
    rows = [
        [
            _label(one.group),
            number(len(one.tasks), 0),
            number(len(one.runs), 0),
            *(share(interval) for interval in (one.iqm, one.mean, one.best, one.area, one.last_step)),
        ]
        for one in aggregates
    ]
    return table(columns, rows, label)


def _improvement_table(found: Analysis) -> str:
    columns = [
        Column("group"),
        Column("against"),
        Column("tasks", True, "that both have"),
        Column("ends higher with probability [95%]", True, "ties count half"),
    ]
    rows = [
        [Cell(one.better), Cell(one.than), number(one.tasks, 0), share(one.probability)]
        for one in found.improvements
    ]
    return table(columns, rows, "probability of improvement")


def _results(found: Analysis, pictures: Pictures) -> str:
    main, common = found.study.main_tasks, found.study.common_tasks
    parts = [_aggregate_table(found.aggregates, "true success by group")]
    lacking = [one.group for one in found.aggregates if len(one.tasks) < one.wanted]
    note = f"Over {task_names(main)}."
    if lacking:
        note += (
            f" Not all of these tasks were run for {labels(lacking)}: compare only on the tasks in common."
        )
    note += f" 95% intervals: {found.resamples:,} stratified bootstrap resamples, seed {found.seed}."
    parts.append(_paragraph(note, "muted"))
    if found.shared:
        parts.append(f"<h3>On the {plural(len(common), 'task')} that all groups have</h3>")
        parts.append(_aggregate_table(found.shared, "true success by group, common tasks"))
        parts.append(_paragraph(f"Over {task_names(common)}.", "muted"))
    if found.own:
        parts.append("<h3>Each group on all of its own tasks</h3>")
        parts.append(_aggregate_table(found.own, "true success by group, own tasks"))
    if found.improvements:
        parts += ["<h3>Probability of improvement</h3>", _improvement_table(found)]
    intervals = figure(
        pictures["aggregates.png"],
        "IQM and mean of true success by group, with 95% intervals",
        "Final true success by group: estimate and 95% interval, over the tasks of the first table.",
    )
    profiles = figure(
        pictures["profiles.png"],
        "Performance profile by group",
        "Performance profile: share of runs whose final true success lies above each threshold; the bands "
        "are 95% intervals.",
    )
    parts.append(f'<div class="pair">{intervals}{profiles}</div>')
    return "\n".join(parts)


def _tasks(found: Analysis, pictures: Pictures) -> str:
    study = found.study
    columns = [Column("task"), *(Column(group.label, True) for group in study.groups)]
    rows = []
    for task in study.tasks:
        cells = [Cell(short(task))]
        for group in study.groups:
            finals = [run.final for run in group.by_task.get(task, [])]
            each = ", ".join(f"{value:.2f}" for value in finals)
            mean = float(np.mean(finals)) if finals else float("nan")
            cells.append(Cell(f"{mean:.2f} ({each})", mean) if finals else number(mean))
        rows.append(cells)
    caption = (
        "True success over environment steps. Thin: one run; bold: mean of a group's runs. A diamond: the "
        "run stopped as solved, and its last evaluation is held (dotted)."
    )
    return "\n".join(
        [
            table(columns, rows, "final true success by task and group"),
            _paragraph("Final true success: mean over seeds, in brackets seed by seed.", "muted"),
            figure(pictures["tasks.png"], "True success over environment steps by task", caption, wide=True),
        ]
    )


def _alarm(found: Analysis, pictures: Pictures) -> str:
    if not found.learned_runs:
        return ""
    caption = (
        "One line a run, from its first evaluation (hollow) to its last. A reward that leads to the task "
        "goes up to the right; a run that is paid for nothing creeps along the floor."
    )
    alt = "Learned return against true success by task"
    parts = [
        _paragraph(alarm_verdict(found), f"verdict {'bad' if found.flagged else 'good'}"),
        _paragraph(ALARM_RULE),
        figure(pictures["returns.png"], alt, caption, wide=True),
    ]
    if "alarms.png" in pictures:
        caption = "Flagged runs along training."
        parts.append(figure(pictures["alarms.png"], "Learned return and true success", caption, wide=True))
    parts.append(alarm_table(found))
    return "\n".join(parts)


def _head(found: Analysis) -> str:
    return head_table(found) if found.learned_runs else ""


def _videos(found: Analysis, clips: Clips) -> str:
    shown, left_out = clips
    if not shown and not left_out:
        return _paragraph("No run left videos behind.", "muted") if found.learned_runs else ""
    parts = [
        _paragraph(
            "The model's progress (blue) and success (green) under each frame; a pale green ground marks the "
            "frames where the task truly is done."
        ),
        '<div class="videos">',
        *(video(clip.path.read_bytes(), clip.caption) for clip in shown),
        "</div>",
    ]
    if left_out:
        parts.append(_paragraph("Left out, so that the page stays small:", "muted"))
        root = found.study.path
        parts.append(_list([f"{clip.path.relative_to(root)}: {clip.caption}" for clip in left_out]))
    return "\n".join(parts)


def _cost(found: Analysis) -> str:
    columns = [
        Column("task"),
        Column("group"),
        Column("s per 100,000 steps", True, "mean over seeds; training and evaluation"),
        Column("lowest", True),
        Column("highest", True),
        Column("over sparse", True, "median over seeds of the time over the mean of the sparse runs"),
    ]
    rows = [
        [
            Cell(short(one.task)),
            Cell(one.label),
            *(number(float(f(one.seconds)), 0) for f in (np.mean, np.min, np.max)),
            number(float(np.median(one.ratios)) if len(one.ratios) else float("nan")),
        ]
        for one in found.costs
    ]
    lines = []
    for group in found.study.learned():
        ratios = [one.ratios for one in found.costs if one.label == group.label and len(one.ratios)]
        if ratios:
            every = np.concatenate(ratios)
            lines.append(
                f"{group.label}: {np.median(every):.2f} times the wall time of the sparse runs (median over "
                f"{plural(len(every), 'run')}; {every.min():.2f} to {every.max():.2f}), per 100,000 "
                "environment steps on the same task with the same learner."
            )
    machines = names(sorted({run.result.machine for run in found.study.runs}))
    note = _paragraph(f"Wall time of training and evaluation on {machines}.", "muted")
    return "\n".join([_list(lines) if lines else "", table(columns, rows, "wall time"), note])


def _runs(found: Analysis) -> str:
    parts = [run_table(found)]
    if found.study.left_out:
        parts.append("<h3>Not in the numbers</h3>")
        parts.append(_list([f"{one.id}: {one.why}" for one in found.study.left_out]))
    return "\n".join(parts)


def _repeat(found: Analysis, command: str) -> str:
    runs = found.study.runs
    versions: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.result.versions.items():
            versions.setdefault(name, set()).add(version)
    rows = [[Cell(name), Cell(", ".join(sorted(found_)))] for name, found_ in sorted(versions.items())]
    seeds = ", ".join(str(seed) for seed in sorted({run.config.seed for run in runs}))
    machines = names(sorted({run.result.machine for run in runs}))
    resumed = sum(run.result.sessions > 1 for run in runs)
    facts = [f"Seeds: {seeds}. Bootstrap: seed {found.seed}.", f"Machine: {machines}."]
    if resumed:
        facts.append(f"{plural(resumed, 'run')} of {len(runs)} were interrupted and resumed.")
    return "\n".join(
        [
            _list(facts),
            "<h3>The runs</h3>",
            commands(sorted({run.result.command for run in runs}), "commands-runs"),
            "<h3>This page</h3>",
            commands([command], "commands-page"),
            "<h3>Versions</h3>",
            table([Column("package"), Column("version")], rows, "versions"),
        ]
    )


def _glossary() -> str:
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in GLOSSARY.items())}</dl>"


def _caveats(found: Analysis) -> str:
    return _list(caveats(found), "ol")
