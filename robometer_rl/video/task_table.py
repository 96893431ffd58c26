"""The task of each video, read from a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

from .paths import file_identity

__all__ = ["COLUMNS", "read_tasks"]

COLUMNS = ("video", "task")
"""Of the file; others may stand beside them."""


def read_tasks(path: str | Path) -> dict[Path, str]:
    """Reads which video shows which task.

    Args:
        path: A CSV file in UTF-8 with the columns `video` and `task`. Relative paths of videos are relative
            to the folder of the file.

    Returns:
        The task of each video, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such CSV file, a row lacks a video or a task, or a video stands in it twice.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no table of tasks at {path}")
    tasks: dict[Path, str] = {}
    lines: dict[tuple[object, ...], int] = {}
    try:
        # Excel writes a byte-order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            found = [(name or "").strip() for name in rows.fieldnames or []]
            if not set(COLUMNS) <= set(found):
                raise ValueError(f"{path} has the columns {found}; expected {', '.join(COLUMNS)}")
            rows.fieldnames = found
            for row in rows:
                video, task = _cells(row, f"line {rows.line_num} of {path}", len(found))
                file_of = path.parent / Path(video).expanduser()
                key = file_identity(file_of)
                if key in lines:
                    raise ValueError(
                        f"line {rows.line_num} of {path} names {video}, which line {lines[key]} names already"
                    )
                tasks[file_of], lines[key] = task, rows.line_num
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error
    if not tasks:
        raise ValueError(f"{path} names no videos")
    return tasks


def _cells(row: dict[str | None, str | list[str] | None], where: str, columns: int) -> tuple[str, str]:
    """The video and the task of a row."""
    if None in row:
        raise ValueError(
            f'{where} has more than {columns} cells; a task that holds a comma is written in "quotes"'
        )
    video, task = (str(row[name] or "").strip() for name in COLUMNS)
    for name, value in zip(COLUMNS, (video, task), strict=True):
        if not value:
            raise ValueError(f"{where} has no {name}")
    return video, task
