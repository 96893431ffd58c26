"""Scores of one video, and of many: one after the other, so that one is in memory at a time."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..frame_checks import check_video
from .figures import ScoredEpisode
from .io import Video, read_video
from .paths import VideoPaths, expand_paths, file_identity
from .scored import FailedVideo, ScoredVideo, VideoScores, spread_evenly

if TYPE_CHECKING:
    from rich.console import Console

    from robometer_rl.rewards.protocol import RewardModel

__all__ = [
    "Tasks",
    "check_rate",
    "check_tasks",
    "load_model",
    "score_found",
    "score_video",
    "score_videos",
    "tasks_of",
    "track",
    "without_frames",
]

Tasks = str | Mapping[str | Path, str] | Mapping[Path, str]
T = TypeVar("T")

PICTURES = 6
"""Frames kept of each video."""
_PICTURE_SIZE = (240, 180)
"""Pixels, at most."""


def score_videos(
    paths: Sequence[str | Path],
    task: Tasks,
    model: str | Mapping[str, Any] | RewardModel = "compact",
    fps: float | None = None,
    console: Console | None = None,
) -> VideoScores:
    """Scores videos: the progress and success of a task that a reward model sees, frame by frame.

    A video that cannot be read leaves the others as they are; it stands among the results with its error.

    Args:
        paths: Videos and folders of videos, as for `robometer-rl score`: mp4 (mov, avi, mkv, webm, m4v), gif,
            webp, apng, npy, npz and folders of images. Each video is scored once.
        task: The sentence for all, or a mapping from each video's path to its own.
        model: What `load_reward_model` reads, or a reward model.
        fps: Scores about so many frames per second of video; None scores every frame.
        console: Where to show a progress bar; None shows none.

    Returns:
        The scores, in the order of the paths.

    Raises:
        FileNotFoundError: There is nothing at a path.
        ValueError: No path is given, a file is no video, a folder holds none, a video has no task, a task is
            empty, the model is unknown, or it refuses a task.
    """
    found = expand_paths(paths)
    tasks = tasks_of(found, task)
    check_rate(fps)
    loaded, name = load_model(model)
    check_tasks(loaded, set(tasks))
    return score_found(found, tasks, loaded, name, fps, console)


def tasks_of(found: VideoPaths, task: Tasks) -> list[str]:
    """The task of each video.

    Args:
        found: The videos.
        task: The sentence for all, or a mapping from each video's path to its own.

    Returns:
        One sentence a video.

    Raises:
        ValueError: A video has no task, or an empty one.
    """
    if isinstance(task, str):
        sentences = [task] * len(found.videos)
    else:
        by_file = {file_identity(path): sentence for path, sentence in task.items()}
        missing = [str(path) for path in found.videos if file_identity(path) not in by_file]
        if missing:
            more = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            raise ValueError(f"no task is given for {missing[0]}{more}; expected one for each video")
        sentences = [by_file[file_identity(path)] for path in found.videos]
    for path, sentence in zip(found.videos, sentences, strict=True):
        if not sentence.strip():
            of = "" if isinstance(task, str) else f" of {path}"
            raise ValueError(f"the task{of} is empty; expected a sentence such as 'open the drawer'")
    return sentences


def load_model(model: str | Mapping[str, Any] | RewardModel) -> tuple[RewardModel, str]:
    """Loads a model where it is not one already.

    Args:
        model: What `load_reward_model` reads, or a reward model.

    Returns:
        The model, and what to call it.
    """
    from robometer_rl.rewards.loading import load_reward_model

    if isinstance(model, str):
        return load_reward_model(model), model
    if isinstance(model, Mapping):
        return load_reward_model(model), json.dumps(dict(model))
    return model, type(model).__name__


def check_rate(fps: float | None) -> None:
    """Refuses what is no frame rate.

    Args:
        fps: Frames per second, or None for all.

    Raises:
        ValueError: It is not positive and finite.
    """
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be a positive number of frames per second, got {fps}")


def check_tasks(model: RewardModel, tasks: Iterable[str]) -> None:
    """Lets the model see each sentence with one gray picture, so that it refuses one before the work begins.

    Args:
        model: The reward model.
        tasks: The sentences.

    Raises:
        ValueError: The model refuses one.
    """
    for task in sorted(tasks):
        model.score(np.full((1, 96, 96, 3), 128, np.uint8), task)


def score_found(
    found: VideoPaths,
    tasks: Sequence[str],
    model: RewardModel,
    name: str,
    fps: float | None = None,
    console: Console | None = None,
) -> VideoScores:
    """Scores videos that were found, by a model that is loaded.

    Args:
        found: The videos.
        tasks: One sentence a video.
        model: The reward model.
        name: What to call it.
        fps: As for `score_videos`.
        console: As for `score_videos`.

    Returns:
        The scores, in the order of the videos.
    """
    pairs = list(zip(found.videos, tasks, strict=True))
    return VideoScores(
        model=name,
        trained_worlds=tuple(model.trained_worlds),
        success_threshold=float(model.success_threshold),
        results=tuple(_score_path(model, path, task, fps) for path, task in track(pairs, console, "videos")),
        passed_over=found.passed_over,
    )


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


def track(items: Sequence[T], console: Console | None, what: str) -> Iterator[T]:
    """Goes through items and shows how far it has come, where a terminal is watched.

    Args:
        items: What to go through.
        console: Where to show a bar; None shows none, and so does one that is no terminal.
        what: What is counted.

    Yields:
        The items.
    """
    if console is None or not console.is_terminal:
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what, markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items)


def _score_path(model: RewardModel, path: Path, task: str, fps: float | None) -> ScoredVideo | FailedVideo:
    """Reads and scores a video; what is wrong with it becomes its error or its notes."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            video = read_video(path, fps)
        notes = [str(warning.message) for warning in caught] + check_video(video.frames, path.name)
        return without_frames(path, video, score_video(model, video, task), tuple(notes))
    except (ValueError, OSError) as error:
        return FailedVideo(path, task, str(error) or type(error).__name__)


def without_frames(path: Path, video: Video, episode: ScoredEpisode, notes: tuple[str, ...]) -> ScoredVideo:
    """What is kept of a scored video when its frames go.

    Args:
        path: Where it was read.
        video: The video as it was read.
        episode: The video with its scores.
        notes: What was found wrong with it.

    Returns:
        Its scores and a few small pictures.
    """
    return ScoredVideo(
        path=path,
        task=episode.title,
        progress=episode.progress,
        success=episode.success,
        index=video.index,
        times=video.times,
        seconds=video.duration,
        success_threshold=float(episode.threshold or 0.0),
        pictures=tuple(_jpeg(video.frames[pick]) for pick in spread_evenly(len(video), PICTURES)),
        notes=notes,
    )


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    """A frame, at most 240 x 180 pixels large, as a JPEG file."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(frame))
    image.thumbnail(_PICTURE_SIZE)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
