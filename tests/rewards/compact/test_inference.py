"""The encoder in use is the encoder that was trained."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact import inference
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.inference import InferenceEncoder
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward, preprocess

CPU = torch.device("cpu")


def frames(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("count", [1, 3, 70])
def test_it_equals_the_trained_module(
    network: CompactRewardNetwork, count: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if packed and not inference._has_packed_convolutions(CPU, torch.float32):
        pytest.skip("no packed convolutions on this machine")
    monkeypatch.setattr(inference, "_has_packed_convolutions", lambda device, dtype: packed)
    encoder = InferenceEncoder(network.encoder, 32, torch.float32, CPU)
    with torch.inference_mode():
        expected = network.frame_tokens(preprocess(frames(count), 32, CPU))
        found = encoder(torch.from_numpy(frames(count)))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


def test_bfloat16_works_where_the_processor_has_no_instructions_for_it(
    network: CompactRewardNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the packed convolutions raise at once."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    encoder = InferenceEncoder(network.encoder, 32, torch.bfloat16, CPU)
    assert not encoder._packed
    with torch.inference_mode():
        expected = network.frame_tokens(preprocess(frames(3), 32, CPU))
        found = encoder(torch.from_numpy(frames(3)))
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("value", [0, 255])
def test_borders_are_padded_with_what_the_trained_module_sees_as_zero(
    network: CompactRewardNetwork, value: int
) -> None:
    """Far from zero everywhere, so that a wrong border would show at once."""
    flat = np.full((1, 32, 32, 3), value, dtype=np.uint8)
    with torch.inference_mode():
        expected = network.frame_tokens(preprocess(flat, 32, CPU))
        found = InferenceEncoder(network.encoder, 32, torch.float32, CPU)(torch.from_numpy(flat))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


def test_the_bundled_encoder_too() -> None:
    model = load_reward_model("compact")
    assert isinstance(model, CompactReward)
    with torch.inference_mode():
        expected = model.network.frame_tokens(preprocess(frames(3, 96), 96, CPU))
    torch.testing.assert_close(model.encode(frames(3, 96)), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(48, 64), (20, 32), (96, 96)])
def test_resizing_to_bytes_is_within_a_level_of_resizing_in_float(
    model: CompactReward, shape: tuple[int, int]
) -> None:
    from robometer_rl.rewards.compact.runtime import _pixels

    large = np.random.default_rng(1).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    found = _pixels(large, 32)
    assert (found.dtype, found.shape) == (torch.uint8, (2, 32, 32, 3))
    exact = preprocess(large, 32, CPU).permute(0, 2, 3, 1) * 255
    assert (found.float() - exact).abs().max() <= 1.0


def test_frames_that_are_views_or_read_only_are_read_and_left(model: CompactReward) -> None:
    original = frames(4)
    expected = model.encode(original.copy())
    mirrored = original[:, :, ::-1][:, :, ::-1]
    torch.testing.assert_close(model.encode(mirrored), expected)
    np.testing.assert_array_equal(original, frames(4))


def test_a_model_can_be_copied_and_pickled(model: CompactReward) -> None:
    expected = model.score(frames(3), "open the door").progress
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.score(frames(3), "open the door").progress, expected)


def test_weights_that_change_later_do_not_reach_it(checkpoint: Checkpoint) -> None:
    model = CompactReward(checkpoint)
    before = model.encode(frames(1))
    with torch.no_grad():
        for parameter in checkpoint.network.encoder.parameters():
            parameter.zero_()
    torch.testing.assert_close(model.encode(frames(1)), before, atol=0, rtol=0)
