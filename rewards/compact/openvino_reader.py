"""Streams on OpenVINO: encoder, decoder step and heads of a push in one call of a compiled graph.

The cache is the one of `streaming`, laid out so that the graph reads the keys and the values of each layer in
place, as inputs. The graph returns the keys and values of the new frames, which are written into the ring
here: a push moves one slot of each episode, however long the episode is.

Many episodes go in batches of one of a few sizes. The graph takes any size, but what openvino prepares for
each that it meets (about 10 ms and 2 MB) it keeps, and random masks ask for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .inference import InferenceEncoder
from .modeling import CompactRewardNetwork
from .openvino_graph import INPUTS, build_step
from .openvino_package import import_openvino
from .streaming import StreamCache, StreamReader

__all__ = ["OpenvinoReader"]

_BATCH = 16  # episodes per call at most: larger batches are no faster per episode
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


@dataclass
class _OpenvinoCache(StreamCache):
    """A cache whose `layers` and `mask` are views of what the graph reads."""

    memory: NDArray[np.float32] = field(kw_only=True)
    """Keys and values, `(layers, 2, n, heads, slots, depth)`."""
    closed: NDArray[np.float32] = field(kw_only=True)
    """The mask, `(n, slots)`."""
    request: Any = field(kw_only=True)
    """The openvino.InferRequest of this stream."""
    tensor: Any = field(kw_only=True)
    """The class openvino.Tensor."""
    arrays: dict[int, NDArray[Any]] = field(default_factory=dict)
    """The inputs of the request: openvino only points at them."""
    bound: tuple[int, int] | None = None
    """The episodes, first and one past the last, whose memory the inputs of the request are."""

    def use(self, position: int, array: NDArray[Any]) -> None:
        """Make an array, contiguous, the input at this position of the request."""
        self.request.set_input_tensor(position, self.tensor(array, shared_memory=True))
        self.arrays[position] = array


class OpenvinoReader(StreamReader):
    """A `StreamReader` that pushes through OpenVINO. Tasks are read by torch, in the same cache."""

    def __init__(
        self,
        network: CompactRewardNetwork,
        encoder: InferenceEncoder,
        dtype: torch.dtype,
        threads: int | None,
    ) -> None:
        """Copies the weights of a network in evaluation mode; later changes of them do not reach it.

        Args:
            network: on the CPU.
            encoder: its encoder for use.
            dtype: float32 or bfloat16: what all of the graph but the last of the heads calculates in.
            threads: of OpenVINO; None for as many as torch has when the first stream opens.

        Raises:
            ImportError: openvino is not installed.
        """
        super().__init__(network, encoder)
        import_openvino()
        self._precision, self._threads = _PRECISIONS[dtype], threads
        self._compiled: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles without the compiled graph, which the copy compiles again."""
        return {**self.__dict__, "_compiled": None}

    def _compile(self, slots: int) -> Any:
        """The graph, ready to run; compiled when the first stream opens."""
        if self._compiled is None:
            options = {
                # Without this hint OpenVINO calculates in bfloat16 wherever the processor can.
                "INFERENCE_PRECISION_HINT": self._precision,
                "INFERENCE_NUM_THREADS": self._threads or torch.get_num_threads(),
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                # It would pin every process of a machine to the same first cores.
                "ENABLE_CPU_PINNING": False,
            }
            package: Any = import_openvino()
            model = build_step(self._encoder, self, slots)
            self._compiled = package.Core().compile_model(model, "CPU", options)
        return self._compiled

    def new_cache(self, n: int, device: torch.device) -> StreamCache:
        """An empty cache for n episodes, in memory that stays where it is."""
        package: Any = import_openvino()
        cache = super().new_cache(n, device)
        _, heads, depth = self._split
        slots = cache.readable.shape[1]
        memory = torch.zeros(len(self._layers), 2, n, heads, slots, depth)
        return _OpenvinoCache(
            layers=[layer.transpose(0, 1) for layer in memory],
            mask=cache.mask,
            readable=cache.readable,
            counts=cache.counts,
            turns=cache.turns,
            words=cache.words,
            memory=memory.numpy(),
            closed=cache.mask[:, 0, 0].numpy(),
            request=self._compile(slots).create_infer_request(),
            tensor=package.Tensor,
        )

    def push(
        self, cache: StreamCache, rows: NDArray[np.int64], pixels: Tensor, scale: Tensor, offset: Tensor
    ) -> Tensor:
        """See `StreamReader.push`."""
        assert isinstance(cache, _OpenvinoCache)
        slots = self._slots(cache, rows)
        cache.closed[rows, slots] = -np.inf  # what lies there is about to be forgotten
        scores = np.empty((2, len(rows)), dtype=np.float32)
        inputs = [np.ascontiguousarray(x.numpy()) for x in (pixels, scale, offset)]
        for batch in _batches(len(rows)):
            _bind(cache, rows[batch], [x[batch] for x in inputs])
            cache.request.infer()
            scores[:, batch] = cache.request.get_output_tensor(0).data.T
            added = cache.request.get_output_tensor(1).data[:, :, 1:, :, 0]  # (layers, m, 2, heads, depth)
            if (slots[batch] == slots[batch][0]).all() and _is_range(rows[batch]):
                first, last = rows[batch][0], rows[batch][-1]
                cache.memory[:, :, first : last + 1, :, slots[batch][0]] = added.transpose(0, 2, 1, 3, 4)
            else:  # numpy puts an axis that two lists of numbers index in front
                cache.memory[:, :, rows[batch], :, slots[batch]] = added.transpose(1, 0, 2, 3, 4)
        cache.closed[rows, slots] = 0.0
        cache.readable[rows, slots] = True
        cache.counts[rows] += 1
        cache.turns[rows] += 1
        return torch.from_numpy(scores)


def _batches(count: int) -> Iterator[slice]:
    """As few batches as possible, of sizes as even as possible."""
    parts = -(-count // _BATCH)
    return (slice(count * i // parts, count * (i + 1) // parts) for i in range(parts))


def _is_range(rows: NDArray[np.int64]) -> bool:
    return bool(rows[-1] - rows[0] == len(rows) - 1)


def _bind(cache: _OpenvinoCache, rows: NDArray[np.int64], inputs: list[NDArray[Any]]) -> None:
    """Make pixels, scale, offset, and the cache of the episodes `rows` the inputs of the request.

    The memory of adjacent episodes is read in place, and stays bound from push to push; that of others is
    gathered.
    """
    for position, array in enumerate(inputs):
        cache.use(position, array)
    first, stop = int(rows[0]), int(rows[-1]) + 1
    in_place = _is_range(rows)
    if in_place and cache.bound == (first, stop):
        return
    which = slice(first, stop) if in_place else rows
    cache.use(INPUTS.index("mask"), cache.closed[which, None, None])
    layers = len(cache.memory)
    for i, layer in enumerate(cache.memory):
        cache.use(len(INPUTS) + i, layer[0, which])
        cache.use(len(INPUTS) + layers + i, layer[1, which])
    cache.bound = (first, stop) if in_place else None
