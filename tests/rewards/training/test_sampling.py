"""Batches: labels follow the frames shown, pairs are ordered as they should be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robometer_rl.rewards.training.sampling import (
    BatchSampler,
    SamplingConfig,
    TaskText,
    TrainingEpisode,
    _Group,
)

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


def ends_at(progress: list[float], task: str = "a", rank: int = 1) -> TrainingEpisode:
    """An episode with these labels; success is where progress is 1."""
    labels = np.array(progress, dtype=np.float32)
    frames = np.zeros((len(labels), 4, 4, 3), dtype=np.uint8)
    return TrainingEpisode(frames, task, rank, labels, (labels == 1).astype(np.float32))


def plain_sampler(*episodes: TrainingEpisode) -> BatchSampler:
    """A sampler of these episodes, with a success of each of two tasks behind them."""
    texts = {"a": TaskText(("do a",)), "b": TaskText(("do b",))}
    done = [ends_at([0, 0.5, 1], task, rank=5) for task in "ab"]
    config = SamplingConfig(frames_per_batch=32, max_frames=6, max_stall=3)
    return BatchSampler([*episodes, *done], texts, config)


FIRST, SECOND = "first", "second"


@pytest.mark.parametrize(
    ("pair", "one", "two", "better"),
    [
        ("reversed", [0, 0.5, 1], None, FIRST),
        ("reversed", [0.2, 1, 0.1], None, SECOND),
        ("reversed", [0, 1, 0], None, None),
        ("reversed", [0, 1, math.nan], None, None),
        ("reversed", [math.nan, 1, 0.5], None, None),
        ("different", [0, 0.5, 1], [0, 0.5, 1], FIRST),
        ("different", [0, 1, 0.3], [0, 0.5, 1], FIRST),
        ("different", [0, 1, 0], [0, 0.5, 1], None),
        ("different", [0, 1, math.nan], [0, 0.5, 1], None),
        ("worse", [0, 0.4, 0.8], [0, 0.2, 0.3], FIRST),
        ("worse", [0, 0.6, 0.1], [0, 0.2, 0.4], SECOND),
        ("worse", [0, 0.6, 0.4], [0, 0.2, 0.4], None),
        ("worse", [0, 0.6, math.nan], [0, 0.2, 0.4], FIRST),
        ("worse", [0, 0.6, 0.1], [0, 0.2, math.nan], FIRST),
    ],
    ids=[
        "done is better than backwards",
        "done and undone is better backwards",
        "done and wholly undone is no better",
        "unlabelled end tells nothing",
        "unlabelled start tells nothing",
        "done is better than another task",
        "half undone is better than another task",
        "wholly undone is no better than another task",
        "unlabelled is not known to be better than another task",
        "nearly is better than half",
        "the one that ends higher is better in spite of its rank",
        "the same end is no better",
        "rank decides where the better one has no label",
        "rank decides where the worse one has no label",
    ],
)
def test_better_is_what_ends_higher(
    pair: str, one: list[float], two: list[float] | None, better: str | None
) -> None:
    """Both clips show every frame once; in "worse" the first episode has the higher rank."""
    other = [] if two is None else [ends_at(two, "b" if pair == "different" else "a", rank=1)]
    sampler = plain_sampler(ends_at(one, rank=2), *other)
    every = np.arange(3)
    group = _Group(pair, 0, (0, 0 if two is None else 1), (every, every))
    found = sampler._pair(group, 3, np.random.default_rng(0))
    if better is None:
        assert found is None
        return
    assert found is not None
    winner = found[0]
    if two is None:
        assert winner.path.tolist() == ([0, 1, 2] if better == FIRST else [2, 1, 0])
    else:
        assert winner.clip == (0 if better == FIRST else 1)


labels = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0, math.nan]), min_size=1, max_size=12)


@given(st.lists(labels, min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_whatever_the_labels_no_pair_is_backwards(courses: list[list[float]], seed: int) -> None:
    """Ranks decide only between whole episodes of one task, and only where an end has no label."""
    recorded = [ends_at(course, rank=rank) for rank, course in enumerate(courses, 1)]
    sampler = plain_sampler(*recorded)
    batch = sampler.draw(np.random.default_rng(seed))
    assert batch.a_is_better
    for i, a_is_better in enumerate(batch.a_is_better):
        good, bad = (batch.pair_a, batch.pair_b) if a_is_better else (batch.pair_b, batch.pair_a)
        best, worst = good.progress[i][-1], bad.progress[i][-1]
        if np.isnan(best) or np.isnan(worst):
            assert good.clip[i] != bad.clip[i], "two ways through one clip are told apart by labels alone"
        else:
            assert best > worst


def test_episodes_that_never_differ_are_named_not_searched_for_ever() -> None:
    texts = {"a": TaskText(("do a",)), "b": TaskText(("do b",))}
    config = SamplingConfig(min_frames=2, max_frames=2, pair_rewind=0, pair_worse=0, pair_different=0)
    done = [ends_at([1, 1, 1], task) for task in "ab"]
    with pytest.raises(RuntimeError, match="no two videos of these episodes are known to end"):
        BatchSampler(done, texts, config).draw(np.random.default_rng(0))


@pytest.mark.parametrize("pair", ["rewind", "worse", "different", "reversed"])
def test_a_weight_alone_makes_pairs_of_its_kind_alone(sampler: BatchSampler, pair: str) -> None:
    weights = {f"pair_{name}": float(name == pair) for name in ("rewind", "worse", "different", "reversed")}
    only = BatchSampler(sampler.episodes, sampler.texts, replace(sampler.config, **weights))
    kinds = set()
    for seed in range(20):
        batch = only.draw(np.random.default_rng(seed))
        for i in range(len(batch.a_is_better)):
            marks = [_shown(batch, views, i)[0][0] for views in (batch.pair_a, batch.pair_b)]
            same_clip = batch.pair_a.clip[i] == batch.pair_b.clip[i]
            kinds.add("clip" if same_clip else "task" if marks[0] // 10 == marks[1] // 10 else "other")
    # Task c has one episode, which has nothing to be worse than: it is rewound instead.
    assert (
        kinds
        == {
            "rewind": {"clip"},
            "reversed": {"clip"},
            "different": {"other"},
            "worse": {"task", "clip"},
        }[pair]
    )


def test_single_videos_run_as_often_forwards_as_the_shares_say(sampler: BatchSampler) -> None:
    shares = {"own_forward": 1.0, "own_rewound": 0.0, "wrong_forward": 1.0, "inverse": 0.0}
    forwards = BatchSampler(sampler.episodes, sampler.texts, replace(sampler.config, **shares))
    backwards = BatchSampler(
        sampler.episodes, sampler.texts, replace(sampler.config, **{**shares, "own_forward": 0.0})
    )
    for seed in range(10):
        steps = [np.diff(path) for path in forwards.draw(np.random.default_rng(seed)).videos.path]
        assert all((step >= 0).all() for step in steps)
        views = backwards.draw(np.random.default_rng(seed)).videos
        assert any((np.diff(path) < 0).any() for path in views.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wrong_sentence": 1.5}, "wrong_sentence=1.5 should be a share"),
        ({"stall": float("nan")}, "stall=nan should be a share"),
        ({"own_rewound": 0.5}, "own_rewound=0.5 should be from 0 to 1 - own_forward, 0.4"),
        ({"pair_worse": -1.0}, "should be finite, not negative"),
        ({"pair_worse": float("inf")}, "should be finite, not negative"),
        ({f"pair_{n}": 0.0 for n in ("rewind", "worse", "different", "reversed")}, "not all 0"),
        ({"min_frames": 1}, "min_frames=1 should be at least 2"),
        ({"min_frames": 8, "max_frames": 4}, "max_frames=4 should be at least 8"),
    ],
)
def test_numbers_that_make_no_batch_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplingConfig(**change)  # type: ignore[arg-type]


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
    drawn = [weighted.episodes[weighted._draw_episodes(rng)[1]].task for _ in range(3000)]
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


def test_a_single_task_is_shown_under_its_own_sentence_alone() -> None:
    episodes = [episode("a", 5, 10), episode("a", 4, 11), episode("a", 1, 12)]
    config = SamplingConfig(frames_per_batch=64, wrong_sentence=1.0)
    sampler = BatchSampler(episodes, {"a": TaskText(("do a", "perform a"))}, config)
    for seed in range(20):
        batch = sampler.draw(np.random.default_rng(seed))
        for views in (batch.videos, batch.pair_a, batch.pair_b):
            assert set(views.sentence) <= {"do a", "perform a"}
    with pytest.raises(ValueError, match="each task needs a success"):
        BatchSampler([], {}, config)


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
