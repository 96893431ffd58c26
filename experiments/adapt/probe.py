"""Short episodes that show what an environment is like: pictures, scores, success, rewards, times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.frames import FrameGrabber
from robometer_rl.rewards import RewardModel
from robometer_rl.rewards.protocol import FrameResizer
from robometer_rl.success import named_success

from ..common.policy import Policy

__all__ = ["ProbedEpisode", "as_model_sees", "probe"]

_KEPT = 16
"""Most pictures of an episode that are kept at their full size."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class ProbedEpisode:
    """One episode of T steps; what belongs to a moment has T + 1 entries, the first of the reset."""

    seen: Frames | None
    """uint8 `(T + 1, H', W', 3)`, as the model reads them; None without pictures."""
    originals: tuple[Frames, ...]
    """First, middle and last picture as the environment gives them, uint8 `(H, W, 3)`; empty without any."""
    progress: NDArray[np.float64]
    """`(T + 1,)` in [0, 1]; NaN without pictures."""
    success: NDArray[np.float64]
    """As `progress`."""
    true_success: NDArray[np.bool_] | None
    """`(T + 1,)`, the environment's own; False where it was not told at that moment, None if it never was."""
    reward: NDArray[np.float64]
    """`(T,)`, the environment's own."""
    ended: bool
    """Whether the episode ended by itself, and not because enough was seen."""
    step_ms: NDArray[np.float64]
    """Milliseconds of each `env.step`, `(T,)`."""
    render_ms: NDArray[np.float64]
    """Of each picture after the first, `(T,)`; empty without pictures."""
    score_ms: NDArray[np.float64]
    """Of each score after the first, likewise."""

    @property
    def succeeded(self) -> bool | None:
        """Whether the task was done at any time; None where nobody tells."""
        return None if self.true_success is None else bool(self.true_success.any())


def as_model_sees(model: RewardModel, frames: Frames) -> Frames:
    """Frames at the size that the model reads, or as they are if it has none; uint8 `(T, H', W', 3)`."""
    return model.resize_frames(frames) if isinstance(model, FrameResizer) else frames


class _Camera:
    """Takes pictures, scores them, and keeps few of them at full size."""

    def __init__(self, grabber: FrameGrabber, model: RewardModel, sentence: str) -> None:
        self._grabber, self._model = grabber, model
        self._stream = model.stream(1)
        self._stream.reset([sentence])
        self._kept: list[Frames] = []
        self._stride, self._count = 1, 0
        self._last: Frames | None = None
        self.seen: list[Frames] = []
        self.scores: list[tuple[float, float]] = []
        self.render_ms: list[float] = []
        self.score_ms: list[float] = []

    def take(self, observation: Any) -> None:
        """Takes the picture of a moment and scores it."""
        begin = time.perf_counter()
        (frame,) = self._grabber.grab(observation)
        between = time.perf_counter()
        progress, success = self._stream.push(frame[None])
        end = time.perf_counter()
        self.render_ms.append(1e3 * (between - begin))
        self.score_ms.append(1e3 * (end - between))
        self.scores.append((float(progress[0]), float(success[0])))
        # A copy in any case: a renderer may hand out the same buffer again.
        self._last = frame.copy()
        self.seen.append(as_model_sees(self._model, self._last[None])[0])
        if self._count % self._stride == 0:
            self._kept.append(self._last)
        if len(self._kept) > _KEPT:
            self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._count += 1

    @property
    def originals(self) -> tuple[Frames, ...]:
        """First, middle and last picture."""
        assert self._last is not None
        return self._kept[0], self._kept[len(self._kept) // 2], self._last


def probe(
    env: gym.Env[Any, Any],
    grabber: FrameGrabber | None,
    model: RewardModel,
    sentence: str,
    policy: Callable[[], Policy],
    seed: int,
    most_steps: int,
) -> ProbedEpisode:
    """Plays one episode and looks at everything.

    Args:
        env: From `make_environment`.
        grabber: Takes its pictures; None where it has none.
        model: Scores them.
        sentence: What the agent should do.
        policy: Makes who acts, called after the reset.
        seed: Of the reset.
        most_steps: Steps after which enough was seen, at least 1.

    Returns:
        The episode.
    """
    observation, info = env.reset(seed=seed)
    act = policy()
    camera = None if grabber is None else _Camera(grabber, model, sentence)
    told = [named_success(info).get("is_success")]
    reward: list[float] = []
    step_ms: list[float] = []
    if camera is not None:
        camera.take(observation)
    over = False
    while not over and len(reward) < most_steps:
        action = act(observation)
        begin = time.perf_counter()
        observation, paid, terminated, truncated, info = env.step(action)
        step_ms.append(1e3 * (time.perf_counter() - begin))
        reward.append(float(paid))
        told.append(named_success(info).get("is_success"))
        over = bool(terminated or truncated)
        if camera is not None:
            camera.take(observation)
    scores = np.full((len(told), 2), np.nan) if camera is None else np.array(camera.scores)
    silent = all(value is None for value in told)
    return ProbedEpisode(
        seen=None if camera is None else np.stack(camera.seen),
        originals=() if camera is None else camera.originals,
        progress=scores[:, 0],
        success=scores[:, 1],
        true_success=None if silent else np.array([bool(value) for value in told]),
        reward=np.array(reward),
        ended=over,
        step_ms=np.array(step_ms),
        render_ms=np.array([] if camera is None else camera.render_ms[1:]),
        score_ms=np.array([] if camera is None else camera.score_ms[1:]),
    )
