"""The page of the best-paid episodes of an agent: one file of HTML, nothing outside of it is loaded."""

from __future__ import annotations

import base64
import io
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robometer_rl.templates import NO_NETWORK, template_environment

from ..common.files import write_whole
from ..episodes import read_episode

if TYPE_CHECKING:
    from .cheat import CheatReport, PaidEpisode

__all__ = ["EpisodeView", "render_page", "view_episode", "write_page"]

_THUMBS = 8
_SIDE, _GAP = 120, 4
"""Of a picture in a filmstrip, and of the white line where two meet, pixels."""
WIDTH, HEIGHT = 960, 120
"""Of the curves, in the units of the drawing."""
_TRUTHS = {True: "truly done", False: "not done", None: "judge it yourself"}


@dataclass(frozen=True)
class EpisodeView:
    """What the page shows of one episode."""

    title: str
    """Which one it is."""
    file: str
    """Name of its file."""
    paid: str
    """What it was paid, of how much."""
    truth: str
    """Whether it truly succeeds, in words."""
    mark: str
    """`good`, `bad` or `open`, for its colour."""
    strip: str
    """Filmstrip as a data URI."""
    progress: str
    """Points of the curve, for SVG."""
    success: str
    """Likewise."""
    done: tuple[tuple[float, float], ...]
    """Left edge and width of the bands in which the task is truly done, in the units of the drawing."""
    spoken: str
    """The curves in words, for who does not see them."""


def write_page(path: Path, report: CheatReport, sentence: str, checkpoint: str) -> None:
    """Writes the page.

    Args:
        path: The file.
        report: What a short agent found.
        sentence: Of the task.
        checkpoint: The reward model.
    """
    write_whole(path, render_page(report, sentence, checkpoint).encode())


def render_page(report: CheatReport, sentence: str, checkpoint: str) -> str:
    """Renders the page, see `write_page`; returns the text of the file."""
    views = [view_episode(number, episode) for number, episode in enumerate(report.best, 1)]
    waits = any(episode.done is None for episode in report.best)
    label = shlex.join(["robometer-rl", "label-demos", str(report.folder / "to_label")]) if waits else ""
    return (
        template_environment(__package__)
        .get_template("cheats.html.j2")
        .render(
            report=report,
            verdict=report.verdict.value,
            sentence=sentence,
            checkpoint=checkpoint,
            views=views,
            label=label,
            policy=NO_NETWORK,
            width=WIDTH,
            height=HEIGHT,
        )
    )


def view_episode(number: int, episode: PaidEpisode) -> EpisodeView:
    """Prepares what the page shows of an episode.

    Args:
        number: Its place, the best-paid being 1.
        episode: The episode; its frames are read from its file.

    Returns:
        Texts, a picture and points.
    """
    phase = "was judged" if episode.judged else "learned"
    share = episode.paid / episode.most if episode.most else 0.0
    return EpisodeView(
        title=f"{number}. Played while the agent {phase}",
        file=episode.path.name,
        paid=f"paid {episode.paid:.1f} of {episode.most:.1f} at most ({100 * share:.0f}%)",
        truth=_TRUTHS[episode.done],
        mark={True: "good", False: "bad", None: "open"}[episode.done],
        strip=_filmstrip(read_episode(episode.path).frames),
        progress=_points(episode.progress),
        success=_points(episode.success),
        done=() if episode.truth is None else _bands(episode.truth),
        spoken=(
            f"progress ends at {episode.progress[-1]:.2f} and is {episode.progress.max():.2f} at most; "
            f"success is {episode.success.max():.2f} at most"
        ),
    )


def _filmstrip(frames: NDArray[np.uint8]) -> str:
    """Eight moments side by side as JPEG, from the first to the last."""
    picks = np.linspace(0, len(frames) - 1, _THUMBS).round().astype(int)
    height, width = frames.shape[1:3]
    size = (max(1, round(_SIDE * width / height)), _SIDE)
    strip = Image.new("RGB", (_THUMBS * size[0], _SIDE))
    for column, pick in enumerate(picks):
        picture = Image.fromarray(frames[pick]).resize(size, Image.Resampling.BILINEAR)
        left = column * size[0]
        strip.paste(picture, (left, 0))
        if column:
            strip.paste("white", (left - _GAP // 2, 0, left + _GAP // 2, _SIDE))
    file = io.BytesIO()
    strip.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _points(values: NDArray[np.float64]) -> str:
    """A curve over the whole width; 1 is at the top."""
    x = np.linspace(0, WIDTH, len(values))
    return " ".join(f"{a:.1f},{HEIGHT * (1 - b):.1f}" for a, b in zip(x, values, strict=True))


def _bands(truth: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Runs of frames in which something holds, as left edges and widths; a frame is half a step each side."""
    step = WIDTH / max(1, len(truth) - 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], truth, [False]]).astype(np.int8)))
    bands = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        left, right = max(0.0, (first - 0.5) * step), min(WIDTH, (end - 0.5) * step)
        bands.append((round(left, 1), round(right - left, 1)))
    return tuple(bands)
