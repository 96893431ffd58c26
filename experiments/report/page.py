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
    Heading,
    Pair,
    Paragraph,
    Section,
    Table,
    VideoPlayer,
    number,
    share,
)
from .figures import colour_of
from .html import page
from .statistics import Aggregate, head_errors
from .study import Group, short
from .tables import alarm_table, head_errors_blocks, run_table
from .text import (
    ALARM_CAVEATS,
    ALARM_RULE,
    HEAD_CAVEATS,
    alarm_verdict,
    cost_caveats,
    glossary,
    headline_truth,
    labels,
    measured,
    names,
    own_tasks,
    plural,
    quoted,
    result_caveats,
    task_names,
    truths,
)
from .videos import Clip, commands_for, not_kept

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
        pictures: File name -> PNG, of `analysis.figures`.
        clips: Videos to show, and those that are left out for their size.
        command: The command that makes the page again.
        today: The date it shows.

    Returns:
        One HTML file that needs no other.
    """
    sections = [
        Section("results", "Results", _results(found, pictures)),
        Section("tasks", "Results by task", _tasks(found, pictures)),
        Section("alarm", f"Learned return against {_one_unit(found)}", _alarm(found, pictures)),
        Section("head", "Errors of the success head", _head(found)),
        Section("videos", "Videos", _videos(found, clips)),
        Section("cost", "Wall time", _cost(found)),
        Section("runs", "All runs", _runs(found)),
        Section("repeat", "How to reproduce", _repeat(found, command)),
        Section("glossary", "Terms", [Definitions(glossary(found))]),
    ]
    title = f"Learned reward against {found.study.measure}: {found.study.path.name}"
    return page(title, _head_of_page(found, pictures, today), sections)


def _numbered(caveats: Sequence[str]) -> list[Block]:
    """Caveats below a table."""
    return [Heading("Caveats"), Bullets(caveats, numbered=True, css="caveats")]


def _label(group: Group) -> Cell:
    """The name of a group with its colour."""
    return Cell(group.label, colour=colour_of(group))


def _head_of_page(found: Analysis, pictures: Pictures, today: date) -> list[Block]:
    clean, line = headline_truth(found)
    side: list[Block] = [Bullets(_findings(found), css="findings")]
    if "sample_efficiency.png" in pictures:
        measure = found.study.measure
        caption = (
            f"Sample efficiency: the IQM of {measure} over seeds and tasks during training. The bands are "
            "95% intervals."
        )
        alt = f"{_first_up(measure)} over environment steps"
        side.append(Figure(pictures["sample_efficiency.png"], alt, caption))
    return [
        Paragraph(f"{found.study.path.name}, {today.isoformat()}. {measured(found)}"),
        Paragraph(line, "verdict good" if clean else "verdict bad"),
        Paragraph(f"Ground truth by group, as the runs recorded it. {truths(found.study.groups)}", "muted"),
        Pair(side),
    ]


def _findings(found: Analysis) -> list[str]:
    """The results in a few sentences."""
    measure = found.study.measure
    lines = [
        f"{one.label}: IQM of {measure} {share(one.iqm).shown}, mean {share(one.mean).shown}, over "
        f"{plural(len(one.runs), 'run')} on {plural(len(one.tasks), 'task')}."
        for one in sorted(found.aggregates, key=lambda one: -len(one.runs))[:FINDINGS]
    ]
    sparse = {group.label for group in found.study.groups if group.reward == "sparse"}
    against = [one for one in found.improvements if one.than in sparse]
    lines += [
        f"The probability that a run of {one.better} ends with a higher {measure} than a run of "
        f"{one.than} is {share(one.probability).shown}, on {plural(one.tasks, 'common task')}."
        for one in sorted(against, key=lambda one: -one.tasks)[:FINDINGS]
    ]
    if max(len(found.aggregates), len(against)) > FINDINGS:
        lines.append("The other groups are in the tables below.")
    if found.learned_runs:
        which = "; ".join(found.name_of(run) for run in found.flagged)
        lines.append(f"Reward hacking: {alarm_verdict(found)}{f' Flagged: {which}.' if which else ''}")
    if found.study.left_out:
        missing = plural(len(found.study.left_out), "run")
        lines.append(f"These numbers leave out {missing}, listed under {quoted('All runs')}.")
    return lines


def _one_unit(found: Analysis) -> str:
    """What single runs are judged by."""
    units = {"true success": "true success", "normalised return": "return"}
    return units.get(found.study.measure, "true success or return")


def _first_up(words: str) -> str:
    return words[0].upper() + words[1:]


def _aggregate_table(found: Analysis, aggregates: Sequence[Aggregate], where: str = "") -> Table:
    measure = found.study.measure
    columns = [
        Column("group"),
        Column("tasks", True),
        Column("runs", True, "number of seeds, summed over tasks"),
        Column("IQM [95%]", True, f"interquartile mean of the final {measure}"),
        Column("mean [95%]", True, f"mean over tasks of the final {measure}"),
        Column("mean of best", True, "mean of each run's best evaluation, which is biased upwards"),
        Column("mean over training", True, f"{measure} averaged over training (area under the curve)"),
        Column("mean at last step", True, "the task must be solved at the last step of the episode"),
    ]
    rows = [
        [
            _label(one.group),
            number(len(one.tasks), 0),
            number(len(one.runs), 0),
            *(share(interval) for interval in (one.iqm, one.mean, one.best, one.area)),
            number(float("nan")) if one.last_step is None else share(one.last_step),
        ]
        for one in aggregates
    ]
    return Table(columns, rows, f"{measure} by group{where}")


def _improvement_table(found: Analysis) -> Table:
    columns = [
        Column("group"),
        Column("against"),
        Column("tasks", True, "number of common tasks"),
        Column("probability of a higher end [95%]", True, "a tie counts as one half"),
    ]
    rows = [
        [Cell(one.better), Cell(one.than), number(one.tasks, 0), share(one.probability)]
        for one in found.improvements
    ]
    return Table(columns, rows, "probability of improvement")


def _results(found: Analysis, pictures: Pictures) -> list[Block]:
    main, common = found.study.main_tasks, found.study.common_tasks
    blocks: list[Block] = [_aggregate_table(found, found.aggregates)]
    lacking = [one.group for one in found.aggregates if len(one.tasks) < one.wanted]
    measure = found.study.measure
    note = f"Final {measure} on {task_names(main)}."
    if lacking:
        note += (
            f" Some of these tasks have no runs of {labels(lacking)}. Compare groups on common tasks only."
        )
    note += (
        f" Brackets hold 95% intervals from {found.resamples:,} stratified bootstrap resamples with seed "
        f"{found.seed}."
    )
    blocks += [Paragraph(note, "muted"), *_numbered(result_caveats(found))]
    if found.shared:
        blocks.append(Heading(f"On the {plural(len(common), 'task')} that all groups have"))
        blocks.append(_aggregate_table(found, found.shared, ", common tasks"))
        blocks.append(Paragraph(f"Final {measure} on {task_names(common)}.", "muted"))
    if found.own:
        blocks.append(Heading("Each group on all its tasks"))
        blocks.append(_aggregate_table(found, found.own, ", own tasks"))
    if found.improvements:
        blocks += [Heading("Probability of improvement"), _improvement_table(found)]
    intervals = Figure(
        pictures["aggregates.png"],
        f"IQM and mean of {measure} by group, with 95% intervals",
        f"Final {measure} by group, on the tasks of the first table. A marker is the estimate, a bar its "
        "95% interval.",
    )
    profiles = Figure(
        pictures["profiles.png"],
        "Performance profile by group",
        f"Performance profiles: the share of runs with a final {measure} above each threshold. The bands "
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
            finals = [float(run.measured[-1]) for run in group.by_task.get(task, [])]
            each = ", ".join(f"{value:.2f}" for value in finals)
            mean = float(np.mean(finals)) if finals else float("nan")
            cells.append(Cell(f"{mean:.2f} ({each})", mean) if finals else number(mean))
        rows.append(cells)
    measured_in = _one_unit(found)
    unit = _first_up(measured_in)
    caption = (
        f"{unit} over environment steps. A thin line is one run. A thick line is the mean of the runs "
        "of a group. A diamond marks a run that stopped because it was solved. Its last evaluation is "
        "repeated to the end (dotted)."
    )
    return [
        Table(columns, rows, f"final {_one_unit(found)} by task and group"),
        Paragraph(
            f"Final {_one_unit(found)}: the mean over seeds, followed by each seed in brackets.", "muted"
        ),
        Bullets(own_tasks(found)),
        Figure(pictures["tasks.png"], f"{unit} over environment steps by task", caption, wide=True),
    ]


def _alarm(found: Analysis, pictures: Pictures) -> list[Block]:
    if not found.learned_runs:
        return []
    caption = (
        "Each line is a run, from its first evaluation (hollow marker) to its last (filled marker). Both "
        "values rise if the learned reward leads to the task. Only the learned return rises if the agent "
        "exploits the learned reward."
    )
    unit = _first_up(_one_unit(found))
    figure = Figure(pictures["returns.png"], f"{unit} over learned return by task", caption, wide=True)
    if all(found.alarms[run.id].verdict == "no success" for run in found.learned_runs):
        return [Paragraph(alarm_verdict(found)), figure]
    blocks: list[Block] = [
        Paragraph(alarm_verdict(found), "verdict bad" if found.flagged else "verdict good"),
        Paragraph(ALARM_RULE),
        figure,
    ]
    if "alarms.png" in pictures:
        alt = "Learned return and true success"
        caption = "Learned return and true success of the flagged runs during training."
        blocks.append(Figure(pictures["alarms.png"], alt, caption, wide=True))
    return [*blocks, alarm_table(found), *_numbered(ALARM_CAVEATS)]


def _head(found: Analysis) -> list[Block]:
    counted = head_errors(found.learned_runs).frames > 0  # none where success is unknown
    return [*head_errors_blocks(found), *_numbered(HEAD_CAVEATS)] if counted else []


def _videos(found: Analysis, clips: Clips) -> list[Block]:
    if not found.learned_runs:
        return []
    shown, left_out = clips
    root, missing = found.study.path, not_kept(found)
    blocks: list[Block] = []
    if shown:
        legend = (
            "The curves below each frame are the predicted progress (blue) and success (green). A pale green "
            "background marks the frames that the simulator counts as solved."
        )
        players = [VideoPlayer(clip.path.read_bytes(), clip.caption) for clip in shown]
        blocks += [Paragraph(legend), Pair(players, "videos")]
    if left_out:
        blocks.append(Paragraph("These videos are left out to limit the size of the page:", "muted"))
        blocks.append(Bullets([f"{clip.path.relative_to(root)}: {clip.caption}" for clip in left_out]))
    if missing:
        why = (
            f"{plural(len(missing), 'video')} {'is' if len(missing) == 1 else 'are'} not stored with the "
            "runs. The commands below train these runs again in a new folder, record the videos and show "
            "them on a page of their own. Their results differ from those on this page if the installed "
            f"reward model has other weights than those under {quoted('How to reproduce')}."
        )
        blocks.append(Heading("Videos that are not stored"))
        blocks += [Paragraph(why), Bullets([clip.caption for clip in missing])]
        blocks.append(Commands(commands_for(missing, root), "commands-videos"))
    return blocks or [Paragraph("The runs have no videos.", "muted")]


def _cost(found: Analysis) -> list[Block]:
    columns = [
        Column("task"),
        Column("group"),
        Column("s per 100,000 steps", True, "mean over seeds, training and evaluation"),
        Column("lowest", True, "fastest seed"),
        Column("highest", True, "slowest seed"),
        Column(
            "relative to sparse", True, "wall time divided by the mean of the sparse runs, median over seeds"
        ),
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
                f"{group.label}: {np.median(every):.2f} times the wall time of the sparse runs on the same "
                f"task with the same algorithm (median of {plural(len(every), 'run')}, range "
                f"{every.min():.2f} to {every.max():.2f})."
            )
    machines = names(sorted({run.result.machine for run in found.study.runs}))
    note = Paragraph(f"Wall time of training and evaluation, measured on {machines}.", "muted")
    return [Bullets(lines), Table(columns, rows, "wall time"), note, *_numbered(cost_caveats(found))]


def _runs(found: Analysis) -> list[Block]:
    blocks: list[Block] = [run_table(found)]
    if found.study.left_out:
        blocks.append(Heading("Runs that are left out"))
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
    facts = [f"Seeds of the runs: {seeds}.", f"Seed of the bootstrap: {found.seed}.", f"Machine: {machines}."]
    weights = sorted({run.result.weights for run in found.learned_runs if run.result.weights})
    if weights:
        facts.append(f"Weights of the reward model: {names(weights)} (the first digits of their SHA-256).")
    if resumed:
        verb = "was" if resumed == 1 else "were"
        facts.append(f"{resumed} of {plural(len(runs), 'run')} {verb} interrupted and resumed.")
    return [
        Bullets(facts),
        Heading("Runs"),
        Commands(sorted({run.result.command for run in runs}), "commands-runs"),
        Heading("This page"),
        Commands([command], "commands-page"),
        Heading("Versions"),
        Table([Column("package"), Column("version")], rows, "versions"),
    ]
