"""`robometer-rl calibrate`: sets the success threshold of each task from recorded episodes.

The copy of the checkpoint that it writes has the same weights. The wrappers read the thresholds there with
`success_threshold="auto"`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import checking_input
from robometer_rl.rewards.compact.checkpoint import copy_with_thresholds, load_checkpoint
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.protocol import TaskThreshold
from robometer_rl.rewards.thresholds import CONFIDENCE, false_alarm_bound
from robometer_rl.rewards.training.sampling import TaskText

from ..common.files import write_json
from ..episodes import list_episodes, task_of
from .dataset import checkpoint_folder, read_sentences, task_texts
from .task_thresholds import (
    Detection,
    EpisodePeak,
    best_threshold,
    detections,
    score_peaks,
    set_thresholds,
)

__all__ = ["CalibrateConfig", "calibrate_tasks", "main"]

FIXED = {"0.5": 0.5, "0.65": 0.65}
"""Thresholds that other reward models use for every task."""
COLUMNS = {
    "auto": "the task's own",
    "0.5": "fixed",
    "0.65": "fixed",
    "general": "the model's general one",
    "best for all": "the one for all tasks with the best mean F1 on the episodes of --data",
    "best per task": "of each task the one with the best F1 on the episodes of --data",
    "upper bound": "of each task the one with the best F1 on the very episodes of the table",
}
"""What is compared in the table."""


@dataclass(frozen=True)
class CalibrateConfig:
    """What to calibrate, on what."""

    model: Path = Path("compact")
    """Checkpoint folder; "compact" is the bundled model."""
    data: Path = Path("data/validation")
    """Folder of episodes to set the thresholds from; not those that the model was trained on."""
    out: Path = Path("runs/calibrated")
    """Where the copy goes: to `checkpoint` in this folder, as with `fit`."""
    false_alarms: float = 0.02
    """Share of failed episodes that may reach the threshold of their task."""
    unlabelled: bool = False
    """Do not use which episodes succeed: tell the two apart by their scores."""
    patience: int = 1
    """Consecutive scores that count as success; `success_patience` of the wrapper is to be the same."""
    sentences: Path | None = None
    """JSON with sentences of tasks outside the table, as for `fit`."""
    test: Path | None = None
    """Folder of other episodes for the table of results; without one it is of --data, which flatters what was
    set there."""
    json: Path | None = None
    """Where to write the results as JSON."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is out of its range.
        """
        least = "from 0 up to, but not, 1"
        if not 0.0 <= self.false_alarms < 1.0:
            raise ValueError(f"false_alarms should be {least}, got {self.false_alarms}")
        if self.unlabelled and self.false_alarms == 0.0:
            raise ValueError("false_alarms should be above 0 without labels: no score excludes every failure")
        if self.patience < 1:
            raise ValueError(f"patience should be at least 1, got {self.patience}")


def calibrate_tasks(config: CalibrateConfig, command: str, console: Console) -> Path:
    """Sets the thresholds, writes the copy and prints what they are worth.

    Args:
        config: What to do.
        command: The command line, recorded in the checkpoint.
        console: Where the table is shown.

    Returns:
        Folder of the copy.

    Raises:
        InputError: The folders hold no episodes, a task has no sentence, no task's threshold can be set, or
            the copy would replace the model.
    """
    source, folder = checkpoint_folder(config.model), config.out / "checkpoint"
    with checking_input():
        if folder.resolve() == source.resolve():
            raise ValueError(f"--out {config.out} would replace the model {source}: give another folder")
        model = CompactReward(load_checkpoint(source))
        texts, rows, measured = _score(config, model, console)
        found, refused = set_thresholds(
            rows,
            texts,
            config.false_alarms,
            labelled=not config.unlabelled,
            patience=config.patience,
        )
        if not found:
            raise ValueError(f"no threshold could be set: {'; '.join(refused.values())}")
        how = {
            "command": command,
            "episodes": len(rows),
            "false_alarms": config.false_alarms,
            "labelled": not config.unlabelled,
        }
        copy_with_thresholds(source, folder, found, how)
    own = {task: row.threshold for task, row in found.items()}
    table = compare(rows, measured, own, model.success_threshold)
    on = f"{len(measured)} episodes of {config.test or config.data}"
    console.print(_table(table, found, measured, on))
    for line in _notes(config, found, refused):
        console.print(line, soft_wrap=True)
    console.print(f"{len(found)} thresholds; saved to {folder}", soft_wrap=True)
    if config.json is not None:
        record = _record(table, found, refused, measured)
        write_json(config.json, {**how, "patience": config.patience, "measured_on": len(measured), **record})
        console.print(f"written: {config.json}", soft_wrap=True)
    return folder


def _score(
    config: CalibrateConfig, model: CompactReward, console: Console
) -> tuple[dict[str, TaskText], list[EpisodePeak], list[EpisodePeak]]:
    """The sentences of the tasks, the episodes to set thresholds from, and those to measure them on."""
    own = {} if config.sentences is None else read_sentences(config.sentences, model.tokenizer)
    paths = {root: _episodes(root) for root in (config.data, config.test) if root is not None}
    tasks = {task_of(path, root) for root, found in paths.items() for path in found}
    texts = task_texts(tasks, own)
    scored = {
        root: score_peaks(model, found, texts, config.patience, console) for root, found in paths.items()
    }
    known = [row for row in scored[config.test or config.data] if row.done is not None]
    return texts, scored[config.data], known


def _episodes(root: Path) -> list[Path]:
    paths = list_episodes(root)
    if not paths:
        raise ValueError(f"{root} holds no episodes: collect them with `robometer-rl collect --out {root}`")
    return paths


def compare(
    rows: Sequence[EpisodePeak],
    measured: Sequence[EpisodePeak],
    own: Mapping[str, float],
    general: float,
) -> dict[str, dict[str, Detection]]:
    """Measures the tasks' own thresholds beside fixed ones.

    Args:
        rows: Episodes that the thresholds were set from.
        measured: Episodes to measure on.
        own: Threshold by task id; a task without one has the general one.
        general: The model's threshold for all tasks.

    Returns:
        Per name of `COLUMNS` and task of `measured`, the result. Where nothing else tells a threshold it is
        the general one.
    """
    tasks = sorted({row.task for row in measured})
    best = {task: _best(rows, task, general) for task in tasks}
    bound = {task: _best(measured, task, general) for task in tasks}
    chosen = {
        "auto": {task: own.get(task, general) for task in tasks},
        **{name: dict.fromkeys(tasks, value) for name, value in FIXED.items()},
        "general": dict.fromkeys(tasks, general),
        "best for all": dict.fromkeys(tasks, _best(rows, None, general)),
        "best per task": best,
        "upper bound": bound,
    }
    return {name: detections(measured, thresholds) for name, thresholds in chosen.items()}


def _best(rows: Sequence[EpisodePeak], task: str | None, general: float) -> float:
    """The best threshold of a task, or of all; the general one where no success tells it."""
    best = best_threshold([row for row in rows if task in (None, row.task)])
    return general if math.isnan(best) else best


def _mean(values: Sequence[float], reduce: Callable[[Any], Any] = np.mean) -> float:
    """Reduces the values that are no NaN; NaN where there are none."""
    known = [value for value in values if not math.isnan(value)]
    return float(reduce(known)) if known else math.nan


def _cell(f1: float, false_alarms: float) -> str:
    return " / ".join("-" if math.isnan(value) else f"{value:.2f}" for value in (f1, false_alarms))


def _table(
    table: Mapping[str, Mapping[str, Detection]],
    found: Mapping[str, TaskThreshold],
    measured: Sequence[EpisodePeak],
    on: str,
) -> Table:
    """F1 and share of false alarms, per task and in the mean."""
    shown = Table("task", "threshold", "successes, failures", *COLUMNS, title=f"F1 / false alarms, on {on}")
    for task in table["auto"]:
        done = [bool(row.done) for row in measured if row.task == task]
        threshold = f"{found[task].threshold:.3f}" if task in found else "general"
        counts = f"{sum(done)}, {len(done) - sum(done)}"
        cells = [_cell(*table[name][task][1:]) for name in COLUMNS]
        shown.add_row(task, threshold, counts, *cells)
    done = [bool(row.done) for row in measured]
    means = [
        _cell(_mean([row.f1 for row in rows.values()]), _mean([row.false_alarms for row in rows.values()]))
        for rows in (table[name] for name in COLUMNS)
    ]
    shown.add_section()
    shown.add_row("mean", "", f"{sum(done)}, {len(done) - sum(done)}", *means)
    return shown


def _notes(
    config: CalibrateConfig,
    found: Mapping[str, TaskThreshold],
    refused: Mapping[str, str],
) -> list[str]:
    """What the table does not show: what is compared, what is not known, and what was left out."""
    lines = [f"{name}: {what}." for name, what in COLUMNS.items() if name not in FIXED]
    if config.test is None:
        lines.append("The table is of the episodes that the thresholds were set from: new ones do worse.")
    few = {task: row for task, row in found.items() if row.labelled and not row.is_rate_measured}
    if few:
        bounds = {task: false_alarm_bound(row.false_alarms, row.failures) for task, row in few.items()}
        loosest = max(bounds, key=lambda task: bounds[task])
        rate = config.false_alarms
        needed = (
            f"needs {math.ceil(1 / rate - 1e-9)} failures of a task to be measured: {len(few)} of "
            f"{len(found)} tasks have fewer"
            if rate
            else "is more than any number of failures can show"
        )
        lines.append(
            f"A false-alarm rate of {rate:g} {needed}. With {CONFIDENCE:.0%} confidence, a new failure of "
            f"{loosest} reaches the threshold with a probability of at most {bounds[loosest]:.3f}: it has "
            f"{few[loosest].failures}."
        )
    lines += [f"{task} keeps the model's general threshold: {why}." for task, why in refused.items()]
    return lines


def _record(
    table: Mapping[str, Mapping[str, Detection]],
    found: Mapping[str, TaskThreshold],
    refused: Mapping[str, str],
    measured: Sequence[EpisodePeak],
) -> dict[str, Any]:
    """The results as JSON can hold them: what is not a number becomes null."""

    def plain(row: Detection) -> dict[str, float | None]:
        return {name: None if math.isnan(value) else value for name, value in row._asdict().items()}

    tasks = {}
    for task in table["auto"]:
        row = found.get(task)
        tasks[task] = {
            "successes": sum(bool(one.done) for one in measured if one.task == task),
            "failures": sum(not one.done for one in measured if one.task == task),
            "set_from": None
            if row is None
            else {
                "successes": row.successes,
                "failures": row.failures,
                "false_alarms": row.false_alarms,
                "bound": false_alarm_bound(row.false_alarms, row.failures) if row.labelled else None,
            },
            "refused": refused.get(task),
            **{name: plain(table[name][task]) for name in COLUMNS},
        }
    return {"tasks": tasks}


def main(argv: Sequence[str] | None = None) -> None:
    """Set the success threshold of each task from recorded episodes."""
    config = read_arguments(CalibrateConfig, argv, "calibrate", main.__doc__)
    words = ["robometer-rl", "calibrate", *(sys.argv[1:] if argv is None else argv)]
    calibrate_tasks(config, " ".join(words), Console(markup=False))


if __name__ == "__main__":
    main()
