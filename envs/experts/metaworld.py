"""The scripted policies that ship with Meta-World, as experts."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..extras import require
from .base import Expert


class MetaWorldExpert(Expert):
    """Meta-World's own policy for a task. It keeps no memory and draws no random numbers."""

    def __init__(self, env: gym.Env) -> None:
        """Finds the policy of the environment's task."""
        from ..metaworld import MetaWorldEnv

        inner = env.unwrapped
        if not isinstance(inner, MetaWorldEnv):
            raise ValueError(f"a Meta-World expert needs a MetaWorldEnv, got {type(inner).__name__}")
        self._policy = require("metaworld.policies").ENV_POLICY_MAP[inner.task.name]()
        self._low, self._high = inner.action_space.low, inner.action_space.high

    def reset(self) -> None:
        """Does nothing: the policy looks at the current observation only."""

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Chooses an action, float32 `(4,)` in [-1, 1]."""
        with warnings.catch_warnings():
            # The policies ask for more than the box allows by design, and warn at each step of clipping.
            warnings.filterwarnings("ignore", message="Constant\\(s\\) may be too high")
            wanted = self._policy.get_action(np.asarray(obs, dtype=np.float64))
        return np.clip(np.asarray(wanted, dtype=np.float32), self._low, self._high)
