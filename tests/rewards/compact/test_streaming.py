"""Streams: the same scores whatever else runs beside an episode, at a constant cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.bins import decode_progress
from robometer_rl.rewards.compact.runtime import CompactReward, CompactStream, preprocess

TASKS = ("open the drawer", "push the red cube", "close door", "push")


def video(length: int, seed: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (length, size, size, 3), dtype=np.uint8)


def play(model: CompactReward, n: int, steps: int, seed: int) -> None:
    """Resets and pushes under random masks; each episode must score as it does alone, as a whole video."""
    rng = np.random.default_rng(seed)
    size = model.network.config.image_size
    stream = model.stream(n)
    tasks = [TASKS[0]] * n
    seen: list[list[np.ndarray]] = [[] for _ in range(n)]
    scored: list[list[tuple[float, float]]] = [[] for _ in range(n)]
    finished: list[tuple[str, list[np.ndarray], list[tuple[float, float]]]] = []
    for step in range(steps):
        starting = rng.random(n) < 0.1 if step else np.ones(n, dtype=bool)
        if starting.any():
            for i in np.flatnonzero(starting):
                finished.append((tasks[i], seen[i], scored[i]))
                tasks[i], seen[i], scored[i] = str(rng.choice(TASKS)), [], []
            stream.reset(tasks, None if starting.all() else starting)
        mask = rng.random(n) < 0.8 if rng.random() < 0.5 else np.ones(n, dtype=bool)
        frames = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
        scores = stream.push(frames, None if mask.all() else mask)
        assert np.isnan(scores.progress[~mask]).all()
        assert np.isnan(scores.success[~mask]).all()
        for i in np.flatnonzero(mask):
            seen[i].append(frames[i])
            scored[i].append((float(scores.progress[i]), float(scores.success[i])))
    for task, episode, streamed in [*finished, *zip(tasks, seen, scored, strict=True)]:
        if episode:
            whole = np.stack(model.score(np.stack(episode), task), axis=1)
            np.testing.assert_allclose(np.array(streamed), whole, atol=1e-5)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 5), steps=st.integers(1, 30), seed=st.integers(0, 999))
def test_masks_resets_and_neighbours_change_no_score(
    model: CompactReward, n: int, steps: int, seed: int
) -> None:
    play(model, n, steps, seed)


@pytest.mark.parametrize(("n", "steps"), [(1, 40), (4, 25)])
def test_nor_do_they_with_the_bundled_weights(n: int, steps: int) -> None:
    model = load_reward_model("compact")
    assert isinstance(model, CompactReward)
    play(model, n, steps, seed=n)


def test_the_size_of_the_batch_changes_no_score() -> None:
    """Rounding differs between batch sizes, so not bitwise; the bundled weights and many sizes of batch."""
    model = load_reward_model("compact")
    frames = video(6, 0, size=96)
    alone = model.stream(1)
    alone.reset([TASKS[0]])
    expected = np.array([alone.push(frame[None]) for frame in frames])[:, :, 0]
    for n in (2, 7, 16, 33):
        stream = model.stream(n)
        stream.reset([TASKS[0], *(TASKS[i % 4] for i in range(1, n))])
        for t, frame in enumerate(frames):
            others = video(n - 1, 100 * n + t, size=96)
            scores = stream.push(np.concatenate([others[: n // 2], frame[None], others[n // 2 :]])[_order(n)])
            np.testing.assert_allclose([scores.progress[0], scores.success[0]], expected[t], atol=1e-5)


def test_the_streaming_step_agrees_with_the_readable_forward() -> None:
    """Nothing shared but the weights: the module that is trained, in float, over whole sequences."""
    model = load_reward_model("compact")
    assert isinstance(model, CompactReward)
    network, tasks = model.network, ["open the drawer", "pick up the red cube and put it on the green one"]
    videos = [video(40, seed, network.config.image_size) for seed in range(2)]
    stream = model.stream(2)
    stream.reset(tasks)
    pushed = np.array([stream.push(np.stack(frames)) for frames in zip(*videos, strict=True)])  # (T, 2, 2)
    with torch.inference_mode():
        images = [preprocess(frames, network.config.image_size, torch.device("cpu")) for frames in videos]
        tokens = torch.stack([network.frame_tokens(rows) for rows in images])
        ids, words = model.tokenizer(tasks)
        logits = network.read_videos(network.task_tokens(network.word_vectors(ids)), words, tokens)
    np.testing.assert_allclose(pushed[:, 0].T, decode_progress(logits.progress), atol=1e-4)
    np.testing.assert_allclose(pushed[:, 1].T, logits.success.sigmoid(), atol=1e-4)


def _order(n: int) -> np.ndarray:
    """Puts frame n // 2, the one that is looked at, first."""
    return np.concatenate([[n // 2], np.delete(np.arange(n), n // 2)])


def test_a_cache_neither_grows_nor_moves(model: CompactReward) -> None:
    stream = model.stream(2)
    assert isinstance(stream, CompactStream)
    stream.reset([TASKS[0]] * 2)
    cache = stream._cache

    def places() -> list[tuple[int, torch.Size]]:
        return [(tensor.data_ptr(), tensor.shape) for tensor in (*cache.layers, cache.mask)]

    before = places()
    for step in range(3 * model.network.config.window):
        if step % 7 == 3:
            stream.reset([TASKS[1]] * 2, np.array([True, False]))
        stream.push(video(2, step))
    assert places() == before
    assert stream._cache is cache
    assert int(cache.readable[1].sum()) == 3 + 1 + model.network.config.window


def test_nothing_of_an_earlier_episode_is_kept(model: CompactReward) -> None:
    """Keys and values that are not numbers would reach every score if a mask let anything through."""
    stream = model.stream(2)
    assert isinstance(stream, CompactStream)
    stream.reset([TASKS[1]] * 2)
    for seed in range(6):
        stream.push(video(2, seed))
    stream.reset([TASKS[3]] * 2, np.array([False, True]))
    for layer in stream._cache.layers:
        layer[1][:, :, torch.from_numpy(~stream._cache.readable[1])] = 1e4
    frames = video(3, 50)
    pushed = [stream.push(frame[None].repeat(2, 0)).progress[1] for frame in frames]
    np.testing.assert_allclose(pushed, model.score(frames, TASKS[3]).progress, atol=1e-5)
