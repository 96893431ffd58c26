"""Which overlay videos the page of `report` shows, how many fit, and how to make those that are gone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .analysis import Analysis
from .study import Run

__all__ = ["Clip", "choose", "commands_for", "fitting", "not_kept"]

_KINDS = {
    "best": "the best episode",
    "wrong": "the failed episode with the highest learned return",
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
        unit = "true success" if self.run.judged_by == "true_success" else "return"
        final = f"final {unit} of the run: {self.run.measured[-1]:.2f}"
        return f"{self.name}: {_KINDS[self.kind]} ({final}{mark})"

    @property
    def kept(self) -> bool:
        """Whether the file is there and holds anything."""
        return self.path.is_file() and self.path.stat().st_size > 0


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
    chosen = [next((clip for clip in wish if clip.kept), None) for wish in _wishes(found)]
    once: dict[Path, Clip] = {clip.path: clip for clip in chosen if clip is not None}
    return list(once.values())


def not_kept(found: Analysis) -> list[Clip]:
    """The videos that `choose` would list if their files were there.

    Args:
        found: What was found.

    Returns:
        Each video once: the first choice of every place for which no file is there.
    """
    once: dict[Path, Clip] = {}
    for wish in _wishes(found):
        if not any(clip.kept for clip in wish):
            # Where the last evaluation solves every episode, `train` draws no failed one.
            drawn = [clip for clip in wish if clip.kind == "best" or clip.run.final < 1]
            once.update({clip.path: clip for clip in drawn[:1]})
    return list(once.values())


def commands_for(clips: Sequence[Clip], runs: Path) -> list[str]:
    """The commands that make videos again, by training their runs a second time.

    A run that is done is not trained again where it lies, so they go into a folder of their own.

    Args:
        clips: The videos.
        runs: The folder of runs that lacks them.

    Returns:
        One command per run, and the one that shows the videos.
    """
    out = shlex.quote(f"{runs}-videos")
    trained = dict.fromkeys(f"{clip.run.result.command} --out {out}" for clip in clips)
    return [*trained, f"robometer-rl report {out}"]


def _wishes(found: Analysis) -> list[list[Clip]]:
    """One list for each place on the page: the videos that may stand there, the first choice first."""
    wishes = [[_clip(found, run, "wrong")] for run in found.flagged]
    for task in found.study.tasks:
        runs = [run for run in found.learned_runs if run.config.env == task]
        # Without a solved episode `best.mp4` shows the same as `wrong.mp4`.
        best = sorted((run for run in runs if run.measured.max() > 0 or run.judged_by == "env_return"),
                      key=lambda run: -run.final)  # fmt: skip
        # Where success is unknown, no episode is known to have failed.
        told = [run for run in runs if run.judged_by == "true_success"]
        worst = sorted(told, key=lambda run: (run.final, -float(run.own["learned_return"][-1])))
        wishes.append([_clip(found, run, "best") for run in best])
        wishes.append([_clip(found, run, "wrong") for run in worst])
    return wishes


def _clip(found: Analysis, run: Run, kind: str) -> Clip:
    path = run.folder.videos / f"{kind}.mp4"
    return Clip(path, run, found.name_of(run), kind, found.alarms[run.id].flagged)


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
