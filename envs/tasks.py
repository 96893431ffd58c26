"""The tasks: what each world asks for in words, seen from which camera, for how long, and in which split.

The table is data, `tasks.json` beside this file: Meta-World's 50 tasks and robosuite's Lift, Door and Stack.
Every sentence was checked against the suite's own success test, which the field `success` puts in words.
`python -m robometer_rl.envs` prints the table as Markdown (`docs/tasks.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast, get_args

__all__ = [
    "TASKS",
    "Split",
    "Suite",
    "Task",
    "get_task",
    "list_tasks",
    "load_tasks",
    "plain_words",
    "tasks_markdown",
]

Suite = Literal["metaworld", "robosuite"]
Split = Literal["train", "unseen", "other"]

MIN_PARAPHRASES = 10
"""A task has at least this many training paraphrases besides its sentence."""
MIN_HELDOUT = 4
"""A task has at least this many paraphrases that no training ever reads."""

_TABLE = Path(__file__).with_name("tasks.json")
_TEXTS = ("id", "sentence", "success", "split")
_LISTS = ("paraphrases", "heldout_paraphrases", "inverse_sentences", "also_shows")
_FIELDS = {*_TEXTS, *_LISTS, "rl_eval", "camera", "horizon"}


@dataclass(frozen=True)
class Task:
    """One task of one suite, in words."""

    id: str
    """Suite and name, such as `"metaworld/drawer-open-v3"`."""
    suite: Suite
    """First half of the id."""
    name: str
    """Second half of the id, the suite's own name for the task."""
    sentence: str
    """The canonical English sentence."""
    paraphrases: tuple[str, ...]
    """Other wordings, used in training."""
    heldout_paraphrases: tuple[str, ...]
    """Other wordings that no training reads, for testing."""
    inverse_sentences: tuple[str, ...]
    """What a success video shows when it runs backwards ("close the drawer"); empty if nothing natural."""
    also_shows: tuple[str, ...]
    """Ids of other tasks whose sentence a success video of this one satisfies too: no negatives for it."""
    camera: str
    """Default camera, by its name in the suite."""
    horizon: int
    """Default control steps until truncation: 500 in both suites, the length of their own benchmarks."""
    split: Split
    """`train`: ReWiND's 20 training tasks (arXiv 2505.10911) and robosuite's three; `unseen`: ReWiND's 17
    evaluation tasks; `other`: the 13 Meta-World tasks that ReWiND leaves out."""
    rl_eval: bool
    """Whether this is one of the 8 unseen tasks on which ReWiND trains policies."""
    success: str = ""
    """What the suite's success test wants, in one phrase; distances in metres."""


def load_tasks(path: str | Path = _TABLE) -> dict[str, Task]:
    """Reads and checks a table of tasks.

    Args:
        path: JSON file `{"suites": {suite: {"camera", "horizon"}}, "tasks": [{field: value}]}`; a task may
            set its own `camera` and `horizon`.

    Returns:
        The tasks by id, in the file's order.

    Raises:
        ValueError: The file is no JSON of this form; the message names task, field and what was expected.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    has_keys = isinstance(table, dict) and set(table) == {"suites", "tasks"}
    if not has_keys or not isinstance(table["tasks"], list):
        raise ValueError(f"{path} must hold one object with the keys 'suites' and 'tasks' (a list)")
    suites = _check_suites(table["suites"])
    tasks: dict[str, Task] = {}
    for row in table["tasks"]:
        task = _task_of(row, suites)
        if task.id in tasks:
            raise ValueError(f"task {task.id!r} stands twice in the table")
        tasks[task.id] = task
    _check_together(tasks)
    return tasks


def get_task(task_id: str) -> Task:
    """Looks a task up.

    Args:
        task_id: Suite and name, such as `"metaworld/drawer-open-v3"` or `"robosuite/Lift"`.

    Returns:
        The task.

    Raises:
        ValueError: No such task; the message names the three closest ids and how to list all.
    """
    task = TASKS.get(task_id)
    if task is not None:
        return task
    ids = {key.lower(): key for key in TASKS}
    # People type "drawer-open" or "lift" as often as the full id.
    names = {task.name.lower(): task.id for task in TASKS.values()}
    wanted = str(task_id).lower()
    found = get_close_matches(wanted, ids, n=3, cutoff=0.6)
    found += [names[name].lower() for name in get_close_matches(wanted, names, n=3, cutoff=0.6)]
    close = list(dict.fromkeys(ids[key] for key in found))[:3]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "ids look like 'robosuite/Lift'."
    raise ValueError(f"unknown task {task_id!r}: {hint} `python -m robometer_rl.envs` lists all {len(TASKS)}")


def list_tasks(suite: Suite | None = None, split: Split | None = None) -> list[Task]:
    """Lists tasks in the table's order.

    Args:
        suite: Only this suite's tasks.
        split: Only this split's tasks.

    Returns:
        The tasks that fit both.

    Raises:
        ValueError: Unknown suite or split.
    """
    for name, value, valid in (("suite", suite, get_args(Suite)), ("split", split, get_args(Split))):
        if value is not None and value not in valid:
            raise ValueError(f"{name} must be None or one of {', '.join(map(repr, valid))}, got {value!r}")
    return [t for t in TASKS.values() if suite in (None, t.suite) and split in (None, t.split)]


def tasks_markdown() -> str:
    """Writes the table of tasks for people.

    Returns:
        Markdown: a heading and a table for each suite, with id, sentence, success test and split.
    """
    lines = [
        "# Tasks",
        "",
        "From `envs/tasks.json`, by `python -m robometer_rl.envs > docs/tasks.md`: edit that file.",
        "Distances are in metres. Seen from the robot, x grows to the right, y away from it, z up.",
        "Splits: `train` is ReWiND's 20 training tasks and the three of robosuite, `unseen` its 17",
        "evaluation tasks (`RL` marks the 8 on which it trains policies), `other` the rest.",
    ]
    for suite in get_args(Suite):
        lines += ["", f"## {suite}", ""]
        lines += ["| task | sentence | the success test wants | split |", "|---|---|---|---|"]
        for task in list_tasks(suite):
            split = f"{task.split}, RL" if task.rl_eval else task.split
            lines.append(f"| `{task.name}` | {task.sentence} | {task.success} | {split} |")
    return "\n".join(lines) + "\n"


def _check_suites(suites: Any) -> dict[str, dict[str, Any]]:
    """Checks the defaults of the suites."""
    valid = set(get_args(Suite))
    if not isinstance(suites, dict) or set(suites) != valid:
        raise ValueError(f"'suites' must be an object with the keys {sorted(valid)}, got {suites!r}")
    for name, defaults in suites.items():
        if not isinstance(defaults, dict) or set(defaults) != {"camera", "horizon"}:
            raise ValueError(f"suite {name!r} must have exactly 'camera' and 'horizon', got {defaults!r}")
    return suites


def _task_of(row: Any, suites: Mapping[str, Mapping[str, Any]]) -> Task:
    """Checks one row of the table and makes it a task."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise ValueError(f"a task must be an object with a text 'id', got {row!r}")
    where = f"task {row['id']!r}"
    missing, unknown = _FIELDS - {"camera", "horizon"} - set(row), set(row) - _FIELDS
    if missing or unknown:
        raise ValueError(f"{where}: missing fields {sorted(missing)}, unknown fields {sorted(unknown)}")
    for field in _TEXTS:
        _check_text(row[field], f"{where}, field {field!r}")
    for field in _LISTS:
        if not isinstance(row[field], list):
            raise ValueError(f"{where}: {field!r} must be a list of texts, got {row[field]!r}")
        for text in row[field]:
            _check_text(text, f"{where}, field {field!r}")
    suite, slash, name = row["id"].partition("/")
    if suite not in suites or not slash or not name:
        raise ValueError(f"{where}: an id is <suite>/<name> with a suite of {sorted(suites)}")
    row = {**suites[suite], **row}
    if row["split"] not in get_args(Split):
        valid = ", ".join(get_args(Split))
        raise ValueError(f"{where}: 'split' must be one of {valid}, got {row['split']!r}")
    if not isinstance(row["rl_eval"], bool):
        raise ValueError(f"{where}: 'rl_eval' must be true or false, got {row['rl_eval']!r}")
    # A bool is an int to Python, and true steps make no horizon.
    if not isinstance(row["horizon"], int) or isinstance(row["horizon"], bool) or row["horizon"] < 1:
        raise ValueError(f"{where}: 'horizon' must be a whole number of at least 1, got {row['horizon']!r}")
    _check_text(row["camera"], f"{where}, field 'camera'")
    for field, least in (("paraphrases", MIN_PARAPHRASES), ("heldout_paraphrases", MIN_HELDOUT)):
        if len(row[field]) < least:
            raise ValueError(f"{where}: {field!r} needs at least {least} sentences, got {len(row[field])}")
    lists: dict[str, Any] = {field: tuple(row.pop(field)) for field in _LISTS}
    return Task(suite=cast("Suite", suite), name=name, **lists, **row)


def _check_text(text: Any, where: str) -> None:
    """Refuses what is no text, empty, or padded with blanks."""
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise ValueError(f"{where}: expected a text, not empty and with no blanks around it, got {text!r}")


def _check_together(tasks: Mapping[str, Task]) -> None:
    """Checks what holds between tasks: no sentence belongs to two, references point at tasks that exist."""
    owner: dict[str, str] = {}
    for task in tasks.values():
        for sentence in (task.sentence, *task.paraphrases, *task.heldout_paraphrases):
            key = plain_words(sentence)
            if key in owner:
                first = owner[key]
                raise ValueError(f"the sentence {sentence!r} stands in {first!r} and again in {task.id!r}")
            owner[key] = task.id
        for other in task.also_shows:
            if other not in tasks or other == task.id:
                raise ValueError(f"task {task.id!r}: 'also_shows' must name other tasks, got {other!r}")


def plain_words(sentence: str) -> str:
    """Reduces a sentence to its words, so that case and punctuation make no difference.

    Args:
        sentence: Any English sentence.

    Returns:
        Its words in lower case, with single blanks between them.
    """
    return " ".join("".join(c if c.isalnum() else " " for c in sentence.lower()).split())


TASKS: dict[str, Task] = load_tasks()
"""All tasks by id, in the order of the table."""
