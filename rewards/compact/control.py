"""The control of every study: the bundled network with random weights, which knows nothing of any task."""

from __future__ import annotations

import torch

from .checkpoint import Checkpoint, load_checkpoint
from .defaults import fresh_defaults
from .modeling import CompactRewardNetwork

__all__ = ["untrained"]


def untrained(seed: int) -> Checkpoint:
    """Draw the weights of the bundled network anew.

    Args:
        seed: of the weights.

    Returns:
        A checkpoint with the bundled words and threshold, trained on nothing.
    """
    bundled = load_checkpoint()
    with fresh_defaults():
        # Not `torch.manual_seed`, which seeds the generators of all GPUs too.
        torch.default_generator.manual_seed(seed)
        network = CompactRewardNetwork(bundled.network.config)
    network.get_buffer("word_table").copy_(bundled.network.get_buffer("word_table"))
    return Checkpoint(network.eval(), bundled.tokenizer, bundled.success_threshold, ("*",), {"seed": seed})
