"""Videos of one task in the order of how well they show it done: by final progress, and by preference."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.protocol import FrameResizer

from .batch import check_rate, check_tasks, load_model, score_found, tasks_of, track
from .comparisons import bradley_terry, draw_pairs, kendall_tau_b, ranks
from .io import read_video
from .paths import VideoPaths, expand_paths
from .scored import ScoredVideo, VideoScores

if TYPE_CHECKING:
    from rich.console import Console

    from robometer_rl.rewards.protocol import RewardModel

__all__ = [
    "By",
    "Comparison",
    "RankedVideo",
    "ReadyToRank",
    "VideoRanking",
    "rank_found",
    "rank_videos",
    "ready_to_rank",
]

By = Literal["progress", "preference", "both"]
PAIRS, PAIRS_EACH = 200, 2
"""Comparisons if no number is given: so many, or so many a video where that is more."""
CACHE_BYTES = 512 * 2**20
"""Decoded frames that are kept between two comparisons, at most, beside the two videos that are compared."""


@dataclass(frozen=True)
class Comparison:
    """Two videos that the model compared."""

    first: Path
    """The video that it was shown first."""
    second: Path
    """The other."""
    probability: float
    """That the first shows the task done better."""


@dataclass(frozen=True)
class RankedVideo:
    """A video's places in the orders."""

    video: ScoredVideo
    """Its scores."""
    progress_rank: int
    """Its place by final progress, 1 for the highest; videos that are level share the better place."""
    strength: float | None = None
    """How often it is preferred, in units of the logit: against a video that is 1 weaker, in 0.73 of the
    comparisons. None where videos were not compared."""
    preference_rank: int | None = None
    """Its place by strength."""
    comparisons: int = 0
    """How many it took part in."""


@dataclass(frozen=True)
class VideoRanking:
    """Videos in their order."""

    scores: VideoScores
    """The scores, also those of videos that failed."""
    by: By
    """What orders them."""
    ranked: tuple[RankedVideo, ...]
    """The videos that have scores, best first."""
    comparisons: tuple[Comparison, ...] = ()
    """All that were made."""
    kendall_tau: float | None = None
    """Rank correlation (tau-b) of final progress and strength, in [-1, 1]. None where videos were not
    compared, or one of the two puts all of them level."""


def rank_videos(
    paths: Sequence[str | Path],
    task: str,
    model: str | Mapping[str, Any] | RewardModel = "compact",
    by: By = "both",
    pairs: int | None = None,
    seed: int = 0,
    fps: float | None = None,
    console: Console | None = None,
) -> VideoRanking:
    """Orders videos of one task from the best to the worst.

    By progress: the score of the last frame. By preference: the model compares videos two at a time, and a
    Bradley-Terry model turns the probabilities into one strength a video.

    Args:
        paths: Videos and folders of videos, at least two videos, as for `score_videos`.
        task: The sentence.
        model: What `load_reward_model` reads, or a reward model.
        by: `"progress"`, which compares nothing, `"preference"`, or `"both"`: the mean of the two places.
        pairs: Comparisons at most: all pairs where they are no more, else drawn so that each video is in
            about as many. None is 200, or 2 a video where that is more.
        seed: Of the draw of pairs, and of which of two videos comes first.
        fps: Reads about so many frames per second of video; None reads every frame.
        console: Where to show progress bars; None shows none.

    Returns:
        The videos in their order. One that cannot be read stands among `scores.failed`.

    Raises:
        FileNotFoundError: There is nothing at a path.
        ValueError: What `score_videos` refuses; fewer than two videos; `by`, `pairs` or `seed` is out of
            range; or the model does not compare videos, and `by` is not `"progress"`.
    """
    return rank_found(ready_to_rank(paths, task, model, by, pairs, seed, fps), console)


@dataclass(frozen=True)
class ReadyToRank:
    """What a ranking needs, found and checked before the work begins."""

    found: VideoPaths
    """The videos, at least two."""
    task: str
    """The sentence for all."""
    model: RewardModel
    """The reward model. It reads the sentence, and compares videos where `by` asks for it."""
    name: str
    """What to call the model."""
    by: By
    """What orders the videos."""
    pairs: int | None
    """Comparisons at most, None for the default."""
    seed: int
    """Of the draw of pairs."""
    fps: float | None
    """Frames per second of video to read, None for all."""


def ready_to_rank(
    paths: Sequence[str | Path],
    task: str,
    model: str | Mapping[str, Any] | RewardModel,
    by: By,
    pairs: int | None,
    seed: int,
    fps: float | None,
) -> ReadyToRank:
    """Finds the videos, loads the model, and refuses what cannot be ranked.

    Args:
        paths: As for `rank_videos`.
        task: As for `rank_videos`.
        model: As for `rank_videos`.
        by: As for `rank_videos`.
        pairs: As for `rank_videos`.
        seed: As for `rank_videos`.
        fps: As for `rank_videos`.

    Returns:
        What `rank_found` needs.

    Raises:
        FileNotFoundError: As for `rank_videos`.
        ValueError: As for `rank_videos`.
    """
    found = expand_paths(paths)
    tasks_of(found, task)
    check_rate(fps)
    _check_options(len(found.videos), by, pairs, seed)
    loaded, name = load_model(model)
    check_tasks(loaded, [task])
    if by != "progress":
        _check_preference(loaded, name, task)
    return ReadyToRank(found, task, loaded, name, by, pairs, seed, fps)


def rank_found(ready: ReadyToRank, console: Console | None = None) -> VideoRanking:
    """Scores, compares and orders videos.

    Args:
        ready: The videos, the model and the options.
        console: Where to show progress bars; None shows none.

    Returns:
        The videos in their order.
    """
    model, task = ready.model, ready.task
    sentences = [task] * len(ready.found.videos)
    scores = score_found(ready.found, sentences, model, ready.name, ready.fps, console)
    if ready.by == "progress":
        return _by_progress(scores)
    paths = [video.path for video in scores.scored]
    most = max(PAIRS, PAIRS_EACH * len(paths)) if ready.pairs is None else ready.pairs
    pairs = draw_pairs(len(paths), most, np.random.default_rng(ready.seed))
    # In this order the first of a pair is often at hand from the pair before.
    pairs.sort(key=lambda pair: (min(pair), max(pair)))
    frames = _FrameCache(model, ready.fps)
    won = [_prefer(model, frames, paths[a], paths[b], task) for a, b in track(pairs, console, "comparisons")]
    return _by_preference(scores, ready.by, pairs, won)


def _check_preference(model: RewardModel, name: str, task: str) -> None:
    """Lets the model compare two gray pictures, so that one which cannot says so before the work begins.

    Args:
        model: The reward model.
        name: What to call it.
        task: A sentence that it reads.

    Raises:
        ValueError: It does not compare videos.
    """
    gray = np.full((1, 96, 96, 3), 128, np.uint8)
    try:
        model.prefer(gray, gray, task)
    except NotImplementedError as error:
        reason = f" ({error})" if str(error) else ""
        raise ValueError(
            f"the model {name!r} does not compare videos{reason}; order them by progress alone "
            "(--by progress)"
        ) from error


def _check_options(count: int, by: str, pairs: int | None, seed: int) -> None:
    if by not in get_args(By):
        raise ValueError(f"by must be one of {', '.join(get_args(By))}, got {by!r}")
    if count < 2:
        raise ValueError(f"there is nothing to rank: expected at least 2 videos, got {count}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if by != "progress" and pairs is not None and pairs < count - 1:
        raise ValueError(
            f"pairs={pairs} cannot connect {count} videos by comparisons; expected at least {count - 1}"
        )


class _FrameCache:
    """Frames as the model reads them, the latest used kept up to a number of bytes."""

    def __init__(self, model: RewardModel, fps: float | None) -> None:
        """Starts empty."""
        self._model, self._fps = model, fps
        self._kept: OrderedDict[Path, NDArray[np.uint8]] = OrderedDict()

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Reads a video, uint8 `(T, H, W, 3)`, unless it is at hand."""
        if path not in self._kept:
            with warnings.catch_warnings():
                # What reading warns of stands in the video's notes, since it was scored before.
                warnings.simplefilter("ignore")
                frames = read_video(path, self._fps).frames
            # Frames at the model's own size are smaller, and score the same.
            if isinstance(self._model, FrameResizer):
                frames = self._model.resize_frames(frames)
            self._kept[path] = frames
        self._kept.move_to_end(path)
        while len(self._kept) > 1 and sum(frames.nbytes for frames in self._kept.values()) > CACHE_BYTES:
            self._kept.popitem(last=False)
        return self._kept[path]


def _prefer(model: RewardModel, frames: _FrameCache, first: Path, second: Path, task: str) -> float:
    """Probability that the first video shows the task done better."""
    value = float(model.prefer(frames.read(first), frames.read(second), task))
    if not 0.0 <= value <= 1.0:
        raise ValueError(
            f"the model prefers {first} to {second} by {value}, expected a probability in [0, 1]"
        )
    return value


def _by_progress(scores: VideoScores) -> VideoRanking:
    places = ranks([video.final_progress for video in scores.scored])
    entries = [RankedVideo(video, int(place)) for video, place in zip(scores.scored, places, strict=True)]
    return VideoRanking(scores, "progress", tuple(sorted(entries, key=lambda entry: entry.progress_rank)))


def _by_preference(
    scores: VideoScores, by: By, pairs: Sequence[tuple[int, int]], won: Sequence[float]
) -> VideoRanking:
    """Puts the videos in their order, by preference or by both."""
    videos = scores.scored
    final = [video.final_progress for video in videos]
    # What differs only by rounding is level. The 0.0 turns a negative zero round.
    strength = np.round(bradley_terry(pairs, won, len(videos)), 6) + 0.0
    by_progress, by_preference = ranks(final), ranks(strength)
    times = np.bincount(np.asarray(pairs, dtype=np.int64).ravel(), minlength=len(videos))
    place = by_preference if by == "preference" else by_progress + by_preference
    tau = kendall_tau_b(final, strength)
    return VideoRanking(
        scores=scores,
        by=by,
        ranked=tuple(
            RankedVideo(
                video=videos[number],
                progress_rank=int(by_progress[number]),
                strength=float(strength[number]),
                preference_rank=int(by_preference[number]),
                comparisons=int(times[number]),
            )
            for number in np.lexsort((by_progress, place))
        ),
        comparisons=tuple(
            Comparison(videos[a].path, videos[b].path, value)
            for (a, b), value in zip(pairs, won, strict=True)
        ),
        kendall_tau=None if np.isnan(tau) else tau,
    )
