"""`robometer-rl score`: the progress and success that a reward model sees in videos.

Of one video the command shows every frame, of several one row each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from ..arguments import read_arguments
from ..errors import checking_input
from ..frame_checks import check_video
from .batch import (
    Tasks,
    check_rate,
    check_tasks,
    load_model,
    score_found,
    score_video,
    tasks_of,
    without_frames,
)
from .figures import ScoredEpisode, draw_episode, draw_overlay
from .io import Video, read_video, write_mp4
from .notice import worlds_notice
from .outputs import check_outputs, ready, report_many, write_tables, write_text
from .paths import VideoPaths, expand_paths
from .scored import VideoScores, spread_evenly
from .task_table import read_tasks

if TYPE_CHECKING:
    from robometer_rl.rewards import RewardModel

__all__ = ["ScoreConfig", "main", "report", "score", "score_video"]

BAR = 20
"""Characters in the bar that a table row draws for its progress."""
_TASK_OR_TASKS = tyro.conf.create_mutex_group(required=True, title="task")


@dataclass(frozen=True)
class ScoreConfig:
    """Options of `robometer-rl score`."""

    videos: tyro.conf.Positional[tuple[Path, ...]] = ()
    """mp4, gif, npy, npz or a folder of images; several, and folders of them. None: those of --tasks."""
    task: Annotated[str | None, _TASK_OR_TASKS, tyro.conf.DisallowNone] = None
    """What the robot is to do, as a sentence, e.g. "open the drawer"."""
    tasks: Annotated[Path | None, _TASK_OR_TASKS, tyro.conf.DisallowNone] = None
    """CSV file with the columns video and task: a sentence of its own for each video. Paths in it are
    relative to its folder."""
    model: str = "compact"
    """Reward model: "compact", a folder with a checkpoint, or "package.module:Factory"."""
    fps: float | None = None
    """Score about so many frames per second of video; every frame if not given."""
    json: Path | None = None
    """Write all scores to this JSON file."""
    csv: Path | None = None
    """Write a table, one row a video, to this CSV file."""
    page: Path | None = None
    """Write a page of all videos, best first, with filmstrips and curves, to this HTML file."""
    plot: Path | None = None
    """Draw filmstrip and curves of one video into this image (png, jpg, webp)."""
    overlay: Path | None = None
    """Write one video with the curves drawn in to this mp4."""
    rows: int = 24
    """Rows of the printed table of one video at most; the JSON file always holds every frame."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score videos: the progress and success of a task, frame by frame."""
    return score(read_arguments(ScoreConfig, argv, "score", main.__doc__))


def score(config: ScoreConfig) -> int:
    """Score videos, print a table and write what was asked for.

    Args:
        config: the videos, the task, the model and the files to write.

    Returns:
        The status with which the command ends: 1 where one of several videos could not be scored, else 0.

    Raises:
        InputError: there is no such video, a task is missing or empty, a file is no video, a video that is
            alone cannot be read or shows nothing, the model is unknown or refuses a task, or an output cannot
            be written.
    """
    with checking_input():
        _check_config(config)
        task: Tasks = read_tasks(config.tasks) if config.tasks is not None else config.task or ""
        paths = (
            config.videos if isinstance(task, str) else config.videos or tuple(Path(path) for path in task)
        )
        # A file that is named alone is opened once, when it is scored.
        alone = len(paths) == 1 and not paths[0].expanduser().is_dir()
        found = VideoPaths(paths, ()) if alone else expand_paths(paths)
        sentences = tasks_of(found, task)
    if len(found.videos) == 1 and found.videos[0] in (paths[0], paths[0].expanduser()):
        return _score_one(config, found.videos[0], sentences[0])
    return _score_many(config, found, sentences)


def _score_many(config: ScoreConfig, found: VideoPaths, tasks: Sequence[str]) -> int:
    """Scores several videos, one row each."""
    with checking_input():
        for option, path in (("plot", config.plot), ("overlay", config.overlay)):
            if path is not None:
                raise ValueError(
                    f"--{option} draws one video, and {len(found.videos)} are to be scored; --page FILE.html "
                    "draws them all"
                )
        check_rate(config.fps)
        model, name = load_model(config.model)
        check_tasks(model, set(tasks))
    scores = score_found(found, tasks, model, name, config.fps, Console(stderr=True))
    return report_many(scores, config.csv, config.json, config.page)


def _score_one(config: ScoreConfig, path: Path, task: str) -> int:
    """Scores one video and shows its frames."""
    from robometer_rl.rewards import load_reward_model

    with checking_input():
        video = read_video(path, config.fps)
        faults = check_video(video.frames, path.name)
        model = load_reward_model(config.model)
    episode = score_video(model, video, task)
    # Files come first: what a console cannot show must not cost what was computed.
    written = _write_files(episode, video, model, config, path, faults)
    console = Console(markup=False, emoji=False)
    console.print(_table(episode, video, path.name, config.rows, "=" if console.options.ascii_only else "━"))
    console.print(_summary(episode, video, config.rows))
    for fault in faults:
        console.print(Panel(fault, title="Warning", border_style="red"))
    notice = worlds_notice(config.model, model.trained_worlds)
    console.print(Panel(notice, title="What this model has seen", border_style="yellow"))
    for what, where in written.items():
        console.print(f"{what}: {where}", highlight=False, soft_wrap=True)
    return 0


def _write_files(
    episode: ScoredEpisode,
    video: Video,
    model: RewardModel,
    config: ScoreConfig,
    path: Path,
    faults: Sequence[str],
) -> dict[str, Path]:
    """Writes the files that were asked for, and returns where each is."""
    written = {}
    if config.json is not None:
        data = report(episode, video, model, path, config.model)
        written["scores"] = write_text(config.json, json.dumps(data, indent=1, allow_nan=False) + "\n")
    if config.csv is not None or config.page is not None:
        result = without_frames(path, video, episode, tuple(faults))
        scores = VideoScores(
            config.model, tuple(model.trained_worlds), float(model.success_threshold), (result,)
        )
        written |= write_tables(scores, config.csv, None, config.page)
    if config.plot is not None:
        written["plot"] = ready(config.plot)
        draw_episode(episode).save(written["plot"])
    if config.overlay is not None:
        fps, counts = video.playback
        held = (
            frame for frame, count in zip(draw_overlay(episode), counts, strict=True) for _ in range(count)
        )
        written["overlay"] = write_mp4(config.overlay, held, fps)
    return written


def report(episode: ScoredEpisode, video: Video, model: RewardModel, path: Path, name: str) -> dict[str, Any]:
    """All scores of a video and what they came from, as JSON-able data.

    Args:
        episode: the scored video.
        video: the video as it was read.
        model: the reward model that scored it.
        path: where the video was read.
        name: what the model is called.

    Returns:
        Columns `frame` (number in the source), `time` (seconds, None without a frame rate), `progress` and
        `success`, one entry a scored frame, and a summary.
    """
    return {
        "video": str(path),
        "task": episode.title,
        "model": name,
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


def _summary(episode: ScoredEpisode, video: Video, most: int) -> str:
    """The verdict in one line, and how much of the video the table shows."""
    first, rows = _first_success(episode, video), len(spread_evenly(len(video), most))
    verdict = "no success seen" if first is None else f"success from frame {first}"
    thinned = "" if rows == len(video) else f"; {rows} of {len(video)} scored frames shown"
    return (
        f"final progress {episode.progress[-1]:.2f}, {verdict} (threshold {episode.threshold:.2f}){thinned}"
    )


def _table(episode: ScoredEpisode, video: Video, name: str, most: int, block: str) -> Table:
    """Progress and success by frame, thinned to `most` rows, bars drawn with `block`."""
    threshold = episode.threshold or 0.0
    table = Table(title=f"{name}: {episode.title}", title_style="bold", min_width=64)
    table.add_column("frame", justify="right")
    table.add_column("time", justify="right")
    table.add_column("progress", justify="right", style="blue")
    table.add_column("", style="blue", no_wrap=True, min_width=BAR)
    table.add_column("success", justify="right", style="green")
    table.add_column("", style="bold green")
    for row in spread_evenly(len(video), most):
        time = "" if video.fps is None else f"{episode.times[row]:.2f} s"
        done = "done" if episode.success[row] >= threshold else ""
        value = float(episode.progress[row])
        bar = block * round(value * BAR)
        table.add_row(str(video.index[row]), time, f"{value:.3f}", bar, f"{episode.success[row]:.3f}", done)
    return table


def _check_config(config: ScoreConfig) -> None:
    """Refuse what cannot be written before the model is loaded, not after the work is done."""
    if config.rows < 2:
        raise ValueError(f"rows must be at least 2, got {config.rows}")
    names = ("json", "csv", "page", "plot", "overlay")
    check_outputs({name: getattr(config, name) for name in names})
    for name, path, suffixes in (
        ("plot", config.plot, (".png", ".jpg", ".jpeg", ".webp")),
        ("overlay", config.overlay, (".mp4",)),
    ):
        if path is not None and path.suffix.lower() not in suffixes:
            raise ValueError(
                f"--{name} {path} cannot be written; expected a file name ending in {', '.join(suffixes)}"
            )
