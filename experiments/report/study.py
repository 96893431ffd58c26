"""What `report` reads: the folders of `train`, checked cell by cell, and the groups that are compared."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ..agent.run import (
    CURVE_COLUMNS,
    DONE,
    JudgedBy,
    Result,
    Reward,
    RunConfig,
    RunFolder,
    config_from_dict,
)
from .bootstrap import Floats

__all__ = ["Group", "LeftOut", "Run", "Study", "group_runs", "read_curve", "read_study", "short", "words"]

ONLY_LEARNED = ("shaping", "model", "score_every", "frames", "task")
"""Fields of a configuration that decide nothing where the reward is not learned."""

_SHARES = ("true_success", "true_success_last")
_ALWAYS = ("env_steps", "wall_s", "held")
"""Columns that are never NaN, besides what the run is judged by; the others are where there is no model, no
success, or no episode ended."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Run:
    """One finished run."""

    id: str
    """Name of its folder."""
    folder: RunFolder
    """Its files."""
    config: RunConfig
    """What was run."""
    result: Result
    """What came of it."""
    curve: Mapping[str, Floats]
    """Column of `CURVE_COLUMNS` -> `(T,)`, one value per evaluation."""
    judged_by: JudgedBy = "true_success"
    """Column by which all runs of its task are judged."""
    returns: tuple[float, float] = (0.0, 1.0)
    """Lowest and highest evaluation of any run of its task, where these are judged by their return."""

    @cached_property
    def score(self) -> Floats:
        """`(T,)` in [0, 1]: true success, or the return scaled from the lowest of its task to the highest."""
        if self.judged_by == "true_success":
            return self.curve["true_success"]
        low, high = self.returns
        return (self.curve["env_return"] - low) / (high - low or 1.0)

    @property
    def final(self) -> float:
        """Score of the last evaluation."""
        return float(self.score[-1])

    @property
    def best(self) -> float:
        """Score of the best evaluation."""
        return float(self.score.max())

    @property
    def measured(self) -> Floats:
        """`(T,)`, what it is judged by in its own unit: shares of episodes, or returns."""
        return self.curve[self.judged_by]

    @property
    def area(self) -> float:
        """Area under the curve per step: each evaluation counts for the steps since the one before.

        Where everything is solved in the end, it tells what learns sooner. Held evaluations count.
        """
        weights = np.diff(self.curve["env_steps"], prepend=0.0)
        return float(np.average(self.score, weights=weights))

    @property
    def last_step(self) -> float:
        """Share of episodes of the last evaluation with the task done at the very end; NaN if unknown."""
        return float(self.curve["true_success_last"][-1])

    @cached_property
    def own(self) -> dict[str, Floats]:
        """The curve without its held rows: what was measured."""
        measured = self.curve["held"] == 0
        return {name: values[measured] for name, values in self.curve.items()}

    @property
    def held_from(self) -> float | None:
        """Environment steps at which the run stopped as solved; None where it ran to its end."""
        return float(self.own["env_steps"][-1]) if (self.curve["held"] != 0).any() else None


@dataclass(frozen=True)
class LeftOut:
    """A run that is in no aggregate."""

    id: str
    """Its id."""
    why: str
    """The reason, in words."""


@dataclass(frozen=True)
class Group:
    """Runs that differ in task and seed alone."""

    label: str
    """Reward, and what tells it from other groups of this reward: "robometer, delta"."""
    reward: Reward
    """What its agents learned from."""
    variant: int
    """Number among the groups of this reward."""
    runs: tuple[Run, ...]
    """Its runs, by task and seed."""

    @cached_property
    def by_task(self) -> dict[str, list[Run]]:
        """Task id -> runs, by seed."""
        tasks: dict[str, list[Run]] = {}
        for run in self.runs:
            tasks.setdefault(run.config.env, []).append(run)
        return tasks


@dataclass(frozen=True)
class Study:
    """Everything that lies in a folder of runs."""

    path: Path
    """The folder."""
    groups: tuple[Group, ...]
    """What is compared."""
    left_out: tuple[LeftOut, ...]
    """Runs that are in no group."""

    @cached_property
    def runs(self) -> list[Run]:
        """All finished runs, group by group."""
        return [run for group in self.groups for run in group.runs]

    @cached_property
    def tasks(self) -> list[str]:
        """All task ids, sorted by name."""
        return sorted({run.config.env for run in self.runs}, key=short)

    @cached_property
    def common_tasks(self) -> list[str]:
        """The tasks that every group has runs of."""
        return [task for task in self.tasks if all(task in group.by_task for group in self.groups)]

    @cached_property
    def by_return(self) -> list[str]:
        """The tasks whose runs are judged by their own return, since the environment tells of no success."""
        return [task for task in self.tasks if any(self._judged_by_return(task))]

    def _judged_by_return(self, task: str) -> Iterable[bool]:
        return (run.judged_by == "env_return" for run in self.runs if run.config.env == task)

    @property
    def measure(self) -> str:
        """What scores are, in words."""
        if not self.by_return:
            return "true success"
        return "normalised return" if len(self.by_return) == len(self.tasks) else "score"

    @cached_property
    def main_tasks(self) -> list[str]:
        """The tasks of the comparison: those with learned and sparse runs, else with two groups, else all."""

        def owners(task: str) -> list[Group]:
            return [group for group in self.groups if task in group.by_task]

        both = [t for t in self.tasks if {"robometer", "sparse"} <= {g.reward for g in owners(t)}]
        return both or [t for t in self.tasks if len(owners(t)) > 1] or self.tasks

    def learned(self) -> list[Group]:
        """The groups that learned from the reward model."""
        return [group for group in self.groups if group.reward == "robometer"]


def short(task: str) -> str:
    """A task id as people say it: `metaworld/drawer-open-v3` is drawer-open, `my:Cup-v0` is Cup-v0."""
    return re.split("[/:]", task)[-1].removesuffix("-v3")


def read_study(path: Path) -> Study:
    """Reads a folder of runs.

    Args:
        path: Holds one folder per run, and perhaps the manifest of a sweep.

    Returns:
        Its finished runs in groups, and the names of the others.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no runs or none that is finished, or a file is broken; the message names file,
            line and column.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"no folder {path}; `robometer-rl train --out {path}` makes one")
    folders = [RunFolder(config.parent) for config in sorted(path.glob("*/config.json"))]
    if not folders:
        itself = " (it is the folder of one run: give the folder around it)" if RunFolder(path).done else ""
        raise ValueError(
            f"{path} holds no runs{itself}: looked for {path}/RUN/config.json, {path}/RUN/curve.csv and "
            f"{path}/RUN/{DONE}, which `robometer-rl train --out {path}` writes"
        )
    runs: list[Run] = []
    left_out: list[LeftOut] = []
    for folder in folders:
        found = _read_run(folder)
        if isinstance(found, Run):
            runs.append(found)
        else:
            left_out.append(found)
    left_out += _planned(path, {folder.path.name for folder in folders})
    if not runs:
        names = ", ".join(f"{one.id} ({one.why})" for one in left_out)
        raise ValueError(f"{path} holds no finished run, that is none with a {DONE}: {names}")
    groups, twins = group_runs(_judged_alike(runs))
    return Study(path, tuple(groups), tuple(left_out + twins))


def _judged_alike(runs: Sequence[Run]) -> list[Run]:
    """Judges the runs of a task by one measure: by their returns where one of them knows no success."""
    returns: dict[str, list[float]] = {}
    for run in runs:
        if run.judged_by == "env_return":
            returns.setdefault(run.config.env, [])
    for run in runs:
        if run.config.env in returns:
            returns[run.config.env] += run.curve["env_return"].tolist()
    return [
        replace(run, judged_by="env_return", returns=(min(found), max(found)))
        if (found := returns.get(run.config.env))
        else run
        for run in runs
    ]


def _read_run(folder: RunFolder) -> Run | LeftOut:
    """A run, or why it is none yet."""
    config = _read_config(folder.config)
    name = folder.path.name
    if not folder.done:
        return LeftOut(name, f"unfinished, {_reached(folder.curve)} of {config.steps:,} environment steps")
    result = _read_result(folder.result)
    curve = read_curve(folder.curve, result.judged_by)
    if not len(curve["env_steps"]):
        return LeftOut(name, "finished without a single evaluation")
    return Run(name, folder, config, result, curve, result.judged_by)


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a JSON object, found {type(values).__name__}")
    return values


def _read_config(path: Path) -> RunConfig:
    try:
        return config_from_dict(_read_object(path))
    except (ValueError, KeyError, TypeError) as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise ValueError(f"{where}{error}") from error


def _read_result(path: Path) -> Result:
    # A run that says nothing about ground truth is read: the page tells that it is not recorded.
    values = {"ground_truth": {}, **_read_object(path)}
    names = [field.name for field in fields(Result) if field.default is MISSING]
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; expected keys: {', '.join(names)}")
    for name in ("env_steps", "wall_s"):
        if isinstance(values[name], bool) or not isinstance(values[name], (int, float)):
            raise ValueError(f"{path}: {name}={values[name]!r} must be a number")
    if values.get("judged_by", "true_success") not in get_args(JudgedBy):
        valid = " or ".join(get_args(JudgedBy))
        raise ValueError(f"{path}: judged_by={values['judged_by']!r} must be {valid}")
    for name in ("ground_truth", "versions"):
        if not isinstance(values[name], dict):
            raise ValueError(f"{path}: {name}={values[name]!r} must be an object")
    for name, value in values["ground_truth"].items():
        if not isinstance(value, (bool, int, float)) or not np.isfinite(value):
            raise ValueError(f"{path}: ground_truth: {name}={value!r} must be true, false or a finite number")
    known = {field.name for field in fields(Result)}
    return Result(**{name: value for name, value in values.items() if name in known})


def read_curve(path: Path, judged_by: JudgedBy = "true_success") -> dict[str, Floats]:
    """Reads the curve of a run.

    Args:
        path: A CSV file with the columns of `CURVE_COLUMNS`; others are ignored.
        judged_by: What the run is judged by, which every row must have.

    Returns:
        Column -> `(T,)`; T is 0 where nothing was evaluated yet.

    Raises:
        ValueError: The file or a column is missing, or a cell is no number, not in range, or out of order.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing, although the run is done; expected {', '.join(CURVE_COLUMNS)}")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in CURVE_COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path}, line 1: no column {', '.join(missing)}; expected {', '.join(CURVE_COLUMNS)}"
            )
        columns: dict[str, list[float]] = {name: [] for name in CURVE_COLUMNS}
        for row in reader:
            for name in CURVE_COLUMNS:
                needed = name in (*_ALWAYS, *(_SHARES if judged_by == "true_success" else (judged_by,)))
                columns[name].append(_cell(path, reader.line_num, name, row[name], needed))
            steps = columns["env_steps"]
            if len(steps) > 1 and steps[-1] <= steps[-2]:
                raise ValueError(
                    f"{path}, line {reader.line_num}, column env_steps: {steps[-1]:g} after {steps[-2]:g}; "
                    "expected more than in the line before"
                )
    curve = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    if len(curve["held"]) and curve["held"][0] != 0:
        raise ValueError(f"{path}: the first row is held, but there is no evaluation before it to hold")
    return curve


def _cell(path: Path, line: int, column: str, text: str | None, needed: bool) -> float:
    """The number in a cell of a curve; one that is needed is finite."""
    where = f"{path}, line {line}, column {column}"
    try:
        value = float(text or "nan")
    except ValueError as error:
        raise ValueError(f"{where}: {text!r} is no number") from error
    if needed and not np.isfinite(value):
        raise ValueError(f"{where}: {text or ''!r} must be a number")
    if column in _SHARES and needed and not 0 <= value <= 1:
        raise ValueError(f"{where}: {value:g} must be a share in [0, 1]")
    if column.startswith("head_") and value < 0:
        raise ValueError(f"{where}: {value:g} must be a count of at least 0")
    return value


def _reached(curve: Path) -> str:
    """How far a run has come, by the last whole line of its curve."""
    if not curve.is_file():
        return "0"
    last = "0"
    for line in curve.read_text(encoding="utf-8").splitlines()[1:]:
        cells = line.split(",")
        if len(cells) == len(CURVE_COLUMNS) and cells[0].replace(".", "").isdigit():
            last = f"{float(cells[0]):,.0f}"
    return last


def _planned(path: Path, there: Iterable[str]) -> list[LeftOut]:
    """Runs that a sweep's manifest names and that have no folder."""
    manifest = path / _MANIFEST
    if not manifest.is_file():
        return []
    try:
        rows = [
            (str(row["id"]), str(row.get("state", "unknown")), str(row.get("error", "")))
            for row in _read_object(manifest)["runs"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is no manifest of a sweep: {error!r}") from error
    return [
        LeftOut(name, f"in the sweep's manifest as {state}{': ' + error if error else ''}, without a folder")
        for name, state, error in rows
        if name not in set(there)
    ]


def group_runs(runs: Sequence[Run]) -> tuple[list[Group], list[LeftOut]]:
    """Sorts runs into groups: by reward, and by every field that takes several values on one task.

    A field that differs from task to task alone, such as the horizon, belongs to the task.

    Args:
        runs: Finished runs.

    Returns:
        The groups, the learned first, and the runs that repeat another one in all that decides anything.
    """
    groups: list[Group] = []
    twins: list[LeftOut] = []
    for reward in get_args(Reward):
        mine = sorted(
            (run for run in runs if run.config.reward == reward),
            key=lambda run: (short(run.config.env), run.config.seed, run.id),
        )
        varying = _varying(mine)
        parts: dict[str, dict[tuple[str, int], Run]] = {}
        for run in mine:
            label = ", ".join([reward, *(words(name, getattr(run.config, name)) for name in varying)])
            cell = parts.setdefault(label, {})
            first = cell.setdefault((run.config.env, run.config.seed), run)
            if first is not run:
                why = f"repeats {first.id}: what differs decides nothing with reward={reward}"
                twins.append(LeftOut(run.id, why))
        for variant, label in enumerate(
            sorted(parts, key=lambda label: (_unusual(parts[label], varying), label))
        ):
            groups.append(Group(label, reward, variant, tuple(parts[label].values())))
    return groups, twins


def _varying(runs: Sequence[Run]) -> list[str]:
    """Fields that take several values among the runs of one reward on one task."""
    found = []
    for field in fields(RunConfig):
        if field.name in ("env", "seed", "reward"):
            continue
        if field.name in ONLY_LEARNED and all(run.config.reward != "robometer" for run in runs):
            continue
        values: dict[str, set[object]] = {}
        for run in runs:
            values.setdefault(run.config.env, set()).add(getattr(run.config, field.name))
        if any(len(different) > 1 for different in values.values()):
            found.append(field.name)
    # What a study is usually about comes first.
    return sorted(found, key=lambda name: name not in ("algo", *ONLY_LEARNED))


def _unusual(cells: Mapping[tuple[str, int], Run], varying: Sequence[str]) -> int:
    """How many of some fields are not at their default in a group, so that the plain one comes first."""
    config = next(iter(cells.values())).config
    return sum(name in config.changed for name in varying)


def words(name: str, value: object) -> str:
    """A field and its value, as short as it is clear."""
    if name in ("shaping", "algo"):
        return str(value)
    return (
        f"{name}={value:,}" if isinstance(value, int) and not isinstance(value, bool) else f"{name}={value}"
    )
