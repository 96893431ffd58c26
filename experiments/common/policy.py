"""A scripted policy by name: `module:factory`, called with the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import gymnasium as gym

from .environment import load_entry_point

__all__ = ["Policy", "ResettablePolicy", "begin_episode", "load_policy"]

Policy: TypeAlias = "Callable[[Any], Any]"
"""From an observation to an action."""


@runtime_checkable
class ResettablePolicy(Protocol):
    """A policy that wants to know when an episode begins."""

    def reset(self) -> None:
        """Called after each reset of the environment."""
        ...


def load_policy(name: str, env: gym.Env[Any, Any]) -> Policy:
    """Makes the scripted policy that `module:factory` names.

    Args:
        name: The factory, called as `factory(env)`.
        env: What the policy acts in.

    Returns:
        A function from an observation to an action. A method `reset()`, if it has one, is called after each
        reset of the environment, see `ResettablePolicy`.

    Raises:
        ValueError: There is no such factory, it cannot be called with an environment, or what it returns is
            no function.
    """
    module, colon, factory = name.partition(":")
    if not colon or not module or not factory:
        raise ValueError(f"policy={name!r} must be module:factory, such as my_package:make_policy")
    expected = "expected factory(env) -> policy, a function from an observation to an action"
    make = load_entry_point(name, "policy")
    try:
        policy = make(env)
    except TypeError as error:
        raise ValueError(
            f"policy={name!r} cannot be called with the environment: {error}; {expected}"
        ) from error
    if not callable(policy):
        raise ValueError(f"policy={name!r} returned {policy!r}; {expected}")
    found: Policy = policy
    return found


def begin_episode(policy: object) -> None:
    """Tells a policy that an episode begins, where it wants to know."""
    if isinstance(policy, ResettablePolicy):
        policy.reset()
