"""Batches: labels follow the frames shown, pairs are ordered as they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robometer_rl.rewards.training.sampling import BatchSampler, SamplingConfig, TaskText, TrainingEpisode

NAN = np.full(21, np.nan, dtype=np.float32)


def episode(task: str, rank: int, mark: int, inverse: bool = False) -> TrainingEpisode:
    """Frame t holds (mark, t): a pixel tells the episode, another the frame."""
    frames = np.zeros((21, 4, 4, 3), dtype=np.uint8)
    frames[..., 0] = mark
    frames[..., 1] = np.arange(21)[:, None, None]
    rise = np.linspace(0, 1, 21, dtype=np.float32)
    success = (rise >= 1).astype(np.float32) * np.float32(rank == 5)
    if rank < 5:
        return TrainingEpisode(frames, task, rank, NAN, success)
    return TrainingEpisode(
        frames, task, rank, rise, success, 1 - rise if inverse else None, 1 - rise if inverse else None
    )


@pytest.fixture
def sampler() -> BatchSampler:
    episodes = [episode("a", 5, 10, inverse=True), episode("a", 4, 11), episode("a", 1, 12)]
    episodes += [episode("b", 5, 20), episode("b", 3, 21), episode("c", 5, 30)]
    texts = {
        "a": TaskText(("do a", "perform a"), inverse_sentences=("undo a",)),
        "b": TaskText(("do b",), also_shows=("c",)),
        "c": TaskText(("do c",)),
    }
    return BatchSampler(episodes, texts, SamplingConfig(frames_per_batch=128, max_frames=12))


def _shown(batch, views, i):  # type: ignore[no-untyped-def]
    """Marks and frame numbers of one view."""
    frames = batch.images[views.clip[i]][views.path[i]]
    return frames[:, 0, 0, 0], frames[:, 0, 0, 1]


def test_labels_belong_to_the_frames_shown(sampler: BatchSampler) -> None:
    seen = set()
    for seed in range(60):
        batch = sampler.draw(np.random.default_rng(seed))
        for views in (batch.videos, batch.pair_a, batch.pair_b):
            for i, sentence in enumerate(views.sentence):
                marks, numbers = _shown(batch, views, i)
                task = "abc"[marks[0] // 10 - 1]
                rise = numbers.astype(np.float32) / 20
                if sentence == "undo a":
                    np.testing.assert_allclose(views.progress[i], 1 - rise, atol=1e-6)
                    assert (np.diff(numbers.astype(int)) <= 0).all()
                    seen.add("inverse")
                elif sentence.endswith(task):
                    expected = rise if marks[0] % 10 == 0 else np.full_like(rise, np.nan)
                    np.testing.assert_allclose(views.progress[i], expected, atol=1e-6)
                    seen.add("own")
                else:
                    assert (views.progress[i] == 0).all()
                    assert (views.success[i] == 0).all()
                    assert (task, sentence[-1]) != ("b", "c"), "b also shows c"
                    seen.add("wrong")
    assert seen == {"inverse", "own", "wrong"}


def test_the_better_video_is_better(sampler: BatchSampler) -> None:
    orders = []
    for seed in range(40):
        batch = sampler.draw(np.random.default_rng(seed))
        for i, better in enumerate(batch.a_is_better):
            good, bad = (batch.pair_a, batch.pair_b) if better else (batch.pair_b, batch.pair_a)
            assert good.sentence[i] == bad.sentence[i]
            good_mark, good_numbers = (x[-1] for x in _shown(batch, good, i))
            bad_mark, bad_numbers = (x[-1] for x in _shown(batch, bad, i))
            if good_mark == bad_mark:
                assert good_numbers >= bad_numbers
            elif good_mark // 10 == bad_mark // 10:
                rank = {10: 5, 11: 4, 12: 1, 20: 5, 21: 3, 30: 5}
                assert rank[int(good_mark)] > rank[int(bad_mark)]
                assert good_numbers == bad_numbers == 20, "what is ranked is shown to its end"
            orders.append(better)
    assert 0.4 < np.mean(orders) < 0.6


def test_one_seed_one_batch(sampler: BatchSampler) -> None:
    first, second = (sampler.draw(np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    assert first.videos.sentence == second.videos.sentence
    assert first.a_is_better == second.a_is_better


@pytest.mark.parametrize(("by_size", "shares"), [(0.0, (1 / 3, 1 / 3, 1 / 3)), (1.0, (3 / 6, 2 / 6, 1 / 6))])
def test_tasks_or_episodes_are_treated_alike(
    sampler: BatchSampler, by_size: float, shares: tuple[float, ...]
) -> None:
    config = replace(sampler.config, by_size=by_size)
    weighted = BatchSampler(sampler.episodes, sampler.texts, config)
    rng = np.random.default_rng(0)
    drawn = [weighted.episodes[weighted._draw_group(rng)[1]].task for _ in range(3000)]
    # "worse" may swap the two videos, but never their task.
    np.testing.assert_allclose([np.mean(np.array(drawn) == task) for task in "abc"], shares, atol=0.03)


@pytest.mark.parametrize("by_size", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_no_power_is_refused(by_size: float) -> None:
    with pytest.raises(ValueError, match=r"sampling.by_size=.* should be from 0"):
        SamplingConfig(by_size=by_size)


def test_related_tasks_alone_are_refused() -> None:
    """The videos of b show a too: nothing is a wrong sentence for b, no video is foreign to a."""
    texts = {"a": TaskText(("do a",)), "b": TaskText(("do b",), also_shows=("a",)), "c": TaskText(("do c",))}
    episodes = [episode("a", 5, 10), episode("b", 5, 20)]
    with pytest.raises(ValueError, match=r"`also_shows` leaves none for \['a', 'b'\]"):
        BatchSampler(episodes, texts, SamplingConfig())
    sampler = BatchSampler([*episodes, episode("c", 5, 30)], texts, SamplingConfig(frames_per_batch=64))
    for seed in range(10):
        sampler.draw(np.random.default_rng(seed))


def test_a_task_without_success_is_refused() -> None:
    texts = {"a": TaskText(("do a",)), "b": TaskText(("do b",))}
    with pytest.raises(ValueError, match=r"without: \['b'\]"):
        BatchSampler([episode("a", 5, 10), episode("b", 3, 20)], texts, SamplingConfig())


def test_turning_points_are_where_a_task_gets_done() -> None:
    success, failure = episode("a", 5, 10), episode("a", 4, 11)
    assert success.turns == [20]
    assert failure.turns == [20], "the last frame"
    undone = np.array([1, 1, 1] + [0] * 18, dtype=np.float32)
    assert replace(success, inverse_progress=1 - success.progress, inverse_success=undone).turns == [20, 2]
