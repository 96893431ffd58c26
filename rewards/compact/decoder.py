"""Causal transformer over [task words, frames].

The attention carries no position: a frame knows the task, the first frame (marked), the `window - 1` frames
before it and itself, as a set. Time and frame count are the shortcuts reward models fall for, so they are
not there to be read; a repeated frame adds nothing new. It also makes the cache of a stream (`streaming`) a
plain ring buffer: a slot may hold any of the frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration import CompactConfig

__all__ = ["Block", "Decoder", "pair_mask", "video_mask"]


def _frame_mask(count: int, window: int, device: torch.device) -> Tensor:
    """Bool `(count, count)`: row t reads column j if j is the first frame or in the window up to t."""
    t = torch.arange(count, device=device)
    past = t[None, :] <= t[:, None]
    near = t[None, :] > t[:, None] - window
    return past & (near | (t[None, :] == 0))


def video_mask(words: Tensor, frames: int, window: int) -> Tensor:
    """Who reads whom in [words, frames].

    Args:
        words: bool `(B, L)`, True for real words, False for padding.
        frames: number of frames T.
        window: frames a frame may look back, itself included.

    Returns:
        bool `(B, 1, L + T, L + T)`, True where the row may read the column.
    """
    batch, length = words.shape
    mask = torch.zeros(batch, length + frames, length + frames, dtype=torch.bool, device=words.device)
    mask[:, :, :length] = words[:, None, :]
    mask[:, length:, length:] = _frame_mask(frames, window, words.device)
    return mask.unsqueeze(1)


def pair_mask(words: Tensor, frames_a: int, frames_b: int, window: int) -> Tensor:
    """Who reads whom in [words, frames a, split, frames b, preference].

    Each video is read as if it stood alone, video b beside the split token that marks it; the preference
    token reads everything.

    Returns:
        bool `(B, 1, N, N)` with N = L + frames_a + 1 + frames_b + 1.
    """
    batch, length = words.shape
    split = length + frames_a
    total = split + 1 + frames_b + 1
    mask = torch.zeros(batch, total, total, dtype=torch.bool, device=words.device)
    mask[:, :, :length] = words[:, None, :]
    mask[:, length:split, length:split] = _frame_mask(frames_a, window, words.device)
    mask[:, split : total - 1, split] = True
    mask[:, split + 1 : total - 1, split + 1 : total - 1] = _frame_mask(frames_b, window, words.device)
    mask[:, total - 1, length:] = True
    return mask.unsqueeze(1)


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: CompactConfig) -> None:
        """Builds the layers that the sizes ask for."""
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_heads
        self.dropout = config.dropout
        self.norm1 = nn.LayerNorm(size)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.norm2 = nn.LayerNorm(size)
        self.mlp = nn.Sequential(
            nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size), nn.Dropout(config.dropout)
        )

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, N, C) -> (B, heads, N, C / heads)

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the tokens x `(B, N, C)`: two tensors `(B, heads, N, C / heads)`."""
        key, value = self.key_value(self.norm1(x)).chunk(2, dim=-1)
        return self._split_heads(key), self._split_heads(value)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Let the tokens x `(B, N, C)` read keys and values of M slots under a mask `(B, 1, N, M)`."""
        query = self._split_heads(self.query(self.norm1(x)))
        rate = self.dropout if self.training else 0.0
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
        x = x + self.out(read.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class Decoder(nn.Module):
    """The blocks, over whole sequences."""

    def __init__(self, config: CompactConfig) -> None:
        """Builds the layers that the sizes ask for."""
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.hidden_size)

    def layers(self) -> Iterator[Block]:
        """The blocks, first to last."""
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Run whole sequences: tokens `(B, N, C)`, mask bool `(B, 1, N, N)`; returns `(B, N, C)`."""
        for block in self.layers():
            key, value = block.keys_values(x)
            x = block(x, key, value, mask)
        return self.norm(x)
