"""The three losses, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from robometer_rl.rewards.training.losses import preference_loss, progress_loss, success_loss


def test_unlabelled_frames_do_not_count() -> None:
    logits = torch.randn(2, 3, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0.1, float("nan"), 0.5], [float("nan"), float("nan"), float("nan")]])
    changed = logits.clone()
    changed[labels.isnan()] += 5.0
    assert progress_loss(logits, labels) == progress_loss(changed, labels)


def test_no_label_at_all_is_zero_with_a_gradient_path() -> None:
    logits = torch.zeros(3, 10, requires_grad=True)
    loss = progress_loss(logits, torch.full((3,), float("nan")))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_uniform_logits_cost_log_of_the_bins() -> None:
    assert progress_loss(torch.zeros(4, 10), torch.rand(4)).item() == pytest.approx(math.log(10), abs=1e-5)


def test_success_classes_weigh_the_same_however_rare() -> None:
    logits = torch.tensor([2.0] * 99 + [2.0])
    labels = torch.tensor([0.0] * 99 + [1.0])
    wrong, right = math.log1p(math.exp(2.0)), math.log1p(math.exp(-2.0))
    assert success_loss(logits, labels).item() == pytest.approx((wrong + right) / 2, abs=1e-5)


def test_success_leaves_nan_out() -> None:
    logits = torch.tensor([0.0, 7.0])
    assert success_loss(logits, torch.tensor([1.0, float("nan")])).item() == pytest.approx(
        math.log(2), abs=1e-6
    )


def test_preference_is_symmetric_in_the_order() -> None:
    logit = torch.tensor([1.3])
    assert preference_loss(logit, torch.ones(1)).item() == pytest.approx(
        preference_loss(-logit, torch.zeros(1)).item()
    )
