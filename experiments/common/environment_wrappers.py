"""What a run puts around an environment of somebody else, so that it behaves as a world of the table does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsFloat, TypeAlias

import gymnasium as gym

from robometer_rl.success import named_success

__all__ = ["RepeatAction", "ReportSuccess", "SeedFirstReset", "SuccessFunction", "SuccessReward"]

SuccessFunction: TypeAlias = "Callable[[gym.Env[Any, Any], dict[str, Any]], Any]"
"""Called as `f(env, info)` after every step; its truth value is the success."""

_Step: TypeAlias = "tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]"


class RepeatAction(gym.Wrapper[Any, Any, Any, Any]):
    """Takes each action several times, or fewer where the episode ends; the rewards are added up."""

    def __init__(self, env: gym.Env[Any, Any], times: int) -> None:
        """Stores the number.

        Args:
            env: The environment.
            times: Environment steps per action, at least 1.

        Raises:
            ValueError: `times` is below 1.
        """
        if times < 1:
            raise ValueError(f"times={times} must be at least 1")
        super().__init__(env)
        self._times = times

    def step(self, action: Any) -> _Step:
        """Steps until the action was repeated or the episode ended; the info is that of the last step."""
        total = 0.0
        for _ in range(self._times):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


class SeedFirstReset(gym.Wrapper[Any, Any, Any, Any]):
    """Seeds the first reset that is given no seed."""

    def __init__(self, env: gym.Env[Any, Any], seed: int) -> None:
        """Stores the seed.

        Args:
            env: The environment.
            seed: Of the first reset, at least 0.
        """
        super().__init__(env)
        self._first: int | None = seed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets, the first time with the stored seed unless there is another."""
        first, self._first = self._first, None
        return self.env.reset(seed=first if seed is None else seed, options=options)


class ReportSuccess(gym.Wrapper[Any, Any, Any, Any]):
    """Reports success as the bool `info["is_success"]`, where it is known."""

    def __init__(
        self,
        env: gym.Env[Any, Any],
        source: str,
        function: SuccessFunction | None = None,
        always: bool = False,
    ) -> None:
        """Stores where success comes from.

        Args:
            env: The environment.
            source: `"auto"` for what the info says (see `named_success`), `"none"` to hide that, or the name
                of the function.
            function: Tells success after each step; a reset is then reported as no success.
            always: Whether a reset or step of which nothing is said is reported as no success.
        """
        super().__init__(env)
        self.source = source
        self._function, self._always = function, always

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets; a function is not asked, since what it reads may come with a step only."""
        observation, info = self.env.reset(seed=seed, options=options)
        if self._function is not None:
            return observation, {**info, "is_success": False}
        return observation, self._named(info)

    def step(self, action: Any) -> _Step:
        """Steps, and reports success."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._function is not None:
            info = {**info, "is_success": bool(self._function(self.env, info))}
        else:
            info = self._named(info)
        return observation, reward, terminated, truncated, info

    def _named(self, info: dict[str, Any]) -> dict[str, Any]:
        if self.source == "none":  # both keys go: whoever reads the info next would take `success` for it
            return {key: value for key, value in info.items() if key not in ("is_success", "success")}
        named = named_success(info)
        return {**named, "is_success": False} if self._always and named.get("is_success") is None else named


class SuccessReward(gym.Wrapper[Any, Any, Any, Any]):
    """Pays 1.0 while `info["is_success"]` holds, else 0.0."""

    def step(self, action: Any) -> _Step:
        """Steps, and replaces the reward."""
        observation, _, terminated, truncated, info = self.env.step(action)
        return observation, float(bool(info.get("is_success", False))), terminated, truncated, info
