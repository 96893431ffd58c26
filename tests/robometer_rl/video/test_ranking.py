from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from robometer_test_fakes import MODEL, FakeRewardModel

import robometer_rl
from robometer_rl.video import ranking
from robometer_rl.video.comparisons import PRIOR
from robometer_rl.video.ranking import rank_videos


class Contrary(FakeRewardModel):
    """Prefers the video that ends lower, whichever comes first, and remembers what it was shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shown: list[tuple[int, int]] = []

    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        a, b = int(frames_a[-1, 0, 0, 0]), int(frames_b[-1, 0, 0, 0])
        self.shown.append((a, b))
        return 0.5 if a == b else 0.75 if a < b else 0.25


class Headless(FakeRewardModel):
    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        raise NotImplementedError("no preference head")


def levels(ranking: robometer_rl.VideoRanking) -> list[int]:
    return [round(100 * entry.video.final_progress) for entry in ranking.ranked]


@pytest.fixture
def paths(clip: Any) -> list[Path]:
    return [clip(name, [0, level]) for name, level in (("a", 30), ("b", 90), ("c", 50))]


def test_both_orders_agree_where_the_model_agrees_with_itself(paths: list[Path]) -> None:
    found = robometer_rl.rank_videos(paths, "count up", model=MODEL)
    assert levels(found) == [90, 50, 30]
    assert [(e.progress_rank, e.preference_rank, e.comparisons) for e in found.ranked] == [
        (1, 1, 2), (2, 2, 2), (3, 3, 2),
    ]  # fmt: skip
    assert found.kendall_tau == pytest.approx(1)
    assert {frozenset((one.first, one.second)) for one in found.comparisons} == {
        frozenset(pair) for pair in ((paths[0], paths[1]), (paths[0], paths[2]), (paths[1], paths[2]))
    }


@pytest.mark.parametrize(
    ("by", "order", "tau"),
    [("progress", [90, 50, 30], None), ("preference", [30, 50, 90], -1), ("both", [90, 50, 30], -1)],
)
def test_each_order_is_what_was_asked_for(paths: list[Path], by: Any, order: list[int], tau: Any) -> None:
    """Contrary places add up to the same number for all; progress then decides."""
    found = rank_videos(paths, "count up", Contrary(), by=by)
    assert levels(found) == order
    assert found.kendall_tau == (None if tau is None else pytest.approx(tau))
    assert (found.by, len(found.comparisons)) == (by, 0 if by == "progress" else 3)


def test_strengths_are_those_of_the_probabilities(paths: list[Path]) -> None:
    """Each pair is won by 3 to 1, in the same direction."""
    strength = {round(100 * e.video.final_progress): e.strength for e in
                rank_videos(paths, "count up", Contrary(), by="preference").ranked}  # fmt: skip
    assert strength[50] == 0
    assert strength[30] == pytest.approx(-strength[90])  # type: ignore[operator]
    # From the condition of the maximum: 2 * 3/4 = s(x) + s(2x) + prior, for s(x) = 1 / (1 + exp(-x)).
    x = strength[30] or 0.0
    share = [1 / (1 + np.exp(-value)) for value in (x, 2 * x)]
    assert 1.5 - sum(share) + PRIOR * (0.5 - share[0]) == pytest.approx(0, abs=1e-5)


def test_a_model_without_preference_says_so_before_it_scores(paths: list[Path]) -> None:
    class Unscored(Headless):
        def score(self, frames: NDArray[np.uint8], task: str) -> Any:
            assert len(frames) == 1, "a video was scored"
            return super().score(frames, task)

    expected = r"the model 'Unscored' does not compare videos \(no preference head\); .*--by progress"
    for by in ("both", "preference"):
        with pytest.raises(ValueError, match=expected):
            rank_videos(paths, "count up", Unscored(), by=by)  # type: ignore[arg-type]
    assert levels(rank_videos(paths, "count up", Headless(), by="progress")) == [90, 50, 30]


def test_a_budget_of_pairs_is_shared_and_drawn_with_the_seed(clip: Any) -> None:
    paths = [clip(f"{number:02}", [0, 5 * number]) for number in range(12)]
    first, again, other = (
        rank_videos(paths, "count up", Contrary(), pairs=24, seed=seed).comparisons for seed in (3, 3, 4)
    )
    assert first == again != other
    assert len(first) == 24
    times = Counter(path for one in first for path in (one.first, one.second))
    assert set(times) == set(paths)
    assert max(times.values()) - min(times.values()) <= 2


def test_without_a_number_large_sets_get_two_comparisons_a_video(
    clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "PAIRS", 6)
    paths = [clip(f"{number}", [0, 5 * number]) for number in range(8)]
    assert len(rank_videos(paths, "count up", Contrary()).comparisons) == 16
    assert len(rank_videos(paths[:4], "count up", Contrary()).comparisons) == 6


def test_frames_are_read_again_when_the_cache_is_full(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = rank_videos(paths, "count up", Contrary())
    monkeypatch.setattr(ranking, "CACHE_BYTES", 1)
    assert rank_videos(paths, "count up", Contrary()).comparisons == kept.comparisons


def test_a_model_with_a_size_of_its_own_compares_frames_of_that_size(paths: list[Path]) -> None:
    class Small(Contrary):
        def resize_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return frames[:, ::2, ::2]

        def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
            assert len(frames_a) == 1 or frames_a.shape == frames_b.shape == (2, 6, 8, 3)
            return super().prefer(frames_a, frames_b, task)

    assert len(rank_videos(paths, "count up", Small()).comparisons) == 3


def test_a_video_that_failed_has_no_place(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    found = rank_videos([tmp_path], "count up", MODEL)
    assert levels(found) == [90, 50, 30]
    assert [failed.path.name for failed in found.scores.failed] == ["broken.mp4"]
    assert len(found.comparisons) == 3


def test_one_video_that_is_left_is_ranked_alone(clip: Any, tmp_path: Path) -> None:
    clip("a", [0, 30])
    (tmp_path / "broken.mp4").write_text("no video")
    found = rank_videos([tmp_path], "count up", MODEL)
    assert levels(found) == [30]
    assert (found.kendall_tau, found.comparisons) == (None, ())


def test_level_videos_share_a_place(clip: Any) -> None:
    paths = [clip(name, [0, level]) for name, level in (("a", 40), ("b", 40), ("c", 20))]
    found = rank_videos(paths, "count up", MODEL)
    assert [(e.progress_rank, e.preference_rank) for e in found.ranked] == [(1, 1), (1, 1), (3, 3)]


def test_a_preference_that_is_no_probability_is_an_error(paths: list[Path]) -> None:
    class Loud(FakeRewardModel):
        def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
            return 1.5

    with pytest.raises(ValueError, match=r"prefers .* by 1.5, expected a probability in \[0, 1\]"):
        rank_videos(paths, "count up", Loud())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "success"}, "by must be one of progress, preference, both, got 'success'"),
        ({"pairs": 1}, "pairs=1 cannot connect 3 videos by comparisons; expected at least 2"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"fps": 0}, "fps must be a positive number"),
        ({"task": " "}, "the task is empty"),
    ],
)
def test_options_out_of_range_are_named(paths: list[Path], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank_videos(paths, **{"task": "count up", "model": MODEL, **options})


def test_one_video_cannot_be_ranked(paths: list[Path]) -> None:
    with pytest.raises(ValueError, match="there is nothing to rank: expected at least 2 videos, got 1"):
        rank_videos(paths[:1], "count up", MODEL)
