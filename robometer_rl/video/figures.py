"""Pictures of scored videos: filmstrip and curves, a sheet of them, overlay frames.

Matplotlib draws them, through its own figures and Agg canvases: no window, no `pyplot`, no global setting. It
is imported when something is drawn, not before. Everything here is a pure function of its arguments. In every
picture progress is blue, success is green, and a pale green ground marks the frames where the task truly is
done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from PIL.Image import Image

__all__ = ["ScoredEpisode", "draw_episode", "draw_mosaic", "draw_overlay", "draw_sheet"]

PAPER, INK, MUTED, GRID, EDGE = "#ffffff", "#1f2937", "#6b7280", "#e5e7eb", "#cbcfd6"
BLUE, GREEN = "#2563eb", "#169648"
PALE_GREEN = "#41c86e33"
"""With its last two digits, which let the grid through, it is #d9f4e2 on white paper."""

_DPI = 72
"""A point is a pixel, so that sizes of letters and lines are pixels of the finished picture."""
_FONT = "DejaVu Sans"
"""Matplotlib brings it along, so that pictures look alike on every machine."""
_LETTER = 0.62
"""Mean width of a letter or digit of that font, as a share of its size."""
_TICK_SIZE = 12.0
_MARGIN, _GUTTER = 20.0, 38.0
"""Pixels around an episode, and at its left for the labels of the vertical axis."""
_HEAD, _PLOT, _FOOT = 40.0, 150.0, 40.0
"""Heights of an episode's title, curves and time labels, in pixels."""
_GAP = 6.0
"""Pixels between the pictures of a filmstrip."""
_WIDEST_THUMB = 320.0
_DASHED: dict[str, Any] = {"linewidth": 1, "linestyle": (0, (5, 4)), "dash_capstyle": "butt"}
_LEGEND_WIDTH, _LEGEND_ROW = 800, 26
"""A picture narrower than this has a legend of one entry a row, each so many pixels high."""


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
    strip = _Filmstrip.of(episode, width, thumbs)
    figure = _figure(width, strip.height + (_legend_height(episode, width) if legend else 0))
    _draw_filmstrip(figure, episode, strip, 0, 0)
    if legend:
        _draw_legend(figure, episode, _MARGIN + _GUTTER)
    return _image(figure)


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
    episodes = [episode for row in rows for episode in row]
    if not episodes:
        raise ValueError("a sheet needs at least one episode")
    column = width // max(len(row) for row in rows)
    strips = [[_Filmstrip.of(episode, column, thumbs) for episode in row] for row in rows]
    heights = [max((strip.height for strip in row), default=0) for row in strips]
    known = next((episode for episode in episodes if episode.truth is not None), episodes[0])
    head = 70
    figure = _figure(width, head + sum(heights) + _legend_height(known, width))
    _fit(_text(figure, (30, 40), heading, 26, INK), width - 60)
    top = head
    for row, laid, height in zip(rows, strips, heights, strict=True):
        for number, (episode, strip) in enumerate(zip(row, laid, strict=True)):
            _draw_filmstrip(figure, episode, strip, number * column, top)
        top += height
    _draw_legend(figure, known, _MARGIN + _GUTTER)
    return _image(figure)


def draw_overlay(episode: ScoredEpisode, width: int = 640) -> Iterator[NDArray[np.uint8]]:
    """Draw the video again with the task above and the curves, up to the present, below.

    Args:
        episode: what to draw.
        width: of the video, in pixels; a frame is scaled to it, but never higher than three quarters of it.

    Yields:
        One uint8 `(h, w, 3)` picture a frame, even in height and width.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import IdentityTransform

    width += width % 2
    height_, width_ = episode.frames.shape[1:3]
    scale = min(width / width_, 0.75 * width / height_)
    shown = (max(1, round(width_ * scale)), max(1, round(height_ * scale)))
    head, strip = 48, 190
    height = head + shown[1] + strip
    height += height % 2
    left = (width - shown[0]) // 2
    figure = _figure(width, height)
    _fit(_text(figure, (16, head / 2), episode.title, 18, INK), width - 32)
    # Bright pictures would run into the paper: a hairline holds them.
    corner = (left - 0.5, height - head - shown[1] - 0.5)
    hairline = Rectangle(corner, shown[0] + 1, shown[1] + 1, fill=False, edgecolor=EDGE, linewidth=1)
    hairline.set(transform=IdentityTransform(), snap=False)
    figure.add_artist(hairline)
    curves = _RunningCurves(figure, episode, head + shown[1])
    canvas = _canvas(figure)
    canvas.draw()
    # What stays is drawn once: drawing all of it for every frame takes many times longer.
    ground = canvas.copy_from_bbox(figure.bbox)
    for now, frame in enumerate(episode.frames):
        canvas.restore_region(ground)
        curves.draw(now)
        picture = _pixels(canvas)
        picture[head : head + shown[1], left : left + shown[0]] = _resized(frame, shown)
        yield picture


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


@dataclass(frozen=True)
class _Filmstrip:
    """Where the parts of an episode lie, in pixels from its upper left corner."""

    picks: list[int]
    """Numbers of the frames that are shown."""
    thumb: tuple[int, int]
    """Width and height of a picture."""
    left: float
    """Left edge of the first slot and of the curves."""
    right: float
    """Right edge of the last slot and of the curves."""

    @classmethod
    def of(cls, episode: ScoredEpisode, width: int, thumbs: int) -> _Filmstrip:
        """Lay an episode out."""
        picks = _spread(episode.times, thumbs)
        left, right = _MARGIN + _GUTTER, width - _MARGIN
        side = max(1.0, min((right - left) / len(picks), _WIDEST_THUMB) - _GAP)
        height, width_ = episode.frames.shape[1:3]
        return cls(picks, (round(side), max(1, round(side * height / width_))), left, right)

    @property
    def slot(self) -> float:
        """Width of the slot that each picture is centred in."""
        return (self.right - self.left) / len(self.picks)

    @property
    def top(self) -> float:
        """Top edge of the curves."""
        return _HEAD + self.thumb[1] + 12

    @property
    def height(self) -> int:
        """Height of all."""
        return int(self.top + _PLOT + _FOOT)


def _draw_filmstrip(
    figure: Figure, episode: ScoredEpisode, strip: _Filmstrip, across: float, down: float
) -> None:
    """Draw title, pictures and curves of an episode whose upper left corner lies at `across`, `down`."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import IdentityTransform

    left, right, top = across + strip.left, across + strip.right, down + strip.top
    _draw_title(figure, episode, (left, right), down + 20)
    axes = _axes(figure, (left, top, right, top + _PLOT))
    _style_axes(axes, episode, strip.picks, strip.slot / 2)
    _draw_curves(axes, episode)
    width, height = strip.thumb
    # Figures count rows from below.
    bottom = figure.bbox.height - down - _HEAD - height
    for slot, pick in enumerate(strip.picks):
        centre = left + (slot + 0.5) * strip.slot
        x, y = round(centre - width / 2), round(bottom)
        figure.figimage(_resized(episode.frames[pick], strip.thumb), x, y, origin="upper")
        done = episode.truth is not None and bool(episode.truth[pick])
        colour, line = (GREEN, 3) if done else (EDGE, 1)
        frame = Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=line, zorder=3)
        frame.set(joinstyle="miter", transform=IdentityTransform())
        figure.add_artist(frame)
        # The slots are even, the frames nearly so: a short line leads from each picture to its moment.
        moment = axes.transData.transform((float(episode.times[pick]), 1.0))
        lead = Line2D([centre, moment[0]], [y, moment[1]], color=MUTED, linewidth=1, solid_capstyle="butt")
        lead.set_transform(IdentityTransform())
        figure.add_artist(lead)


class _RunningCurves:
    """The curves of an overlay up to a frame, a dot on each at the present, and the two numbers."""

    def __init__(self, figure: Figure, episode: ScoredEpisode, top: float) -> None:
        """Draw what stays into the figure, below `top` (pixels from above)."""
        from matplotlib.collections import PolyCollection

        self._figure, self._episode = figure, episode
        width = float(figure.bbox.width)
        # The numbers shrink with a narrow picture, so that something is left for the curves.
        size = min(1.0, width / 400)
        right = width - 132 * size
        axes = _axes(figure, (46, top + 18, right, top + 154))
        _style_axes(axes, episode, _spread(episode.times, max(2, int((right - 46) // 84))), 10)
        self._truth = PolyCollection([], facecolor=PALE_GREEN, linewidth=0, animated=True)
        axes.add_collection(self._truth, autolim=False)
        self._curves = []
        half = 68
        for row, name, values, colour in (
            (top + 28 + half, "success", episode.success, GREEN),
            (top + 28, "progress", episode.progress, BLUE),
        ):
            _text(figure, (right + 20 * size, row), name, 13 * size, MUTED)
            (line,) = axes.plot([], [], color=colour, **_stroke(colour), animated=True)
            (dot,) = axes.plot([], [], "o", color=colour, markersize=11, markeredgecolor=PAPER,
                               markeredgewidth=1.5, clip_on=False, animated=True)  # fmt: skip
            number = _text(figure, (right + 20 * size, row + 27 * size), "", 27 * size, colour, animated=True)
            self._curves.append((values, line, dot, number))
        row = top + 28 + half
        self._done = _text(figure, (right + 82 * size, row), "done", 13 * size, GREEN, animated=True)

    def draw(self, now: int) -> None:
        """Draw what moves, as it is at a frame, onto the figure's canvas."""
        episode, upto = self._episode, now + 1
        self._truth.set_verts(_bands(episode, upto))
        self._figure.draw_artist(self._truth)
        for values, line, dot, number in self._curves:
            line.set_data(episode.times[:upto], values[:upto])
            dot.set_data([episode.times[now]], [values[now]])
            number.set_text(f"{values[now]:.2f}")
            for artist in (line, dot, number):
                self._figure.draw_artist(artist)
        if episode.threshold is not None and episode.success[now] >= episode.threshold:
            self._figure.draw_artist(self._done)


def _figure(width: int, height: int) -> Figure:
    """White paper of a size in pixels, with a canvas of its own that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def _canvas(figure: Figure) -> FigureCanvasAgg:
    """The canvas of a figure that `_figure` made."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError(f"the figure must have an Agg canvas, got {type(canvas).__name__}")
    return canvas


def _pixels(canvas: FigureCanvasAgg) -> NDArray[np.uint8]:
    """What was drawn, as an own uint8 `(h, w, 3)`."""
    return np.array(np.asarray(canvas.buffer_rgba())[..., :3], order="C")


def _image(figure: Figure) -> Image:
    """The finished picture, RGB."""
    from PIL import Image as PIL

    canvas = _canvas(figure)
    canvas.draw()
    return PIL.fromarray(_pixels(canvas))


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture `(H, W, 3)` at another size, (width, height) in pixels."""
    from PIL import Image as PIL

    return np.asarray(PIL.fromarray(np.ascontiguousarray(pixels)).resize(size, PIL.Resampling.BICUBIC))


def _text(
    figure: Figure, at: tuple[float, float], words: str, size: float, colour: str, **changes: Any
) -> Text:
    """One line of text whose left end is centred on a point, in pixels from the upper left corner."""
    from matplotlib.transforms import IdentityTransform

    row = figure.bbox.height - at[1]
    # A dollar in a title starts no formula.
    return figure.text(
        at[0], row, _printable(words), color=colour, va="center", transform=IdentityTransform(),
        parse_math=False, fontfamily=_FONT, fontsize=size, **changes,
    )  # fmt: skip


def _printable(words: str) -> str:
    """The words in one line: a blank for each tab and line break, a box for a letter that the font lacks."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=_FONT)))
    line = "".join(" " if letter.isspace() else letter for letter in words)
    return "".join(letter if font.get_char_index(ord(letter)) else "\u25a1" for letter in line)


def _width(text: Text) -> float:
    """Width of a text, in pixels."""
    return float(text.get_window_extent().width)


def _fit(text: Text, width: float) -> None:
    """Cut a text, with an ellipsis, that is wider than `width` pixels."""
    words = text.get_text()
    while words and _width(text) > width:
        words = words[:-1]
        text.set_text(words.rstrip() + "...")


def _draw_title(figure: Figure, episode: ScoredEpisode, columns: tuple[float, float], row: float) -> None:
    """Write the title at the left and the note at the right of it."""
    left, right = columns
    note = _text(figure, (right, row), episode.note, 13, MUTED, ha="right")
    _fit(note, (right - left) * 0.6)
    title = _text(figure, (left, row), episode.title, 16, INK)
    _fit(title, right - left - (_width(note) + 20 if episode.note else 0))


def _axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes in a box: left, top, right, bottom in pixels from the upper left corner of the figure."""
    width, height = figure.bbox.width, figure.bbox.height
    left, top, right, bottom = box
    return figure.add_axes(
        (left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height),
        facecolor="none",
    )


def _style_axes(axes: Axes, episode: ScoredEpisode, picks: Sequence[int], inset: float) -> None:
    """Set limits, grid, labels and threshold; `inset` pixels lie beside the first and the last sample."""
    times = episode.times
    first, last = float(times[0]), float(times[-1])
    pixels = axes.bbox.width
    inset = min(inset, pixels / 4)
    # A single moment stands in the middle, whatever its unit.
    pad = (last - first) * inset / (pixels - 2 * inset) if last > first else 0.5
    axes.set(xlim=(first - pad, last + pad), ylim=(0, 1))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set(color=MUTED, linewidth=1)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=GRID, linewidth=1, linestyle="-", solid_capstyle="butt")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    moments = [float(times[pick]) for pick in picks]
    axes.set_xticks(moments, _tick_labels(moments, episode.unit, pixels / (last - first + 2 * pad)))
    axes.tick_params("y", length=0, pad=8, labelsize=_TICK_SIZE, labelcolor=MUTED, labelfontfamily=_FONT)
    axes.tick_params(
        "x", length=4, width=1, color=GRID, pad=6, direction="out",
        labelsize=_TICK_SIZE, labelcolor=MUTED, labelfontfamily=_FONT,
    )  # fmt: skip
    if episode.threshold is not None:
        axes.axhline(episode.threshold, color=GREEN, zorder=1.6, **_DASHED)


def _tick_labels(moments: Sequence[float], unit: str, scale: float) -> list[str]:
    """Labels of moments of time, empty where one would run into the one before; `scale` is pixels a unit."""
    labels: list[str] = []
    end = -np.inf
    for moment in moments:
        label = f"{moment:.1f} s" if unit == "s" else f"{unit} {moment:.0f}"
        half = 0.5 * _LETTER * _TICK_SIZE * len(label)
        fits = moment * scale - half >= end + 6
        labels.append(label if fits else "")
        end = moment * scale + half if fits else end
    return labels


def _stroke(colour: str) -> dict[str, Any]:
    """Width and joints of a curve. At the borders a curve shows its whole width."""
    width = 3.0 if colour == BLUE else 2.5
    return {"linewidth": width, "solid_joinstyle": "round", "solid_capstyle": "round", "clip_on": False}


def _draw_curves(axes: Axes, episode: ScoredEpisode) -> None:
    """Draw ground and both curves; one frame alone is a dot."""
    from matplotlib.collections import PolyCollection

    bands = PolyCollection(_bands(episode, len(episode.times)), facecolor=PALE_GREEN, linewidth=0, zorder=1)
    axes.add_collection(bands, autolim=False)
    marker = "o" if len(episode.times) == 1 else "none"
    for values, colour in ((episode.success, GREEN), (episode.progress, BLUE)):
        axes.plot(episode.times, values, color=colour, marker=marker, markersize=8, **_stroke(colour))


def _bands(episode: ScoredEpisode, upto: int) -> list[list[tuple[float, float]]]:
    """Corners of the ground where the task truly is done, from half-way before to half-way after a frame."""
    if episode.truth is None:
        return []
    times = episode.times
    edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
    # A single frame at the very end would otherwise be a band of half its width.
    least = max(float(times[-1] - times[0]) / 200, 1e-3)
    bands = []
    for start, stop in _runs(episode.truth[:upto]):
        left = float(edges[start])
        right = max(float(edges[stop]), left + least)
        bands.append([(left, 0.0), (left, 1.0), (right, 1.0), (right, 0.0)])
    return bands


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges in which the flags hold."""
    padded = np.concatenate([[0], flags.astype(np.int8), [0]])
    change = np.flatnonzero(np.diff(padded))
    return [(int(a), int(b)) for a, b in change.reshape(-1, 2)]


def _spread(times: NDArray[np.float64], count: int) -> list[int]:
    """At most `count` frames whose times are spread evenly from the first to the last."""
    count = max(1, min(count, len(times)))
    if count == 1:
        return [len(times) - 1]
    wanted = np.linspace(times[0], times[-1], count)
    nearest = np.abs(times[None, :] - wanted[:, None]).argmin(axis=1)
    return sorted(set(nearest.tolist()))


def _legend_height(episode: ScoredEpisode, width: int) -> int:
    """Pixels that the legend takes from the height of a picture."""
    entries = 2 + (episode.threshold is not None) + (episode.truth is not None)
    return 14 + _LEGEND_ROW * (1 if width >= _LEGEND_WIDTH else entries)


def _draw_legend(figure: Figure, episode: ScoredEpisode, left: float) -> None:
    """Explain the colours at the bottom of the figure."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=BLUE, label="progress", **_stroke(BLUE)),
        Line2D([], [], color=GREEN, label="success probability", **_stroke(GREEN)),
    ]
    if episode.threshold is not None:
        label = f"success threshold {episode.threshold:.2f}"
        handles.append(Line2D([], [], color=GREEN, label=label, **_DASHED))
    if episode.truth is not None:
        label = "task truly done (simulator; green frame in the strip)"
        handles.append(Patch(facecolor=PALE_GREEN, edgecolor=GREEN, linewidth=1, label=label))
    width = figure.bbox.width
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(left / width, 8 / figure.bbox.height),
        ncols=len(handles) if width >= _LEGEND_WIDTH else 1, frameon=False, borderpad=0, borderaxespad=0,
        columnspacing=2, handlelength=2, labelcolor=INK, prop={"family": _FONT, "size": 13},
    )  # fmt: skip
