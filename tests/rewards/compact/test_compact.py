"""The compact model: causality, streaming, padding, the protocol."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.decoder import pair_mask, video_mask
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward, preprocess
from robometer_rl.rewards.compact.text import TaskTokenizer
from robometer_rl.rewards.protocol import RewardModel, RewardStream
from robometer_rl.rewards.training import step as training_step
from robometer_rl.rewards.training.augment import AugmentConfig
from robometer_rl.rewards.training.sampling import BatchSampler, SamplingConfig, TaskText, TrainingEpisode
from robometer_rl.rewards.training.step import WordNoise, batch_losses

TASK = "open the drawer"


def video(length: int, seed: int = 0, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (length, size, size, 3), dtype=np.uint8)


def test_it_is_a_reward_model(model: CompactReward) -> None:
    assert isinstance(model, RewardModel)
    assert isinstance(model.stream(1), RewardStream)
    assert (model.success_threshold, model.trained_worlds) == (0.7, ("metaworld/door-open-v3",))


def test_scores_have_the_promised_form(model: CompactReward) -> None:
    scores = model.score(video(7), TASK)
    for row in scores:
        assert row.shape == (7,)
        assert row.dtype == np.float32
        assert ((row >= 0) & (row <= 1)).all()


@pytest.mark.parametrize("size", [32, 40])
def test_read_only_frames_are_scored_without_a_warning(model: CompactReward, size: int) -> None:
    """`np.asarray(a PIL image)` cannot be written, and torch warns of that; warnings are errors here."""
    frames = video(3, size=size)
    expected = model.score(frames, TASK)
    frames.flags.writeable = False
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        np.testing.assert_array_equal(model.score(frames, TASK).progress, expected.progress)
        preprocess(frames, size, torch.device("cpu"))
    finally:
        torch.set_warn_always(always)


def test_later_frames_change_nothing_before_them(model: CompactReward) -> None:
    frames = video(10)
    changed = frames.copy()
    changed[6:] = 255 - changed[6:]
    before, after = model.score(frames, TASK), model.score(changed, TASK)
    np.testing.assert_allclose(before.progress[:6], after.progress[:6], atol=1e-6)
    assert np.abs(before.progress[6:] - after.progress[6:]).max() > 1e-4


def test_a_frame_forgets_what_left_the_window_but_not_the_first(network: CompactRewardNetwork) -> None:
    """One layer deep: with window 4, frame 9 reads frames 0 and 6 to 9."""
    mask = video_mask(torch.ones(1, 2, dtype=torch.bool), 10, window=4)[0, 0]
    assert mask[2 + 9].nonzero().flatten().tolist() == [0, 1, 2, 8, 9, 10, 11]


def test_pair_mask_by_hand() -> None:
    mask = pair_mask(torch.tensor([[True, False]]), frames_a=2, frames_b=2, window=4)[0, 0].int().tolist()
    assert mask == [
        # word, padding, a0, a1, split, b0, b1, preference
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0, 0, 0],
        [1, 0, 1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 1, 0, 0, 0],
        [1, 0, 0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 1, 1, 0],
        [1, 0, 1, 1, 1, 1, 1, 1],
    ]


@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 14), seed=st.integers(0, 99), n=st.integers(1, 3))
def test_streaming_equals_scoring_the_whole(length: int, seed: int, n: int) -> None:
    model = _shared_model()
    tasks = [("open the drawer", "push the red cube", "close door")[i % 3] for i in range(n)]
    videos = [video(length, seed + i) for i in range(n)]
    stream = model.stream(n)
    stream.reset(tasks)
    pushed = [stream.push(np.stack([v[t] for v in videos])) for t in range(length)]
    for i in range(n):
        whole = model.score(videos[i], tasks[i])
        np.testing.assert_allclose([p.progress[i] for p in pushed], whole.progress, atol=1e-5)
        np.testing.assert_allclose([p.success[i] for p in pushed], whole.success, atol=1e-5)


_MODEL: list[CompactReward] = []


@pytest.fixture(autouse=True)
def _remember(model: CompactReward) -> None:
    """Hypothesis draws many examples per fixture; the model is the same for all."""
    _MODEL[:] = [model]


def _shared_model() -> CompactReward:
    return _MODEL[0]


def test_a_reset_stream_equals_a_fresh_one(model: CompactReward) -> None:
    stream = model.stream(2)
    stream.reset([TASK, TASK])
    for frame in video(9, seed=1):
        stream.push(np.stack([frame, frame]))
    stream.reset(["", "close the door"], np.array([False, True]))
    kept = video(9, seed=1)
    frames = video(5, seed=2)
    whole = model.score(frames, "close the door").progress
    long = model.score(np.concatenate([kept, frames]), TASK).progress
    for t, frame in enumerate(frames):
        scores = stream.push(np.stack([frame, frame]))
        assert scores.progress[1] == pytest.approx(whole[t], abs=1e-5)
        assert scores.progress[0] == pytest.approx(long[9 + t], abs=1e-5)


def test_masked_rows_wait(model: CompactReward) -> None:
    stream = model.stream(2)
    stream.reset([TASK, TASK])
    frames = video(3)
    whole = model.score(frames, TASK).progress
    stream.push(frames[[0, 0]])
    only_first = stream.push(frames[[1, 1]], np.array([True, False]))
    assert np.isnan(only_first.progress[1])
    assert only_first.progress[0] == pytest.approx(whole[1], abs=1e-5)
    both = stream.push(frames[[2, 1]])
    assert both.progress == pytest.approx([whole[2], whole[1]], abs=1e-5)


def test_padding_words_change_nothing(model: CompactReward) -> None:
    tokens = model.encode(video(5))
    with torch.inference_mode():
        alone = model.score_tokens(tokens, ["push"])[0]
        padded = model.score_tokens(tokens, ["push", "push the red cube"])[0]
    np.testing.assert_allclose(alone.progress, padded.progress, atol=1e-6)


def test_each_input_matters(model: CompactReward) -> None:
    base = model.score(video(4), TASK).progress
    assert np.abs(base - model.score(video(4), "push red cube").progress).max() > 1e-5
    assert np.abs(base - model.score(video(4, seed=9), TASK).progress).max() > 1e-5


def test_preference_is_antisymmetric(model: CompactReward) -> None:
    a, b = video(4), video(6, seed=3)
    assert model.prefer(a, b, TASK) + model.prefer(b, a, TASK) == pytest.approx(1.0, abs=1e-6)
    assert model.prefer(a, a, TASK) == pytest.approx(0.5, abs=1e-6)


def test_video_b_is_scored_without_video_a(network: CompactRewardNetwork) -> None:
    words = torch.ones(1, 2, dtype=torch.bool)
    task, b = torch.randn(1, 2, 24), torch.randn(1, 3, 24)
    _, first, _ = network.read_pairs(task, words, torch.randn(1, 4, 24), b)
    _, second, _ = network.read_pairs(task, words, torch.randn(1, 4, 24), b)
    torch.testing.assert_close(first.progress, second.progress)


def test_frames_of_another_size_are_resized(model: CompactReward) -> None:
    grey = np.full((2, 48, 64, 3), 128, dtype=np.uint8)
    torch.testing.assert_close(
        preprocess(grey, 32, torch.device("cpu")), torch.full((2, 3, 32, 32), 128 / 255), atol=1e-5, rtol=0
    )
    assert model.score(grey, TASK).progress.shape == (2,)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 32, 32, 3), dtype=np.float32), "float32"),
        (np.zeros((32, 32, 3), dtype=np.uint8), r"\(32, 32, 3\)"),
        (np.zeros((2, 3, 32, 32), dtype=np.uint8), r"\(2, 3, 32, 32\)"),
        (np.zeros((0, 32, 32, 3), dtype=np.uint8), "at least one frame"),
    ],
)
def test_wrong_frames_are_named(model: CompactReward, frames: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.score(frames, TASK)


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        ("", ValueError, "at least one word"),
        ("   ", ValueError, "at least one word"),
        (3, TypeError, "int"),
        ("red " * 7, ValueError, "6 tokens, got 7"),
    ],
)
def test_wrong_tasks_are_named(
    model: CompactReward, task: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model.score(video(2), task)  # type: ignore[arg-type]


def test_stream_misuse_is_named(model: CompactReward) -> None:
    with pytest.raises(ValueError, match="n=0"):
        model.stream(0)
    stream = model.stream(2)
    with pytest.raises(RuntimeError, match="reset"):
        stream.push(video(2))
    with pytest.raises(ValueError, match="2 tasks"):
        stream.reset([TASK])
    stream.reset([TASK, TASK])
    with pytest.raises(ValueError, match="2 frames"):
        stream.push(video(3))
    with pytest.raises(ValueError, match="mask"):
        stream.push(video(2), np.array([1, 0]))


def test_an_unknown_device_is_named(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match="gpuu"):
        CompactReward(checkpoint, device="gpuu")


def test_no_gradient_and_evaluation_mode(checkpoint: Checkpoint) -> None:
    checkpoint.network.train()
    model = CompactReward(checkpoint)
    assert not model.network.training
    assert any(parameter.requires_grad for parameter in model.network.parameters())
    assert model.encode(video(1)).is_inference()
    first = model.score(video(3), TASK).progress
    np.testing.assert_array_equal(first, model.score(video(3), TASK).progress)


def _learnable_batch() -> BatchSampler:
    """Two tasks whose progress is the brightness of a corner."""
    rng = np.random.default_rng(0)
    episodes = []
    for task, corner in (("a", 0), ("b", 16)):
        for rank in (5, 5, 1):
            progress = np.linspace(0, 1, 8, dtype=np.float32)
            frames = rng.integers(0, 20, (8, 32, 32, 3), dtype=np.uint8)
            shown = progress if rank == 5 else 0 * progress
            frames[:, corner : corner + 16, :16] += (shown * 200).astype(np.uint8)[:, None, None, None]
            labels = progress if rank == 5 else np.full(8, np.nan, dtype=np.float32)
            done = (progress >= 1).astype(np.float32) * (rank == 5)
            episodes.append(TrainingEpisode(frames, task, rank, labels, done.astype(np.float32)))
    texts = {"a": TaskText(("open the door",)), "b": TaskText(("push the cube",))}
    return BatchSampler(episodes, texts, SamplingConfig(frames_per_batch=64, max_frames=8, max_stall=3))


def test_every_parameter_learns_and_one_batch_is_overfitted(
    network: CompactRewardNetwork, tokenizer: TaskTokenizer
) -> None:
    batch = _learnable_batch().draw(np.random.default_rng(3))
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    history = []
    for step in range(150):
        generator = torch.Generator().manual_seed(0)
        still = AugmentConfig(0, 0, 0, 0, 0, 0, 0)
        losses = batch_losses(network, tokenizer, batch, still, WordNoise(0, 0), generator)
        optimizer.zero_grad()
        losses.total.backward()
        if step == 0:
            silent = [
                name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0
            ]
            assert silent == []
        optimizer.step()
        history.append([loss.item() for loss in losses])
    # Dropout makes a single step's loss jump: the last twenty tell where it has come to.
    first, last = np.array(history[0]), np.mean(history[-20:], axis=0)
    assert (last < np.array([0.7, 0.5, 0.5]) * first).all(), (first, last)


def test_a_step_in_bfloat16_gives_nearly_the_losses_of_one_in_float32(
    network: CompactRewardNetwork, tokenizer: TaskTokenizer
) -> None:
    batch = _learnable_batch().draw(np.random.default_rng(3))
    network.eval()  # without dropout, so that the two steps differ in nothing else
    exact, coarse = (
        batch_losses(
            network,
            tokenizer,
            batch,
            AugmentConfig(),
            WordNoise(),
            torch.Generator().manual_seed(0),
            precision,
        )
        for precision in (torch.float32, torch.bfloat16)
    )
    for a, b in zip(exact, coarse, strict=True):
        assert b.dtype == torch.float32
        assert 0 < abs(a.item() - b.item()) < 0.05
    coarse.total.backward()
    assert {p.grad.dtype for p in network.parameters() if p.grad is not None} == {torch.float32}


@pytest.mark.parametrize(
    ("processor", "precision", "device", "warns"),
    [
        ("AVX2", torch.bfloat16, "cpu", True),
        ("AVX512", torch.bfloat16, "cpu", False),
        ("AVX2", torch.float32, "cpu", False),
        ("AVX2", torch.bfloat16, "cuda", False),
    ],
)
def test_a_processor_that_emulates_bfloat16_is_named(
    processor: str, precision: torch.dtype, device: str, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_step, "get_cpu_capability", lambda: processor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training_step.warn_if_emulated(precision, torch.device(device))
    assert [("no AVX512" in str(warning.message)) for warning in caught] == [True] * warns
