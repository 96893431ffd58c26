"""The scripted policies that ship with Meta-World, as experts."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ..extras import require
from .base import Expert


class MetaWorldExpert(Expert):
    """Meta-World's own policy for a task. It keeps no memory and draws no random numbers.

    It acts in any Meta-World environment, since all share one form of observation and action; in another
    task's world it does something plausible, and wrong.
    """

    def __init__(self, task: str) -> None:
        """Finds the policy.

        Args:
            task: The suite's own name, such as `"drawer-open-v3"`.

        Raises:
            ValueError: No policy has that name.
        """
        policies = require("metaworld.policies").ENV_POLICY_MAP
        if task not in policies:
            raise ValueError(f"Meta-World has no policy for {task!r}; it has {', '.join(policies)}")
        self._policy = policies[task]()

    def reset(self) -> None:
        """Does nothing: the policy looks at the current observation only."""

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Chooses an action, float32 `(4,)` in [-1, 1]."""
        with warnings.catch_warnings():
            # The policies ask for more than the box allows by design, and warn at each step of clipping.
            warnings.filterwarnings("ignore", message="Constant\\(s\\) may be too high")
            wanted = self._policy.get_action(np.asarray(obs, dtype=np.float64))
        return np.clip(np.asarray(wanted, dtype=np.float32), -1.0, 1.0)
