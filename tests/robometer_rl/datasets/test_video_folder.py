"""Folders of videos: which are found, and what their labels make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from robometer_test_demos import SENTENCE, pictures, write_videos

from robometer_rl.datasets.label_file import VideoLabel, write_labels
from robometer_rl.datasets.protocol import ReadOptions
from robometer_rl.datasets.video_folder import VideoFolder, find_videos, label_frames


def opened(root: Path, **options: Any) -> VideoFolder:
    return VideoFolder(root, ReadOptions(**{"task": SENTENCE, **options}))


def outcomes(root: Path) -> dict[str, str]:
    return {name: label.outcome for name, label in find_videos(root).labels.items()}


def test_folders_say_the_outcome_whatever_they_are_called(tmp_path: Path) -> None:
    names = ("success/a.mp4", "Successes/b.mp4", "failure/c.mp4", "failures/d.mp4", "fail/e.mp4", "f.mp4")
    for name in (*names, "fail/monday/g.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    assert outcomes(tmp_path) == {
        "f.mp4": "",
        "Successes/b.mp4": "success",
        "fail/e.mp4": "failure",
        "failure/c.mp4": "failure",
        "failures/d.mp4": "failure",
        "fail/monday/g.mp4": "failure",
        "success/a.mp4": "success",
    }


def test_what_is_no_video_is_named_once_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    write_videos(tmp_path, {"success/a.mp4": 3})
    for name in ("success/notes.txt", "success/._a.mp4", ".DS_Store", "old/b.mp4", "tasks.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    np.save(tmp_path / "success" / "a_scores.npy", np.zeros(3))
    reader = opened(tmp_path)
    assert list(reader.names) == ["success/a.mp4"]
    assert reader.notes == ["no videos, passed over: old, success/a_scores.npy, success/notes.txt"]


def test_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    folder = tmp_path / "success" / "take1"
    folder.mkdir(parents=True)
    for number, frame in enumerate(pictures(4)):
        Image.fromarray(frame).save(folder / f"{number}.png")
    episode = opened(tmp_path, image_size=None).read("success/take1")
    np.testing.assert_array_equal(episode.frames, pictures(4))


def test_a_success_of_unknown_end_is_done_at_its_last_frame(tmp_path: Path) -> None:
    episode = opened(write_videos(tmp_path, {"success/a.mp4": 5})).read("success/a.mp4")
    assert (episode.kind, episode.task, episode.frames.shape) == (
        "success",
        "own/lift-the-cube",
        (5, 96, 96, 3),
    )
    assert episode.success is not None
    assert episode.success.tolist() == [False] * 4 + [True]
    assert episode.progress is None


def test_failures_and_unlabelled_videos(tmp_path: Path) -> None:
    reader = opened(write_videos(tmp_path, {"fail/a.mp4": 3, "b.mp4": 3}))
    failure, unlabelled = reader.read("fail/a.mp4"), reader.read("b.mp4")
    assert failure.kind == "failure"
    assert failure.success is not None
    assert not failure.success.any()
    assert unlabelled.kind == "unlabelled"
    assert unlabelled.success is None


def test_labels_say_when_and_go_before_the_folder(tmp_path: Path) -> None:
    write_videos(tmp_path, {"success/a.mp4": 12, "success/b.mp4": 12, "c.mp4": 12})
    write_labels(
        tmp_path,
        {
            "success/a.mp4": VideoLabel("success", done_at=0.8, half_way_at=0.4),
            "success/b.mp4": VideoLabel("failure", half_way_at=0.2),
            "c.mp4": VideoLabel("success", done_at=0.75, task="open the box"),
        },
    )
    done, failed, other = (
        opened(tmp_path).read(name) for name in ("success/a.mp4", "success/b.mp4", "c.mp4")
    )
    assert done.success is not None
    assert done.success.argmax() == 8
    np.testing.assert_allclose(
        done.progress, [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1], atol=1e-4
    )
    assert failed.kind == "failure"
    np.testing.assert_allclose(failed.progress, [0, 0.25, 0.5] + [np.nan] * 9, atol=1e-4)
    assert (other.task, other.kind) == ("own/open-the-box", "success")
    assert other.success is not None
    assert other.success.argmax() == 8, "the first frame at or after the moment"


def test_a_row_without_an_outcome_keeps_that_of_the_folder(tmp_path: Path) -> None:
    write_videos(tmp_path, {"fail/a.mp4": 5})
    write_labels(tmp_path, {"fail/a.mp4": VideoLabel(half_way_at=0.2)})
    assert find_videos(tmp_path).labels == {"fail/a.mp4": VideoLabel("failure", half_way_at=0.2)}


def test_a_row_of_a_video_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 3})
    write_labels(tmp_path, {"b.mp4": VideoLabel("success")})
    with pytest.raises(ValueError, match=r"names videos that are not there: b\.mp4"):
        opened(tmp_path)


def test_a_moment_after_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"x: done_at=5 lies after its last frame, at 0\.90 s"):
        label_frames(VideoLabel("success", done_at=5.0), np.arange(10) / 10, "x")


@pytest.mark.parametrize("done_at", [0.9, 0.9004, 1.0])
def test_the_last_moment_is_the_last_frame(done_at: float) -> None:
    success, _ = label_frames(VideoLabel("success", done_at=done_at), np.arange(10) / 10, "x")
    assert success is not None
    assert success.tolist() == [False] * 9 + [True]


def test_half_way_at_the_very_beginning_and_at_the_end() -> None:
    _, progress = label_frames(VideoLabel("success", 0.0, 0.0), np.arange(3) / 10, "x")
    assert progress is not None
    assert progress.tolist() == [1.0, 1.0, 1.0]
    _, progress = label_frames(VideoLabel("", None, 0.2), np.arange(3) / 10, "x")
    assert progress is not None
    np.testing.assert_allclose(progress, [0.0, 0.25, 0.5])


def test_videos_are_thinned_to_a_pace_and_labels_keep_their_times(tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 20})
    write_labels(tmp_path, {"a.mp4": VideoLabel("success", done_at=1.2, half_way_at=0.6)})
    episode = opened(tmp_path, fps=5.0).read("a.mp4")
    assert len(episode.frames) == 11  # each second picture, and the last
    assert episode.success is not None
    assert episode.success.argmax() == 6
    assert episode.progress is not None
    assert episode.progress[3] == pytest.approx(0.5)


def test_arrays_without_a_frame_rate_are_taken_whole_at_ten_a_second(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pictures(20))
    write_labels(tmp_path, {"a.npy": VideoLabel("success", done_at=1.0)})
    episode = opened(tmp_path, fps=5.0).read("a.npy")
    assert len(episode.frames) == 20
    assert episode.success is not None
    assert episode.success.argmax() == 10


def test_a_flat_video_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"all 4 pictures of a\.npy are flat"):
        opened(tmp_path).read("a.npy")


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"put them into success/ and failure/"):
        opened(tmp_path)


def test_no_sentence_is_an_error_that_names_the_video(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.mp4 has no sentence: give --task"):
        opened(write_videos(tmp_path, {"a.mp4": 3}), task=None).read("a.mp4")
