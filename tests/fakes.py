"""An environment and a reward model whose numbers can be added up on paper.

`tests/conftest.py` registers this file as the module `robometer_test_fakes`, so that entry point strings such
as `"robometer_test_fakes:FakeRewardModel"` work without the checkout on `sys.path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl import RobometerReward
from robometer_rl.rewards.protocol import Scores, TaskThreshold

MODEL = "robometer_test_fakes:FakeRewardModel"
CALIBRATED = "robometer_test_fakes:FakeCalibratedModel"
WORLD = "fake/count"
SENTENCE = "count up"
ACTION = np.zeros(2, dtype=np.float32)
ENDS = ("terminated", "truncated")
Format = Literal["hwc", "chw", "float", "gray", "nan", "none"]


@dataclass(frozen=True)
class FakeTask:
    id: str = WORLD


class FakeEnv(gym.Env[Any, NDArray[np.float32]]):
    """Pixels above the picture's striped foot count the steps since reset; the reward of step t is 10 + t."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        horizon: int = 10,
        terminate_at: int | None = None,
        success_at: int | None = None,
        success_key: str | None = "is_success",
        frame_format: Format = "hwc",
        size: int = 12,
        images: bool = False,
        pace: int = 1,
        world: str | None = WORLD,
        render_mode: str | None = "rgb_array",
        episodes: Sequence[tuple[int, str]] = (),
        wander: bool = False,
    ) -> None:
        """`images` adds the keys "front" (pixel = counter) and "side" (twice it); `pace` counts per step.

        `episodes` says of each episode, in turns, how long it is and how it ends ("terminated", "truncated",
        "both"); with `wander` the counter jumps anywhere in [0, 100].
        """
        self.horizon, self.terminate_at, self.success_at = horizon, terminate_at, success_at
        self.success_key, self.frame_format, self.size = success_key, frame_format, size
        self.images, self.pace, self.render_mode = images, pace, render_mode
        if world is not None:
            self.task = FakeTask(world)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        state = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
        picture = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = (
            gym.spaces.Dict({"state": state, "front": picture, "side": picture}) if images else state
        )
        self.episodes, self.wander, self.begun = list(episodes), wander, 0
        self.count = self.steps = 0
        self.closed = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = self.steps = 0
        self.begun += 1
        return self._observe(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.count = int(self.np_random.integers(0, 101)) if self.wander else self.count + self.pace
        terminated = self.terminate_at is not None and self.steps >= self.terminate_at
        truncated = self.steps >= self.horizon
        if self.episodes:
            length, end = self.episodes[(self.begun - 1) % len(self.episodes)]
            terminated, truncated = (self.steps >= length and end in (kind, "both") for kind in ENDS)
        return self._observe(), 10.0 + self.steps, terminated, truncated, self._info()

    def render(self) -> Any:
        if self.render_mode is None:
            return None
        picture = self.picture(self.count)
        if self.frame_format == "chw":
            return picture.transpose(2, 0, 1)
        if self.frame_format == "float":
            return picture.astype(np.float32) / 255.0
        if self.frame_format == "gray":
            return picture[..., 0]
        if self.frame_format == "nan":
            return np.full(picture.shape, np.nan, dtype=np.float32)
        return None if self.frame_format == "none" else picture

    def close(self) -> None:
        self.closed = True

    def picture(self, value: int) -> NDArray[np.uint8]:
        picture = np.full((self.size, self.size, 3), min(value, 255), dtype=np.uint8)
        picture[-2:, ::2] = 60  # something to see: a flat picture is taken for a fault of the renderer
        picture[-2:, 1::2] = 200
        return picture

    def _observe(self) -> Any:
        state = np.array([self.steps / (self.steps + 1), self.np_random.random()], dtype=np.float32)
        if not self.images:
            return state
        return {"state": state, "front": self.picture(self.count), "side": self.picture(2 * self.count)}

    def _info(self) -> dict[str, Any]:
        if self.success_key is None:
            return {}
        return {self.success_key: self.success_at is not None and self.steps >= self.success_at}


def front_camera(env: gym.Env[Any, Any]) -> NDArray[np.uint8]:
    """A frame callable that a spec can name: `"robometer_test_fakes:front_camera"`."""
    picture: NDArray[np.uint8] = env.render()  # type: ignore[assignment]
    return picture


class FakeRewardModel:
    """Progress is pixel / 100; success is 0.9 above pixel 80, else 0.1; with memory, of the brightest."""

    loads: ClassVar[int] = 0
    """How often the class was instantiated in this process."""

    def __init__(
        self,
        memory: bool = False,
        success_threshold: float = 0.5,
        trained_worlds: Sequence[str] = (WORLD,),
        broken: float | None = None,
    ) -> None:
        """`broken` replaces every progress."""
        type(self).loads += 1
        self.memory, self.broken = memory, broken
        self.success_threshold = success_threshold
        self.trained_worlds = tuple(trained_worlds)

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        stream = self.stream(1)
        stream.reset([task])
        scores = [stream.push(frame[None]) for frame in frames]
        return Scores(
            np.concatenate([s.progress for s in scores]), np.concatenate([s.success for s in scores])
        )

    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        a, b = (float(self.score(frames, task).progress[-1]) for frames in (frames_a, frames_b))
        return 0.5 + 0.5 * (a - b)

    def stream(self, n: int) -> FakeStream:
        return FakeStream(self, n)


class FakeStream:
    """Refuses to score an episode that was never reset."""

    def __init__(self, model: FakeRewardModel, n: int) -> None:
        self.model = model
        self.n = n
        self.brightest = np.full(n, np.nan)
        self.pushes = np.zeros(n, dtype=np.int64)
        self.tasks = [""] * n

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        for row in np.flatnonzero(np.ones(self.n, bool) if mask is None else mask):
            self.tasks[row] = tasks[row]
            self.brightest[row] = 0.0
            self.pushes[row] = 0

    def push(self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Scores:
        rows = np.ones(self.n, dtype=np.bool_) if mask is None else mask
        assert frames.dtype == np.uint8
        assert frames.ndim == 4
        assert not np.isnan(self.brightest[rows]).any(), "push before reset"
        pixel = frames[:, 0, 0, 0].astype(np.float64)
        self.pushes[rows] += 1
        self.brightest[rows] = np.maximum(self.brightest, pixel)[rows]
        seen = self.brightest if self.model.memory else pixel
        progress = np.minimum(seen / 100.0, 1.0)
        if self.model.broken is not None:
            progress = np.full(self.n, self.model.broken)
        success = np.where(seen > 80.0, 0.9, 0.1)
        return Scores(
            np.where(rows, progress, np.nan).astype(np.float32),
            np.where(rows, success, np.nan).astype(np.float32),
        )


class FakeCalibratedModel(FakeRewardModel):
    """Knows a threshold for "count up" (0.95, never reached) and one for "count to 81" (0.5)."""

    def __init__(self, patience: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.patience = patience

    def task_threshold(self, task: str) -> TaskThreshold | None:
        found = {"count up": 0.95, "count to 81": 0.5}.get(task.lower().strip("."))
        return None if found is None else TaskThreshold(found, 0.02, 10, 60, 0, True, self.patience, (task,))


gym.register(id="RobometerTest/Count-v0", entry_point="robometer_test_fakes:FakeEnv")


def make(env: dict[str, Any] | None = None, **options: Any) -> RobometerReward:
    """Wraps a `FakeEnv(**env)` with the fake model; the options are the wrapper's."""
    return RobometerReward(FakeEnv(**(env or {})), **{"task": SENTENCE, "model": MODEL, **options})


def play(env: gym.Env[Any, Any], steps: int = 1000) -> list[tuple[float, bool, bool, dict[str, Any]]]:
    """Steps until the episode ends, or so many times: (reward, terminated, truncated, info) of each."""
    rows: list[tuple[float, bool, bool, dict[str, Any]]] = []
    while len(rows) < steps and not (rows and (rows[-1][1] or rows[-1][2])):
        _, reward, terminated, truncated, info = env.step(ACTION)
        rows.append((float(reward), terminated, truncated, info))
    return rows


def rewards(env: gym.Env[Any, Any], steps: int = 1000) -> list[float]:
    """The rewards of an episode, or of its first steps."""
    env.reset(seed=0)
    return [row[0] for row in play(env, steps)]
