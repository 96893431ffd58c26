"""Small recorded episodes whose frames tell their progress, for the tests of fit and evaluate."""

from __future__ import annotations

import numpy as np

from robometer_rl.experiments.episodes import Episode
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.text import TaskTokenizer

TASKS = ("metaworld/door-open-v3", "metaworld/drawer-close-v3")
LENGTH = 9


def make_episode(task: str, kind: str, seed: int) -> Episode:
    """Brightness is how far the episode has come; the kind says where it ends."""
    ends = dict.fromkeys(("success", "noisy_success", "returned"), 1.0) | {"near_miss": 0.85, "stalled": 0.5}
    clock = np.linspace(0, 8 * ends.get(kind, 0.0), LENGTH, dtype=np.float32)
    noise = np.random.default_rng([seed, len(kind)]).integers(0, 10, (LENGTH, 32, 32, 3))
    frames = (noise + 25 * clock[:, None, None, None]).astype(np.uint8)
    frames[:, :8] = 40 * TASKS.index(task)
    return Episode(task, kind, seed, frames, clock >= 8, clock / 8, clock)


def long_tokenizer(checkpoint: Checkpoint) -> TaskTokenizer:
    """Real sentences are longer than the tiny tokenizer's limit, which only bounds the stream's cache."""
    checkpoint.network.config.max_words = 40
    return TaskTokenizer(checkpoint.tokenizer.path, 40)
