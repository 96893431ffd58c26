"""Scores and rankings of many videos as a table on the console, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from .ranking import RankedVideo, VideoRanking
from .scored import FailedVideo, ScoredVideo, VideoScores

__all__ = ["Row", "console_table", "csv_text", "json_text", "rows_of", "scores_of", "summary"]


@dataclass(frozen=True)
class Row:
    """One video in a table."""

    name: str
    """What tells it from the others."""
    result: ScoredVideo | FailedVideo
    """Its scores, or why it has none."""
    ranked: RankedVideo | None = None
    """Its places, where it was ranked."""


def rows_of(found: VideoScores | VideoRanking) -> list[Row]:
    """The rows of a table.

    Args:
        found: Scores, or a ranking.

    Returns:
        One row a video: scores in the order in which the videos were named; a ranking best first, with the
        videos that failed at the end.
    """
    if isinstance(found, VideoScores):
        return [Row(found.names[result.path], result) for result in found.results]
    names = found.scores.names
    rows = [Row(names[ranked.video.path], ranked.video, ranked) for ranked in found.ranked]
    return rows + [Row(names[failed.path], failed) for failed in found.scores.failed]


def console_table(found: VideoScores | VideoRanking) -> Table:
    """The table that a command prints.

    Args:
        found: Scores, or a ranking.

    Returns:
        A table of rich.
    """
    rows = rows_of(found)
    tasks = {row.result.task for row in rows}
    ranking = found if isinstance(found, VideoRanking) else None
    title = next(iter(tasks)) if len(tasks) == 1 else f"{len(tasks)} tasks"
    table = Table(title=f"{_videos(len(rows))}: {title}", title_style="bold")
    if ranking is not None:
        table.add_column("#", justify="right")
    table.add_column("video", overflow="fold", min_width=16)
    if len(tasks) > 1:
        table.add_column("task", overflow="fold", min_width=12)
    table.add_column("progress", justify="right", style="blue", no_wrap=True)
    if ranking is not None and ranking.by != "progress":
        table.add_column("strength", justify="right", style="magenta", no_wrap=True)
        table.caption = "in brackets: the place by progress, and by preference"
    table.add_column("success", justify="right", style="green", no_wrap=True)
    table.add_column("", style="bold green", no_wrap=True)
    if ranking is None:
        table.add_column("frames", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
    for number, row in enumerate(rows, start=1):
        cells: list[str | Text] = [] if ranking is None else [str(number) if row.ranked else ""]
        cells.append(_named(row))
        cells += [row.result.task] if len(tasks) > 1 else []
        table.add_row(*cells, *_numbers(row))
    return table


def _named(row: Row) -> Text:
    """The name, and below it what went wrong."""
    if isinstance(row.result, ScoredVideo):
        return Text(row.name)
    return Text.assemble(row.name, ("\nnot scored: " + row.result.error, "red"))


def _numbers(row: Row) -> list[str]:
    """The cells of a row that hold numbers."""
    result, ranked = row.result, row.ranked
    if isinstance(result, FailedVideo):
        return []
    numbers = [f"{result.final_progress:.3f}"]
    if ranked is not None and ranked.strength is not None:
        numbers = [
            f"{result.final_progress:.3f} ({ranked.progress_rank})",
            f"{ranked.strength:+.2f} ({ranked.preference_rank})",
        ]
    numbers += [f"{result.max_success:.3f}", "" if result.first_success_frame is None else "done"]
    if ranked is None:
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        numbers += [str(len(result.progress)), seconds]
    return numbers


def summary(found: VideoScores | VideoRanking) -> str:
    """What the table shows, in one or two sentences.

    Args:
        found: Scores, or a ranking.

    Returns:
        Text of one line.
    """
    scores = scores_of(found)
    done = sum(video.first_success_frame is not None for video in scores.scored)
    text = (
        f"{_videos(len(scores.scored))} scored, {done} of them with success (threshold "
        f"{scores.success_threshold:.2f})"
    )
    if scores.failed:
        text += f", {len(scores.failed)} not scored"
    if isinstance(found, VideoRanking) and found.by != "progress":
        tau = "undefined" if found.kendall_tau is None else f"{found.kendall_tau:.2f}"
        count = len(found.comparisons)
        compared = "1 comparison" if count == 1 else f"{count} comparisons"
        text += f"; {compared}; Kendall tau of progress and preference {tau}"
    return text


def csv_text(found: VideoScores | VideoRanking) -> str:
    """One row a video, in the order of the table.

    Args:
        found: Scores, or a ranking.

    Returns:
        The text of a CSV file; a cell is empty where there is no value.
    """
    records = [_record(row, place) for place, row in _placed(found)]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(records[0]) if records else ["video"], lineterminator="\n")
    writer.writeheader()
    for record in records:
        record["notes"] = "; ".join(record["notes"])
        writer.writerow(record)
    return file.getvalue()


def json_text(found: VideoScores | VideoRanking) -> str:
    """All scores of all videos, what they came from, and all comparisons.

    Args:
        found: Scores, or a ranking.

    Returns:
        The text of a JSON file; `videos` is in the order of the table.
    """
    scores = scores_of(found)
    data: dict[str, Any] = {
        "model": scores.model,
        "trained_worlds": list(scores.trained_worlds),
        "success_threshold": scores.success_threshold,
        "passed_over": [str(path) for path in scores.passed_over],
    }
    if isinstance(found, VideoRanking):
        data["by"] = found.by
        data["kendall_tau"] = found.kendall_tau
        data["comparisons"] = [
            {"first": str(one.first), "second": str(one.second), "probability": round(one.probability, 5)}
            for one in found.comparisons
        ]
    data["videos"] = [_record(row, place) | _curves(row.result) for place, row in _placed(found)]
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _placed(found: VideoScores | VideoRanking) -> list[tuple[int | None, Row]]:
    """The rows, each with its place in the order of a ranking; None among scores."""
    ranked = isinstance(found, VideoRanking)
    return [(place if ranked else None, row) for place, row in enumerate(rows_of(found), start=1)]


def _record(row: Row, place: int | None) -> dict[str, Any]:
    """A row as data, None where there is no value."""
    result, record = row.result, {}
    if place is not None:
        entry = row.ranked
        record = {
            "place": place if entry else None,
            "progress_rank": entry.progress_rank if entry else None,
            "preference_rank": entry.preference_rank if entry else None,
            "strength": entry.strength if entry else None,
            "comparisons": entry.comparisons if entry else None,
        }
    scored = result if isinstance(result, ScoredVideo) else None
    return record | {
        "video": str(result.path),
        "task": result.task,
        "final_progress": round(scored.final_progress, 5) if scored else None,
        "max_success": round(scored.max_success, 5) if scored else None,
        "first_success_frame": scored.first_success_frame if scored else None,
        "frames": len(scored.progress) if scored else None,
        "seconds": round(scored.seconds, 4) if scored and scored.seconds is not None else None,
        "error": result.error if isinstance(result, FailedVideo) else None,
        "notes": list(scored.notes) if scored else [],
    }


def _curves(result: ScoredVideo | FailedVideo) -> dict[str, Any]:
    """The scores of all frames."""
    if isinstance(result, FailedVideo):
        return {}
    return {
        "frame": result.index.tolist(),
        "time": None if result.times is None else [round(float(time), 4) for time in result.times],
        "progress": [round(float(value), 5) for value in result.progress],
        "success": [round(float(value), 5) for value in result.success],
    }


def scores_of(found: VideoScores | VideoRanking) -> VideoScores:
    """The scores, also those of a ranking.

    Args:
        found: Scores, or a ranking.

    Returns:
        The scores.
    """
    return found if isinstance(found, VideoScores) else found.scores


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"
