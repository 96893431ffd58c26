"""Progress bins: answers known by hand."""

from __future__ import annotations

import pytest
import torch

from robometer_rl.rewards.compact.bins import bin_centres, decode_progress, encode_progress


def test_centres_run_from_zero_to_one() -> None:
    torch.testing.assert_close(bin_centres(5), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, [1.0, 0.0, 0.0]),
        (1.0, [0.0, 0.0, 1.0]),
        (0.5, [0.0, 1.0, 0.0]),
        (0.25, [0.5, 0.5, 0.0]),
        (0.9, [0.0, 0.2, 0.8]),
    ],
)
def test_encoding_splits_between_neighbours(value: float, expected: list[float]) -> None:
    torch.testing.assert_close(encode_progress(torch.tensor(value), 3), torch.tensor(expected))


def test_encoding_keeps_the_value_and_rows_sum_to_one() -> None:
    values = torch.linspace(0, 1, 101)
    bins = encode_progress(values, 10)
    torch.testing.assert_close(bins.sum(-1), torch.ones(101))
    torch.testing.assert_close((bins * bin_centres(10)).sum(-1), values, atol=1e-6, rtol=0)


@pytest.mark.parametrize("bad", [-0.01, 1.01, float("nan")])
def test_encoding_refuses_values_outside(bad: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        encode_progress(torch.tensor([0.5, bad]), 10)


def test_decoding_reads_logits() -> None:
    peak = torch.full((10,), -50.0)
    peak[9] = 50.0
    assert decode_progress(peak).item() == pytest.approx(1.0)
    assert decode_progress(torch.zeros(10)).item() == pytest.approx(0.5)
    # logits that happen to sum to one are still logits
    logits = torch.zeros(10)
    logits[0] = 1.0
    assert decode_progress(logits).item() == pytest.approx(5.0 / (9 + torch.e), abs=1e-5)


def test_cross_entropy_is_least_at_the_target() -> None:
    target = encode_progress(torch.tensor([0.37]), 10)
    best = torch.nn.functional.cross_entropy((target + 1e-9).log(), target)
    worse = torch.nn.functional.cross_entropy(torch.zeros(1, 10), target)
    assert best < worse
