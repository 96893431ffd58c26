"""What is the same for every suite of robot worlds: horizon, reward mode, success, rendering, pickling."""

from __future__ import annotations

import abc
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .tasks import Task

RewardMode = Literal["sparse", "dense"]
"""`sparse`: 1.0 while the task is solved, else 0.0. `dense`: the suite's own hand-written reward."""


class Camera(Protocol):
    """What an environment needs from a renderer."""

    def render(self) -> NDArray[np.uint8]:
        """Returns the picture now, uint8 `(height, width, 3)`, contiguous and upright."""

    def close(self) -> None:
        """Frees the GL resources; a second call does nothing."""


class RobotEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]], abc.ABC):
    """A robot task as a clean Gymnasium environment; a suite's adapter fills in the hooks below.

    The adapter writes `_build`, `_make_spaces`, `_begin`, `_advance`, `_is_success`, `_quality`,
    `_make_camera`, `_release`, `camera_names`; this class keeps the clock, the reward mode and the promises
    that all suites share. The simulator is built on first use, so that an unused environment is cheap and can
    be pickled or sent to a worker.

    Every step and reset reports `info["is_success"]` (bool, the suite's own test, now) and `info["quality"]`
    (float in [0, 1]: how near the object is to where the task wants it, 0 as it stood after reset, 1 on
    success). Now is after the last of a step's `action_repeat` control steps: a success that comes and goes
    between two decisions is not reported (with `terminate_on_success` it ends the step, and is).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}  # type: ignore[misc]
    suite: ClassVar[str]
    """Name of the suite, the first half of a task id."""

    def __init__(
        self,
        task: Task | str,
        seed: int | None = None,
        reward: RewardMode = "sparse",
        horizon: int | None = None,
        action_repeat: int = 1,
        terminate_on_success: bool = False,
        camera: str | None = None,
        image_size: int = 96,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Remembers the options and checks them; the simulator starts later.

        Args:
            task: A task or its id; the options after it are those of `make_env`.
            seed: See `make_env`.
            reward: See `make_env`.
            horizon: See `make_env`.
            action_repeat: See `make_env`.
            terminate_on_success: See `make_env`.
            camera: See `make_env`.
            image_size: See `make_env`.
            render_mode: See `make_env`.

        Raises:
            ValueError: An option is outside its range, or the task belongs to another suite.
        """
        self._recipe: dict[str, Any] = {
            "task": task, "seed": seed, "reward": reward, "horizon": horizon, "action_repeat": action_repeat,
            "terminate_on_success": terminate_on_success, "camera": camera, "image_size": image_size,
            "render_mode": render_mode,
        }  # fmt: skip
        self.task = self._resolve(task)
        self.reward_mode = _one_of("reward", reward, get_args(RewardMode))
        self.render_mode = _one_of("render_mode", render_mode, (None, "rgb_array"))
        self.horizon = _at_least("horizon", self.task.horizon if horizon is None else horizon, 1)
        self.action_repeat = _at_least("action_repeat", action_repeat, 1)
        self.image_size = _at_least("image_size", image_size, 16)
        self.camera = _one_of("camera", camera or self.task.camera, self.camera_names())
        self.terminate_on_success = bool(terminate_on_success)
        self._first_seed = seed
        self._started = False
        self._over = True
        self._elapsed = 0
        self._camera: Camera | None = None

    @classmethod
    def _resolve(cls, task: Task | str) -> Task:
        if isinstance(task, str):
            from .tasks import get_task

            task = get_task(task)
        if task.suite != cls.suite:
            raise ValueError(f"task {task.id!r} is not of the suite {cls.suite!r} that {cls.__name__} serves")
        return task

    # What an adapter writes.

    @classmethod
    @abc.abstractmethod
    def camera_names(cls) -> tuple[str, ...]:
        """Names of the cameras that `render()` can use."""

    @abc.abstractmethod
    def _build(self) -> None:
        """Builds the simulator; called once, before any hook below."""

    @abc.abstractmethod
    def _make_spaces(self) -> tuple[Box, Box]:
        """Returns the observation and the action space: float32 boxes with finite bounds."""

    @abc.abstractmethod
    def _begin(self, rng: np.random.Generator) -> NDArray[Any]:
        """Starts an episode whose randomness comes from `rng` alone; returns the raw observation."""

    @abc.abstractmethod
    def _advance(self, action: NDArray[np.float32]) -> tuple[NDArray[Any], float]:
        """Makes one control step; returns the raw observation and the suite's dense reward."""

    @abc.abstractmethod
    def _is_success(self) -> bool:
        """Tells whether the suite's own success test holds now."""

    @abc.abstractmethod
    def _quality(self) -> float:
        """How near the object is to done, 0 as after reset; clipped to [0, 1] by the caller, 1 on success."""

    @abc.abstractmethod
    def _make_camera(self) -> Camera:
        """Builds the renderer of `self.camera` at `self.image_size`."""

    @abc.abstractmethod
    def _release(self) -> None:
        """Frees what `_build` took."""

    # What this class gives.

    @cached_property
    def _built(self) -> bool:
        self._build()
        return True

    @cached_property
    def _spaces(self) -> tuple[Box, Box]:
        assert self._built
        return self._make_spaces()

    @property
    def observation_space(self) -> Box:  # type: ignore[override]
        """The float32 box that every observation lies in."""
        return self._spaces[0]

    @property
    def action_space(self) -> Box:  # type: ignore[override]
        """The float32 box of actions."""
        return self._spaces[1]

    @property
    def elapsed(self) -> int:
        """Control steps since the last reset."""
        return self._elapsed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Restarts the environment's generator; None goes on with it.
            options: Must be empty: no option is known.

        Returns:
            The observation, float32 inside the space, and the info.
        """
        if options:
            raise ValueError(f"reset() knows no options, got {sorted(options)}")
        if seed is None and not self._started:
            seed = self._first_seed
        super().reset(seed=seed)
        assert self._built
        self._started, self._over, self._elapsed = True, False, 0
        raw = self._begin(self.np_random)
        return self._observation(raw), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Repeats one action for `action_repeat` control steps, or fewer where the episode ends.

        Args:
            action: Inside the action space's shape; clipped to its bounds.

        Returns:
            Observation, reward, terminated (only with `terminate_on_success`), truncated (at the horizon)
            and info, which tells of the state after the last control step.

        Raises:
            ResetNeeded: There is no running episode.
            ValueError: The action has another shape or is not finite.
        """
        if self._over:
            raise ResetNeeded("step() needs a running episode: call reset() first")
        move = self._checked(action)
        dense, terminated = 0.0, False
        for _ in range(self.action_repeat):
            raw, gain = self._advance(move)
            dense += float(gain)
            self._elapsed += 1
            terminated = self.terminate_on_success and bool(self._is_success())
            if terminated or self._elapsed >= self.horizon:
                break
        truncated = not terminated and self._elapsed >= self.horizon
        self._over = terminated or truncated
        info = self._info()
        reward = float(info["is_success"]) if self.reward_mode == "sparse" else dense
        return self._observation(raw), reward, terminated, truncated, info

    def render(self) -> NDArray[np.uint8]:
        """Returns the picture of the state now, uint8 `(image_size, image_size, 3)`, contiguous and upright.

        Raises:
            RuntimeError: The environment was made without pictures.
            ResetNeeded: There is no state to show yet.
        """
        if self.render_mode is None:
            raise RuntimeError("render() needs an environment made with render_mode='rgb_array'")
        if not self._started:
            raise ResetNeeded("render() needs a state to show: call reset() first")
        if self._camera is None:
            self._camera = self._make_camera()
        return self._camera.render()

    def close(self) -> None:
        """Frees the renderer and the simulator; a second call does nothing."""
        self._drop_camera()
        if self.__dict__.pop("_built", False):
            self._release()
        self._over = True
        self._started = False

    def _drop_camera(self) -> None:
        """Closes the renderer, so that the next `render()` makes one: for adapters that rebuild the model."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _info(self) -> dict[str, Any]:
        success = bool(self._is_success())
        quality = 1.0 if success else float(np.clip(self._quality(), 0.0, 1.0))
        return {"is_success": success, "quality": quality}

    def _observation(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        if not np.all(np.isfinite(raw)):
            raise FloatingPointError(f"the simulation of {self.task.id!r} diverged: its state is not finite")
        space = self.observation_space
        return np.clip(np.asarray(raw, dtype=np.float32), space.low, space.high)

    def _checked(self, action: NDArray[Any]) -> NDArray[np.float32]:
        space = self.action_space
        move = np.asarray(action, dtype=np.float32)
        if move.shape != space.shape or not np.all(np.isfinite(move)):
            raise ValueError(
                f"action must be {space.shape} finite numbers in {space.low} to {space.high}, got {action!r}"
            )
        return np.clip(move, space.low, space.high)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as its own recipe; refused once an episode has begun, as state would be lost silently."""
        if self._started:
            raise TypeError(f"{type(self).__name__} can be pickled or copied only before its first reset()")
        return partial(type(self), **self._recipe), ()


def _one_of(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
    return value


def _at_least(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)
