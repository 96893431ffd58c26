"""Keeps what an agent does while it learns, as episodes for `robometer-rl fit`.

A reward model that only saw scripted hands is fooled by policies that nobody scripted. Episodes of agents
that fooled it, with the simulator's own word on what was done, are what it lacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.datasets.episodes import UNLABELLED
from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.frames import FrameGrabber, FrameSource, resize_frame

from ..episodes import Episode, list_episodes, write_episode

__all__ = ["JUDGED", "LEARNING", "Record"]

LEARNING, JUDGED = "an agent that was learning", "an agent that was judged"
"""What an episode was for the agent, kept as its `detail`."""

_EPISODES = 100_000
"""Most episodes of one environment: the numbers of the next begin there."""
_SIDE = 96
"""Of a recorded picture, in pixels, as in the worlds of the table."""


class Record(gym.Wrapper[Any, Any, Any, Any]):
    """Films every other episode, one frame per decision, and writes it when it is over."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        folder: Path,
        task: str,
        number: int,
        frame_every: int,
        every: int = 2,
        frames: FrameSource = "render",
        sentence: str | None = None,
        detail: str = LEARNING,
    ) -> None:
        """Stores the options.

        Args:
            env: From `make_environment`. Success and quality are kept where its `info` has `is_success` and
                `quality`; an episode of which neither is known is unlabelled.
            folder: Folder of the data set.
            task: Task id.
            number: Which of all recorded environments this is; the numbers of its episodes follow from it,
                after those that the folder has of it already.
            frame_every: Environment steps per decision.
            every: Each how many-th episode is kept.
            frames: Where the pictures come from, one source as in `RobometerReward`; larger pictures are
                resized to 96x96 pixels.
            sentence: Of the task, written beside the episodes; None for a task of the table.
            detail: What the episodes are, `LEARNING` or `JUDGED`.

        Raises:
            ValueError: `frame_every` or `every` is below 1, or there are no such pictures.
        """
        if min(frame_every, every) < 1:
            raise ValueError(f"frame_every and every must be at least 1, got {frame_every} and {every}")
        super().__init__(env)
        self._grabber = FrameGrabber(env, frames)
        if sentence is not None:
            add_sentences(folder, task, sentence)
        self._folder = folder
        self._task = task
        self._next = _first_free(folder, task, number)
        self._frame_every = frame_every
        self._every = every
        self._detail = detail
        self._frames: list[NDArray[np.uint8]] = []
        self._told: list[tuple[Any, Any]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets; an episode that was left unfinished is dropped."""
        obs, info = self.env.reset(seed=seed, options=options)
        self._frames, self._told = [], []
        self._note(obs, info)
        return obs, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps, films, and writes the episode at its end."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._note(obs, info)
        if terminated or truncated:
            if self._frames:
                self._write()
            self._next += 1
        return obs, reward, terminated, truncated, info

    def _note(self, observation: Any, info: dict[str, Any]) -> None:
        if self._next % self._every == 0:
            (frame,) = self._grabber.grab(observation)
            if max(frame.shape[:2]) > _SIDE:
                frame = resize_frame(frame, _SIDE)
            # A copy: a renderer may hand out the same buffer again.
            self._frames.append(frame.copy())
            self._told.append((info.get("is_success"), info.get("quality")))

    def _write(self) -> None:
        success, quality = zip(*self._told, strict=True)
        known = all(value is not None for value in success)
        rated = all(value is not None for value in quality)
        episode = Episode(
            task=self._task,
            kind="agent" if known else UNLABELLED,
            seed=self._next,
            frames=np.stack(self._frames),
            success=np.array(success, dtype=np.bool_) if known else None,
            quality=np.array(quality, dtype=np.float32) if rated else None,
            frame_every=self._frame_every,
            detail=self._detail,
        )
        write_episode(self._folder, episode)


def _first_free(folder: Path, task: str, number: int) -> int:
    """The first number of an environment's episodes after those that are there: a rerun adds to them."""
    first = number * _EPISODES
    kinds = ("agent", UNLABELLED) if folder.is_dir() else ()
    there = [path for kind in kinds for path in list_episodes(folder, task, kind)]
    taken = (int(path.stem.rpartition("-")[2]) for path in there)
    return max((seed + 1 for seed in taken if first <= seed < first + _EPISODES), default=first)
