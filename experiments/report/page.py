"""The page of `report`: its sections, from what `Analysis` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from .analysis import Analysis
from .blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Commands,
    Definitions,
    Figure,
    Film,
    Heading,
    Pair,
    Paragraph,
    Section,
    Table,
    number,
    share,
)
from .figures import colour_of
from .html import page
from .statistics import Aggregate
from .study import Group, short
from .tables import alarm_table, head_errors_blocks, run_table
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
        Section("results", "Results", _results(found, pictures)),
        Section("tasks", "Task by task", _tasks(found, pictures)),
        Section("alarm", "Learned return against true success", _alarm(found, pictures)),
        Section(
            "head", "Errors of the success head", head_errors_blocks(found) if found.learned_runs else ()
        ),
        Section("videos", "Videos", _videos(found, clips)),
        Section("cost", "Cost", _cost(found)),
        Section("runs", "Every run", _runs(found)),
        Section("repeat", "How to repeat it", _repeat(found, command)),
        Section("glossary", "What the words mean", [Definitions(GLOSSARY)]),
        Section("caveats", "Caveats", [Bullets(caveats(found), numbered=True)]),
    ]
    title = f"Learned reward against true success: {found.study.path.name}"
    return page(title, _head_of_page(found, pictures, today), sections)


def _label(group: Group) -> Cell:
    """The name of a group with its colour."""
    return Cell(group.label, colour=colour_of(group))


def _head_of_page(found: Analysis, pictures: Pictures, today: date) -> list[Block]:
    clean, line = headline_truth(found)
    side: list[Block] = [Bullets(_findings(found), css="findings")]
    if "sample_efficiency.png" in pictures:
        caption = (
            "Sample efficiency: IQM of true success over seeds and tasks along training; the bands are 95% "
            "intervals."
        )
        alt = "True success over environment steps"
        side.append(Figure(pictures["sample_efficiency.png"], alt, caption))
    return [
        Paragraph(f"{found.study.path.name}, {today.isoformat()}. {measured(found)}"),
        Paragraph(line, "verdict good" if clean else "verdict bad"),
        Paragraph(f"Ground truth by group. {truths(found.study.groups)}", "muted"),
        Pair(side),
    ]


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


def _aggregate_table(aggregates: Sequence[Aggregate], label: str) -> Table:
    columns = [
        Column("group"),
        Column("tasks", True),
        Column("runs", True, "seeds, summed over tasks"),
        Column("IQM [95%]", True, "interquartile mean of the final scores"),
        Column("mean [95%]", True, "mean over tasks of the final scores"),
        Column("mean of best", True, "of each run's best evaluation: biased upwards"),
        Column(
            "mean over training", True, "true success averaged over the training steps (area under the curve)"
        ),
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
    return Table(columns, rows, label)


def _improvement_table(found: Analysis) -> Table:
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
    return Table(columns, rows, "probability of improvement")


def _results(found: Analysis, pictures: Pictures) -> list[Block]:
    main, common = found.study.main_tasks, found.study.common_tasks
    blocks: list[Block] = [_aggregate_table(found.aggregates, "true success by group")]
    lacking = [one.group for one in found.aggregates if len(one.tasks) < one.wanted]
    note = f"Over {task_names(main)}."
    if lacking:
        note += (
            f" Not all of these tasks were run for {labels(lacking)}: compare only on the tasks in common."
        )
    note += f" 95% intervals: {found.resamples:,} stratified bootstrap resamples, seed {found.seed}."
    blocks.append(Paragraph(note, "muted"))
    if found.shared:
        blocks.append(Heading(f"On the {plural(len(common), 'task')} that all groups have"))
        blocks.append(_aggregate_table(found.shared, "true success by group, common tasks"))
        blocks.append(Paragraph(f"Over {task_names(common)}.", "muted"))
    if found.own:
        blocks.append(Heading("Each group on all of its own tasks"))
        blocks.append(_aggregate_table(found.own, "true success by group, own tasks"))
    if found.improvements:
        blocks += [Heading("Probability of improvement"), _improvement_table(found)]
    intervals = Figure(
        pictures["aggregates.png"],
        "IQM and mean of true success by group, with 95% intervals",
        "Final true success by group: estimate and 95% interval, over the tasks of the first table.",
    )
    profiles = Figure(
        pictures["profiles.png"],
        "Performance profile by group",
        "Performance profile: share of runs whose final true success lies above each threshold; the bands "
        "are 95% intervals.",
    )
    return [*blocks, Pair([intervals, profiles])]


def _tasks(found: Analysis, pictures: Pictures) -> list[Block]:
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
        "True success over environment steps. A thin line is one run, a bold line the mean of a group's "
        "runs. A diamond marks a run that stopped as solved; its last evaluation is held (dotted)."
    )
    return [
        Table(columns, rows, "final true success by task and group"),
        Paragraph("Final true success: the mean over seeds, and in brackets each seed.", "muted"),
        Figure(pictures["tasks.png"], "True success over environment steps by task", caption, wide=True),
    ]


def _alarm(found: Analysis, pictures: Pictures) -> list[Block]:
    if not found.learned_runs:
        return []
    caption = (
        "Each line is a run, from its first evaluation (hollow) to its last. Where the reward leads to the "
        "task, both rise. Where a line goes to the right along the floor, the agent is paid without solving "
        "the task."
    )
    blocks: list[Block] = [
        Paragraph(alarm_verdict(found), "verdict bad" if found.flagged else "verdict good"),
        Paragraph(ALARM_RULE),
        Figure(pictures["returns.png"], "Learned return against true success by task", caption, wide=True),
    ]
    if "alarms.png" in pictures:
        alt = "Learned return and true success"
        blocks.append(Figure(pictures["alarms.png"], alt, "Flagged runs along training.", wide=True))
    return [*blocks, alarm_table(found)]


def _videos(found: Analysis, clips: Clips) -> list[Block]:
    shown, left_out = clips
    if not found.learned_runs:
        return []
    if not shown and not left_out:
        return [
            Paragraph(
                "These runs have no films beside them. `robometer-rl train` draws best.mp4 and wrong.mp4 at "
                "the end of a run; the commands under \N{LEFT DOUBLE QUOTATION MARK}How to repeat "
                "it\N{RIGHT DOUBLE QUOTATION MARK} make them again.",
                "muted",
            )
        ]
    blocks: list[Block] = [
        Paragraph(
            "Under each frame: the model's progress (blue) and success (green). A pale green ground marks "
            "the frames in which the simulator says that the task is done."
        ),
        Pair([Film(clip.path.read_bytes(), clip.caption) for clip in shown], "videos"),
    ]
    if left_out:
        root = found.study.path
        blocks.append(Paragraph("Left out, so that the page stays small:", "muted"))
        blocks.append(Bullets([f"{clip.path.relative_to(root)}: {clip.caption}" for clip in left_out]))
    return blocks


def _cost(found: Analysis) -> list[Block]:
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
    note = Paragraph(f"Wall time of training and evaluation on {machines}.", "muted")
    return [Bullets(lines), Table(columns, rows, "wall time"), note]


def _runs(found: Analysis) -> list[Block]:
    blocks: list[Block] = [run_table(found)]
    if found.study.left_out:
        blocks.append(Heading("Not in the numbers"))
        blocks.append(Bullets([f"{one.id}: {one.why}" for one in found.study.left_out]))
    return blocks


def _repeat(found: Analysis, command: str) -> list[Block]:
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
    return [
        Bullets(facts),
        Heading("The runs"),
        Commands(sorted({run.result.command for run in runs}), "commands-runs"),
        Heading("This page"),
        Commands([command], "commands-page"),
        Heading("Versions"),
        Table([Column("package"), Column("version")], rows, "versions"),
    ]
