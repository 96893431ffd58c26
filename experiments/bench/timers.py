"""Times the parts of a wrapped step from inside, at the wrapper's own seams: environment and model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards import RewardStream, Scores, load_reward_model

__all__ = ["Clock", "ClockedEnv", "ClockedModel"]

_T = TypeVar("_T")


class Clock:
    """Milliseconds of the parts of the newest step."""

    def __init__(self) -> None:
        """Starts with nothing."""
        self._ms: dict[str, float] = {}

    def call(self, part: str, function: Callable[..., _T], *args: Any) -> _T:
        """Calls a function and adds its time to a part.

        Args:
            part: Name of the part.
            function: What to call.
            *args: Its arguments.

        Returns:
            What it returns.
        """
        start = time.perf_counter()
        result = function(*args)
        self._ms[part] = self._ms.get(part, 0.0) + 1e3 * (time.perf_counter() - start)
        return result

    def take(self) -> dict[str, float]:
        """Gives the times since the last call and forgets them."""
        ms, self._ms = self._ms, {}
        return ms


class ClockedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Times what the reward wrapper asks of its environment: `physics` and `render`."""

    def __init__(self, env: gym.Env[Any, Any], clock: Clock) -> None:
        """Wraps.

        Args:
            env: The environment.
            clock: Gets the times.
        """
        super().__init__(env)
        self._clock = clock

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps, timed."""
        return self._clock.call("physics", self.env.step, action)

    def render(self) -> Any:
        """Draws, timed."""
        return self._clock.call("render", self.env.render)


class ClockedModel:
    """A reward model whose streams' `push` is timed as the part `model`."""

    def __init__(self, spec: str) -> None:
        """Loads the model.

        Args:
            spec: Of the model.
        """
        self.inner = load_reward_model(spec)
        self.success_threshold = self.inner.success_threshold
        self.trained_worlds = self.inner.trained_worlds
        self.clock = Clock()

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        """Passes on."""
        return self.inner.score(frames, task)

    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        """Passes on."""
        return self.inner.prefer(frames_a, frames_b, task)

    def stream(self, n: int) -> ClockedStream:
        """Opens a timed stream."""
        return ClockedStream(self.inner.stream(n), self.clock)


class ClockedStream:
    """A stream whose `push` is timed."""

    def __init__(self, inner: RewardStream, clock: Clock) -> None:
        """Wraps.

        Args:
            inner: The stream.
            clock: Gets the times.
        """
        self.n = inner.n
        self._inner, self._clock = inner, clock

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        """Passes on."""
        self._inner.reset(tasks, mask)

    def push(self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Scores:
        """Pushes, timed."""
        return self._clock.call("model", self._inner.push, frames, mask)
