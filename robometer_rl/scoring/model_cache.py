"""Models that the wrappers of one process share: loaded once for all specs that are equal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from robometer_rl.rewards.loading import load_reward_model
from robometer_rl.rewards.protocol import RewardModel

__all__ = ["Loaded", "acquire"]


class Loaded:
    """Holds a model so that it can be referred to weakly, whatever its class."""

    def __init__(self, model: RewardModel) -> None:
        """Keeps the model."""
        self.model = model


_shared: WeakValueDictionary[tuple[int, str], Loaded] = WeakValueDictionary()


def acquire(spec: str | Mapping[str, Any]) -> Loaded:
    """Loads a model, or hands out the one that this process has loaded under an equal spec.

    Args:
        spec: What `load_reward_model` reads.

    Returns:
        The holder of the model; it is shared for as long as somebody keeps a holder.
    """
    # The process id is part of the key: a forked worker must not use the threads and streams of its parent.
    key = (os.getpid(), json.dumps(spec, sort_keys=True))
    loaded = _shared.get(key)
    if loaded is None:
        loaded = Loaded(load_reward_model(spec))
        _shared[key] = loaded
    return loaded
