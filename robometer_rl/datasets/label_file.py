"""`labels.csv`: what a person says of the videos of a folder."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import write_whole

__all__ = ["LABELS_FILE", "OUTCOMES", "VideoLabel", "read_labels", "write_labels"]

LABELS_FILE = "labels.csv"
"""Name of the file in the folder."""
OUTCOMES = ("success", "failure", "")
"""What may stand under `outcome`; blank is unlabelled."""
_NEEDED = ("video", "outcome")
_COLUMNS = ("video", "outcome", "done_at", "half_way_at", "task")


@dataclass(frozen=True)
class VideoLabel:
    """What is known of one video.

    Attributes:
        outcome: One of `OUTCOMES`.
        done_at: Seconds since the first picture from which the task is done; None where unknown.
        half_way_at: Seconds at which half of it is done; None where unknown.
        task: Its sentence; empty where it is that of the whole folder.
    """

    outcome: str = ""
    done_at: float | None = None
    half_way_at: float | None = None
    task: str = ""

    def __post_init__(self) -> None:
        """Checks the fields, alone and together.

        Raises:
            ValueError: One is outside its range, or two contradict each other.
        """
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r} should be success, failure or blank (unlabelled)")
        for name, seconds in (("done_at", self.done_at), ("half_way_at", self.half_way_at)):
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} should be seconds since the first picture, got {seconds}")
        if self.done_at is not None and self.outcome != "success":
            raise ValueError(f"done_at={self.done_at:g} belongs to a success, got outcome {self.outcome!r}")
        if self.done_at is not None and self.half_way_at is not None and self.half_way_at > self.done_at:
            raise ValueError(f"half_way_at={self.half_way_at:g} should come before done_at={self.done_at:g}")


def read_labels(root: Path) -> dict[str, VideoLabel]:
    """Reads the labels of a folder.

    Args:
        root: The folder.

    Returns:
        Labels by the video's path inside the folder, with slashes; empty where there is no `labels.csv`.

    Raises:
        ValueError: The file lacks a column or has one too many, a video stands there twice or outside the
            folder, or a label is none; the message names the line.
    """
    path = root / LABELS_FILE
    if not path.exists():
        return {}
    labels: dict[str, VideoLabel] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or ())
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise ValueError(f"{where} has not as many values as there are columns")
                name = row["video"].strip().replace("\\", "/")
                if not name or Path(name).is_absolute() or ".." in Path(name).parts:
                    raise ValueError(f"{where}: {name!r} should be a path inside {root}")
                if name in labels:
                    raise ValueError(f"{where}: {name!r} stands there twice")
                try:
                    labels[name] = _label(row)
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    return labels


def _check_header(path: Path, columns: object) -> None:
    names = list(columns) if isinstance(columns, (list, tuple)) else []
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        raise ValueError(
            f"{path} should begin with the line {','.join(_COLUMNS)} (the last three may be missing), got "
            f"{','.join(map(str, names))!r}"
        )


def _label(row: Mapping[str, str]) -> VideoLabel:
    return VideoLabel(
        row["outcome"].strip().lower(),
        _seconds("done_at", row.get("done_at") or ""),
        _seconds("half_way_at", row.get("half_way_at") or ""),
        (row.get("task") or "").strip(),
    )


def _seconds(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{name} should be seconds or blank, got {text!r}") from error


def _written(seconds: float | None) -> str:
    return "" if seconds is None else f"{round(seconds, 4):.10g}"


def write_labels(root: Path, labels: Mapping[str, VideoLabel]) -> Path:
    """Writes the labels of a folder, whole or not at all.

    Args:
        root: The folder.
        labels: By the video's path inside it.

    Returns:
        The file.
    """
    with_tasks = any(label.task for label in labels.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS if with_tasks else _COLUMNS[:-1])
    for name, label in labels.items():
        times = [_written(label.done_at), _written(label.half_way_at)]
        writer.writerow([name, label.outcome, *times, *([label.task] if with_tasks else [])])
    path = root / LABELS_FILE
    write_whole(path, text.getvalue().encode())
    return path
