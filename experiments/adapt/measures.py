"""What an environment is like for a reward model and for training, found out from a few episodes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robometer_rl.frame_checks import check_video
from robometer_rl.rewards import RewardModel

from ..reward_model.metrics import pearson_r
from .probe import ProbedEpisode

__all__ = [
    "CheckResult",
    "Level",
    "Milliseconds",
    "Motion",
    "OwnReward",
    "Picture",
    "Upright",
    "look_at_pictures",
    "measure_motion",
    "measure_reward",
    "measure_times",
    "tell_upright",
]

Level = Literal["ok", "warning", "problem"]

_CHANGED_LEVELS = 12
"""A pixel moves where its darkest and brightest value over time are further apart, in levels of 255."""
_SMALL_MOTION = 0.005
"""Share of moving pixels below which the model sees little of what happens."""
_SQUASHED = 1.25
"""Ratio of the sides from which a picture that is resized to a square looks squashed."""
_SURE_OF_UPRIGHT = 0.2
"""Difference of two correlations from which one of them is taken for the better."""


@dataclass(frozen=True)
class CheckResult:
    """One thing that was found."""

    level: Level
    """ok; warning: training runs, and its result may be poor; problem: training stops or means nothing."""
    about: str
    """One word or two."""
    text: str
    """A sentence."""


@dataclass(frozen=True)
class Picture:
    """What the model is shown."""

    height: int
    """Of the environment's picture, pixels."""
    width: int
    """Likewise."""
    model_height: int
    """Of what the model reads, pixels."""
    model_width: int
    """Likewise."""
    moving_share: float
    """Share of the model's pixels that change in an episode, the mean over the episodes, in [0, 1]."""
    flat: bool
    """Whether every picture is of one colour."""
    frozen: bool
    """Whether no picture of an episode differs from its first, in every episode."""


@dataclass(frozen=True)
class Upright:
    """A hint at which way up the picture is; nothing but a person who looks at it can be certain."""

    hint: Literal["upright", "upside down", "unknown"]
    """What the scores suggest."""
    confidence: float
    """How much better the scores follow the motion that way up, in [0, 1]; 0 where nothing is known."""
    because: str
    """A sentence."""


@dataclass(frozen=True)
class Motion:
    """What several episodes of one kind of motion are scored."""

    episodes: int
    """How many."""
    steps: int
    """Of all of them."""
    succeeded: int | None
    """Episodes that truly succeed; None where nobody tells."""
    mean_progress: float
    """Over all steps, in [0, 1]; NaN without pictures."""
    max_progress: float
    """Likewise."""
    final_progress: float
    """Mean over the episodes."""
    mean_success: float
    """Over all steps."""
    max_success: float
    """Likewise."""
    called_done: int
    """Episodes in which the success score reaches the threshold at any step."""


@dataclass(frozen=True)
class OwnReward:
    """The environment's own reward of one step, under random motion."""

    low: float
    """Smallest."""
    mean: float
    """Mean."""
    high: float
    """Largest."""

    @property
    def constant(self) -> bool:
        """Whether it never changes."""
        return self.low == self.high


@dataclass(frozen=True)
class Milliseconds:
    """Medians of one step; NaN for what was not done."""

    step: float
    """`env.step`."""
    render: float
    """Taking the picture."""
    score: float
    """Scoring it, one environment at a time."""


def look_at_pictures(episodes: Sequence[ProbedEpisode]) -> tuple[Picture, list[CheckResult]]:
    """Looks at the pictures of random episodes.

    Args:
        episodes: At least one, all with pictures.

    Returns:
        What they are like, and what is to be said of it.
    """
    seen = [episode.seen for episode in episodes if episode.seen is not None]
    height, width, _ = episodes[0].originals[0].shape
    frozen = all(len(frames) > 1 and (frames == frames[0]).all() for frames in seen)
    _, model_height, model_width, _ = seen[0].shape
    picture = Picture(
        height,
        width,
        model_height,
        model_width,
        moving_share=float(np.mean([_moving_share(frames) for frames in seen])),
        flat=all(_all_flat(frames) for frames in seen),
        frozen=frozen,
    )
    found = [_dead_or_alive(picture)]
    ratio = max(height, width) / min(height, width)
    reads = f"{picture.model_width}x{picture.model_height}"
    if ratio >= _SQUASHED and picture.model_height == picture.model_width:
        found.append(
            CheckResult(
                "warning", "shape",
                f"{width}x{height} pixels are squashed to {reads}: a camera with a square picture keeps "
                "things as they are",
            )
        )  # fmt: skip
    elif min(height, width) < picture.model_height:
        found.append(
            CheckResult(
                "warning", "size", f"{width}x{height} pixels are enlarged to {reads}: they show little"
            )
        )
    else:
        found.append(CheckResult("ok", "size", f"{width}x{height} pixels; the model reads {reads}"))
    return picture, found


def _dead_or_alive(picture: Picture) -> CheckResult:
    if picture.flat:
        return CheckResult("problem", "picture", "every picture is of one colour, so its scores mean nothing")
    if picture.frozen:
        return CheckResult(
            "problem", "picture",
            "the picture never changes under random actions: the camera does not see what moves",
        )  # fmt: skip
    moving = f"{100 * picture.moving_share:.1f}% of the picture changes in an episode"
    if picture.moving_share < _SMALL_MOTION:
        return CheckResult(
            "warning", "picture", f"only {moving}: move the camera closer to where the task is"
        )
    return CheckResult("ok", "picture", f"it shows something, and {moving}")


def _all_flat(frames: NDArray[np.uint8]) -> bool:
    try:
        check_video(frames, "the episode")
    except ValueError:
        return True
    return False


def _moving_share(frames: NDArray[np.uint8]) -> float:
    spread = frames.max(axis=0).astype(np.int16) - frames.min(axis=0)
    return float((spread.max(axis=-1) > _CHANGED_LEVELS).mean())


def tell_upright(
    model: RewardModel, sentence: str, knows_world: bool, episodes: Sequence[ProbedEpisode]
) -> Upright:
    """Compares how well the scores follow a true success, in its pictures and in the same ones upside down.

    A model that knows the world scores a success that rises in the one and, as a rule, not in the other. Of a
    world that it does not know, or of motion that does not succeed, its scores tell nothing.

    Args:
        model: The reward model.
        sentence: Of the task.
        knows_world: Whether the model was trained on this world.
        episodes: Scripted ones, with pictures.

    Returns:
        The hint.
    """
    told = [episode for episode in episodes if episode.succeeded and episode.seen is not None]
    if not knows_world or not told:
        lacks = "a scripted success" if knows_world else "a model that knows this world"
        return Upright("unknown", 0.0, f"scores tell it with {lacks} only: look at pictures.png")
    here: list[float] = []
    flipped: list[float] = []
    for episode in told:
        assert episode.seen is not None
        assert episode.true_success is not None
        frames = episode.seen[: max(2, int(episode.true_success.argmax()) + 1)]
        for found, way in ((here, frames), (flipped, np.ascontiguousarray(frames[:, ::-1]))):
            found.append(pearson_r(model.score(way, sentence).progress, np.arange(len(way))))
    difference = float(np.mean(here) - np.mean(flipped))
    numbers = (
        f"on the way to success, progress follows time with r = {np.mean(here):.2f}, and with "
        f"{np.mean(flipped):.2f} upside down"
    )
    confidence = round(min(1.0, abs(difference)), 2)
    if abs(difference) < _SURE_OF_UPRIGHT:
        return Upright("unknown", confidence, f"{numbers}: look at pictures.png")
    return Upright("upright" if difference > 0 else "upside down", confidence, numbers)


def measure_motion(episodes: Sequence[ProbedEpisode], threshold: float) -> Motion:
    """Sums up what episodes are scored.

    Args:
        episodes: At least one.
        threshold: Success score from which a step counts as done, in (0, 1].

    Returns:
        The sums.
    """
    progress = np.concatenate([episode.progress for episode in episodes])
    success = np.concatenate([episode.success for episode in episodes])
    told = [episode.succeeded for episode in episodes]
    return Motion(
        episodes=len(episodes),
        steps=sum(len(episode.reward) for episode in episodes),
        succeeded=None if None in told else sum(map(bool, told)),
        mean_progress=float(progress.mean()),
        max_progress=float(progress.max()),
        final_progress=float(np.mean([episode.progress[-1] for episode in episodes])),
        mean_success=float(success.mean()),
        max_success=float(success.max()),
        called_done=sum(bool((episode.success >= threshold).any()) for episode in episodes),
    )


def measure_reward(episodes: Sequence[ProbedEpisode]) -> OwnReward:
    """The range of the environment's own reward in some episodes, at least one step in all."""
    reward = np.concatenate([episode.reward for episode in episodes])
    return OwnReward(float(reward.min()), float(reward.mean()), float(reward.max()))


def measure_times(episodes: Sequence[ProbedEpisode]) -> Milliseconds:
    """What the parts of a step take in some episodes."""

    def median(name: str) -> float:
        values = np.concatenate([getattr(episode, name) for episode in episodes])
        return float(np.median(values)) if len(values) else float("nan")

    return Milliseconds(median("step_ms"), median("render_ms"), median("score_ms"))
