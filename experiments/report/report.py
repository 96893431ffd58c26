"""`robometer-rl report DIR`: one HTML page and PNGs from the runs that `train` or `sweep` left in a folder.

The page holds everything it shows, figures and videos included, and asks the network for nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import tyro
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import checking_input

from .analysis import Analysis, analyse, figures
from .page import render
from .study import read_study
from .tables import fill_benchmark, summary_csv, task_markdown
from .text import headline_truth, plural
from .videos import choose, fitting, not_kept

__all__ = ["ReportConfig", "main", "report"]


@dataclass(frozen=True)
class ReportConfig:
    """Options of `robometer-rl report`."""

    runs: tyro.conf.Positional[Path]
    """Folder of runs, as `robometer-rl train --out` or a sweep made it."""
    out: Path | None = None
    """Folder for index.html and the PNGs; `report` inside the folder of runs if not given."""
    resamples: int = 5_000
    """Bootstrap resamples behind each interval."""
    seed: int = 0
    """Seed of the bootstrap."""
    max_video_mb: float = 20.0
    """Megabytes of videos in the page; the least informative ones are left out and listed."""
    summary: Path | None = None
    """Write one row per finished run to this CSV file."""
    readme: Path | None = None
    """Rewrite the table by task in this Markdown file, between `<!-- benchmark NAME -->` and `<!-- end -->`,
    where NAME is that of the folder of runs."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is out of range.
        """
        if self.resamples < 100:
            raise ValueError(f"resamples={self.resamples} must be at least 100; 2,000 or more are usual")
        if self.max_video_mb < 0:
            raise ValueError(f"max_video_mb={self.max_video_mb} must be at least 0")


def report(config: ReportConfig) -> tuple[Analysis, Path]:
    """Reads the runs and writes what was asked for.

    Args:
        config: The runs, and what to write.

    Returns:
        What was found, and the page.

    Raises:
        InputError: There is no such folder, it holds no finished run, a file is broken, or markers are
            missing in the Markdown file.
    """
    with checking_input():
        study = read_study(config.runs)
    found = analyse(study, config.resamples, config.seed)
    if config.readme is not None:
        with checking_input():
            text = config.readme.read_text(encoding="utf-8")
            filled = fill_benchmark(
                text, task_markdown(found), config.runs.resolve().name, str(config.readme)
            )
        config.readme.write_text(filled, encoding="utf-8")
    if config.summary is not None:
        config.summary.parent.mkdir(parents=True, exist_ok=True)
        config.summary.write_text(summary_csv(found), encoding="utf-8")
    out = config.runs / "report" if config.out is None else config.out
    out.mkdir(parents=True, exist_ok=True)
    pictures = figures(found)
    for name, png in pictures.items():
        (out / name).write_bytes(png)
    clips = fitting(choose(found), config.max_video_mb * 1e6)
    html = out / "index.html"
    html.write_text(render(found, pictures, clips, _command(config), date.today()), encoding="utf-8")
    return found, html


def _command(config: ReportConfig) -> str:
    """The command that makes the page again."""
    words = ["robometer-rl", "report", str(config.runs)]
    for name in ("out", "resamples", "seed", "max_video_mb"):
        value = getattr(config, name)
        if value != getattr(ReportConfig, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def main(argv: Sequence[str] | None = None) -> None:
    """Report on runs: one self-contained HTML page and PNGs, by true success."""
    config = read_arguments(ReportConfig, argv, "report", main.__doc__)
    found, html = report(config)
    console = Console(markup=False)
    console.print(headline_truth(found)[1], soft_wrap=True)
    console.print(task_markdown(found), markup=False, soft_wrap=True)
    if found.flagged:
        console.print(f"flagged by the alarm: {', '.join(run.id for run in found.flagged)}", soft_wrap=True)
    if found.study.left_out:
        console.print(f"left out: {plural(len(found.study.left_out), 'run')}, named on the page")
    missing = not_kept(found)
    if missing:
        console.print(f"not stored with the runs: {plural(len(missing), 'video')}; the page has the commands")
    console.print(f"written: {html} ({html.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)


if __name__ == "__main__":
    main()
