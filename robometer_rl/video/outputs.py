"""What `score` and `rank` do with many scored videos: write files, print a table, end with a status."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from ..files import write_whole
from .notice import worlds_notice
from .ranking import VideoRanking
from .scored import VideoScores
from .tables import console_table, csv_text, json_text, scores_of, summary

__all__ = [
    "PAGE_SUFFIXES",
    "check_outputs",
    "ready",
    "report_many",
    "write_tables",
    "write_text",
]

PAGE_SUFFIXES = (".html", ".htm")
LISTED = 10
"""Warnings, and files that were passed over, that are printed at most."""


def check_outputs(files: Mapping[str, Path | None]) -> None:
    """Refuses what cannot be written before the work begins, not after it.

    Args:
        files: The file that each option names.

    Raises:
        ValueError: One is a folder, two are one file, or the page has the suffix of something else.
    """
    named = {option: path for option, path in files.items() if path is not None}
    for option, path in named.items():
        if path.expanduser().is_dir():
            raise ValueError(f"--{option} {path} is a folder; expected the name of a file")
        others = [other for other in named if other != option and named[other] == path]
        if others:
            raise ValueError(f"--{option} and --{others[0]} both name {path}; expected two files")
    page = named.get("page")
    if page is not None and page.suffix.lower() not in PAGE_SUFFIXES:
        raise ValueError(
            f"--page {page} cannot be written; expected a file name ending in {', '.join(PAGE_SUFFIXES)}"
        )


def ready(path: Path) -> Path:
    """Makes the folder of a file.

    Args:
        path: The file; `~` is the home folder.

    Returns:
        The path, `~` replaced.
    """
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Writes a file whole, and its folder where it is missing.

    Args:
        path: The file.
        text: What it holds.

    Returns:
        Where it is.
    """
    path = ready(path)
    write_whole(path, text.encode("utf-8"))
    return path


def write_tables(
    found: VideoScores | VideoRanking, csv: Path | None, json: Path | None, page: Path | None
) -> dict[str, Path]:
    """Writes the files that were asked for.

    Args:
        found: Scores, or a ranking.
        csv: Where to write the table.
        json: Where to write all scores.
        page: Where to write the HTML page.

    Returns:
        What was written, and where.
    """
    written = {}
    if csv is not None:
        written["table"] = write_text(csv, csv_text(found))
    if json is not None:
        written["scores"] = write_text(json, json_text(found))
    if page is not None:
        from .page import page_text

        written["page"] = write_text(page, page_text(found))
    return written


def report_many(
    found: VideoScores | VideoRanking, csv: Path | None, json: Path | None, page: Path | None
) -> int:
    """Writes what was asked for, then prints the table.

    Args:
        found: Scores, or a ranking.
        csv: Where to write the table.
        json: Where to write all scores.
        page: Where to write the HTML page.

    Returns:
        The status with which the command ends: 1 where a video failed, else 0.
    """
    # Files come first: what a console cannot show must not cost what was computed.
    written = write_tables(found, csv, json, page)
    scores = scores_of(found)
    console = Console(markup=False, emoji=False)
    console.print(console_table(found))
    console.print(summary(found))
    warnings = [f"{scores.names[video.path]}: {note}" for video in scores.scored for note in video.notes]
    if warnings:
        console.print(Panel("\n".join(_listed(warnings)), title="Warning", border_style="red"))
    if scores.passed_over:
        names = ", ".join(_listed([str(path) for path in scores.passed_over]))
        console.print(f"passed over, no videos: {names}", highlight=False, soft_wrap=True)
    notice = worlds_notice(scores.model, scores.trained_worlds)
    console.print(Panel(notice, title="What this model has seen", border_style="yellow"))
    for what, path in written.items():
        console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
    return 1 if scores.failed else 0


def _listed(lines: list[str]) -> list[str]:
    """The lines, or the first of them and how many there are beside."""
    if len(lines) <= LISTED:
        return lines
    return [*lines[:LISTED], f"and {len(lines) - LISTED} more"]
