"""What a frame of an overlay video costs, drawn in three ways.

`python -m robometer_rl.experiments.bench.overlay` prints a table. `draw_overlay` draws with matplotlib what
stays once, and for each frame only what moves. It stands beside drawing the whole figure for each frame, and
beside the same picture drawn with Pillow, three times as large and then reduced, because Pillow's own lines
have stairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

from robometer_rl.video.figures import BLUE, EDGE, GREEN, GRID, INK, MUTED, PAPER, ScoredEpisode, draw_overlay

__all__ = ["OverlayBenchConfig", "main", "measure", "subjects"]

_FINER = 3
"""How many times larger Pillow's sheet is than the picture."""
_HEAD, _STRIP = 48, 190
"""Heights of the title and of the curves, in pixels."""

Draw = Callable[[ScoredEpisode, int], int]
"""Draws an episode's overlay at a width in pixels; returns the number of frames."""


@dataclass(frozen=True)
class OverlayBenchConfig:
    """Options of the bench."""

    frames: int = 200
    """Frames of the clip."""
    size: int = 96
    """Side of a frame, in pixels."""
    width: int = 640
    """Width of the overlay, in pixels."""
    repetitions: int = 5
    """Clips per way of drawing; the ways take turns, so that a busy machine hits all of them."""
    seed: int = 0
    """Seed of the noise in the curves."""


def main(config: OverlayBenchConfig) -> None:
    """Prints the table."""
    print(f"{config.frames} frames of {config.size}x{config.size}, overlay {config.width} wide, "
          f"median of {config.repetitions}, processor time")  # fmt: skip
    print(f"{'drawn with':<34}{'ms a frame':>12}{'times Pillow':>14}")
    costs = measure(subjects(), clip(config), config)
    for name, cost in costs.items():
        print(f"{name:<34}{cost:>12.2f}{cost / costs['Pillow']:>14.2f}")


def subjects() -> dict[str, Draw]:
    """The ways of drawing, by name."""
    return {
        "Pillow": _draw_pillow,
        "matplotlib, draw_overlay": _draw_ours,
        "matplotlib, all anew": _draw_anew,
    }


def clip(config: OverlayBenchConfig) -> ScoredEpisode:
    """An episode that succeeds at three quarters, with noise in its progress."""
    rng = np.random.default_rng(config.seed)
    count = np.arange(config.frames)
    done = 0.75 * config.frames
    progress = np.clip(count / done + rng.normal(0, 0.02, config.frames), 0, 1)
    return ScoredEpisode(
        title="put the green stick in the brown bowl",
        frames=rng.integers(0, 256, (config.frames, config.size, config.size, 3), np.uint8),
        progress=progress.astype(np.float32),
        success=(1 / (1 + np.exp((done - count) / 4))).astype(np.float32),
        times=count / 25,
        truth=count >= done,
        threshold=0.9,
    )


def measure(drawers: dict[str, Draw], episode: ScoredEpisode, config: OverlayBenchConfig) -> dict[str, float]:
    """Times ways of drawing in turns.

    Args:
        drawers: Ways of drawing, by name.
        episode: What to draw.
        config: Width of the overlay and number of repetitions.

    Returns:
        Median milliseconds of processor time a frame, by name.
    """
    costs: dict[str, list[float]] = {name: [] for name in drawers}
    for draw in drawers.values():
        draw(episode, config.width)
    for _ in range(config.repetitions):
        for name, draw in drawers.items():
            start = time.process_time()
            frames = draw(episode, config.width)
            costs[name].append(1e3 * (time.process_time() - start) / frames)
    return {name: median(values) for name, values in costs.items()}


def _draw_ours(episode: ScoredEpisode, width: int) -> int:
    """Draws with the package's own function."""
    return sum(1 for _ in draw_overlay(episode, width))


def _draw_anew(episode: ScoredEpisode, width: int) -> int:
    """Draws with matplotlib: a prepared figure, all of it for each frame."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, (_HEAD + 0.75 * width + _STRIP) / 72), dpi=72)
    canvas = FigureCanvasAgg(figure)
    figure.text(0.03, 0.96, episode.title, fontsize=18, color=INK)
    picture = figure.add_axes((0.05, 0.3, 0.9, 0.62))
    picture.set_axis_off()
    image = picture.imshow(episode.frames[0])
    axes = figure.add_axes((0.07, 0.05, 0.7, 0.2))
    axes.set(xlim=(episode.times[0], episode.times[-1]), ylim=(0, 1))
    axes.grid(visible=True, color=GRID)
    moving: list[Any] = []
    for row, values, colour in ((0.2, episode.progress, BLUE), (0.1, episode.success, GREEN)):
        (line,) = axes.plot([], [], color=colour, linewidth=3)
        moving.append((values, line, figure.text(0.8, row, "", fontsize=27, color=colour)))
    for now, frame in enumerate(episode.frames):
        image.set_data(frame)
        for values, line, number in moving:
            line.set_data(episode.times[: now + 1], values[: now + 1])
            number.set_text(f"{values[now]:.2f}")
        canvas.draw()
        np.array(np.asarray(canvas.buffer_rgba())[..., :3], order="C")
    return len(episode.frames)


def _draw_pillow(episode: ScoredEpisode, width: int) -> int:
    """Draws with Pillow: title and frame on a ground, the curves on a larger sheet that is then reduced."""
    side = int(0.75 * width)
    ground = Image.new("RGB", (width, _HEAD + side + _STRIP), PAPER)
    ImageDraw.Draw(ground).text((16, _HEAD / 2), episode.title, INK, _letters(21), anchor="lm")
    for now, frame in enumerate(episode.frames):
        picture = ground.copy()
        picture.paste(
            Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC),
            ((width - side) // 2, _HEAD),
        )
        picture.paste(_pillow_strip(episode, now, width), (0, _HEAD + side))
        np.asarray(picture)
    return len(episode.frames)


def _pillow_strip(episode: ScoredEpisode, now: int, width: int) -> Image.Image:
    """The curves up to a frame, with their axes and numbers."""
    sheet = Image.new("RGB", (width * _FINER, _STRIP * _FINER), PAPER)
    draw = ImageDraw.Draw(sheet)
    left, top, right, bottom = (_FINER * edge for edge in (46, 18, width - 132, _STRIP - 36))
    share = (episode.times - episode.times[0]) / (episode.times[-1] - episode.times[0])
    columns = left + share * (right - left)
    if episode.truth is not None and episode.truth[now]:
        start = columns[int(np.argmax(episode.truth))]
        draw.rectangle((start, top, columns[now], bottom), "#d9f4e2")
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        row = bottom - value * (bottom - top)
        draw.line([(left, row), (right, row)], GRID, _FINER)
        draw.text((left - 24, row), f"{value:g}", MUTED, _letters(14 * _FINER), anchor="rm")
    for column in np.linspace(left, right, 6):
        draw.line([(column, top), (column, bottom)], EDGE, _FINER)
        draw.text((column, bottom + 48), "1.0 s", MUTED, _letters(14 * _FINER), anchor="mm")
    for at, values, colour in ((0.75, episode.success, GREEN), (0.25, episode.progress, BLUE)):
        rows = bottom - values * (bottom - top)
        corners = list(zip(columns[: now + 1].tolist(), rows[: now + 1].tolist(), strict=True))
        _pillow_curve(draw, corners, colour)
        row = top + at * (bottom - top)
        draw.text((right + 66, row), f"{values[now]:.2f}", colour, _letters(30 * _FINER), anchor="lm")
    return sheet.reduce(_FINER)


def _pillow_curve(draw: ImageDraw.ImageDraw, corners: Sequence[tuple[float, float]], colour: str) -> None:
    """A curve with a disc at each corner: Pillow's own round joints leave notches in steep curves."""
    if len(corners) > 1:
        draw.line(corners, colour, 3 * _FINER)
    for x, y in corners:
        draw.ellipse((x - 4.5, y - 4.5, x + 4.5, y + 4.5), colour)


def _letters(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


if __name__ == "__main__":
    main(tyro.cli(OverlayBenchConfig, description=__doc__))
