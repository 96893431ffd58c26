"""The part of a vector reward wrapper that stands in each sub-environment: it takes the pictures there.

A vector environment resets its sub-environments by itself, and the last frame of an episode is gone when the
call returns. So the frame is taken inside, at the moment it is due, and left in a `SharedFrames`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

from ..frames import FrameSource
from ..scoring.episode_state import RewardConfig
from ..scoring.step_reader import RESET, StepReader, StepRecord
from ..world_ids import world_of
from .shared_memory import SharedFrames

__all__ = ["FramePlan", "Joined", "ShareFrames"]


@dataclass(frozen=True)
class FramePlan:
    """What a reward wrapper wants of its sub-environments."""

    rows: Mapping[str, int]
    """Row of each sub-environment by its id."""
    sources: FrameSource | Sequence[FrameSource]
    """Where the pictures come from, one per camera."""
    config: RewardConfig
    """The rules: at which steps a picture is due, and whether true success ends the episode."""


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

    Examples:
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
        self._reader: StepReader | None = None
        self._shared: SharedFrames | None = None
        self._begun: StepRecord | None = None
        self._row = -1

    # What the reward wrapper calls, by name, through the vector environment. An environment of somebody else
    # has no such names, so none of its own is hidden.

    def robometer_id(self) -> str:
        """Returns an id that no other sub-environment has."""
        self._id = self._id or uuid.uuid4().hex
        return self._id

    def robometer_join(self, plan: FramePlan) -> Joined:
        """Follows a plan from the next reset on.

        Args:
            plan: What the reward wrapper wants.

        Returns:
            The world's id, or what is wrong.
        """
        world = world_of(self.env)
        try:
            self._reader = StepReader(self.env, plan.sources, plan.config)
        except (TypeError, ValueError) as error:
            return Joined(world, error)
        self._row, self._shared, self._begun = plan.rows[self._id], None, None
        return Joined(world)

    def robometer_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Returns the shape of the first picture, per camera, once there was a reset."""
        assert self._begun is not None
        assert self._begun.frames is not None
        return tuple(frame.shape for frame in self._begun.frames)

    def robometer_open(self, shared: SharedFrames) -> None:
        """Leaves steps and resets in shared memory from now on, the last reset at once.

        Args:
            shared: The memory, mapped into this process.
        """
        assert self._begun is not None
        self._shared = shared
        shared.post(self._row, self._begun)
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
        if self._reader is not None:
            record, info = self._reader.reset(observation, info)
            self._post(record)
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
        if self._reader is None:
            return self.env.step(action)
        if self._shared is not None and self._shared.over[self._row]:
            self._shared.over[self._row] = False
            observation, info = self.reset()
            return observation, 0.0, False, False, info
        observation, reward, terminated, truncated, info = self.env.step(action)
        record, info = self._reader.step(observation, reward, terminated, truncated, info)
        self._post(record)
        return observation, record.env_reward, record.terminated, record.truncated, info

    def _post(self, record: StepRecord) -> None:
        if self._shared is not None:
            self._shared.post(self._row, record)
        elif record.kind == RESET:
            self._begun = record
