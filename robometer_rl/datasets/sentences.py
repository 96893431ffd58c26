"""`tasks.json` beside the episodes: the sentences of their tasks, as `fit --sentences` reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..files import write_whole
from .episodes import check_task
from .locks import locked

__all__ = ["TASKS_FILE", "add_sentences", "read_tasks"]

TASKS_FILE = "tasks.json"
"""Name of the file in a folder of episodes."""


def add_sentences(root: Path, task: str, sentences: str | Sequence[str]) -> Path:
    """Notes what a task says, beside the episodes that show it; what is there already stays.

    Args:
        root: Folder of the data set; made if needed.
        task: Task id, ``suite/name``.
        sentences: The task's sentence, or it and other ways to say the same.

    Returns:
        The file, ``root/tasks.json``: ``{"suite/name": ["sentence", "paraphrase", ...]}``.

    Raises:
        TypeError: A sentence is no text.
        ValueError: `task` is no task id, a sentence is blank, the file is not of this form, or the task has
            another first sentence there.
        TimeoutError: Another process does not finish with the file.
    """
    check_task(task)
    new = [sentences] if isinstance(sentences, str) else list(sentences)
    if not new:
        raise ValueError(f"task {task!r} needs a sentence, got none")
    for sentence in new:
        if not isinstance(sentence, str):
            raise TypeError(f"a sentence should be text, got {sentence!r}")
        if not sentence.strip():
            raise ValueError(f"a sentence of {task!r} is blank: {sentence!r}")
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    path = root / TASKS_FILE
    with locked(path):
        known = read_tasks(root)
        there = known.get(task, [])
        if there and there[0] != new[0]:
            raise ValueError(
                f"{path} says that {task!r} is {there[0]!r}, not {new[0]!r}: its first sentence is what the "
                "model is trained to read. Give the same one, another task id, or change the file"
            )
        merged = list(dict.fromkeys([*there, *new]))
        if merged != there:
            text = json.dumps({**known, task: merged}, indent=2, ensure_ascii=False)
            write_whole(path, f"{text}\n".encode())
    return path


def read_tasks(root: Path) -> dict[str, list[str]]:
    """Reads the sentences of a data set.

    Args:
        root: Folder of the data set.

    Returns:
        Sentences by task id; empty where there is no `tasks.json`.

    Raises:
        ValueError: The file is not of this form.
    """
    path = Path(root) / TASKS_FILE
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(rows, dict):
        raise ValueError(f"{path} must hold an object of task ids and lists of sentences, got {rows!r}")
    for name, sentences in rows.items():
        listed = isinstance(sentences, list) and sentences
        if not listed or not all(isinstance(sentence, str) for sentence in sentences):
            raise ValueError(f"{path}: {name!r} must have a list of one sentence or more, got {sentences!r}")
    return rows
