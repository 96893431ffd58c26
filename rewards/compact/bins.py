"""Progress as a distribution over bins (C51 style), encoded from and decoded to [0, 1].

Robometer (arXiv 2603.02115): 10 bins, value = mean of the softmax over the bin centres. The centres here are
`linspace(0, 1, num_bins)`, so 0 and 1 themselves can be said.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bin_centres", "decode_progress", "encode_progress"]


def bin_centres(num_bins: int) -> Tensor:
    """Centres of the bins, float32 `(num_bins,)`, from 0 to 1."""
    return torch.linspace(0.0, 1.0, num_bins, dtype=torch.float32, device="cpu")


def encode_progress(progress: Tensor, num_bins: int) -> Tensor:
    """Split each value between its two nearest bins so that the mean of the centres is the value.

    Args:
        progress: float `(...)` in [0, 1].
        num_bins: number of bins.

    Returns:
        Probabilities, float `(..., num_bins)`; rows sum to 1.

    Raises:
        ValueError: a value is outside [0, 1] or not a number.
    """
    if not bool(((progress >= 0) & (progress <= 1)).all()):
        raise ValueError(f"progress must lie in [0, 1], got values from {progress.min()} to {progress.max()}")
    position = progress * (num_bins - 1)  # b in C51: the value in units of bins
    lower = position.floor().clamp(max=num_bins - 2)
    upper_share = position - lower
    bins = torch.zeros(*progress.shape, num_bins, dtype=progress.dtype, device=progress.device)
    index = lower.long().unsqueeze(-1)
    bins.scatter_(-1, index, (1 - upper_share).unsqueeze(-1))
    bins.scatter_(-1, index + 1, upper_share.unsqueeze(-1))
    return bins


def decode_progress(logits: Tensor) -> Tensor:
    """Mean of the bin centres under the softmax of the logits.

    Args:
        logits: float `(..., num_bins)`, never probabilities.

    Returns:
        Progress in [0, 1], float `(...)`.
    """
    centres = bin_centres(logits.shape[-1]).to(logits)
    return (logits.softmax(-1) * centres).sum(-1)
