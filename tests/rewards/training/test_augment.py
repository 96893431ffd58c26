"""Random views: one per video, nothing outside [0, 1], nothing where the ranges are 0."""

from __future__ import annotations

import torch

from robometer_rl.rewards.training.augment import AugmentConfig, augment_videos

NONE = AugmentConfig(shift=0, rotation=0, zoom=0, brightness=0, noise=0, occlusion=0)


def videos() -> torch.Tensor:
    return torch.rand(3, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_empty_ranges_change_nothing() -> None:
    out = augment_videos(videos(), NONE, torch.Generator().manual_seed(0))
    torch.testing.assert_close(out, videos(), atol=1e-5, rtol=0)


def test_a_still_video_stays_still_and_videos_differ() -> None:
    still = videos()[:1, :1].expand(3, 4, -1, -1, -1).clone()
    out = augment_videos(still, AugmentConfig(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert (out[0] - out[1]).abs().mean() > 0.01
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_shift_moves_the_picture() -> None:
    dot = torch.zeros(20, 1, 3, 32, 32)
    dot[..., 16, 16] = 1
    config = AugmentConfig(shift=0.2, rotation=0, zoom=0, brightness=0, noise=0, occlusion=0)
    out = augment_videos(dot, config, torch.Generator().manual_seed(0))
    places = {int(video[0, 0].argmax()) for video in out}
    assert len(places) > 10
    assert all(abs(p // 32 - 16) <= 7 and abs(p % 32 - 16) <= 7 for p in places)


def test_occlusion_hides_a_part() -> None:
    config = AugmentConfig(
        shift=0, rotation=0, zoom=0, brightness=0, noise=0, occlusion=1.0, occlusion_size=0.5
    )
    white = torch.ones(8, 2, 3, 32, 32)
    out = augment_videos(white, config, torch.Generator().manual_seed(0))
    hidden = (out == 0.5).float().mean(dim=(1, 2, 3, 4))
    assert (hidden <= 0.26).all()
    assert hidden.max() > 0.02


def test_one_seed_one_view() -> None:
    first, second = (
        augment_videos(videos(), AugmentConfig(), torch.Generator().manual_seed(5)) for _ in range(2)
    )
    torch.testing.assert_close(first, second)


def test_a_flip_mirrors_some_videos_left_for_right() -> None:
    config = AugmentConfig(shift=0, rotation=0, zoom=0, brightness=0, noise=0, occlusion=0, flip=0.5)
    many = videos()[:1].expand(16, -1, -1, -1, -1).clone()
    out = augment_videos(many, config, torch.Generator().manual_seed(0))
    mirrored = [bool(torch.allclose(video, many[0].flip(-1), atol=1e-5)) for video in out]
    plain = [bool(torch.allclose(video, many[0], atol=1e-5)) for video in out]
    assert all(a != b for a, b in zip(mirrored, plain, strict=True))
    assert 2 < sum(mirrored) < 14
