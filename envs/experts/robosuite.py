"""Finds the scripted expert of a robosuite task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .robosuite_cubes import LiftExpert, StackExpert
from .robosuite_door import DoorExpert

if TYPE_CHECKING:
    import gymnasium as gym
    import numpy as np

    from .base import Expert

EXPERTS: dict[str, Any] = {"Door": DoorExpert, "Lift": LiftExpert, "Stack": StackExpert}


def make_robosuite_expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Expert:
    """Makes the expert for a robosuite environment.

    Args:
        env: a `RobosuiteEnv`, possibly wrapped.
        rng: source of the small differences between episodes.

    Returns:
        The expert; call its `reset()` after each `env.reset()`.

    Raises:
        ValueError: the environment is not of robosuite, or its task has no expert.
    """
    from ..suites.robosuite import RobosuiteEnv

    inner = env.unwrapped
    if not isinstance(inner, RobosuiteEnv):
        raise ValueError(f"a robosuite expert needs a RobosuiteEnv, got {type(inner).__name__}")
    if inner.task.name not in EXPERTS:
        raise ValueError(f"robosuite has experts for {sorted(EXPERTS)}, got task {inner.task.name!r}")
    return EXPERTS[inner.task.name](inner, rng)
