"""The control of every study: the bundled network with random weights, which knows nothing of any task."""

from __future__ import annotations

from typing import Any

import torch

from .checkpoint import Checkpoint, load_checkpoint
from .modeling import CompactRewardNetwork
from .runtime import CompactReward

__all__ = ["load_random"]


def load_random(seed: int = 0, **options: Any) -> CompactReward:
    """Make the bundled network anew, with weights as before training.

    Words keep their vectors, frames are read by random filters: what an agent learns from its scores is what
    any reward of this shape would teach, without the training.

    Args:
        seed: of the weights.
        options: as of `CompactReward`.

    Returns:
        A reward model whose scores mean nothing; it counts no world as unseen.

    Raises:
        ValueError: an option is unknown or impossible here.
    """
    bundled = load_checkpoint()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CompactRewardNetwork(bundled.network.config)
    network.get_buffer("word_table").copy_(bundled.network.get_buffer("word_table"))
    control = Checkpoint(network.eval(), bundled.tokenizer, bundled.success_threshold, ("*",), {"seed": seed})
    return CompactReward(control, **options)
