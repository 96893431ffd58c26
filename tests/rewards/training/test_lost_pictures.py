"""Videos whose picture is lost begin like an episode, go on without a picture, and show nothing done."""

from __future__ import annotations

import numpy as np
import pytest

from robometer_rl.rewards.training.lost_pictures import lose_pictures
from robometer_rl.rewards.training.sampling import TrainingEpisode


def episode(task: str, rank: int, mark: int) -> TrainingEpisode:
    frames = np.full((5, 8, 8, 3), mark, dtype=np.uint8)
    rise = np.linspace(0, 1, 5, dtype=np.float32)
    return TrainingEpisode(frames, task, rank, rise, (rise == 1).astype(np.float32))


EPISODES = [episode("a", 5, 10), episode("a", 2, 11), episode("b", 5, 20)]


def test_every_task_gets_as_many_and_nothing_is_done_in_them() -> None:
    lost = lose_pictures(EPISODES, 6, np.random.default_rng(0))
    assert [video.task for video in lost] == ["a"] * 6 + ["b"] * 6
    assert {video.rank for video in lost[:6]} == {2}, "no better than the worst of its task"
    for video in lost:
        assert video.frames.dtype == np.uint8
        assert video.frames.shape[1:] == (8, 8, 3)
        assert len(video.progress) == len(video.success) == len(video.frames)
        assert not video.progress.any()
        assert not video.success.any()
        assert not video.labelled


def test_the_first_frame_is_of_an_episode_of_the_task_and_the_others_are_one_colour_or_noise() -> None:
    lost = lose_pictures(EPISODES, 40, np.random.default_rng(0))
    assert {int(video.frames[0, 0, 0, 0]) for video in lost[:40]} == {10, 11}
    assert {int(video.frames[0, 0, 0, 0]) for video in lost[40:]} == {20}
    spreads = np.array([video.frames[1:].astype(float).std(axis=(0, 1, 2)).max() for video in lost])
    assert 20 <= (spreads == 0).sum() <= 60, "about half of them are flat"
    assert len({tuple(video.frames[1, 0, 0]) for video in lost}) > 60, "each has a colour of its own"


@pytest.mark.parametrize("seed", range(3))
def test_the_same_source_of_randomness_gives_the_same_videos(seed: int) -> None:
    one, two = (lose_pictures(EPISODES, 3, np.random.default_rng(seed)) for _ in range(2))
    assert all((a.frames == b.frames).all() for a, b in zip(one, two, strict=True))


def test_none_are_made_where_none_are_wanted() -> None:
    assert lose_pictures(EPISODES, 0, np.random.default_rng(0)) == []
