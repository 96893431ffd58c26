"""The decoder and heads one frame at a time, over a cache of constant size.

Same function as `Decoder` and the heads of `CompactRewardNetwork`, laid out for single frames, where calling
an operation costs as much as what it calculates: query, key and value are one product, the two heads another,
keys and values go into the cache in one copy, and what the host knows (slots, masks) is never asked of a
tensor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from .bins import bin_centres
from .decoder import Block, Decoder
from .inference import InferenceEncoder, product
from .modeling import CompactRewardNetwork, Head

__all__ = ["StreamCache", "StreamReader"]

_ALIGN = 8  # slots are read in multiples of this, which the attention kernels of GPUs ask of a mask


def _linear(*layers: nn.Linear) -> tuple[Tensor, Tensor]:
    """Layers that read the same input as one: weight `(inputs, outputs)` and bias `(outputs,)`, copied."""
    weight = torch.cat([layer.weight.detach() for layer in layers])
    return weight.t(), torch.cat([layer.bias.detach() for layer in layers])


def _norm(layer: nn.LayerNorm) -> tuple[tuple[int, ...], Tensor, Tensor, float]:
    """What `F.layer_norm` takes beside the input; a module's call costs as much as the operation."""
    return layer.normalized_shape, layer.weight.detach().clone(), layer.bias.detach().clone(), layer.eps


class _Layer:
    """The weights of a decoder block."""

    def __init__(self, block: Block) -> None:
        self._norm1, self._norm2 = _norm(block.norm1), _norm(block.norm2)
        self._qkv, self._qkv_bias = _linear(block.query, block.key_value)
        self._out, self._out_bias = _linear(block.out)
        widen, narrow = block.mlp[0], block.mlp[2]
        assert isinstance(widen, nn.Linear)
        assert isinstance(narrow, nn.Linear)
        self._widen, self._widen_bias = _linear(widen)
        self._narrow, self._narrow_bias = _linear(narrow)

    def query_key_value(self, x: Tensor) -> Tensor:
        """Map `(m, C)` to `(m, 3 C)`."""
        return product(self._qkv_bias, F.layer_norm(x, *self._norm1), self._qkv)

    def finish(self, x: Tensor, read: Tensor) -> Tensor:
        """The rest of the block, all `(m, C)`: its input, what its attention read, its output."""
        x = product(self._out_bias, read, self._out).add_(x)
        hidden = F.gelu(product(self._widen_bias, F.layer_norm(x, *self._norm2), self._widen))
        return product(self._narrow_bias, hidden, self._narrow).add_(x)


class _Heads:
    """Progress and success head side by side."""

    def __init__(self, progress: Head, success: Head) -> None:
        first, second = _parts(progress), _parts(success)
        self._inner, self._inner_bias = _linear(first[0], second[0])
        self._scale = torch.stack([first[1].weight, second[1].weight]).detach()  # (2, C)
        self._offset = torch.stack([first[1].bias, second[1].bias]).detach()
        self._epsilon = first[1].eps
        self._outer = torch.block_diag(
            first[2].weight.detach(), second[2].weight.detach()
        ).t()  # (2 C, bins + 1)
        self._outer_bias = torch.cat([first[2].bias, second[2].bias]).detach()
        self._centres = bin_centres(first[2].out_features).to(self._outer)

    def __call__(self, hidden: Tensor) -> Tensor:
        """Progress and success in [0, 1], float `(2, m)`, of hidden states `(m, C)`."""
        count, size = hidden.shape
        inner = product(self._inner_bias, hidden, self._inner).view(count, 2, size)
        inner = F.layer_norm(inner, (size,), eps=self._epsilon)
        inner = F.gelu(torch.addcmul(self._offset, inner, self._scale))
        logits = torch.addmm(self._outer_bias, inner.view(count, 2 * size), self._outer)
        progress = torch.mv(logits[:, :-1].softmax(-1), self._centres).clamp_(0, 1)
        return torch.stack([progress, logits[:, -1].sigmoid()])


def _parts(head: Head) -> tuple[nn.Linear, nn.LayerNorm, nn.Linear]:
    first, norm, last = head[0], head[1], head[4]
    assert isinstance(first, nn.Linear)
    assert isinstance(norm, nn.LayerNorm)
    assert isinstance(last, nn.Linear)
    return first, norm, last


@dataclass
class StreamCache:
    """Keys and values of n running episodes: the first frame, a ring of later frames, the words."""

    layers: list[Tensor]
    """Per layer keys and values, float `(n, 2, heads, slots, C / heads)`."""
    mask: Tensor
    """float `(n, 1, 1, slots)`: 0 for a slot that holds something of the running episode, else -inf."""
    readable: NDArray[np.bool_]
    """`(n, slots)`: where `mask` is 0."""
    counts: NDArray[np.int64]
    """`(n,)`: frames of the running episode so far."""
    turns: NDArray[np.int64]
    """`(n,)`: where in its ring each episode is. Those pushed together stay level, whenever they began."""
    words: NDArray[np.int64]
    """`(n,)`: words of the task."""


class StreamReader:
    """The decoder and the heads, one frame of each episode at a time."""

    def __init__(self, network: CompactRewardNetwork, encoder: InferenceEncoder) -> None:
        """Copies the weights of a network in evaluation mode; later changes of them do not reach it.

        Args:
            network: whose decoder and heads it runs.
            encoder: what makes tokens of its frames.
        """
        config = network.config
        self._encoder = encoder
        self._decoder: Decoder = network.decoder
        self._norm = _norm(network.decoder.norm)
        self._heads = _Heads(network.progress_head, network.success_head)
        self._layers = [_Layer(block) for block in network.decoder.layers()]
        self._window, self._max_words = config.window, config.max_words
        self._split = (3, config.num_heads, config.hidden_size // config.num_heads)

    def new_cache(self, n: int, device: torch.device) -> StreamCache:
        """An empty cache for n episodes."""
        _, heads, depth = self._split
        slots = -(-(1 + self._window + self._max_words) // _ALIGN) * _ALIGN
        return StreamCache(
            layers=[
                torch.zeros(n, 2, heads, slots, depth, dtype=torch.float32, device=device)
                for _ in self._layers
            ],
            mask=torch.full((n, 1, 1, slots), -torch.inf, dtype=torch.float32, device=device),
            readable=np.zeros((n, slots), dtype=bool),
            counts=np.zeros(n, dtype=np.int64),
            turns=np.zeros(n, dtype=np.int64),
            words=np.zeros(n, dtype=np.int64),
        )

    def start(self, cache: StreamCache, rows: NDArray[np.int64], x: Tensor, words: Tensor) -> None:
        """Forget the episodes `rows` and read their task words into the cache.

        Args:
            cache: changed in place.
            rows: `(m,)`, the episodes, each once, m >= 1.
            x: word tokens, float `(m, L, C)`.
            words: bool `(m, L)`, True for real words, which come first.
        """
        index = torch.from_numpy(rows).to(x.device)
        begin, length = 1 + self._window, words.shape[1]
        mask = words[:, None, None, :].expand(-1, 1, length, -1)
        for block, kept in zip(self._decoder.layers(), cache.layers, strict=True):
            keys_values = block.keys_values(x)
            kept[index, :, :, begin : begin + length] = torch.stack(keys_values, dim=1)
            x = block(x, *keys_values, mask)
        cache.readable[rows] = False
        cache.readable[rows, begin : begin + length] = words.cpu().numpy()
        cache.words[rows] = words.sum(1).cpu().numpy()
        cache.counts[rows] = 0
        # As far round the ring as the others, who so keep writing to the same slot.
        cache.turns[rows] = cache.turns.max()
        mask_rows = np.where(cache.readable[rows], np.float32(0), np.float32(-np.inf))
        cache.mask[index, 0, 0] = torch.from_numpy(mask_rows).to(x.device)

    def push(
        self, cache: StreamCache, rows: NDArray[np.int64], pixels: Tensor, scale: Tensor, offset: Tensor
    ) -> Tensor:
        """Add one frame to each of the episodes `rows` and score it.

        Args:
            cache: changed in place.
            rows: `(m,)`, the episodes in ascending order, each once, m >= 1.
            pixels: the frames, uint8 `(m, S, S, 3)`, S the configured image size.
            scale: by which each task reads its frame, float `(m, C)`.
            offset: likewise.

        Returns:
            Progress and success in [0, 1], float `(2, m)`.
        """
        return self.step(cache, rows, torch.addcmul(offset, self._encoder(pixels), scale))

    def _slots(self, cache: StreamCache, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the next frame of each of the episodes `rows` goes, `(m,)`."""
        return np.where(cache.counts[rows] == 0, 0, 1 + cache.turns[rows] % self._window)

    def step(self, cache: StreamCache, rows: NDArray[np.int64], x: Tensor) -> Tensor:
        """Add one frame to each of the episodes `rows` and score it.

        Args:
            cache: changed in place.
            rows: `(m,)`, the episodes in ascending order, each once, m >= 1.
            x: frame tokens, float `(m, C)`.

        Returns:
            Progress and success in [0, 1], float `(2, m)`.
        """
        slots = self._slots(cache, rows)
        everyone = len(rows) == len(cache.counts)
        level = everyone and bool((slots == slots[0]).all())
        new = not cache.readable[rows, slots].all()
        if new or not level:
            index = torch.from_numpy(rows).to(x.device)
            places = torch.from_numpy(slots).to(x.device)
        if new:
            cache.readable[rows, slots] = True
            cache.mask[index, 0, 0, places] = 0.0
        cache.counts[rows] += 1
        cache.turns[rows] += 1
        slot = int(slots[0])
        used = -(-(1 + self._window + int(cache.words[rows].max())) // _ALIGN) * _ALIGN
        mask = cache.mask[..., :used] if everyone else cache.mask[index, ..., :used]
        for layer, kept in zip(self._layers, cache.layers, strict=True):
            qkv = layer.query_key_value(x).view(-1, *self._split)
            if level:  # one place for all spares gathering and scattering
                kept[:, :, :, slot] = qkv[:, 1:]
            else:
                kept[index, :, :, places] = qkv[:, 1:]
            past = kept[..., :used, :] if everyone else kept[index, :, :, :used]
            read = F.scaled_dot_product_attention(
                qkv[:, 0].unsqueeze(2), past[:, 0], past[:, 1], attn_mask=mask
            )
            x = layer.finish(x, read.flatten(1))
        return self._heads(F.layer_norm(x, *self._norm))
