"""The encoder as it runs in use: the same function as `FrameEncoder`, in fewer and cheaper steps.

Four things differ from the module that is trained. The batch norms and the scaling of the pixels are folded
into the convolutions. Frames go in as bytes, in the layout they come in. The two readouts are matrix products
on that layout, with their weights in its order. And on x86 processors the convolutions call oneDNN with
weights it has already put in its own order, their ReLU and skip connection included: `F.conv2d` would
reorder the weights in each call, which at one frame costs as much as it calculates.
"""

from __future__ import annotations

import platform
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encoder import FrameEncoder, SpatialReadout

__all__ = ["InferenceEncoder", "packed_convolutions_work", "product"]

_GREY = 127.5  # the byte that the trained encoder sees as 0, with which it pads
_PROCESSORS = ("x86_64", "amd64")
# Inputs, outputs, side of the kernel, stride, padding: those of the encoder's three kinds of convolutions.
_PROBES = ((3, 32, 8, 4, 0), (32, 64, 3, 2, 1), (64, 64, 3, 1, 1))
_ENCODE_BATCH = 64  # frames per pass: bounds the memory of long videos


@cache
def packed_convolutions_work(dtype: torch.dtype) -> bool:
    """Whether oneDNN's convolutions on packed weights are there, right, and known to be the faster ones.

    torch's operators for them are private: another version may lack them, or have changed them. So they are
    tried once in a process, and compared with torch's plain convolutions, which are used where they fail.
    bfloat16 needs AVX512 or AVX-NE-CONVERT here; without them the plain convolutions emulate it.

    Args:
        dtype: that they are to calculate in.
    """
    if platform.machine().lower() not in _PROCESSORS or not torch.backends.mkldnn.is_available():
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        return all(_agree(dtype, *shape) for shape in _PROBES)
    except (AttributeError, RuntimeError, TypeError):  # NotImplementedError is a RuntimeError
        return False


def _agree(dtype: torch.dtype, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> bool:
    """Whether a packed and a plain convolution give the same, with and without a skip connection."""
    generator = torch.Generator("cpu").manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu").to(dtype)

    def picture(*shape: int) -> Tensor:
        return draw(*shape).contiguous(memory_format=torch.channels_last)

    weight, bias, x = draw(outputs, inputs, kernel, kernel), draw(outputs), picture(2, inputs, 16, 16)
    packed, plain = (Convolution(weight, bias, stride, padding, packed) for packed in (True, False))
    with torch.no_grad():
        expected = plain(x)
        skip = picture(*expected.shape)
        tolerance = 1e-5 if dtype == torch.float32 else 2e-2
        return all(
            found.shape == right.shape
            and bool((found - right).abs().max() <= tolerance * (1 + right.abs().max()))
            for found, right in ((packed(x), expected), (packed(x, skip), plain(x, skip)))
        )


def product(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """`bias + x @ weight` for few rows x, where fetching the weights takes longer than the arithmetic.

    On a CPU the weights are read through once before: the matrix-vector routines of MKL wait for each row
    that is not in the cache, a plain sum fetches ahead. Both together take two thirds of the time.
    """
    if weight.device.type == "cpu":
        weight.sum()
    return torch.addmm(bias, x, weight)


class Convolution:
    """ReLU of a convolution, or of a convolution plus a skip connection."""

    def __init__(
        self, weight: Tensor, bias: Tensor, stride: int, padding: int, packed: bool | None = None
    ) -> None:
        """Takes its parts.

        Args:
            weight: `(outputs, inputs, k, k)`.
            bias: `(outputs,)`, of the weight's dtype.
            stride: of both axes.
            padding: zeros on each side of both axes.
            packed: use oneDNN's own order of the weights; None where that works.
        """
        self._parts = (weight, bias, stride, padding)
        if packed is None:
            packed = weight.device.type == "cpu" and packed_convolutions_work(weight.dtype)
        self._bias, self._packed = bias, packed
        self._stride, self._padding = [stride, stride], [padding, padding]
        if packed:
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                weight.contiguous(), self._padding, self._stride, [1, 1], 1, None
            )
        else:
            self._weight = weight.contiguous(memory_format=torch.channels_last)

    def __reduce__(self) -> tuple[type[Convolution], tuple[Tensor, Tensor, int, int]]:
        """Copies and pickles as its parts.

        Packed weights have no storage that could be copied, and the machine that unpickles may not have them.
        """
        return Convolution, self._parts

    def __call__(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Map `(B, inputs, H, W)` to `(B, outputs, H', W')`, both channels last in memory."""
        weight, bias = self._weight, self._bias
        if not self._packed:
            y = F.conv2d(x, weight, bias, self._stride, self._padding)
            return y.relu_() if skip is None else y.add_(skip).relu_()
        options = (weight, bias, self._padding, self._stride, [1, 1], 1)
        if skip is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *options, "relu", [], "")
        return torch.ops.mkldnn._convolution_pointwise.binary(x, skip, *options, "add", 1.0, "relu", [], None)


class _Readout:
    """A `SpatialReadout` but for the bias of its projection."""

    def __init__(self, readout: SpatialReadout, side: int) -> None:
        kept = readout.reduce.out_channels
        self._reduce = readout.reduce.weight.detach().flatten(1).clone()  # (kept, channels)
        self._bias = _vector(readout.reduce.bias)
        project = readout.project.weight.detach().unflatten(1, (kept, side, side))
        self._project = project.permute(0, 2, 3, 1).flatten(1).t()  # (side * side * kept, C)

    def __call__(self, x: Tensor, onto: Tensor) -> Tensor:
        """Read `(B, channels, side, side)`, add to `onto` `(C,)` or `(B, C)`, give `(B, C)`."""
        pixels = x.permute(0, 2, 3, 1).flatten(0, 2).float()  # (B * side * side, channels)
        kept = F.linear(pixels, self._reduce, self._bias).relu_()
        return product(onto, kept.view(len(x), -1), self._project)


def _vector(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor.detach().clone()


class InferenceEncoder:
    """Bytes to frame tokens."""

    def __init__(self, encoder: FrameEncoder, size: int, dtype: torch.dtype, device: torch.device) -> None:
        """Copies the weights; later changes of the encoder do not reach it.

        Args:
            encoder: the trained module.
            size: side in pixels of the frames that it reads.
            dtype: what the convolutions calculate in. The rest, a thirtieth of the arithmetic, is float32.
            device: where it runs.
        """
        fused = encoder.fused().to(device)
        self._size, self._dtype, self._device = size, dtype, device
        first = _conv(fused.stage1[0])
        weight = first.weight.detach()
        # The module maps a byte b to 4 b / 255 - 2 and pads the result with zeros.
        bias = _vector(first.bias) - 2 * weight.sum((1, 2, 3))
        self._pad = _single(first.padding)
        self._first = self._convolution(weight * (4 / 255), bias, _single(first.stride), 0)
        self._fine = self._stage(fused.stage2)
        self._coarse = self._stage(fused.stage3)
        self._read_fine = _Readout(fused.fine, size // 8)
        self._read_coarse = _Readout(fused.coarse, size // 16)
        self._bias = _vector(fused.fine.project.bias) + _vector(fused.coarse.project.bias)
        self._norm = fused.norm

    def _convolution(self, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Convolution:
        return Convolution(weight.to(self._dtype), bias.to(self._dtype), stride, padding)

    def _stage(self, stage: nn.Sequential) -> list[Convolution]:
        """The convolutions of a stage: one that shrinks, then two for each residual block."""
        convs = [module for module in stage.modules() if isinstance(module, nn.Conv2d)]
        return [
            self._convolution(
                conv.weight.detach(), _vector(conv.bias), _single(conv.stride), _single(conv.padding)
            )
            for conv in convs
        ]

    @staticmethod
    def _run(stage: list[Convolution], x: Tensor) -> Tensor:
        x = stage[0](x)
        for inner, outer in zip(stage[1::2], stage[2::2], strict=True):
            x = outer(inner(x), x)
        return x

    def _images(self, frames: Tensor) -> Tensor:
        """Bytes `(B, S, S, 3)` as `(B, 3, S + 2 pad, S + 2 pad)`, channels last, with a grey border."""
        pad, side = self._pad, self._size + 2 * self._pad
        images = torch.full((len(frames), side, side, 3), _GREY, dtype=self._dtype, device=self._device)
        images[:, pad:-pad, pad:-pad] = frames  # bfloat16 holds bytes and the grey exactly
        return images.permute(0, 3, 1, 2)

    def _tokens(self, frames: Tensor) -> Tensor:
        fine = self._run(self._fine, self._first(self._images(frames)))
        coarse = self._run(self._coarse, fine)
        return self._norm(self._read_coarse(coarse, self._read_fine(fine, self._bias)))

    def __call__(self, frames: Tensor) -> Tensor:
        """Encode frames.

        Args:
            frames: uint8 `(B, S, S, 3)` RGB, S the configured image size, B >= 1; on any device.

        Returns:
            Frame tokens, float32 `(B, hidden_size)`.
        """
        if len(frames) <= _ENCODE_BATCH:
            return self._tokens(frames)
        return torch.cat([self._tokens(chunk) for chunk in frames.split(_ENCODE_BATCH)])


def _conv(module: nn.Module) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module


def _single(pair: tuple[int, ...] | str) -> int:
    assert not isinstance(pair, str)
    assert pair[0] == pair[1]
    return pair[0]
