"""Writes the evaluation tables of results page and model card from the committed JSON.

`python -m robometer_rl.experiments.reward_model.readme_tables` rewrites what stands between
`<!-- summary -->` or `<!-- per task -->` and `<!-- end -->` in both files; run it in the checkout after
`robometer-rl evaluate --json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from robometer_rl.envs.tasks import list_tasks

from ..common.markdown import fill_marked
from .evaluate import GOALS, KEYS, WORST_GOALS

__all__ = ["TablesConfig", "fill", "main", "per_task", "summary"]

Table = Mapping[str, Mapping[str, float | None]]
"""Task id, "mean" or "worst" -> measure -> value, None where there was nothing to measure it on."""

MEANING = {
    "voc": "VOC: Pearson r of progress with the label, successes",
    "kendall_tau": "Kendall tau of final progress over success > near miss > stalled > random",
    "preference_quality": "preference accuracy, better against worse video of the task",
    "preference_task": "preference accuracy, the task against another task",
    "success_auc": "success: ROC-AUC of episode maxima, success against failure",
    "success_auprc": "success: average precision over frames",
    "success_fpr": "share of failed episodes that reach the shipped threshold at any frame",
    "stall_drift": "stall: largest drift of progress while the last frame repeats 20 times",
    "still_progress": "largest progress of a robot that never moved, 60 frames",
    "rewind_r": "rewound successes: r of progress with the label",
    "paraphrase_r": "held-out paraphrase against canonical sentence: r of progress",
    "wrong_task_progress": "wrong sentence: final progress",
    "mime_progress": "final progress of a mime: the hand ends as the expert's, the object lies untouched",
    "random_progress": "final progress of aimless motion and other tasks' behaviour, the object untouched",
    "success_tpr": "share of successful episodes that reach the threshold",
}
"""Measure -> what it is, in words."""


@dataclass(frozen=True)
class TablesConfig:
    """What to read and what to rewrite."""

    json: Path = Path("experiments/results/compact_seen.json")
    """The table of `robometer-rl evaluate --json`."""
    files: tuple[Path, ...] = (Path("docs/results/heldout.md"), Path("rewards/weights/compact/README.md"))
    """Markdown files with markers."""


def _short(task: str) -> str:
    return task.partition("/")[2].removesuffix("-v3")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _met(key: str, mean: float | None, worst: float | None) -> str:
    if key not in GOALS or mean is None or worst is None:
        return ""
    sign, goal = GOALS[key]
    good = mean >= goal if sign == ">=" else mean <= goal
    good = good and (key not in WORST_GOALS or worst >= WORST_GOALS[key])
    return "yes" if good else "**no**"


def summary(table: Table) -> str:
    """One row per measure: goal, mean, worst task, whether the goal is met."""
    rows = ["| measure | goal | mean | worst task | met |", "|---|---|---|---|---|"]
    tasks = [task for task in table if task not in ("mean", "worst")]
    for key in KEYS:
        mean, worst = table["mean"][key], table["worst"][key]
        at = (_short(task) for task in tasks if worst is not None and table[task][key] == worst)
        goal = f"{GOALS[key][1]:g}" if key in GOALS else ""
        goal += f" (worst {WORST_GOALS[key]:g})" if key in WORST_GOALS else ""
        met = _met(key, mean, worst)
        numbers = f"{_number(mean, 3)} | {_number(worst, 3)} ({next(at, 'none')})"
        rows.append(f"| {MEANING[key]} (`{key}`) | {goal} | {numbers} | {met} |")
    return "\n".join(rows)


def per_task(table: Table) -> str:
    """One row per task, one column per measure."""
    rows = ["| task | " + " | ".join(KEYS) + " |", "|---" * (len(KEYS) + 1) + "|"]
    for task, row in table.items():
        if task not in ("mean", "worst"):
            rows.append(f"| {_short(task)} | " + " | ".join(_number(row[key], 2) for key in KEYS) + " |")
    return "\n".join(rows)


def fill(text: str, table: Table) -> str:
    """Puts the tables between their markers.

    Args:
        text: Markdown.
        table: What was measured.

    Returns:
        The text with both tables as they are now.
    """
    return fill_marked(text, {"summary": summary(table), "per task": per_task(table)})[0]


def main(config: TablesConfig) -> None:
    """Rewrites the files.

    Raises:
        ValueError: The table is of some of the seen tasks only; its means would pass for those of all.
    """
    table = json.loads(config.json.read_text(encoding="utf-8"))["table"]
    seen = [task.id for task in list_tasks(split="train")]
    missing = [task for task in seen if task not in table]
    if missing:
        raise ValueError(
            f"{config.json} lacks {len(missing)} of the {len(seen)} tasks that these tables are of: "
            f"{', '.join(missing)}; evaluate without --tasks, on episodes of every task"
        )
    for path in config.files:
        path.write_text(fill(path.read_text(encoding="utf-8"), table), encoding="utf-8")
        print(f"wrote the tables of {path}")


if __name__ == "__main__":
    main(tyro.cli(TablesConfig, description=__doc__))
