"""The bench's two questions about memory.

Does an episode leave anything behind, and how much do several environments need? Both are asked in a child
process of their own, so that the figure holds nothing of what was measured before.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from robometer_rl import RobometerReward, make_env

from ..common.process_memory import MIB, memory_of, memory_of_tree

__all__ = [
    "Growth",
    "Peak",
    "PeakSampler",
    "PictureEnv",
    "growth",
    "in_child",
    "leak",
    "peak_in_one_process",
    "peak_with_workers",
]

SENTENCE = "open the drawer"
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Peak:
    """Of a process and its descendants together, MiB."""

    resident: float
    """Largest sum of resident sets, which counts shared pages in each process."""
    proportional: float
    """Sum of proportional sets at the end, which counts shared pages once."""


@dataclass(frozen=True)
class Growth:
    """Resident set over many episodes, MiB."""

    before: float
    """After the warm-up."""
    after: float
    """At the end."""
    slope: float
    """Least-squares growth per 10,000 episodes."""

    @property
    def grown(self) -> float:
        """From warm-up to end."""
        return self.after - self.before


class PeakSampler:
    """Looks at the memory of this process and its descendants again and again, in a thread."""

    def __init__(self, every: float = 0.1) -> None:
        """Nothing is sampled yet.

        Args:
            every: Seconds between two looks; a peak that is shorter may be missed.
        """
        self.resident = 0
        """Largest sum of resident sets so far, bytes."""
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Begins to look."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Looks for the last time."""
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._every)
            self.resident = max(self.resident, memory_of_tree(os.getpid()).resident)


def in_child(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Calls a function in a fresh process.

    Args:
        function: Importable by name, as are its arguments.
        *args: Its arguments.
        **kwargs: Its arguments.

    Returns:
        What it returns.

    Raises:
        BrokenProcessPool: The process died.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


class PictureEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A bright square that moves, for a few steps: an environment that costs nothing beside the model."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, steps: int = 3, size: int = 96) -> None:
        """Makes it.

        Args:
            steps: Of an episode.
            size: Side of the picture, pixels.
        """
        self.render_mode = "rgb_array"
        self.observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._steps, self._size = steps, size
        self._elapsed = 0
        self._where = np.zeros(2, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Puts the square somewhere."""
        super().reset(seed=seed)
        self._elapsed = 0
        return self._move(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Moves the square, wherever the action points."""
        self._elapsed += 1
        return self._move(), 0.0, False, self._elapsed >= self._steps, {}

    def render(self) -> NDArray[np.uint8]:
        """Draws it, uint8 `(size, size, 3)`."""
        picture = np.full((self._size, self._size, 3), 90, dtype=np.uint8)
        x, y = (self._where * self._size * 0.75).astype(int)
        picture[y : y + self._size // 4, x : x + self._size // 4] = (220, 40, 40)
        return picture

    def _move(self) -> NDArray[np.float32]:
        self._where = self.np_random.random(2, dtype=np.float32)
        return self._where


def growth(model: str, episodes: int, warmup: int, every: int, threads: int) -> Growth:
    """Plays many short episodes and watches the resident set.

    Args:
        model: A reward model.
        episodes: To play after the warm-up.
        warmup: Episodes before the first look: allocators and caches fill in them.
        every: Episodes between two looks.
        threads: Of torch.

    Returns:
        What grew.
    """
    _use_threads(threads)
    env = RobometerReward(PictureEnv(), SENTENCE, model, warn_unseen_world=False)
    seen = []
    for episode in range(warmup + episodes + 1):
        if episode >= warmup and (episode - warmup) % every == 0:
            seen.append((episode, memory_of().resident / MIB))
        env.reset(seed=episode)
        truncated = False
        while not truncated:
            *_, truncated, _ = env.step(np.zeros(2, dtype=np.float32))
    env.close()
    return leak(seen)


def leak(seen: Sequence[tuple[float, float]]) -> Growth:
    """Reads growth off samples.

    Args:
        seen: (episode, MiB), at least two.

    Returns:
        First, last, and the slope of the straight line through all.
    """
    at, mib = np.asarray(seen, dtype=np.float64).T
    slope = float(np.polyfit(at, mib, 1)[0]) * 10_000
    return Growth(float(mib[0]), float(mib[-1]), slope)


@dataclass(frozen=True)
class _Maker:
    """Makes one environment; a class, since a worker that starts afresh gets it pickled."""

    task: str
    size: int
    seed: int
    shared: bool = False

    def __call__(self) -> gym.Env[Any, Any]:
        env: gym.Env[Any, Any] = make_env(self.task, seed=self.seed, image_size=self.size, horizon=20)
        if self.shared:
            from robometer_rl import ShareFrames

            env = ShareFrames(env)
        return env


def peak_in_one_process(model: str, task: str, size: int, n: int, steps: int, threads: int) -> Peak:
    """Steps n wrapped environments in this process.

    Args:
        model: A reward model.
        task: Id of the environments' task.
        size: Side of the pictures, pixels.
        n: Environments.
        steps: Of each, in episodes of 20.
        threads: Of torch.

    Returns:
        The peak over construction and steps, and what is held at the end.
    """
    makers = [_Maker(task, size, seed) for seed in range(n)]
    return _played(lambda: gym.vector.SyncVectorEnv(makers), model, steps, threads)


def peak_with_workers(model: str, task: str, size: int, n: int, steps: int, threads: int) -> Peak:
    """The same with a worker process per environment; summed over this process and the workers."""
    makers = [_Maker(task, size, seed, shared=True) for seed in range(n)]
    return _played(lambda: gym.vector.AsyncVectorEnv(makers, context="spawn"), model, steps, threads)


def _played(make: Callable[[], Any], model: str, steps: int, threads: int) -> Peak:
    from robometer_rl import RobometerVectorReward

    _use_threads(threads)
    with PeakSampler() as peak:
        wrapped = RobometerVectorReward(make(), SENTENCE, model, warn_unseen_world=False)
        wrapped.action_space.seed(0)
        wrapped.reset(seed=0)
        for _ in range(steps):
            wrapped.step(wrapped.action_space.sample())
    at_end = memory_of_tree(os.getpid())
    wrapped.close()
    return Peak(peak.resident / MIB, at_end.proportional / MIB)


def _use_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
