"""The three losses: L = L_progress + L_success + L_preference, unit weights (Robometer, arXiv 2603.02115)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..compact.bins import encode_progress

__all__ = ["preference_loss", "progress_loss", "success_loss"]


def progress_loss(logits: Tensor, progress: Tensor) -> Tensor:
    """Cross-entropy with the two-bin encoding, averaged over the labelled frames.

    Args:
        logits: float `(..., num_bins)`.
        progress: float `(...)` in [0, 1], NaN where there is no label.

    Returns:
        Scalar; 0 where no frame has a label.
    """
    labelled = ~progress.isnan()
    if not bool(labelled.any()):
        return logits.sum() * 0.0
    target = encode_progress(progress[labelled], logits.shape[-1])
    return F.cross_entropy(logits[labelled], target)


def success_loss(logits: Tensor, success: Tensor) -> Tensor:
    """Binary cross-entropy in which done and not-done frames weigh the same in total.

    Args:
        logits: float `(...)`.
        success: float `(...)`, 1 done, 0 not done, NaN to leave the frame out.

    Returns:
        Scalar: the mean over the classes that occur.
    """
    means = [
        F.binary_cross_entropy_with_logits(logits[success == value], success[success == value])
        for value in (0.0, 1.0)
        if bool((success == value).any())
    ]
    return torch.stack(means).mean() if means else logits.sum() * 0.0


def preference_loss(logits: Tensor, a_is_better: Tensor) -> Tensor:
    """Binary cross-entropy of "a shows the task done better" (Bradley-Terry).

    Args:
        logits: float `(B,)`.
        a_is_better: float `(B,)`, 1 or 0.

    Returns:
        Scalar.
    """
    return F.binary_cross_entropy_with_logits(logits, a_is_better)
