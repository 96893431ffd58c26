"""Keeps what an agent does while it learns, as episodes for `robometer-rl fit`.

A reward model that only saw scripted hands is fooled by policies that nobody scripted. Episodes of agents
that fooled it, with the simulator's own word on what was done, are what it lacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from ..episodes import Episode, list_episodes, write_episode

__all__ = ["Record"]

_EPISODES = 100_000
"""Most episodes of one environment: the numbers of the next begin there."""


class Record(gym.Wrapper[Any, Any, Any, Any]):
    """Films every other episode, one frame per decision, and writes it when it is over."""

    def __init__(
        self, env: gym.Env[Any, Any], folder: Path, task: str, number: int, frame_every: int, every: int = 2
    ) -> None:
        """Stores the options.

        Args:
            env: From `make_env`: its `info` has `is_success` and `quality`.
            folder: Folder of the data set.
            task: Task id.
            number: Which of all recorded environments this is; the numbers of its episodes follow from it,
                after those that the folder has of it already.
            frame_every: Environment steps per decision.
            every: Each how many-th episode is kept.

        Raises:
            ValueError: `frame_every` or `every` is below 1.
        """
        if min(frame_every, every) < 1:
            raise ValueError(f"frame_every and every must be at least 1, got {frame_every} and {every}")
        super().__init__(env)
        self._folder = folder
        self._task = task
        self._next = _first_free(folder, task, number)
        self._frame_every = frame_every
        self._every = every
        self._frames: list[Any] = []
        self._rows: list[tuple[bool, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets; an episode that was left unfinished is dropped."""
        obs, info = self.env.reset(seed=seed, options=options)
        self._frames, self._rows = [], []
        self._note(info)
        return obs, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps, films, and writes the episode at its end."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._note(info)
        if terminated or truncated:
            if self._frames:
                self._write()
            self._next += 1
        return obs, reward, terminated, truncated, info

    def _note(self, info: dict[str, Any]) -> None:
        if self._next % self._every == 0:
            # A copy: a renderer may hand out the same buffer again.
            self._frames.append(np.array(self.env.render(), dtype=np.uint8))
            self._rows.append((bool(info["is_success"]), float(info["quality"])))

    def _write(self) -> None:
        success, quality = (np.array(column) for column in zip(*self._rows, strict=True))
        episode = Episode(
            task=self._task,
            kind="agent",
            seed=self._next,
            frames=np.stack(self._frames),
            success=success.astype(np.bool_),
            quality=quality.astype(np.float32),
            frame_every=self._frame_every,
            detail="an agent that was learning",
        )
        write_episode(self._folder, episode)


def _first_free(folder: Path, task: str, number: int) -> int:
    """The first number of an environment's episodes after those that are there: a rerun adds to them."""
    first = number * _EPISODES
    there = list_episodes(folder, task, "agent") if folder.is_dir() else []
    taken = (int(path.stem.removeprefix("agent-")) for path in there)
    return max((seed + 1 for seed in taken if first <= seed < first + _EPISODES), default=first)
