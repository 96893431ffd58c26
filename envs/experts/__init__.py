"""Scripted experts: one function that finds the right one for an environment.

`experiments` may import this folder; it imports `suites`.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from .base import Expert

__all__ = ["Expert", "make_expert"]


def make_expert(env: gym.Env, rng: np.random.Generator) -> Expert:
    """Makes the expert for an environment's task.

    Args:
        env: From `make_env`, possibly wrapped; experts may read its simulator.
        rng: For experts that vary how they move.

    Returns:
        An expert; call its `reset()` after each `env.reset()`.

    Raises:
        ValueError: The environment is not one of ours.
    """
    from ..base import RobotEnv

    inner = env.unwrapped
    if not isinstance(inner, RobotEnv):
        raise ValueError(f"an expert needs an environment from make_env, got {type(inner).__name__}")
    if inner.suite == "metaworld":
        from .metaworld import MetaWorldExpert

        return MetaWorldExpert(inner.task.name)
    from .robosuite import make_robosuite_expert

    return make_robosuite_expert(env, rng)
