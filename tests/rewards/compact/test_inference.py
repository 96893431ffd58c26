"""The encoder in use is the encoder that was trained."""

from __future__ import annotations

import copy
import pickle
import platform
from collections.abc import Callable, Iterator
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from robometer_rl.rewards import RewardModel, load_reward_model
from robometer_rl.rewards.compact import inference
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.inference import InferenceEncoder
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward, preprocess

CPU = torch.device("cpu")


def frames(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


OPERATORS = ("_convolution_pointwise", "_reorder_convolution_weight")


@pytest.fixture
def _probed_anew() -> Iterator[None]:
    """The probe's answer is kept for the process; a test that turns an operator must not leave its own."""
    inference.packed_convolutions_work.cache_clear()
    yield
    inference.packed_convolutions_work.cache_clear()


def raising(error: Exception) -> Callable[..., object]:
    def raises(*args: object, **kwargs: object) -> object:
        raise error

    return raises


def scores(model: RewardModel) -> np.ndarray:
    """What a model says of a video by each of its ways."""
    clip = frames(6, 96)
    stream = model.stream(1)
    stream.reset(["open the drawer"])
    pushed = [np.concatenate(stream.push(frame[None])) for frame in clip]
    whole = np.stack(model.score(clip, "open the drawer"), axis=1)
    return np.concatenate([*pushed, *whole, [model.prefer(clip, clip[:3], "open the drawer")]])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("count", [1, 3, 70])
def test_it_equals_the_trained_module(
    network: CompactRewardNetwork, count: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packed:
        monkeypatch.setattr(inference, "packed_convolutions_work", lambda dtype: False)
    encoder = InferenceEncoder(network.encoder, 32, torch.float32, CPU)
    with torch.inference_mode():
        expected = network.frame_tokens(preprocess(frames(count), 32, CPU))
        found = encoder(torch.from_numpy(frames(count)))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.usefixtures("_probed_anew")
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    "error",
    [
        AttributeError("no such operator"),
        RuntimeError("expected at most 9 arguments"),
        NotImplementedError("no kernel for the CPU"),
        TypeError("unexpected argument"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_private_operator_that_is_missing_or_changed_is_done_without(
    operator: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(load_reward_model("compact"))
    inference.packed_convolutions_work.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, operator, raising(error))
    assert not inference.packed_convolutions_work(torch.float32)
    np.testing.assert_allclose(scores(load_reward_model("compact")), expected, atol=1e-5)


@pytest.mark.usefixtures("_probed_anew")
def test_a_private_operator_that_calculates_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as one that has stopped to rectify: its result is checked too."""
    expected = scores(load_reward_model("compact"))
    inference.packed_convolutions_work.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", lambda weight, *_: weight)
    changed = Mock(side_effect=lambda x, w, b, padding, stride, *_: F.conv2d(x, w, b, stride, padding))
    changed.binary = lambda x, skip, w, b, padding, stride, *_: F.conv2d(x, w, b, stride, padding) + skip
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", changed)
    assert not inference.packed_convolutions_work(torch.float32)
    np.testing.assert_allclose(scores(load_reward_model("compact")), expected, atol=1e-5)


@pytest.mark.usefixtures("_probed_anew")
def test_the_probe_swallows_no_other_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_PROCESSORS", (platform.machine().lower(),))
    for error in (MemoryError("no memory"), KeyError("x")):
        monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", raising(error))
        with pytest.raises(type(error)):
            load_reward_model("compact")


@pytest.mark.usefixtures("_probed_anew")
def test_it_is_probed_once_in_a_process(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    CompactReward(checkpoint)
    monkeypatch.setattr(inference, "_agree", lambda *args: pytest.fail("probed again"))
    CompactReward(checkpoint)


@pytest.mark.usefixtures("_probed_anew")
def test_a_model_pickled_where_the_operators_are_there_runs_where_they_are_not(
    model: CompactReward, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, pickled = model.score(frames(3), "open the door").progress, pickle.dumps(model)
    inference.packed_convolutions_work.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", raising(AttributeError("gone")))
    twin = pickle.loads(pickled)
    np.testing.assert_allclose(twin.score(frames(3), "open the door").progress, expected, atol=1e-5)


@pytest.mark.usefixtures("_probed_anew")
def test_bfloat16_works_where_the_processor_has_no_instructions_for_it(
    network: CompactRewardNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the packed convolutions raise at once."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert not inference.packed_convolutions_work(torch.bfloat16)
    encoder = InferenceEncoder(network.encoder, 32, torch.bfloat16, CPU)
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
