"""Which overlay videos the page of `report` shows, and how many of them fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .analysis import Analysis
from .study import Run

__all__ = ["Clip", "choose", "fitting"]

_KINDS = {
    "best": "best episode",
    "wrong": "the failed episode that the learned reward paid most",
}


@dataclass(frozen=True)
class Clip:
    """A video of a run."""

    path: Path
    """The file."""
    run: Run
    """The run."""
    name: str
    """The run in words."""
    kind: str
    """`best` or `wrong`."""
    flagged: bool
    """Whether the run is flagged."""

    @property
    def caption(self) -> str:
        """What it shows, in words."""
        mark = ", flagged by the alarm" if self.flagged else ""
        return f"{self.name}: {_KINDS[self.kind]} (final true success of the run {self.run.final:.2f}{mark})"


def choose(found: Analysis) -> list[Clip]:
    """The videos worth showing, the most telling first.

    Of every flagged run its most wrongly rewarded episode; then of each task the best episode of the run that
    ended best, and the most wrongly rewarded one of the run that ended worst. Files that are missing are not
    listed.

    Args:
        found: What was found.

    Returns:
        Each video once.
    """
    chosen = [_clip(found, run, "wrong") for run in found.flagged]
    for task in found.study.tasks:
        runs = [run for run in found.learned_runs if run.config.env == task]
        # Without a solved episode `best.mp4` shows the same as `wrong.mp4`.
        best = sorted((run for run in runs if run.best > 0), key=lambda run: -run.final)
        worst = sorted(runs, key=lambda run: (run.final, -float(run.own["learned_return"][-1])))
        for order, kind in ((best, "best"), (worst, "wrong")):
            clips = [clip for clip in (_clip(found, run, kind) for run in order) if clip is not None]
            chosen += clips[:1]
    once: dict[Path, Clip] = {clip.path: clip for clip in chosen if clip is not None}
    return list(once.values())


def _clip(found: Analysis, run: Run, kind: str) -> Clip | None:
    path = run.folder.videos / f"{kind}.mp4"
    return Clip(path, run, found.name_of(run), kind, found.alarms[run.id].flagged) if path.is_file() else None


def fitting(clips: Sequence[Clip], limit: float) -> tuple[list[Clip], list[Clip]]:
    """Takes videos in order as long as they fit.

    Args:
        clips: The most telling first.
        limit: Bytes of all files together.

    Returns:
        Those that fit, and those that are left out.
    """
    shown: list[Clip] = []
    left_out: list[Clip] = []
    total = 0
    for clip in clips:
        size = clip.path.stat().st_size
        fits = total + size <= limit
        total += size if fits else 0
        (shown if fits else left_out).append(clip)
    return shown, left_out
