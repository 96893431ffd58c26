"""Writes the tables of the page about thresholds from the committed JSON.

`python -m robometer_rl.experiments.reward_model.threshold_tables` rewrites what stands between
`<!-- thresholds -->` or `<!-- differences -->` and `<!-- end -->`; run it in the checkout after
`robometer-rl calibrate --json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from ..common.markdown import fill_marked
from .calibrate import COLUMNS

__all__ = ["GOAL", "ThresholdTablesConfig", "differences", "fill_page", "main", "per_task"]

GOAL = 0.02
"""F1 that the automatic threshold may lie below the best fixed one."""
_REFERENCES = ("0.5", "0.65", "general", "best for all", "best per task", "upper bound")
Record = Mapping[str, Any]
"""What `robometer-rl calibrate --json` writes."""


@dataclass(frozen=True)
class ThresholdTablesConfig:
    """What to read and what to rewrite."""

    labelled: Path = Path("experiments/results/thresholds_labelled.json")
    """Of `robometer-rl calibrate --json`."""
    unlabelled: Path = Path("experiments/results/thresholds_unlabelled.json")
    """Of `robometer-rl calibrate --unlabelled --json`, measured on the same episodes."""
    page: Path = Path("docs/thresholds.md")
    """Markdown file with markers."""


def _short(task: str) -> str:
    return task.partition("/")[2].removesuffix("-v3")


def _cell(row: Mapping[str, float | None]) -> str:
    return " / ".join("-" if row[name] is None else f"{row[name]:.2f}" for name in ("f1", "false_alarms"))


def _mean(rows: Mapping[str, Mapping[str, float | None]], name: str) -> float:
    """Mean over the tasks that have a value."""
    values = (row[name] for row in rows.values())
    return float(np.mean([value for value in values if value is not None]))


def _columns(labelled: Record, unlabelled: Record) -> dict[str, Mapping[str, Mapping[str, float | None]]]:
    """Column -> task -> result."""
    tasks = labelled["tasks"]
    return {
        "auto, labelled": {task: row["auto"] for task, row in tasks.items()},
        "auto, unlabelled": {task: row["auto"] for task, row in unlabelled["tasks"].items()},
        **{name: {task: row[name] for task, row in tasks.items()} for name in COLUMNS if name != "auto"},
    }


def per_task(labelled: Record, unlabelled: Record) -> str:
    """F1 and share of false alarms of each task and in the mean, as Markdown.

    Args:
        labelled: Results of the thresholds that were set with labels.
        unlabelled: Those without, on the same episodes.

    Returns:
        A table; a star marks the tasks that keep the general threshold without labels.
    """
    columns = _columns(labelled, unlabelled)
    lines = [
        f"| task | threshold | {' | '.join(columns)} |",
        "|---|---|" + "---|" * len(columns),
    ]
    for task, row in labelled["tasks"].items():
        star = "" if unlabelled["tasks"][task]["refused"] is None else " *"
        cells = [
            _cell(rows[task]) + (star if name == "auto, unlabelled" else "") for name, rows in columns.items()
        ]
        lines.append(f"| {_short(task)} | {row['auto']['threshold']:.3f} | {' | '.join(cells)} |")
    means = [{name: _mean(rows, name) for name in ("f1", "false_alarms")} for rows in columns.values()]
    lines.append(f"| **mean** | | {' | '.join(map(_cell, means))} |")
    return "\n".join(lines)


def differences(labelled: Record, unlabelled: Record) -> str:
    """How far the automatic thresholds lie from the others in F1, as Markdown.

    Args:
        labelled: Results of the thresholds that were set with labels.
        unlabelled: Those without, on the same episodes.

    Returns:
        A table with a row per reference: mean difference, worst task, tasks within the goal.
    """
    columns = _columns(labelled, unlabelled)
    lines = [
        "| F1 of the automatic threshold less that of | with labels: mean | worst task | tasks within "
        f"{GOAL:g} | without: mean | worst task | tasks within {GOAL:g} |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in _REFERENCES:
        cells: list[str] = []
        for auto in ("auto, labelled", "auto, unlabelled"):
            less = {task: row["f1"] - columns[name][task]["f1"] for task, row in columns[auto].items()}  # type: ignore[operator]
            worst = min(less, key=lambda task: less[task])
            # Rounded, since 0.98 - 1.0 is a little less than -0.02.
            within = sum(round(value, 9) >= -GOAL for value in less.values())
            cells += [
                f"{np.mean(list(less.values())):+.3f}",
                f"{less[worst]:+.2f} ({_short(worst)})",
                f"{within} of {len(less)}",
            ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fill_page(text: str, labelled: Record, unlabelled: Record) -> str:
    """Puts both tables between their markers.

    Args:
        text: The page.
        labelled: Results of the thresholds that were set with labels.
        unlabelled: Those without, on the same episodes.

    Returns:
        The page as it should be now.

    Raises:
        ValueError: The page lacks a marker.
    """
    made = {
        "thresholds": per_task(labelled, unlabelled),
        "differences": differences(labelled, unlabelled),
    }
    filled, places = fill_marked(text, made)
    if places != len(made):
        raise ValueError(f"expected one place for each of {', '.join(made)}, found {places}")
    return filled


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the tables of the page about thresholds."""
    config = tyro.cli(ThresholdTablesConfig, args=argv)
    records = [json.loads(path.read_text("utf-8")) for path in (config.labelled, config.unlabelled)]
    text = config.page.read_text("utf-8")
    config.page.write_text(fill_page(text, *records), "utf-8")


if __name__ == "__main__":
    main()
