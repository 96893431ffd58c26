"""One training step: batch in, the three losses out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.backends.cpu import get_cpu_capability

from ..compact.modeling import CompactRewardNetwork, VideoLogits
from ..compact.text import TaskTokenizer
from .augment import AugmentConfig, augment_videos
from .losses import preference_loss, progress_loss, success_loss
from .sampling import Batch, Views

__all__ = ["Losses", "WordNoise", "batch_losses", "warn_if_emulated"]


@dataclass(frozen=True)
class WordNoise:
    """Noise on the task words, so that a sentence is more than its exact wording."""

    drop: float = 0.1
    """Probability that a word is dropped."""
    spread: float = 0.25
    """Standard deviation added to the word vectors, whose own mean square is 1."""


class Losses(NamedTuple):
    """The terms of L = L_progress + L_success + L_preference."""

    progress: Tensor
    success: Tensor
    preference: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum, unit weights."""
        return self.progress + self.success + self.preference


def _read_task(
    network: CompactRewardNetwork,
    tokenizer: TaskTokenizer,
    sentences: list[str],
    noise: WordNoise,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    device = network.first_frame.device
    ids, words = tokenizer(sentences)
    vectors = network.word_vectors(ids.to(device))
    vectors = vectors + torch.randn(vectors.shape, generator=generator).to(device) * noise.spread
    dropped = torch.rand(words.shape, generator=generator) < noise.drop
    kept = words & ~dropped
    kept = torch.where(kept.sum(1, keepdim=True) >= 2, kept, words)
    return network.task_tokens(vectors), kept.to(device)


def _show(tokens: Tensor, views: Views) -> Tensor:
    """Frame tokens of the views, `(n, S, C)`, from those of the clips `(B, K, C)`."""
    clip = torch.tensor(views.clip, device=tokens.device)
    path = torch.from_numpy(np.stack(views.path)).to(tokens.device)
    return tokens[clip.unsqueeze(1), path]


def _labels(*views: Views) -> tuple[Tensor, Tensor]:
    progress = np.concatenate([np.stack(v.progress) for v in views])
    success = np.concatenate([np.stack(v.success) for v in views])
    return torch.from_numpy(progress), torch.from_numpy(success)


def warn_if_emulated(precision: torch.dtype, device: torch.device) -> None:
    """Warns of bfloat16 on an x86 processor without AVX512, where torch's products take 37 times float32's.

    Args:
        precision: of the products.
        device: where they run.
    """
    if precision == torch.bfloat16 and device.type == "cpu" and get_cpu_capability() == "AVX2":
        warnings.warn(
            "precision='bfloat16' is many times slower than 'float32' on this processor, which has no AVX512",
            stacklevel=2,
        )


def batch_losses(
    network: CompactRewardNetwork,
    tokenizer: TaskTokenizer,
    batch: Batch,
    augment: AugmentConfig,
    noise: WordNoise,
    generator: torch.Generator,
    precision: torch.dtype = torch.float32,
) -> Losses:
    """Encode the clips once, read all videos and pairs, and compare them with their labels.

    Args:
        network: in training mode.
        tokenizer: sentence to word ids.
        batch: what to read.
        augment: random views.
        noise: noise on the words.
        generator: CPU generator for all randomness but dropout.
        precision: of the network's large products, `torch.autocast`; weights and losses stay float32.

    Returns:
        The three losses.
    """
    device = network.first_frame.device
    images = torch.from_numpy(batch.images).to(device).permute(0, 1, 4, 2, 3).float() / 255.0
    images = augment_videos(images, augment, generator)
    with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
        tokens = network.frame_tokens(images.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        tokens = tokens.unflatten(0, images.shape[:2])  # (B, K, C)

        task, words = _read_task(network, tokenizer, batch.videos.sentence, noise, generator)
        single = network.read_videos(task, words, _show(tokens, batch.videos))
        task, words = _read_task(network, tokenizer, batch.pair_a.sentence, noise, generator)
        pair_a, pair_b, preference = network.read_pairs(
            task, words, _show(tokens, batch.pair_a), _show(tokens, batch.pair_b)
        )
    logits = VideoLogits(*(torch.cat(parts).float() for parts in zip(single, pair_a, pair_b, strict=True)))
    progress, success = _labels(batch.videos, batch.pair_a, batch.pair_b)
    return Losses(
        progress_loss(logits.progress, progress.to(device)),
        success_loss(logits.success, success.to(device)),
        preference_loss(preference.float(), torch.tensor(batch.a_is_better, device=device)),
    )
