"""The part of a vector reward wrapper that stands in each sub-environment: it takes the pictures there.

A vector environment resets its sub-environments by itself, and the last frame of an episode is gone when the
call returns. So the frame is taken inside, at the moment it is due, and left on a `SharedFrames`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ..frames import FrameGrabber, FrameSource
from ..scoring.true_success import named_success, read_success
from ..scoring.unseen_world import world_of
from .shared_memory import RESET, STEP, SharedFrames, StepRecord

__all__ = ["FramePlan", "Joined", "ShareFrames"]


@dataclass(frozen=True)
class FramePlan:
    """What a reward wrapper wants of its sub-environments."""

    rows: Mapping[str, int]
    """Row of each sub-environment by its id."""
    sources: FrameSource | Sequence[FrameSource]
    """Where the pictures come from, one per camera."""
    score_every: int
    """A picture is due at each k-th step and at the last of an episode."""
    needs_truth: bool
    """Whether the environment must tell `is_success`."""
    terminate_on_true_success: bool
    """Whether `is_success` ends the episode."""


@dataclass(frozen=True)
class Joined:
    """A sub-environment's answer to a plan."""

    world: str
    """Id of its world."""
    error: TypeError | ValueError | None = None
    """Why it cannot follow the plan; sent back, since an exception would end a worker process."""


class ShareFrames(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Leaves the frames of a sub-environment where the vector reward wrapper outside finds them.

    Put it around each environment whose vector environment runs in worker processes, outermost, so that it
    sees every reset and truncation; in-process vector environments get it by themselves. Without a reward
    wrapper outside it does nothing. `info` gains `env_reward`, and `is_success` where the environment tells
    only `success`.

    Example:
        >>> from gymnasium.vector import AsyncVectorEnv
        >>> from robometer_rl import RobometerVectorReward, ShareFrames, make_env
        >>> def make():
        ...     return ShareFrames(make_env("metaworld/door-open-v3"))
        >>> envs = AsyncVectorEnv([make] * 2, context="spawn")  # doctest: +SKIP
        >>> envs = RobometerVectorReward(envs, "open the door")  # doctest: +SKIP
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        """Wraps an environment.

        Args:
            env: The environment; it gives the pictures.
        """
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._id = ""
        self._plan: FramePlan | None = None
        self._grabber: FrameGrabber | None = None
        self._board: SharedFrames | None = None
        self._begun: StepRecord | None = None
        self._row = -1
        self._clock = 0

    # What the reward wrapper calls, by name, through the vector environment.

    def frames_id(self) -> str:
        """Returns an id that no other sub-environment has."""
        self._id = self._id or uuid.uuid4().hex
        return self._id

    def frames_join(self, plan: FramePlan) -> Joined:
        """Follows a plan from the next reset on.

        Args:
            plan: What the reward wrapper wants.

        Returns:
            The world's id, or what is wrong.
        """
        world = world_of(self.env)
        try:
            self._grabber = FrameGrabber(self.env, plan.sources)
        except (TypeError, ValueError) as error:
            return Joined(world, error)
        self._row, self._plan, self._board, self._begun = plan.rows[self._id], plan, None, None
        return Joined(world)

    def frames_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Returns the shape of the first picture, per camera, once there was a reset."""
        assert self._begun is not None
        assert self._begun.frames is not None
        return tuple(frame.shape for frame in self._begun.frames)

    def frames_open(self, board: SharedFrames) -> None:
        """Leaves events on a board from now on, the last reset at once.

        Args:
            board: The board, mapped into this process.
        """
        assert self._begun is not None
        self._board = board
        board.post(self._row, self._begun)
        self._begun = None

    # What the vector environment calls.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets and leaves the first frame.

        Args:
            seed: Passed on.
            options: Passed on.

        Returns:
            The environment's observation and info.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        if self._plan is not None:
            info = named_success(info)
            self._clock = 0
            self._post(StepRecord(RESET, self._grab(observation)))
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps and leaves the frame where it is due; resets where predicted success ended the episode.

        Args:
            action: Passed on.

        Returns:
            What the environment returned; terminated too where the plan says that true success ends episodes.

        Raises:
            RuntimeError: The plan needs `is_success` and the environment does not tell it.
        """
        plan, board = self._plan, self._board
        if plan is None:
            return self.env.step(action)
        if board is not None and board.over[self._row]:
            board.over[self._row] = False
            observation, info = self.reset()
            return observation, 0.0, False, False, info
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = named_success(info)
        success = read_success(info, plan.needs_truth)
        info["env_reward"] = float(reward)
        terminated = bool(terminated or (plan.terminate_on_true_success and success))
        truncated = bool(truncated)
        self._clock += 1
        due = terminated or truncated or self._clock % plan.score_every == 0
        frames = self._grab(observation) if due else None
        self._post(StepRecord(STEP, frames, float(reward), terminated, truncated, success))
        return observation, reward, terminated, truncated, info

    def _grab(self, observation: Any) -> list[NDArray[np.uint8]]:
        assert self._grabber is not None
        return self._grabber.grab(observation)

    def _post(self, event: StepRecord) -> None:
        if self._board is not None:
            self._board.post(self._row, event)
        elif event.kind == RESET:
            self._begun = event
