"""What one environment did in a step, read once for every wrapper: true success, the end, the frames if due.

The single wrapper reads its own environment; in a vector environment `ShareFrames` reads inside each
sub-environment. Whoever takes the records afterwards decides nothing of this again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..frames import FrameGrabber, FrameSource
from ..success import named_success, read_success
from .checks import read_env_reward
from .episode_state import RewardConfig

__all__ = ["RESET", "STEP", "StepReader", "StepRecord"]

STEP, RESET = 1, 2
"""Kinds of records."""


@dataclass(frozen=True)
class StepRecord:
    """One step or reset of an environment."""

    kind: int
    """`STEP` or `RESET`."""
    frames: Sequence[NDArray[np.uint8]] | None
    """One uint8 `(H, W, 3)` per camera; None where the step is not scored."""
    env_reward: float = 0.0
    """The environment's own reward."""
    terminated: bool = False
    """Whether the environment, or true success where an option says so, terminated the episode."""
    truncated: bool = False
    """Whether the environment truncated."""
    true_success: bool = False
    """Whether the environment says that the task is done."""


class StepReader:
    """Counts the steps of an environment's episodes and takes the frames where a score is due."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        sources: FrameSource | Sequence[FrameSource],
        config: RewardConfig,
    ) -> None:
        """Checks that the frame sources exist, as far as that can be told before the first reset.

        Args:
            env: The environment that gives the frames.
            sources: Where they come from, one source or one per camera.
            config: The rules.

        Raises:
            TypeError: A source is neither a string nor callable.
            ValueError: A source does not exist.
        """
        self._grabber = FrameGrabber(env, sources)
        self._config = config
        self._steps = 0

    def reset(self, observation: Any, info: dict[str, Any]) -> tuple[StepRecord, dict[str, Any]]:
        """Reads what `reset` returned; its frames are always taken.

        Args:
            observation: The first observation.
            info: The environment's info.

        Returns:
            The record, and a copy of the info with the keys that steps have: `env_reward`, here 0.0, and
            `is_success` where the environment tells it.

        Raises:
            RuntimeError: The environment gives no frames.
            TypeError: A frame is of a wrong type.
            ValueError: A frame is of a wrong shape.
        """
        self._steps = 0
        record = StepRecord(RESET, self._grabber.grab(observation))
        return record, {**named_success(info), "env_reward": record.env_reward}

    def step(
        self, observation: Any, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]
    ) -> tuple[StepRecord, dict[str, Any]]:
        """Reads what `step` returned, and takes the frames if the step is scored.

        Args:
            observation: The observation.
            reward: The environment's own reward.
            terminated: Whether the environment terminated.
            truncated: Whether the environment truncated.
            info: The environment's info.

        Returns:
            The record, and a copy of the info with `env_reward`, and `is_success` where the environment
            tells it.

        Raises:
            RuntimeError: The rules need `is_success` and the environment does not tell it.
            TypeError: A frame is of a wrong type, or the reward is not one number.
            ValueError: A frame is of a wrong shape, or the reward is not finite.
        """
        info = named_success(info)
        success = read_success(info, self._config.needs_truth)
        env_reward = read_env_reward(reward)
        info["env_reward"] = env_reward
        terminated = bool(self._config.terminates(bool(terminated), success))
        truncated = bool(truncated)
        self._steps += 1
        due = self._config.is_due(self._steps, terminated or truncated)
        frames = self._grabber.grab(observation) if due else None
        return StepRecord(STEP, frames, env_reward, terminated, truncated, success), info
