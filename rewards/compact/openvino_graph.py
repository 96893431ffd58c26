"""One streamed step as an OpenVINO model: bytes, cached keys and values in; scores, new keys and values out.

The same function as `InferenceEncoder` followed by `StreamReader`, from the weights that those two hold. It
is written down operation by operation: openvino's converter of torch modules would need a module to convert,
and reports its use to openvino's makers.

The cache is read where it lies. Instead of a cache that the new frame has been added to, which would be a
copy, a frame reads the old cache and itself apart; only the softmax is over both.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .inference import Convolution, InferenceEncoder, _Readout
from .openvino_package import import_openvino
from .streaming import StreamReader, _Heads, _Layer

__all__ = ["INPUTS", "build_step"]

INPUTS = ("pixels", "scale", "offset", "mask")
"""The first inputs, in order; then the keys of each layer, then the values of each layer."""

# The number of episodes is left open: one compiled graph serves them all. A graph for one episode only is a
# tenth faster, but openvino 2026.4 crashes while it compiles one whose heads have a depth below 32.
_ANY = -1
_GREY = 127.5  # as in `inference`


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


class _Builder:
    """Layers as nodes of a graph. Nodes are openvino's and have no types of their own here."""

    def __init__(self) -> None:
        import_openvino()
        self.op: Any = importlib.import_module("openvino.opset13")

    def weight(self, tensor: Tensor) -> Any:
        """A constant, copied."""
        return self.op.constant(_array(tensor))

    def integers(self, *values: int) -> Any:
        """A vector of integers, as shapes and axes are given."""
        return self.op.constant(np.array(values, dtype=np.int64))

    def reshape(self, x: Any, *shape: int) -> Any:
        """Another shape, in which 0 stands for the size that this axis has."""
        return self.op.reshape(x, self.integers(*shape), special_zero=True)

    def split(self, x: Any, axis: int, *sizes: int) -> Any:
        """Parts of these sizes along an axis."""
        return self.op.variadic_split(x, np.int64(axis), self.integers(*sizes)).outputs()

    def norm(self, x: Any, weight: Tensor, bias: Tensor, epsilon: float) -> Any:
        """Layer norm over the last axis."""
        centred = self.op.mvn(x, self.integers(-1), True, epsilon, "INSIDE_SQRT")
        return self.op.add(self.op.multiply(centred, self.weight(weight)), self.weight(bias))

    def linear(self, x: Any, weight: Tensor, bias: Tensor) -> Any:
        """`x @ weight + bias`, weight `(inputs, outputs)`."""
        product = self.op.matmul(x, self.weight(weight.t()), False, True)
        return self.op.add(product, self.weight(bias))

    def convolution(self, x: Any, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> Any:
        """A convolution with its bias, `(B, inputs, H, W)` to `(B, outputs, H', W')`."""
        pads = [padding, padding]
        y = self.op.convolution(x, self.weight(weight), [stride, stride], pads, pads, [1, 1])
        return self.op.add(y, self.weight(bias.reshape(1, -1, 1, 1)))

    def rectified(self, x: Any, layer: Convolution, skip: Any = None) -> Any:
        """What `Convolution` does."""
        weight, bias, stride, padding, _ = layer._parts
        y = self.convolution(x, weight, bias, stride, padding)
        return self.op.relu(y if skip is None else self.op.add(y, skip))

    def stage(self, x: Any, layers: list[Convolution]) -> Any:
        """What `InferenceEncoder._run` does."""
        x = self.rectified(x, layers[0])
        for inner, outer in zip(layers[1::2], layers[2::2], strict=True):
            x = self.rectified(self.rectified(x, inner), outer, x)
        return x

    def readout(self, x: Any, layer: _Readout, side: int) -> Any:
        """What `_Readout` does, but for the bias: `(B, channels, side, side)` to `(B, C)`."""
        kept = self.op.relu(self.convolution(x, layer._reduce[:, :, None, None], layer._bias))
        # The weights are in the order of rows, columns, channels; this map has the channels first.
        project = layer._project.t().unflatten(1, (side, side, -1)).permute(0, 3, 1, 2).flatten(1)
        return self.op.matmul(self.reshape(kept, 0, -1), self.weight(project), False, True)

    def encoder(self, pixels: Any, encoder: InferenceEncoder) -> Any:
        """Frame tokens `(B, C)` of bytes `(B, S, S, 3)`."""
        op = self.op
        images = op.transpose(op.convert(pixels, "f32"), self.integers(0, 3, 1, 2))
        border = self.integers(0, 0, encoder._pad, encoder._pad)
        images = op.pad(images, border, border, "constant", np.float32(_GREY))
        fine = self.stage(self.rectified(images, encoder._first), encoder._fine)
        coarse = self.stage(fine, encoder._coarse)
        read = op.add(
            self.readout(fine, encoder._read_fine, encoder._size // 8),
            self.readout(coarse, encoder._read_coarse, encoder._size // 16),
        )
        norm = encoder._norm
        return self.norm(op.add(read, self.weight(encoder._bias)), norm.weight, norm.bias, norm.eps)

    def attention(self, qkv: Any, keys: Any, values: Any, mask: Any, shape: tuple[int, int]) -> Any:
        """What a frame reads from the cache and from itself.

        Args:
            qkv: query, key and value of the frame, `(B, 3, heads, 1, depth)`.
            keys: cached keys, `(B, heads, slots, depth)`.
            values: cached values, likewise.
            mask: added to the cached scores, `(B, 1, 1, slots)`.
            shape: heads and depth.

        Returns:
            `(B, heads * depth)`.
        """
        op, (heads, depth) = self.op, shape
        query, key, value = (
            self.reshape(part, 0, heads, 1, depth) for part in op.split(qkv, np.int64(1), 3).outputs()
        )
        query = op.multiply(query, np.float32(depth**-0.5))
        past = op.add(op.matmul(query, keys, False, True), mask)
        # A sum of products: a matrix product with one row and one column has no fast kernel.
        own = op.reduce_sum(op.multiply(query, key), self.integers(-1), True)
        shares = op.softmax(op.concat([past, own], -1), -1)
        slots = keys.get_output_partial_shape(0)[2].get_length()
        of_past, of_own = self.split(shares, -1, slots, 1)
        read = op.add(op.matmul(of_past, values, False, False), op.multiply(of_own, value))
        return self.reshape(read, 0, heads * depth)

    def finish(self, x: Any, read: Any, layer: _Layer) -> Any:
        """What `_Layer.finish` does."""
        op = self.op
        x = op.add(self.linear(read, layer._out, layer._out_bias), x)
        norm = self.norm(x, *layer._norm2[1:])
        hidden = op.gelu(self.linear(norm, layer._widen, layer._widen_bias), "erf")
        return op.add(self.linear(hidden, layer._narrow, layer._narrow_bias), x)

    def heads(self, hidden: Any, heads: _Heads) -> Any:
        """Progress and success in [0, 1], `(B, 2)`, of hidden states `(B, C)`."""
        op = self.op
        size, bins = heads._scale.shape[1], len(heads._centres)
        inner = self.reshape(self.linear(hidden, heads._inner, heads._inner_bias), 0, 2, size)
        inner = self.norm(inner, heads._scale, heads._offset, heads._epsilon)
        inner = self.reshape(op.gelu(inner, "erf"), 0, 2 * size)
        of_bins, success = self.split(self.linear(inner, heads._outer, heads._outer_bias), 1, bins, 1)
        # A sum of products again: in bfloat16 this one stays float32, a matrix product would not.
        progress = op.reduce_sum(
            op.multiply(op.softmax(of_bins, 1), self.weight(heads._centres)), self.integers(1), True
        )
        return op.concat([op.clamp(progress, 0.0, 1.0), op.sigmoid(success)], 1)


def build_step(encoder: InferenceEncoder, reader: StreamReader, slots: int) -> Any:
    """The step of a stream as an `openvino.Model`, for any number m of episodes.

    Args:
        encoder: whose weights it takes, copied.
        reader: likewise.
        slots: of the cache.

    Returns:
        A model with the inputs `INPUTS` (pixels uint8 `(m, S, S, 3)`; scale and offset `(m, C)`; mask
        `(m, 1, 1, slots)`, -inf where nothing is to be read, which includes the slot that the frame will
        take), then the keys of each layer and the values of each layer `(m, heads, slots, depth)`; and two
        outputs: progress and success `(m, 2)`, and per layer query, key and value of the frame
        `(layers, m, 3, heads, 1, depth)`.

    Raises:
        ImportError: openvino is not installed.
    """
    package: Any = import_openvino()
    builder = _Builder()
    _, heads, depth = reader._split
    size, width = encoder._size, heads * depth

    def parameter(name: str, kind: str, *shape: int) -> Any:
        return builder.op.parameter(
            package.PartialShape([_ANY, *shape]), getattr(package.Type, kind), name=name
        )

    pixels = parameter("pixels", "u8", size, size, 3)
    scale, offset = parameter("scale", "f32", width), parameter("offset", "f32", width)
    mask = parameter("mask", "f32", 1, 1, slots)
    layers = range(len(reader._layers))
    keys = [parameter(f"keys{i}", "f32", heads, slots, depth) for i in layers]
    values = [parameter(f"values{i}", "f32", heads, slots, depth) for i in layers]
    x = builder.op.add(builder.op.multiply(builder.encoder(pixels, encoder), scale), offset)
    added = []
    for layer, key, value in zip(reader._layers, keys, values, strict=True):
        qkv = builder.linear(builder.norm(x, *layer._norm1[1:]), layer._qkv, layer._qkv_bias)
        qkv = builder.reshape(qkv, 0, 3, heads, 1, depth)
        added.append(builder.op.unsqueeze(qkv, builder.integers(0)))
        x = builder.finish(x, builder.attention(qkv, key, value, mask, (heads, depth)), layer)
    scores = builder.heads(builder.norm(x, *reader._norm[1:]), reader._heads)
    return package.Model(
        [scores, builder.op.concat(added, 0)], [pixels, scale, offset, mask, *keys, *values], "streamed_step"
    )
