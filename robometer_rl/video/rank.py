"""`robometer-rl rank`: videos of one task from the best to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from ..arguments import read_arguments
from ..errors import checking_input
from .outputs import check_outputs, report_many
from .ranking import By, rank_found, ready_to_rank

__all__ = ["RankConfig", "main", "rank"]


@dataclass(frozen=True)
class RankConfig:
    """Options of `robometer-rl rank`."""

    task: str
    """What the robot is to do, as a sentence, e.g. "open the drawer"."""
    videos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """At least two videos (mp4, gif, npy, npz or a folder of images), or folders of them."""
    model: str = "compact"
    """Reward model: "compact", a folder with a checkpoint, or "package.module:Factory"."""
    by: By = "both"
    """What orders them: final progress, preference between two at a time, or the mean of both places."""
    pairs: int | None = None
    """Comparisons at most: all pairs where they are no more, else each video in about as many. If not given,
    200, or 2 a video where that is more."""
    seed: int = 0
    """Of the draw of pairs, and of which of two videos comes first."""
    fps: float | None = None
    """Read about so many frames per second of video; every frame if not given."""
    json: Path | None = None
    """Write all scores and comparisons to this JSON file."""
    csv: Path | None = None
    """Write a table, one row a video, to this CSV file."""
    page: Path | None = None
    """Write a page of all videos, best first, with filmstrips and curves, to this HTML file."""


def main(argv: Sequence[str] | None = None) -> int:
    """Rank videos of one task by final progress and by preference."""
    return rank(read_arguments(RankConfig, argv, "rank", main.__doc__))


def rank(config: RankConfig) -> int:
    """Rank videos, print a table and write what was asked for.

    Args:
        config: the videos, the task, the model and the files to write.

    Returns:
        The status with which the command ends: 1 where a video could not be scored, else 0.

    Raises:
        InputError: there is no such video, the task is empty, a file is no video, there are fewer than two,
            an option is out of range, the model is unknown, refuses the task or compares no videos, or an
            output cannot be written.
    """
    with checking_input():
        check_outputs({"json": config.json, "csv": config.csv, "page": config.page})
        ready = ready_to_rank(
            config.videos, config.task, config.model, config.by, config.pairs, config.seed, config.fps
        )
    return report_many(rank_found(ready, Console(stderr=True)), config.csv, config.json, config.page)
