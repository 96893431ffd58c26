"""What every scripted expert can do."""

from __future__ import annotations

import abc

import numpy as np
from numpy.typing import NDArray


class Expert(abc.ABC):
    """A hand-written policy for one task in one environment."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Forgets the episode; call it after each `env.reset()`."""

    @abc.abstractmethod
    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Chooses an action.

        Args:
            obs: The environment's observation.

        Returns:
            Float32, inside the environment's action box.
        """
