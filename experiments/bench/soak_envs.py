"""What the soak steps: random pictures in worker processes, behind the vector wrapper of either library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards import RewardModel

__all__ = [
    "SENTENCE",
    "First",
    "Fleet",
    "GymnasiumFleet",
    "Sb3Fleet",
    "Seen",
    "SoakEnv",
    "SoakMaker",
    "env_reward",
    "picture",
]

SENTENCE = "open the drawer"
Floats: TypeAlias = "NDArray[np.float64]"
First: TypeAlias = "tuple[int, float, float]"
"""Code, progress and success of the first frame of an episode."""
_ENDS = (0.03, 0.02)  # chance per step of termination and of truncation


def picture(code: int, size: int) -> NDArray[np.uint8]:
    """Draws a square on a ground.

    Args:
        code: Decides place and colours.
        size: Side of the picture, pixels.

    Returns:
        uint8 `(size, size, 3)`.
    """
    rng = np.random.default_rng(code)
    drawn = np.empty((size, size, 3), dtype=np.uint8)
    drawn[:] = rng.integers(0, 256, 3, dtype=np.uint8)
    x, y = rng.integers(0, size * 3 // 4, 2)
    drawn[y : y + size // 4, x : x + size // 4] = rng.integers(0, 256, 3, dtype=np.uint8)
    return drawn


def env_reward(code: Any) -> Any:
    """The environment's own reward for the frame of that code; of arrays, elementwise."""
    return -1.0 - code % 97


class SoakEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Random pictures in episodes that end at random; `info["code"]` tells the picture."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, seed: int, size: int) -> None:
        """Makes it.

        Args:
            seed: Of the first reset that is given none.
            size: Side of the picture, pixels.
        """
        self.render_mode = "rgb_array"
        self.observation_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._first_seed: int | None = seed
        self._size = size
        self._code = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Shows the first picture of an episode."""
        seed = self._first_seed if seed is None else seed
        self._first_seed = None
        super().reset(seed=seed)
        return self._show()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Shows the next picture, and ends the episode or not, whatever the action."""
        observation, info = self._show()
        terminated, truncated = (bool(self.np_random.random() < chance) for chance in _ENDS)
        return observation, env_reward(self._code), terminated, truncated, info

    def render(self) -> NDArray[np.uint8]:
        """Draws the picture now, uint8 `(size, size, 3)`."""
        return picture(self._code, self._size)

    def _show(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._code = int(self.np_random.integers(2**31))
        return self.np_random.random(2, dtype=np.float32), {"code": self._code}


@dataclass(frozen=True)
class SoakMaker:
    """Makes one environment; a class, since a worker that starts afresh gets it pickled."""

    seed: int
    """Of the environment."""
    size: int
    """Side of the picture, pixels."""

    def __call__(self) -> gym.Env[Any, Any]:
        """Makes it, its frames taken in the worker."""
        from robometer_rl import ShareFrames

        return ShareFrames(SoakEnv(self.seed, self.size))


@dataclass(frozen=True)
class Seen:
    """What one vector step returned; arrays of shape `(n,)`."""

    rewards: Floats
    """Learned rewards."""
    ended: NDArray[np.bool_]
    """Where an episode ended."""
    reset_only: NDArray[np.bool_]
    """Where the step was only a reset."""
    codes: NDArray[np.int64]
    """Of the frames that the scores below are of."""
    progress: Floats
    """Scores of the step, at the end of an episode those of its terminal frame."""
    success: Floats
    """Likewise."""
    env_rewards: Floats
    """The environments' own; read where a step was made."""
    fresh: dict[int, First]
    """Row -> first frame of an episode that began in this step."""


class Fleet(ABC):
    """A wrapped vector environment, whichever library it is of."""

    pids: list[int]
    """Of the workers."""
    model: RewardModel
    """The wrapper's."""

    @abstractmethod
    def reset(self) -> dict[int, First]:
        """Begins all episodes; `Seen.fresh` of all rows."""

    @abstractmethod
    def step(self, actions: NDArray[np.float32]) -> Seen:
        """One vector step."""

    @abstractmethod
    def close(self) -> None:
        """Closes it."""


class GymnasiumFleet(Fleet):
    """`AsyncVectorEnv`, which resets an ended episode at its next step."""

    def __init__(self, envs: int, size: int, seed: int, model: str) -> None:
        """Starts the workers.

        Args:
            envs: How many, an environment each.
            size: Side of the pictures, pixels.
            seed: Of the first; the others follow.
            model: A reward model.
        """
        from robometer_rl import RobometerVectorReward

        makers = [SoakMaker(seed + row, size) for row in range(envs)]
        base = gym.vector.AsyncVectorEnv(makers, context="spawn")
        self.pids = [int(process.pid or 0) for process in base.processes]
        self._envs = RobometerVectorReward(base, SENTENCE, model, warn_unseen_world=False)
        self.model = self._envs.robometer.model
        self._ended = np.zeros(envs, dtype=np.bool_)

    def reset(self) -> dict[int, First]:
        """Begins all episodes."""
        _, infos = self._envs.reset()
        return self._fresh(infos, np.ones_like(self._ended))

    def step(self, actions: NDArray[np.float32]) -> Seen:
        """One vector step."""
        _, rewards, terminations, truncations, infos = self._envs.step(actions)
        reset_only, self._ended = self._ended, terminations | truncations
        return Seen(
            rewards,
            self._ended.copy(),
            reset_only,
            infos["code"],
            infos["robometer/progress"],
            infos["robometer/success"],
            # Nobody reports it where all rows were only reset.
            infos.get("env_reward", np.zeros_like(rewards)),
            self._fresh(infos, reset_only),
        )

    def _fresh(self, infos: dict[str, Any], rows: NDArray[np.bool_]) -> dict[int, First]:
        keys = ("code", "robometer/progress", "robometer/success")
        return {
            int(row): (int(infos[keys[0]][row]), float(infos[keys[1]][row]), float(infos[keys[2]][row]))
            for row in np.flatnonzero(rows)
        }

    def close(self) -> None:
        """Closes it."""
        self._envs.close()


class Sb3Fleet(Fleet):
    """`SubprocVecEnv`, which resets an ended episode within the step that ended it."""

    def __init__(self, envs: int, size: int, seed: int, model: str) -> None:
        """Starts the workers.

        Args:
            envs: How many, an environment each.
            size: Side of the pictures, pixels.
            seed: Of the first; the others follow.
            model: A reward model.
        """
        from stable_baselines3.common.vec_env import SubprocVecEnv

        from robometer_rl.wrappers.sb3 import VecRobometerReward

        makers: Any = [SoakMaker(seed + row, size) for row in range(envs)]
        base = SubprocVecEnv(makers, start_method="spawn")
        self.pids = [int(process.pid or 0) for process in base.processes]
        self._envs = VecRobometerReward(base, SENTENCE, model, warn_unseen_world=False)
        self.model = self._envs.robometer.model

    def reset(self) -> dict[int, First]:
        """Begins all episodes."""
        self._envs.reset()
        return self._fresh(range(self._envs.num_envs))

    def step(self, actions: NDArray[np.float32]) -> Seen:
        """One vector step."""
        _, rewards, dones, infos = self._envs.step(actions)
        named = {
            name: np.array([info[key] for info in infos])
            for name, key in (
                ("codes", "code"),
                ("progress", "robometer/progress"),
                ("success", "robometer/success"),
                ("env_rewards", "env_reward"),
            )
        }
        fresh = self._fresh(np.flatnonzero(dones))
        return Seen(rewards.astype(np.float64), dones, np.zeros_like(dones), fresh=fresh, **named)

    def _fresh(self, rows: Any) -> dict[int, First]:
        infos = self._envs.reset_infos
        return {
            int(row): (
                infos[row]["code"], infos[row]["robometer/progress"], infos[row]["robometer/success"],
            )
            for row in rows
        }  # fmt: skip

    def close(self) -> None:
        """Closes it."""
        self._envs.close()
