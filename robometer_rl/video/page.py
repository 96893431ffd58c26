"""One HTML file that shows many scored videos, best first: read without the network and without scripts."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..templates import NO_NETWORK, template_environment
from .notice import worlds_notice
from .ranking import RankedVideo, VideoRanking
from .scored import FailedVideo, ScoredVideo, VideoScores, spread_evenly
from .tables import Row, rows_of, scores_of, summary

__all__ = ["page_text"]

WIDTH, HEIGHT = 600, 120
"""Of the curves, in units of their drawing."""
POINTS = 400
"""Of a curve, at most, beside its highest one."""


@dataclass(frozen=True)
class _Card:
    """A video as the page shows it."""

    number: int
    name: str
    video: ScoredVideo
    entry: RankedVideo | None
    pictures: tuple[str, ...]
    progress: str
    success: str
    threshold: float
    start: str
    end: str


def page_text(found: VideoScores | VideoRanking) -> str:
    """Renders the page.

    Args:
        found: Scores, which are shown by final progress, or a ranking, which is shown in its order.

    Returns:
        The text of one HTML file that refers to nothing outside.
    """
    scores = scores_of(found)
    ranking = found if isinstance(found, VideoRanking) else None
    rows = rows_of(found)
    if ranking is None:
        rows = sorted(rows, key=_quality, reverse=True)
    tasks = sorted({row.result.task for row in rows})
    return (
        template_environment(__package__)
        .get_template("videos.html.j2")
        .render(
            policy=NO_NETWORK,
            title="Ranking of videos" if ranking else "Scores of videos",
            order=_order(ranking),
            tasks=tasks,
            summary=summary(found),
            notice=worlds_notice(scores.model, scores.trained_worlds),
            cards=[
                _card(number, row, row.result)
                for number, row in enumerate(rows, start=1)
                if isinstance(row.result, ScoredVideo)
            ],
            compared=ranking is not None and ranking.by != "progress",
            failed=[(row.name, row.result) for row in rows if isinstance(row.result, FailedVideo)],
            passed_over=[str(path) for path in scores.passed_over],
            width=WIDTH,
            height=HEIGHT,
        )
    )


def _quality(row: Row) -> tuple[float, float]:
    """Sort key: final progress, then the highest success; what failed comes last."""
    if isinstance(row.result, FailedVideo):
        return (-1.0, -1.0)
    return (row.result.final_progress, row.result.max_success)


def _order(ranking: VideoRanking | None) -> str:
    """What the cards are ordered by."""
    if ranking is None or ranking.by == "progress":
        return "by final progress"
    if ranking.by == "preference":
        return "by preference"
    return "by the mean of the places by progress and by preference"


def _card(number: int, row: Row, video: ScoredVideo) -> _Card:
    times = video.index.astype(np.float64) if video.times is None else video.times
    picks = sorted({*spread_evenly(len(times), POINTS), int(video.success.argmax())})
    first, last = float(times[0]), float(times[-1])
    across = (times[picks] - first) / (last - first) * WIDTH if last > first else np.array([WIDTH / 2])
    return _Card(
        number=number,
        name=row.name,
        video=video,
        entry=row.ranked,
        pictures=tuple(
            "data:image/jpeg;base64," + base64.b64encode(picture).decode() for picture in video.pictures
        ),
        progress=_points(across, video.progress[picks]),
        success=_points(across, video.success[picks]),
        threshold=(1.0 - video.success_threshold) * HEIGHT,
        start="frame 0" if video.times is None else f"{first:.1f} s",
        end=f"frame {last:.0f}" if video.times is None else f"{last:.1f} s",
    )


def _points(across: NDArray[np.float64], values: NDArray[np.float32]) -> str:
    """A curve as the points of an SVG polyline; one frame alone is a short dash."""
    if len(values) == 1:
        across, values = across + np.array([-4.0, 4.0]), np.repeat(values, 2)
    return " ".join(
        f"{x:.1f},{(1 - float(value)) * HEIGHT:.1f}" for x, value in zip(across, values, strict=True)
    )
