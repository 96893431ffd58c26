"""Small environments that are in no table, as users bring them.

`tests/conftest.py` registers this file as the module `robometer_test_envs`, so that strings such as
`"robometer_test_envs:Reach"` and `"robometer_test_envs:RobometerTest/Reach-v0"` work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from numpy.typing import NDArray


class Reach(gym.Env[Any, Any]):
    """A point on a line that should reach 1; the observation is goal-based, success a float 0.0 or 1.0."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]

    def __init__(self, pace: float = 0.5, render_mode: str | None = None) -> None:
        if pace <= 0:
            raise ValueError("pace must be above 0")
        self.pace, self.render_mode, self.position = pace, render_mode, 0.0
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        one = Box(-np.inf, np.inf, (1,), np.float64)
        self.observation_space = Dict({"observation": one, "achieved_goal": one, "desired_goal": one})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.position = float(self.np_random.uniform(-0.1, 0.1))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position = float(np.clip(self.position + self.pace * float(np.asarray(action)[0]), -2.0, 2.0))
        near = abs(self.position - 1.0) < 0.25
        return self._observe(), -abs(self.position - 1.0), False, False, {"is_success": np.float32(near)}

    def render(self) -> Any:
        return picture(self.position) if self.render_mode == "rgb_array" else None

    def _observe(self) -> dict[str, NDArray[np.float64]]:
        here = np.array([self.position])
        return {"observation": here, "achieved_goal": here.copy(), "desired_goal": np.ones(1)}


def picture(position: float, size: int = 40) -> NDArray[np.uint8]:
    """A bright bar whose place is the position in [-2, 2]."""
    frame = np.full((size, size, 3), 40, dtype=np.uint8)
    column = int((position + 2.0) / 4.0 * (size - 4))
    frame[:, column : column + 4] = 220
    return frame


class Buttons(gym.Env[Any, Any]):
    """Two buttons, one of which moves the point right; says nothing of success and cannot render."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]

    def __init__(self, actions: int = 2) -> None:
        self.action_space = Discrete(actions)
        self.observation_space = Box(-5.0, 5.0, (2,), np.float32)
        self.position = self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.position = self.steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position = int(np.clip(self.position + (1 if action == 1 else -1), -5, 5))
        self.steps += 1
        return self._observe(), float(self.position), False, False, {"position": self.position}

    def _observe(self) -> NDArray[np.float32]:
        return np.array([self.position, min(self.steps, 5)], dtype=np.float32)


class Pixels(Buttons):
    """The buttons, seen in pictures alone: uint8 `(40, 40, 3)`; `success` comes with the last step only."""

    def __init__(self, length: int = 6) -> None:
        super().__init__()
        self.length = length
        self.observation_space = Box(0, 255, (40, 40, 3), np.uint8)  # type: ignore[assignment]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, _, _, _ = super().step(action)
        over = self.steps >= self.length
        return observation, reward, over, False, {"success": self.position > 0} if over else {}

    def _observe(self) -> Any:
        return picture(self.position / 2.5)


class Grid(Buttons):
    """Actions that no learner here but PPO takes: two choices at once."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = MultiDiscrete([2, 3])  # type: ignore[assignment]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return super().step(int(action[0]))


class Halved(gym.ActionWrapper[Any, Any, Any]):
    """Half of each action."""

    def action(self, action: Any) -> Any:
        return np.asarray(action) / 2


class Doubled(gym.ActionWrapper[Any, Any, Any]):
    """Twice each action."""

    def action(self, action: Any) -> Any:
        return np.asarray(action) * 2


class Spoken(gym.ActionWrapper[Any, Any, Any]):
    """Actions that no learner takes: words."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = gym.spaces.Text(5)

    def action(self, action: Any) -> Any:
        return np.ones(1) if action == "right" else -np.ones(1)


def make_reach(pace: float = 0.5, limit: int | None = 8, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """A factory with options."""
    env: gym.Env[Any, Any] = Reach(pace, render_mode)
    return env if limit is None else gym.wrappers.TimeLimit(env, limit)


class Unpaid(gym.RewardWrapper[Any, Any]):
    """No reward at all."""

    def reward(self, reward: Any) -> float:
        return 0.0


def make_nothing() -> object:
    """A factory that does not return an environment."""
    return object()


def is_right(env: gym.Env[Any, Any], info: dict[str, Any]) -> bool:
    """Success as a function: the point is right of where it began."""
    return bool(env.unwrapped.position > 0)  # type: ignore[attr-defined]


def no_wrapper(env: gym.Env[Any, Any]) -> int:
    """Takes an environment and returns something else."""
    return 3


def side_view(env: gym.Env[Any, Any]) -> NDArray[np.uint8]:
    """A camera of one's own."""
    return picture(-env.unwrapped.position)  # type: ignore[attr-defined]


def black_view(env: gym.Env[Any, Any]) -> NDArray[np.uint8]:
    """A camera that sees nothing."""
    return np.zeros((40, 40, 3), dtype=np.uint8)


def still_view(env: gym.Env[Any, Any]) -> NDArray[np.uint8]:
    """A camera that does not see what moves."""
    return picture(0.0)


def press_right(env: gym.Env[Any, Any], observation: Any) -> Any:
    """A scripted policy that is no factory of one."""
    return np.ones(1, dtype=np.float32)


def make_push(env: gym.Env[Any, Any]) -> Callable[[Any], NDArray[np.float32]]:
    """The factory of a scripted policy."""
    return lambda observation: np.ones(1, dtype=np.float32)


gym.register("RobometerTest/Reach-v0", entry_point="robometer_test_envs:Reach", max_episode_steps=8)
gym.register("RobometerTest/Buttons-v0", entry_point="robometer_test_envs:Buttons", max_episode_steps=8)
gym.register("RobometerTest/Endless-v0", entry_point="robometer_test_envs:Reach")


def go_right(env: gym.Env[Any, Any]) -> Any:
    """A scripted policy of `Reach`: as far to the right as it should."""
    return lambda observation: np.clip(1.0 - observation["observation"], -1.0, 1.0).astype(np.float32)
