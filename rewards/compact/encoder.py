"""Vision encoder: one frame in, one token out."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .configuration import CompactConfig

__all__ = ["FrameEncoder"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        return torch.relu(x + self.body(x))


def _stage(inputs: int, outputs: int, kernel: int, stride: int, blocks: int) -> nn.Sequential:
    """Downsample by `stride`, then `blocks` residual blocks."""
    return nn.Sequential(
        nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=(kernel - 1) // 2 if stride == 2 else 2,
            bias=False,
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        *(ResidualBlock(outputs) for _ in range(blocks)),
    )


class SpatialReadout(nn.Module):
    """Flatten a feature map into a token, so that where something is stays readable."""

    def __init__(self, channels: int, kept: int, side: int, hidden_size: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, kept, 1)
        self.project = nn.Linear(kept * side * side, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, side, side)` to `(B, hidden_size)`."""
        kept = torch.relu(self.reduce(x))  # (B, kept, side, side)
        return self.project(kept.flatten(1))


class FrameEncoder(nn.Module):
    """Three convolutional stages at strides 4, 8 and 16; the token reads the last two maps."""

    def __init__(self, config: CompactConfig) -> None:
        """Builds the layers that the sizes ask for."""
        super().__init__()
        first, second, third = config.encoder_widths
        # Half the time of a residual stage at stride 4 would go into moving its large maps through memory, so
        # the first stage is one wide overlapping convolution.
        self.stage1 = _stage(3, first, kernel=8, stride=4, blocks=0)
        self.stage2 = _stage(first, second, kernel=3, stride=2, blocks=1)
        self.stage3 = _stage(second, third, kernel=3, stride=2, blocks=2)
        self.fine = SpatialReadout(second, 16, config.image_size // 8, config.hidden_size)
        self.coarse = SpatialReadout(third, 48, config.image_size // 16, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, images: Tensor) -> Tensor:
        """Encode frames.

        Args:
            images: float `(B, 3, S, S)` in [0, 1], S the configured image size.

        Returns:
            Frame tokens, float `(B, hidden_size)`.
        """
        x = self.stage1(images * 4.0 - 2.0)  # (B, C1, S/4, S/4)
        fine = self.stage2(x)  # (B, C2, S/8, S/8)
        coarse = self.stage3(fine)  # (B, C3, S/16, S/16)
        return self.norm(self.fine(fine) + self.coarse(coarse))

    def fused(self) -> FrameEncoder:
        """A copy for inference, its batch norms folded into the convolutions before them."""
        copy = deepcopy(self).eval()
        for module in list(copy.modules()):
            if isinstance(module, nn.Sequential):
                for i in range(len(module) - 1):
                    first, second = module[i], module[i + 1]
                    if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                        module[i] = fuse_conv_bn_eval(first, second)
                        module[i + 1] = nn.Identity()
        copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch accepts it
        return copy
