"""Pictures of scored videos, drawn with Pillow alone: filmstrip and curves, a sheet of them, overlay frames.

Everything here is a pure function of its arguments. In every picture progress is blue, success is green, and
a pale green ground marks the frames where the task truly is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .canvas import (
    BLUE,
    EDGE,
    GREEN,
    GRID,
    INK,
    MUTED,
    PALE_GREEN,
    PAPER,
    Box,
    Canvas,
    Point,
    fit_text,
    resized,
)

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ScoredEpisode", "draw_episode", "draw_mosaic", "draw_overlay", "draw_sheet"]


@dataclass(frozen=True)
class ScoredEpisode:
    """A video with its scores: what every picture here is drawn from."""

    title: str
    """What is shown, e.g. the task sentence."""
    frames: NDArray[np.uint8]
    """uint8 `(T, H, W, 3)` RGB."""
    progress: NDArray[np.float32]
    """`(T,)` in [0, 1]."""
    success: NDArray[np.float32]
    """`(T,)` in [0, 1]."""
    times: NDArray[np.float64]
    """`(T,)`, increasing, in `unit`."""
    unit: str = "s"
    """Unit of `times`: "s", "frame" or "step"."""
    truth: NDArray[np.bool_] | None = None
    """`(T,)`, whether the task truly is done; None where nobody knows."""
    threshold: float | None = None
    """Success probability from which the model counts the task as done; None draws no line."""
    note: str = ""
    """A short remark shown at the right of the title."""

    def __post_init__(self) -> None:
        """Refuse curves that do not belong to the frames."""
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or len(self.frames) == 0:
            raise ValueError(f"frames must be (T, H, W, 3) with T >= 1, got {self.frames.shape}")
        count = len(self.frames)
        for name in ("progress", "success", "times", "truth"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != (count,):
                raise ValueError(f"{name} must have shape ({count},) like the frames, got {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{name} holds NaN or infinity at {np.flatnonzero(~np.isfinite(values))[:5]}"
                )


@dataclass(frozen=True)
class Axes:
    """Where data lies on the canvas: linear in x over [x0, x1], y from 0 at the bottom to 1 at the top."""

    left: float
    top: float
    right: float
    bottom: float
    x0: float
    x1: float
    inset: float = 0.0
    """Pixels between the frame of the axes and the first and last sample."""

    def x(self, value: float) -> float:
        """Pixel column of a time."""
        span = self.x1 - self.x0
        share = (value - self.x0) / span if span > 0 else 0.5
        return self.left + self.inset + share * (self.right - self.left - 2 * self.inset)

    def y(self, value: float) -> float:
        """Pixel row of a value in [0, 1]."""
        return self.bottom - value * (self.bottom - self.top)

    def line(self, times: NDArray[np.float64], values: NDArray[np.float32]) -> list[Point]:
        """Corners of a curve."""
        return [(self.x(float(t)), self.y(float(v))) for t, v in zip(times, values, strict=True)]


def draw_episode(episode: ScoredEpisode, width: int = 1200, thumbs: int = 8, legend: bool = True) -> Image:
    """Draw a filmstrip and under it the curves, each picture above its moment of the time axis.

    Args:
        episode: what to draw.
        width: of the picture, in pixels.
        thumbs: pictures in the strip, at most one a frame.
        legend: whether to explain the colours at the bottom.

    Returns:
        An RGB image.
    """
    margin, gutter, head, plot, foot = 20.0, 38.0, 40.0, 150.0, 30.0 + (30.0 if legend else 0.0)
    picks = _spread(episode.times, thumbs)
    pitch = (width - 2 * margin - gutter) / len(picks)
    pitch = min(pitch, 320.0)
    height_, width_ = episode.frames.shape[1:3]
    gap = 6.0
    thumb = (pitch - gap, (pitch - gap) * height_ / width_)
    top = head + thumb[1] + 12
    canvas = Canvas(width, int(top + plot + foot + 10))
    left = margin + gutter
    axes = Axes(
        left=left,
        top=top,
        right=width - margin,
        bottom=top + plot,
        x0=float(episode.times[picks[0]]),
        x1=float(episode.times[picks[-1]]),
        inset=(width - margin - left) / len(picks) / 2,
    )
    _title(canvas, episode, left, width - margin)
    for slot, pick in enumerate(picks):
        centre = left + (slot + 0.5) * (width - margin - left) / len(picks)
        box: Box = (centre - thumb[0] / 2, head, centre + thumb[0] / 2, head + thumb[1])
        canvas.picture(episode.frames[pick], box)
        done = episode.truth is not None and bool(episode.truth[pick])
        canvas.frame(box, GREEN if done else EDGE, 3 if done else 1)
        # The slots are even, the frames nearly so: a short line leads from each picture to its moment.
        canvas.line([(centre, head + thumb[1]), (axes.x(float(episode.times[pick])), top)], MUTED, 1)
    _truth(canvas, axes, episode, len(episode.times))
    _axes(canvas, axes, episode, picks)
    _curves(canvas, axes, episode, len(episode.times))
    if legend:
        _legend(canvas, left, axes.bottom + 42, episode)
    return canvas.image()


def draw_sheet(
    rows: Sequence[Sequence[ScoredEpisode]], heading: str, width: int = 2000, thumbs: int = 6
) -> Image:
    """Draw several episodes as a table of filmstrips with curves, one legend for all.

    Args:
        rows: episodes by row; rows may differ in length, each column takes an equal share of the width.
        heading: over all of it.
        width: of the whole picture, in pixels.
        thumbs: pictures in each strip.

    Returns:
        An RGB image.

    Raises:
        ValueError: there is no episode to draw.
    """
    from PIL import Image as PIL

    episodes = [episode for row in rows for episode in row]
    if not episodes:
        raise ValueError("a sheet needs at least one episode")
    columns = max(len(row) for row in rows)
    drawn = [[draw_episode(e, width // columns, thumbs, legend=False) for e in row] for row in rows]
    heights = [max(image.height for image in row) for row in drawn]
    head, foot = 70, 56
    sheet = PIL.new("RGB", (width, head + sum(heights) + foot), PAPER)
    canvas = Canvas(width, head)
    canvas.text((30, 40), heading, 28, INK, "lm")
    sheet.paste(canvas.image(), (0, 0))
    top = head
    for row, height in zip(drawn, heights, strict=True):
        for column, image in enumerate(row):
            sheet.paste(image, (column * (width // columns), top))
        top += height
    canvas = Canvas(width, foot)
    known = next((episode for episode in episodes if episode.truth is not None), episodes[0])
    _legend(canvas, 58, 22, known)
    sheet.paste(canvas.image(), (0, top))
    return sheet


def draw_overlay(episode: ScoredEpisode, width: int = 640) -> Iterator[NDArray[np.uint8]]:
    """Draw the video again with the task above and the curves, up to the present, below.

    Args:
        episode: what to draw.
        width: of the video, in pixels; a frame is scaled to it, but never higher than three quarters of it.

    Yields:
        One uint8 `(h, w, 3)` picture a frame, even in height and width.
    """
    from PIL import Image as PIL

    width += width % 2
    height_, width_ = episode.frames.shape[1:3]
    scale = min(width / width_, 0.75 * width / height_)
    shown = (round(width_ * scale), round(height_ * scale))
    head, strip = 48, 190
    height = head + shown[1] + strip
    height += height % 2
    ground = PIL.new("RGB", (width, height), PAPER)
    title = Canvas(width, head)
    title.text((16, head / 2), fit_text(episode.title, 21, width - 32), 21, INK, "lm")
    ground.paste(title.image(), (0, 0))
    # Bright pictures would run into the paper: a hairline holds them.
    corner = ((width - shown[0]) // 2, head)
    ground.paste(EDGE, (corner[0] - 1, head - 1, corner[0] + shown[0] + 1, head + shown[1] + 1))
    for now in range(len(episode.frames)):
        picture = ground.copy()
        picture.paste(resized(episode.frames[now], shown), corner)
        picture.paste(_strip(episode, now, (width, strip)), (0, head + shown[1]))
        yield np.asarray(picture)


def draw_mosaic(rows: Sequence[Sequence[ScoredEpisode]], width: int = 420) -> Iterator[NDArray[np.uint8]]:
    """Draw the overlays of several episodes side by side, all from their start; the last frame stays.

    Args:
        rows: episodes by row; all rows of one length, the frames of a row of one shape.
        width: of each episode, in pixels.

    Yields:
        One uint8 `(h, w, 3)` picture a frame, as many as the longest episode has.

    Raises:
        ValueError: there is no episode, or the rows differ in length.
    """
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise ValueError(f"a mosaic needs rows of one length, at least 1, got {[len(row) for row in rows]}")
    players = [[draw_overlay(episode, width) for episode in row] for row in rows]
    shown = [[next(player) for player in row] for row in players]
    for _ in range(max(len(episode.frames) for row in rows for episode in row)):
        yield np.concatenate([np.concatenate(row, axis=1) for row in shown], axis=0)
        shown = [
            [next(player, last) for player, last in zip(*pair, strict=True)]
            for pair in zip(players, shown, strict=True)
        ]


def _strip(episode: ScoredEpisode, now: int, size: tuple[int, int]) -> Image:
    """The curves up to a frame, a dot on each at the present, and the two numbers."""
    width, height = size
    canvas = Canvas(width, height)
    span = (float(episode.times[0]), float(episode.times[-1]))
    axes = Axes(left=46, top=18, right=width - 132, bottom=height - 36, x0=span[0], x1=span[1], inset=10)
    _truth(canvas, axes, episode, now + 1)
    _axes(canvas, axes, episode, _spread(episode.times, int((axes.right - axes.left) // 76)))
    _curves(canvas, axes, episode, now + 1)
    column = axes.x(float(episode.times[now]))
    half = (axes.bottom - axes.top) / 2
    for row, name, values, colour in (
        (axes.top + 10, "progress", episode.progress, BLUE),
        (axes.top + 10 + half, "success", episode.success, GREEN),
    ):
        value = float(values[now])
        canvas.dot((column, axes.y(value)), 5, colour)
        canvas.text((axes.right + 22, row), name, 15, MUTED, "lm")
        canvas.text((axes.right + 22, row + 28), f"{value:.2f}", 30, colour, "lm")
    if episode.threshold is not None and episode.success[now] >= episode.threshold:
        row = axes.top + half + 10
        canvas.text((axes.right + 84, row), "done", 15, GREEN, "lm")
    return canvas.image()


def _spread(times: NDArray[np.float64], count: int) -> list[int]:
    """At most `count` frames whose times are spread evenly from the first to the last."""
    count = max(1, min(count, len(times)))
    if count == 1:
        return [len(times) - 1]
    wanted = np.linspace(times[0], times[-1], count)
    nearest = np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)
    return sorted(set(nearest.tolist()))


def _title(canvas: Canvas, episode: ScoredEpisode, left: float, right: float) -> None:
    """The title at the left, the note at the right of it."""
    note = canvas.text((right, 20), episode.note, 15, MUTED, "rm") if episode.note else 0.0
    canvas.text((left, 20), fit_text(episode.title, 19, right - left - note - 20), 19, INK, "lm")


def _axes(canvas: Canvas, axes: Axes, episode: ScoredEpisode, picks: Sequence[int]) -> None:
    """Grid, tick labels and the threshold."""
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        canvas.line([(axes.left, axes.y(value)), (axes.right, axes.y(value))], GRID if value else MUTED, 1)
        if value in (0.0, 0.5, 1.0):
            canvas.text((axes.left - 8, axes.y(value)), f"{value:g}", 14, MUTED, "rm")
    for pick in picks:
        x = axes.x(float(episode.times[pick]))
        canvas.line([(x, axes.top), (x, axes.bottom + 4)], GRID, 1)
        canvas.text((x, axes.bottom + 16), _moment(float(episode.times[pick]), episode.unit), 14, MUTED, "mm")
    if episode.threshold is not None:
        row = axes.y(episode.threshold)
        canvas.dashes((axes.left, row), (axes.right, row), GREEN, 1)


def _truth(canvas: Canvas, axes: Axes, episode: ScoredEpisode, upto: int) -> None:
    """A pale green ground where the task truly is done, from half-way before to half-way after a frame."""
    if episode.truth is None:
        return
    columns = np.asarray([axes.x(float(time)) for time in episode.times])
    middles = (columns[1:] + columns[:-1]) / 2
    edges = np.concatenate([[columns[0]], middles, [columns[-1]]])
    for start, stop in _runs(episode.truth[:upto]):
        # A single frame at the very end would otherwise be a band of half its width.
        right = max(float(edges[stop]), float(edges[start]) + 2)
        canvas.rectangle((float(edges[start]), axes.top, right, axes.bottom), PALE_GREEN)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges in which the flags hold."""
    padded = np.concatenate([[0], flags.astype(np.int8), [0]])
    change = np.flatnonzero(np.diff(padded))
    return [(int(a), int(b)) for a, b in change.reshape(-1, 2)]


def _curves(canvas: Canvas, axes: Axes, episode: ScoredEpisode, upto: int) -> None:
    """Both curves up to a frame; one frame alone is a dot."""
    times = episode.times[:upto]
    for values, colour, width in ((episode.success, GREEN, 2.5), (episode.progress, BLUE, 3.0)):
        points = axes.line(times, values[:upto])
        if len(points) == 1:
            canvas.dot(points[0], 4, colour)
        else:
            canvas.line(points, colour, width)


def _legend(canvas: Canvas, left: float, row: float, episode: ScoredEpisode) -> None:
    """Explain the colours in one line."""
    x = left
    for label, colour, width in (("progress", BLUE, 3.0), ("success probability", GREEN, 2.5)):
        canvas.line([(x, row), (x + 28, row)], colour, width)
        x += 36 + canvas.text((x + 36, row), label, 15, INK, "lm") + 28
    if episode.threshold is not None:
        canvas.dashes((x, row), (x + 28, row), GREEN, 1)
        label = f"success threshold {episode.threshold:.2f}"
        x += 36 + canvas.text((x + 36, row), label, 15, INK, "lm") + 28
    if episode.truth is not None:
        canvas.rectangle((x, row - 8, x + 28, row + 8), PALE_GREEN)
        canvas.frame((x, row - 8, x + 28, row + 8), GREEN, 1)
        canvas.text((x + 36, row), "task truly done (simulator; green frame in the strip)", 15, INK, "lm")


def _moment(time: float, unit: str) -> str:
    """A time as a tick label."""
    return f"{time:.1f} s" if unit == "s" else f"{unit} {time:.0f}"
