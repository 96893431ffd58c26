"""Frame sampling and paths: what a training video may look like."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from robometer_rl.rewards.training.sequences import forward_path, reversed_path, rewound_path, sample_frames

SEEDS = st.integers(0, 10_000)


@given(length=st.integers(1, 200), count=st.integers(1, 32), seed=SEEDS)
def test_samples_are_sorted_within_the_episode_and_start_at_its_start(
    length: int, count: int, seed: int
) -> None:
    frames = sample_frames(length, count, seed % length, np.random.default_rng(seed))
    assert len(frames) == count
    assert frames[0] == 0
    assert (np.diff(frames) >= 0).all()
    assert frames[-1] < length


def test_spacing_is_not_only_even() -> None:
    rng = np.random.default_rng(0)
    uneven = [np.ptp(np.diff(sample_frames(100, 8, 70, rng))) > 2 for _ in range(200)]
    ends = {int(sample_frames(100, 8, 70, rng)[-1]) for _ in range(200)}
    assert 0.4 < np.mean(uneven) < 0.9
    assert len(ends) > 20


def test_one_draw_in_four_looks_closely_at_the_turning_point() -> None:
    rng = np.random.default_rng(0)
    shown = np.concatenate([sample_frames(100, 8, 70, rng)[1:] for _ in range(2000)])
    near, as_near = (np.mean(np.abs(shown - frame) <= 9) for frame in (70, 30))
    assert near > 1.8 * as_near


@given(frames=st.integers(2, 32), extra=st.integers(0, 20), seed=SEEDS)
def test_a_forward_path_shows_every_frame_in_order(frames: int, extra: int, seed: int) -> None:
    path = forward_path(frames, frames + extra, np.random.default_rng(seed))
    assert len(path) == frames + extra
    assert sorted(set(path.tolist())) == list(range(frames))
    assert (np.diff(path) >= 0).all()


@given(frames=st.integers(2, 32), extra=st.integers(0, 20), seed=SEEDS)
def test_a_reversed_path_is_a_forward_one_read_backwards(frames: int, extra: int, seed: int) -> None:
    path = reversed_path(frames, frames + extra, np.random.default_rng(seed))
    assert path[0] == frames - 1
    assert path[-1] == 0
    assert (np.diff(path) <= 0).all()


@given(frames=st.integers(2, 32), extra=st.integers(0, 20), seed=SEEDS)
def test_a_rewound_path_rises_once_and_falls_once(frames: int, extra: int, seed: int) -> None:
    path = rewound_path(frames, frames + extra, np.random.default_rng(seed))
    assert len(path) == frames + extra
    assert path[0] == 0
    peak = int(np.argmax(path))
    assert (np.diff(path[: peak + 1]) >= 0).all()
    assert (np.diff(path[peak:]) <= 0).all()
