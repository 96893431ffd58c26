"""`robometer-rl score`: the progress and success that a reward model sees in a video, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from robometer_rl.rewards.protocol import ANY_WORLD

from ..arguments import read_arguments
from ..errors import checking_input
from ..frame_checks import check_video
from .figures import ScoredEpisode, draw_episode, draw_overlay
from .io import Video, read_video, write_mp4

if TYPE_CHECKING:
    from robometer_rl.rewards import RewardModel

__all__ = ["ScoreConfig", "main", "report", "score", "score_video"]

BAR = 20
"""Characters in the bar that a table row draws for its progress."""


@dataclass(frozen=True)
class ScoreConfig:
    """Options of `robometer-rl score`."""

    video: tyro.conf.Positional[Path]
    """mp4, gif, npy, npz or a folder of images."""
    task: str
    """What the robot is to do, as a sentence, e.g. "open the drawer"."""
    model: str = "compact"
    """Reward model: "compact", a folder with a checkpoint, or "package.module:Factory"."""
    fps: float | None = None
    """Score about so many frames per second of video; every frame if not given."""
    json: Path | None = None
    """Write all scores to this JSON file."""
    plot: Path | None = None
    """Draw filmstrip and curves into this image (png, jpg, webp)."""
    overlay: Path | None = None
    """Write the video with the curves drawn in to this mp4."""
    rows: int = 24
    """Rows of the printed table at most; the JSON file always holds every frame."""


def main(argv: Sequence[str] | None = None) -> None:
    """Score a video: the progress and success of a task, frame by frame."""
    score(read_arguments(ScoreConfig, argv, "score", main.__doc__))


def score(config: ScoreConfig) -> None:
    """Score a video, print its table and write what was asked for.

    Args:
        config: the video, the task, the model and the files to write.

    Raises:
        InputError: there is no such video, the task is empty, the video cannot be read or shows nothing, the
            model is unknown, or an output has a suffix that nothing writes.
    """
    from robometer_rl.rewards import load_reward_model

    with checking_input():
        _check_outputs(config)
        video = read_video(config.video, config.fps)
        faults = check_video(video.frames, config.video.name)
        model = load_reward_model(config.model)
    episode = score_video(model, video, config.task)
    # Files come first: what a console cannot show must not cost what was computed.
    written = _write_files(episode, video, model, config)
    console = Console(markup=False)
    console.print(_table(episode, video, config, "=" if console.options.ascii_only else "━"))
    console.print(_summary(episode, video, config))
    for fault in faults:
        console.print(Panel(fault, title="Warning", border_style="red"))
    console.print(_notice(config.model, model))
    for what, path in written.items():
        console.print(f"{what}: {path}", highlight=False, soft_wrap=True)


def _write_files(
    episode: ScoredEpisode, video: Video, model: RewardModel, config: ScoreConfig
) -> dict[str, Path]:
    """Writes the files that were asked for, and returns where each is."""
    written = {}
    if config.json is not None:
        text = json.dumps(report(episode, video, model, config), indent=1, allow_nan=False)
        written["scores"] = _folder_of(config.json)
        written["scores"].write_text(text + "\n", encoding="utf-8")
    if config.plot is not None:
        written["plot"] = _folder_of(config.plot)
        draw_episode(episode).save(written["plot"])
    if config.overlay is not None:
        fps, counts = video.playback
        held = (
            frame for frame, count in zip(draw_overlay(episode), counts, strict=True) for _ in range(count)
        )
        written["overlay"] = write_mp4(config.overlay, held, fps)
    return written


def score_video(model: RewardModel, video: Video, task: str) -> ScoredEpisode:
    """Score every frame of a video.

    Args:
        model: the reward model.
        video: uint8 frames `(T, H, W, 3)`.
        task: a non-empty sentence.

    Returns:
        The video with its scores; times in seconds where the video has a frame rate, else in frames.
    """
    scores = model.score(video.frames, task)
    times = video.index.astype(np.float64)
    return ScoredEpisode(
        title=task,
        frames=video.frames,
        progress=scores.progress,
        success=scores.success,
        times=times if video.times is None else video.times,
        unit="frame" if video.fps is None else "s",
        threshold=float(model.success_threshold),
    )


def report(episode: ScoredEpisode, video: Video, model: RewardModel, config: ScoreConfig) -> dict[str, Any]:
    """All scores of a video and what they came from, as JSON-able data.

    Args:
        episode: the scored video.
        video: the video as it was read.
        model: the reward model that scored it.
        config: options of the run.

    Returns:
        Columns `frame` (number in the source), `time` (seconds, None without a frame rate), `progress` and
        `success`, one entry a scored frame, and a summary.
    """
    return {
        "video": str(config.video),
        "task": episode.title,
        "model": config.model,
        "trained_worlds": list(model.trained_worlds),
        "success_threshold": float(model.success_threshold),
        "fps": video.fps,
        "final_progress": float(episode.progress[-1]),
        "max_success": float(episode.success.max()),
        "first_success_frame": _first_success(episode, video),
        "frame": video.index.tolist(),
        "time": None if video.fps is None else [round(float(time), 4) for time in episode.times],
        "progress": [round(float(value), 5) for value in episode.progress],
        "success": [round(float(value), 5) for value in episode.success],
    }


def _first_success(episode: ScoredEpisode, video: Video) -> int | None:
    """Number in the source of the first frame at or above the success threshold."""
    done = np.flatnonzero(episode.success >= (episode.threshold or 0.0))
    return int(video.index[done[0]]) if len(done) else None


def _summary(episode: ScoredEpisode, video: Video, config: ScoreConfig) -> str:
    """The verdict in one line, and how much of the video the table shows."""
    first, rows = _first_success(episode, video), len(_thinned(len(video), config.rows))
    verdict = "no success seen" if first is None else f"success from frame {first}"
    thinned = "" if rows == len(video) else f"; {rows} of {len(video)} scored frames shown"
    return (
        f"final progress {episode.progress[-1]:.2f}, {verdict} (threshold {episode.threshold:.2f}){thinned}"
    )


def _table(episode: ScoredEpisode, video: Video, config: ScoreConfig, block: str) -> Table:
    """Progress and success by frame, thinned to `config.rows` rows, bars drawn with `block`."""
    threshold = episode.threshold or 0.0
    table = Table(title=f"{config.video.name}: {episode.title}", title_style="bold", min_width=64)
    table.add_column("frame", justify="right")
    table.add_column("time", justify="right")
    table.add_column("progress", justify="right", style="blue")
    table.add_column("", style="blue", no_wrap=True, min_width=BAR)
    table.add_column("success", justify="right", style="green")
    table.add_column("", style="bold green")
    for row in _thinned(len(video), config.rows):
        time = "" if video.fps is None else f"{episode.times[row]:.2f} s"
        done = "done" if episode.success[row] >= threshold else ""
        value = float(episode.progress[row])
        bar = block * round(value * BAR)
        table.add_row(str(video.index[row]), time, f"{value:.3f}", bar, f"{episode.success[row]:.3f}", done)
    return table


def _notice(name: str, model: RewardModel) -> Panel:
    """What the model was trained on, and so where its curves mean something."""
    worlds = model.trained_worlds
    if not worlds or ANY_WORLD in worlds:
        text = f"The model {name!r} does not say which worlds it was trained on."
    elif name != "compact":
        text = f"The model {name!r} was fitted on: {_grouped(worlds)}; elsewhere its curves may mean little."
    else:
        text = (
            f"The model {name!r} was trained on {len(worlds)} simulated tasks and nothing else: "
            f"{_grouped(worlds)}. It has never seen a real robot, nor any other camera or scene. On those "
            "its curves show that the pipeline runs, not how well the robot did: fit it on a few "
            "demonstrations, or use a larger model."
        )
    return Panel(text, title="What this model has seen", border_style="yellow")


def _grouped(worlds: Sequence[str]) -> str:
    """Task ids with the suite named once: "metaworld: door-open-v3, ...; robosuite: Lift"."""
    suites: dict[str, list[str]] = {}
    for world in worlds:
        suite, _, name = world.rpartition("/")
        suites.setdefault(suite, []).append(name)
    return "; ".join(
        f"{suite}: {', '.join(names)}" if suite else ", ".join(names) for suite, names in suites.items()
    )


def _thinned(count: int, rows: int) -> list[int]:
    """At most `rows` numbers below `count`, evenly spread, with the first and the last."""
    if count <= rows:
        return list(range(count))
    return sorted(set(np.linspace(0, count - 1, rows).round().astype(int).tolist()))


def _check_outputs(config: ScoreConfig) -> None:
    """Refuse what cannot be written before the model is loaded, not after the work is done."""
    if not config.task.strip():
        raise ValueError("task is empty; expected a sentence such as 'open the drawer'")
    if config.rows < 2:
        raise ValueError(f"rows must be at least 2, got {config.rows}")
    for name, path, suffixes in (
        ("plot", config.plot, (".png", ".jpg", ".jpeg", ".webp")),
        ("overlay", config.overlay, (".mp4",)),
    ):
        if path is not None and path.suffix.lower() not in suffixes:
            raise ValueError(
                f"--{name} {path} cannot be written; expected a file name ending in {', '.join(suffixes)}"
            )


def _folder_of(path: Path) -> Path:
    """The path, `~` replaced, after its folder was made."""
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
