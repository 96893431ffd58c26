"""Which policy reads an environment's observations, and which learners of SB3 take its actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from robometer_rl.envs.extras import naming_extras

from .run import Algorithm

with naming_extras():
    from stable_baselines3.common.preprocessing import is_image_space

__all__ = ["choose_policy", "fitting_algorithms"]

_MIN_PIXELS = 36
"""Smallest side of a picture that the network of `CnnPolicy` takes."""


def choose_policy(space: gym.Space[Any], name: str = "the environment") -> str:
    """Chooses the policy of Stable-Baselines3 that reads some observations.

    Args:
        space: Of the observations.
        name: Of the environment, for errors.

    Returns:
        `MultiInputPolicy` for a Dict, `CnnPolicy` for pictures (uint8 `(H, W, C)` or `(C, H, W)`), else
        `MlpPolicy`.

    Raises:
        ValueError: No policy reads them.
    """
    parts: Sequence[gym.Space[Any]] = [space]
    if isinstance(space, spaces.Dict):
        parts = list(space.spaces.values())
    readable = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    for part in parts:
        if not isinstance(part, readable):
            where = " inside a Dict" if part is not space else ""
            raise ValueError(
                f"{name} has {type(part).__name__} observations{where}, which no policy reads: flatten them, "
                "--wrappers gymnasium.wrappers:FlattenObservation"
            )
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    if not is_image_space(space, check_channels=True):
        return "MlpPolicy"
    assert space.shape is not None
    if min(sorted(space.shape)[1:]) < _MIN_PIXELS:
        raise ValueError(
            f"{name} has pictures of {space.shape} as observations, and CnnPolicy reads sides of at least "
            f'{_MIN_PIXELS} pixels: --overrides \'{{"policy": "MlpPolicy"}}\''
        )
    return "CnnPolicy"


def fitting_algorithms(space: gym.Space[Any]) -> tuple[Algorithm, ...]:
    """The learners that take some actions.

    Args:
        space: Of the actions.

    Returns:
        Their names, empty where none does.
    """
    if isinstance(space, spaces.Box):
        return ("sac", "tqc", "ppo") if np.isfinite([space.low, space.high]).all() else ("ppo",)
    if isinstance(space, spaces.Discrete):
        return ("dqn", "ppo")
    return ("ppo",) if isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary) else ()
