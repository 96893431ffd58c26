from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from robometer_test_fakes import MODEL, FakeRewardModel

import robometer_rl
from robometer_rl.rewards.protocol import Scores
from robometer_rl.video.batch import score_videos, track


def test_scores_come_in_the_order_of_the_paths_with_what_they_came_from(clip: Any, tmp_path: Path) -> None:
    paths = [clip("b", [10, 50, 90]), clip("a", [10, 20])]
    found = robometer_rl.score_videos(paths, "count up", model=MODEL)
    assert (found.model, found.success_threshold, found.trained_worlds) == (MODEL, 0.5, ("fake/count",))
    b, a = found.scored
    assert [one.path for one in (b, a)] == paths
    np.testing.assert_allclose(b.progress, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(b.success, [0.1, 0.1, 0.9])
    assert (b.final_progress, b.max_success) == (pytest.approx(0.9), pytest.approx(0.9))
    assert (b.first_success_frame, a.first_success_frame) == (2, None)
    assert b.seconds == pytest.approx(0.3)
    assert found.names == {paths[0]: "b.npz", paths[1]: "a.npz"}


def test_a_few_small_pictures_are_kept_and_no_frames(clip: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.random.default_rng(0).integers(0, 256, (20, 480, 640, 3), np.uint8))
    (video,) = score_videos([tmp_path / "big.npy"], "count up", MODEL).scored
    assert len(video.pictures) == 6
    with Image.open(io.BytesIO(video.pictures[0])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (240, 180))
    (short,) = score_videos([clip("short", [10, 20])], "count up", MODEL).scored
    with Image.open(io.BytesIO(short.pictures[1])) as picture:
        assert picture.size == (16, 12)
    assert len(short.pictures) == 2


class Blind(FakeRewardModel):
    """Does not look, so that its scores take no memory."""

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        return Scores(np.zeros(len(frames), np.float32), np.zeros(len(frames), np.float32))


def test_one_video_is_in_memory_at_a_time(tmp_path: Path) -> None:
    frames = np.zeros((100, 100, 100, 3), np.uint8)
    frames[:, ::2] = 200
    for number in range(5):
        np.save(tmp_path / f"{number}.npy", frames)
    score_videos([tmp_path / "0.npy"], "count up", Blind())

    def peak(paths: list[Path]) -> int:
        tracemalloc.start()
        try:
            score_videos(paths, "count up", Blind())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak([tmp_path]) < peak([tmp_path / "0.npy"]) + frames.nbytes / 2


def test_a_video_that_cannot_be_read_leaves_the_others(clip: Any, tmp_path: Path) -> None:
    clip("run/a", [10, 20])
    (tmp_path / "run/b.mp4").write_text("no video")
    np.save(tmp_path / "run/c.npy", np.zeros((3, 8, 8, 3), np.uint8))
    clip("run/d", [10, 90])
    found = score_videos([tmp_path / "run"], "count up", MODEL)
    assert [result.path.name for result in found.results] == ["a.npz", "b.mp4", "c.npy", "d.npz"]
    assert [video.path.name for video in found.scored] == ["a.npz", "d.npz"]
    damaged, black = found.failed
    assert "b.mp4 cannot be decoded as a video" in damaged.error
    assert "all 3 pictures of c.npy are flat" in black.error


def test_a_model_that_fails_on_one_video_leaves_the_others(clip: Any) -> None:
    class Picky(FakeRewardModel):
        def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
            if len(frames) == 3:
                raise ValueError("three frames are too many")
            return super().score(frames, task)

    paths = [clip("a", [10, 20, 30]), clip("b", [10, 20]), clip("c", [10, 20, 30, 40])]
    found = score_videos(paths, "count up", Picky())
    assert [video.path.name for video in found.scored] == ["b.npz", "c.npz"]
    assert [video.error for video in found.failed] == ["three frames are too many"]
    assert found.model == "Picky"


def test_scores_that_are_no_numbers_fail_their_video(clip: Any) -> None:
    found = score_videos([clip("a", [10, 20])], "count up", FakeRewardModel(broken=float("nan")))
    assert "progress holds NaN" in found.failed[0].error


def test_what_is_odd_about_a_video_is_noted_and_not_warned_of(clip: Any, tmp_path: Path) -> None:
    still, moving = score_videos(
        [clip("still", [50] * 4), clip("moving", [10, 20])], "count up", MODEL
    ).scored
    assert still.notes[0].startswith("all 4 pictures of still.npz are the same")
    assert moving.notes == ()


def test_each_video_has_its_own_task(clip: Any) -> None:
    seen = []

    class Listening(FakeRewardModel):
        def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
            if len(frames) > 1:
                seen.append(task)
            return super().score(frames, task)

    paths = [clip("a", [10, 20]), clip("b", [10, 20])]
    tasks = {str(paths[1]): "close it", str(paths[0]): "open it", "/elsewhere.mp4": "fly"}
    found = score_videos(paths, tasks, Listening())
    assert seen == ["open it", "close it"]
    assert [video.task for video in found.scored] == ["open it", "close it"]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("  ", "the task is empty; expected a sentence"),
        ({"a.npz": "open it"}, "no task is given for .*b.npz; expected one for each video"),
        ({}, "no task is given for .*a.npz and 1 others"),
        ({"a.npz": "open it", "b.npz": " "}, "the task of .*b.npz is empty"),
    ],
)
def test_a_missing_task_is_an_error_before_anything_is_scored(
    clip: Any, tmp_path: Path, tasks: Any, message: str
) -> None:
    paths = [clip("a", [10, 20]), clip("b", [10, 20])]
    given = tasks if isinstance(tasks, str) else {tmp_path / name: task for name, task in tasks.items()}
    loads = FakeRewardModel.loads
    with pytest.raises(ValueError, match=message):
        score_videos(paths, given, MODEL)
    assert FakeRewardModel.loads == loads


def test_a_task_that_the_model_refuses_is_an_error_before_anything_is_scored(clip: Any) -> None:
    class English(FakeRewardModel):
        def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
            if not task.isascii():
                raise ValueError(f"no word of {task!r} is known")
            assert len(frames) == 1, "a video was scored"
            return super().score(frames, task)

    paths = [clip("a", [10, 20]), clip("b", [10, 20])]
    with pytest.raises(ValueError, match="no word of '打开' is known"):
        score_videos(paths, {paths[0]: "open it", paths[1]: "打开"}, English())


def test_fps_subsamples_all_and_is_checked_first(clip: Any) -> None:
    path = clip("a", [0, 10, 20, 30, 40, 50])
    assert score_videos([path], "count up", MODEL, fps=5).scored[0].index.tolist() == [0, 2, 4, 5]
    with pytest.raises(ValueError, match=r"fps must be a positive number of frames per second, got -1"):
        score_videos([path], "count up", MODEL, fps=-1)


def test_a_spec_may_be_a_dict(clip: Any) -> None:
    found = score_videos([clip("a", [10, 20])], "x", {"name": MODEL, "success_threshold": 0.7})
    assert found.success_threshold == 0.7
    assert found.model == f'{{"name": "{MODEL}", "success_threshold": 0.7}}'


def test_a_bar_is_shown_on_a_terminal_only() -> None:
    for terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
        assert list(track([1, 2], console, "videos")) == [1, 2]
        assert isinstance(console.file, io.StringIO)
        assert ("videos" in console.file.getvalue()) is terminal
    assert list(track([1, 2], None, "videos")) == [1, 2]
