"""View augmentation: one random view per video, the same for all its frames, as a fixed camera would give."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["AugmentConfig", "augment_videos"]


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random view."""

    shift: float = 0.06
    """Largest shift, in fractions of the image."""
    rotation: float = 0.06
    """Largest rotation, in radians."""
    zoom: float = 0.06
    """Largest relative change of size."""
    brightness: float = 0.2
    """Largest relative change of brightness and of contrast, and half of it per colour channel."""
    noise: float = 0.02
    """Largest standard deviation of the pixel noise."""
    occlusion: float = 0.3
    """Probability that a grey rectangle hides a part of the image."""
    occlusion_size: float = 0.25
    """Largest side of that rectangle, in fractions of the image."""
    flip: float = 0.0
    """Probability that the view is mirrored; a sentence that tells left from right forbids it."""


def _uniform(shape: tuple[int, ...], limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * limit


def _affine(batch: int, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Random affine maps, float `(B, 2, 3)`, in `affine_grid` coordinates."""
    angle = _uniform((batch,), config.rotation, generator)
    zoom = 1 + _uniform((batch,), config.zoom, generator)
    shift = _uniform((batch, 2, 1), 2 * config.shift, generator)  # the image spans [-1, 1]
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(batch, 2, 2)
    if config.flip:  # without it the numbers of earlier fits stay as they are
        mirrored = torch.rand((batch,), generator=generator) < config.flip
        rotation[:, :, 0] *= 1.0 - 2.0 * mirrored[:, None].float()
    return torch.cat([rotation * zoom.view(batch, 1, 1), shift], dim=2)


def _occlusion_mask(batch: int, size: int, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Bool `(B, 1, S, S)`: the pixels to hide."""
    centre = torch.rand((batch, 2, 1), generator=generator)
    half = torch.rand((batch, 2, 1), generator=generator) * config.occlusion_size / 2
    half = half * (torch.rand((batch, 1, 1), generator=generator) < config.occlusion)
    pixels = (torch.arange(size) + 0.5) / size
    inside = (pixels - centre).abs() < half  # (B, 2, S): rows, columns
    return (inside[:, 0, :, None] & inside[:, 1, None, :]).unsqueeze(1)


def augment_videos(videos: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Give each video one random view.

    Args:
        videos: float `(B, T, 3, S, S)` in [0, 1], on the CPU or a device.
        config: ranges.
        generator: CPU generator, the only source of randomness.

    Returns:
        The same shape, in [0, 1].
    """
    batch, frames, channels, size, _ = videos.shape
    flat = videos.flatten(1, 2)  # (B, T * 3, S, S): one grid serves all frames of a video
    grid = F.affine_grid(
        _affine(batch, config, generator), [batch, channels, size, size], align_corners=False
    )
    flat = F.grid_sample(flat, grid.to(flat), padding_mode="border", align_corners=False)
    flat.masked_fill_(_occlusion_mask(batch, size, config, generator).to(flat.device), 0.5)
    videos = flat.view(batch, frames, channels, size, size)
    contrast = 1 + _uniform((batch, 1, 1, 1, 1), config.brightness, generator)
    gain = contrast * (1 + _uniform((batch, 1, channels, 1, 1), config.brightness / 2, generator))
    offset = 0.5 * (1 - gain) + _uniform((batch, 1, 1, 1, 1), config.brightness / 2, generator)
    strength = torch.rand((batch, 1, 1, 1, 1), generator=generator) * config.noise
    noise = torch.randn((batch, 1, channels, size, size), generator=generator) * strength
    return videos.mul_(gain.to(videos)).add_((noise + offset).to(videos)).clamp_(0, 1)
