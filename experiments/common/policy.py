"""A scripted policy by name: `module:factory`, called with the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium as gym

from .environment import load_entry_point

__all__ = ["Policy", "load_policy"]

Policy: TypeAlias = "Callable[[Any], Any]"
"""From an observation to an action. It is made anew for each episode."""


def load_policy(name: str, env: gym.Env[Any, Any]) -> Policy:
    """Makes a scripted policy for the episode that begins.

    Args:
        name: `module:factory`. The factory is called as `factory(env)` after each reset, and returns a
            callable that takes an observation and returns an action.
        env: The environment, just reset.

    Returns:
        The policy.

    Raises:
        ValueError: There is no such factory, or it cannot be called with an environment, or what it returns
            cannot be called.
    """
    module, colon, factory_name = name.partition(":")
    if not colon or not module or not factory_name:
        raise ValueError(f"policy={name!r} must be module:factory, such as my_package:make_policy")
    factory = load_entry_point(name, "policy")
    expected = "expected factory(env) -> policy, where policy(observation) -> action"
    try:
        policy = factory(env)
    except TypeError as error:
        raise ValueError(
            f"policy={name!r} cannot be called with the environment: {error}; {expected}"
        ) from error
    if not callable(policy):
        raise ValueError(f"policy={name!r} returned a {type(policy).__name__}; {expected}")
    found: Policy = policy
    return found
