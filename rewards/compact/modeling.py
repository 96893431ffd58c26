"""The compact reward network: vision encoder, word table, causal decoder, three heads.

Method: Robometer (arXiv 2603.02115) at a size that a laptop CPU runs. One token per frame, task words in
front, a 10-bin progress head and a success head on every frame, a preference head on a pair of videos laid
out as [task, frames a, split, frames b, preference].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .configuration import CompactConfig
from .decoder import Decoder, pair_mask, video_mask
from .encoder import FrameEncoder

__all__ = ["CompactRewardNetwork", "VideoLogits", "modulate"]


class VideoLogits(NamedTuple):
    """What the heads say of each frame."""

    progress: Tensor
    """Logits over the bins, float `(B, T, num_bins)`."""
    success: Tensor
    """Logits, float `(B, T)`."""


def modulate(frames: Tensor, modulation: Tensor) -> Tensor:
    """Frame tokens `(B, T, C)` as a task reads them, given its `(B, 2, C)` scale and offset."""
    return frames * modulation[:, :1] + modulation[:, 1:]


class Head(nn.Sequential):
    """Linear, LayerNorm, GELU, Dropout, Linear: the shape of Robometer's heads."""

    def __init__(self, config: CompactConfig, outputs: int) -> None:
        size = config.hidden_size
        super().__init__(
            nn.Linear(size, size),
            nn.LayerNorm(size),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(size, outputs),
        )


class CompactRewardNetwork(PreTrainedModel):
    """Reads a task sentence and one or two videos."""

    config_class = CompactConfig
    base_model_prefix = "compact"
    main_input_name = "images"
    config: CompactConfig

    def __init__(self, config: CompactConfig) -> None:
        """Builds the layers that the sizes ask for."""
        super().__init__(config)
        size = config.hidden_size
        self.encoder = FrameEncoder(config)
        # Distilled word vectors, frozen: words never seen in training keep their place beside synonyms.
        self.register_buffer(
            "word_table", torch.zeros(config.vocab_size, config.word_size, dtype=torch.float16)
        )
        self.word_projection = nn.Sequential(nn.Linear(config.word_size, size), nn.LayerNorm(size))
        self.modulation = nn.Linear(size, 2 * size)
        self.first_frame = nn.Parameter(torch.randn(size) * 0.02)
        self.split = nn.Parameter(torch.randn(size) * 0.02)
        self.preference = nn.Parameter(torch.randn(size) * 0.02)
        self.decoder = Decoder(config)
        self.progress_head = Head(config, config.num_bins)
        self.success_head = Head(config, 1)
        self.preference_head = Head(config, 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep torch's own initialisation, which the layers above were chosen with."""

    def word_vectors(self, ids: Tensor) -> Tensor:
        """Distilled vectors of word ids `(B, L)`: float `(B, L, word_size)`."""
        table: Tensor = self.get_buffer("word_table")
        return table[ids].float()

    def task_tokens(self, vectors: Tensor) -> Tensor:
        """Task tokens, float `(B, L, C)`, from word vectors `(B, L, word_size)`."""
        return self.word_projection(vectors)

    def task_modulation(self, task: Tensor, words: Tensor) -> Tensor:
        """Scale and offset by which a task reads frame tokens.

        Whether a scene fits a sentence is a product of the two, which attention alone was slow to find: after
        800 steps it still scored wrong sentences like right ones.

        Args:
            task: task tokens, float `(B, L, C)`.
            words: bool `(B, L)`, True for words.

        Returns:
            float `(B, 2, C)`.
        """
        weights = words.float() / words.float().sum(1, keepdim=True)  # (B, L)
        mean = torch.einsum("bl,blc->bc", weights, task)
        scale, offset = self.modulation(mean).chunk(2, dim=-1)
        return torch.stack([1 + scale, offset], dim=1)

    def frame_tokens(self, images: Tensor) -> Tensor:
        """Frame tokens, float `(B, C)`, from images float `(B, 3, S, S)` in [0, 1]."""
        return self.encoder(images)

    def mark_first(self, frames: Tensor) -> Tensor:
        """Add the first-frame mark to frame tokens `(B, T, C)`."""
        return torch.cat([frames[:, :1] + self.first_frame, frames[:, 1:]], dim=1)

    def heads(self, hidden: Tensor) -> VideoLogits:
        """Progress and success logits of hidden states `(..., C)`."""
        return VideoLogits(self.progress_head(hidden), self.success_head(hidden).squeeze(-1))

    def read_videos(self, task: Tensor, words: Tensor, frames: Tensor) -> VideoLogits:
        """Score whole videos.

        Args:
            task: task tokens, float `(B, L, C)`.
            words: bool `(B, L)`, True for words, False for padding.
            frames: frame tokens, float `(B, T, C)`.

        Returns:
            Logits of every frame, each from the frames up to it.
        """
        length = task.shape[1]
        frames = modulate(frames, self.task_modulation(task, words))
        mask = video_mask(words, frames.shape[1], self.config.window)
        hidden = self.decoder(torch.cat([task, self.mark_first(frames)], dim=1), mask)
        return self.heads(hidden[:, length:])

    def read_pairs(
        self, task: Tensor, words: Tensor, a: Tensor, b: Tensor
    ) -> tuple[VideoLogits, VideoLogits, Tensor]:
        """Score two videos of one task and compare them.

        Args:
            task: task tokens, float `(B, L, C)`.
            words: bool `(B, L)`.
            a: frame tokens, float `(B, T_a, C)`.
            b: frame tokens, float `(B, T_b, C)`.

        Returns:
            Logits of the frames of a and of b, and the logit `(B,)` that a shows the task done better.
        """
        batch, length, _ = task.shape
        modulation = self.task_modulation(task, words)
        a, b = modulate(a, modulation), modulate(b, modulation)
        split = self.split.expand(batch, 1, -1)
        last = self.preference.expand(batch, 1, -1)
        mask = pair_mask(words, a.shape[1], b.shape[1], self.config.window)
        tokens = torch.cat([task, self.mark_first(a), split, self.mark_first(b), last], dim=1)
        hidden = self.decoder(tokens, mask)
        end_a = length + a.shape[1]
        scores_a = self.heads(hidden[:, length:end_a])
        scores_b = self.heads(hidden[:, end_a + 1 : -1])
        return scores_a, scores_b, self.preference_head(hidden[:, -1]).squeeze(-1)
