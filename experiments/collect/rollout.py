"""A rollout: steps an environment, takes its frames, and keeps the record that becomes an episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ..episodes import Episode

REHEARSAL_LENGTH = 1.5
"""How much longer than an episode a rehearsal may last: only its first part is played again."""


def horizon(max_steps: int) -> int:
    """The horizon with which an environment never ends an episode of at most `max_steps` control steps."""
    return int(REHEARSAL_LENGTH * max_steps) + 1


@dataclass(frozen=True)
class Done:
    """One control step that was made.

    Attributes:
        action: float32, as executed.
        tick: By how much the expert's clock moved.
        quality: How near the object was to done after it.
    """

    action: NDArray[np.float32]
    tick: float
    quality: float


class Rollout:
    """Runs one episode after the other in one environment, with or without the camera.

    Attributes:
        obs: The observation now.
        success: The true success now.
        quality: How near the object is to done now, in [0, 1].
        clock: The expert's own time, in full-speed steps.
        done: The steps made since the reset.
    """

    def __init__(self, env: gym.Env[Any, Any], frame_every: int, max_steps: int) -> None:
        """Binds to an environment.

        Args:
            env: From `make_env`.
            frame_every: Control steps between two frames.
            max_steps: Control steps after which an episode is over.

        Raises:
            ValueError: The action is not a row of at least four numbers, or an option is out of range.
        """
        shape = env.action_space.shape
        if shape is None or len(shape) != 1 or shape[0] < 4:
            raise ValueError(f"actions should be (motion x, y, z, ..., gripper), got shape {shape}")
        if frame_every < 1 or max_steps < 1:
            raise ValueError(
                f"frame_every and max_steps should be at least 1, got {frame_every} and {max_steps}"
            )
        self.env = env
        self.size = int(shape[0])
        self._every = frame_every
        self._most = max_steps
        self._max = max_steps
        self._film = False
        self._clear()

    def _clear(self) -> None:
        self.obs: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self.success = False
        self.quality = 0.0
        self.clock = 0.0
        self.done: list[Done] = []
        self._frames: list[NDArray[np.uint8]] = []
        self._rows: list[tuple[bool, float, float]] = []
        self._filmed = -1

    @property
    def motion_size(self) -> int:
        """How many numbers of an action move the arm."""
        return self.size - 1

    @property
    def left(self) -> int:
        """Control steps that may still be made."""
        return self._max - len(self.done)

    @property
    def gripper(self) -> float:
        """The last command of the gripper; open before the first step."""
        return float(self.done[-1].action[-1]) if self.done else -1.0

    def reset(self, seed: int, film: bool = True) -> None:
        """Starts an episode.

        Args:
            seed: Seed of the environment.
            film: Whether frames are taken; a rehearsal needs none and may last half as long again.
        """
        self._clear()
        self._max = self._most if film else int(REHEARSAL_LENGTH * self._most)
        self._film = film
        self.obs, info = self.env.reset(seed=seed)
        self._note(info)
        self._shoot()

    def step(self, action: NDArray[Any], tick: float) -> None:
        """Makes one control step.

        Args:
            action: Clipped to the action space.
            tick: By how much the expert's clock moves.

        Raises:
            RuntimeError: The environment ended the episode before `max_steps`.
        """
        space = self.env.action_space
        assert isinstance(space, Box)
        move = np.clip(np.asarray(action, dtype=np.float32), space.low, space.high)
        self.obs, _, terminated, truncated, info = self.env.step(move)
        self.clock += tick
        self._note(info)
        self.done.append(Done(move, tick, self.quality))
        if len(self.done) % self._every == 0:
            self._shoot()
        if (terminated or truncated) and self.left > 0:
            raise RuntimeError(f"the environment ended after {len(self.done)} of {self._max} control steps")

    def episode(self, task: str, kind: str, seed: int, detail: str) -> Episode:
        """Ends the episode with a last frame and returns it.

        Args:
            task: Task id.
            kind: Kind of episode.
            seed: The seed the episode was asked for with.
            detail: What was drawn within the kind.

        Returns:
            The episode.
        """
        if self._filmed != len(self.done):
            self._shoot()
        success, quality, clock = zip(*self._rows, strict=True)
        return Episode(
            task=task,
            kind=kind,
            seed=seed,
            frames=np.stack(self._frames),
            success=np.array(success, dtype=np.bool_),
            quality=np.array(quality, dtype=np.float32),
            clock=np.array(clock, dtype=np.float32),
            frame_every=self._every,
            detail=detail,
        )

    def _note(self, info: dict[str, Any]) -> None:
        self.success = bool(info["is_success"])
        self.quality = float(info["quality"])

    def _shoot(self) -> None:
        if not self._film:
            return
        frame = self.env.render()
        # A copy: a renderer may hand out the same buffer again.
        self._frames.append(np.array(frame, dtype=np.uint8))
        self._rows.append((self.success, self.quality, self.clock))
        self._filmed = len(self.done)
