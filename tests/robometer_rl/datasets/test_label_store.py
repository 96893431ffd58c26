"""What the page of label-demos shows and writes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from robometer_test_demos import SENTENCE, pictures, write_episodes, write_videos

from robometer_rl.datasets.episodes import Episode, list_episodes, read_episode, write_episode
from robometer_rl.datasets.label_file import VideoLabel, read_labels, write_labels
from robometer_rl.datasets.label_store import ClipCache, EpisodeLabels, LabelStore, VideoLabels, open_labels
from robometer_rl.video.io import write_mp4


def labels(store: LabelStore) -> dict[str, VideoLabel]:
    return {item.name: item.label for item in store.items()}


def decoded(mp4: bytes, tmp_path: Path) -> list[int]:
    """The number of each picture, as `pictures` made it."""
    path = tmp_path / "shown.mp4"
    path.write_bytes(mp4)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [round(frame.to_ndarray(format="rgb24")[4, 4, 0] / 10) for frame in container.decode(video=0)]


def test_a_folder_of_videos_or_of_episodes_is_opened(tmp_path: Path) -> None:
    assert isinstance(open_labels(write_videos(tmp_path / "v", {"a.mp4": 3})), VideoLabels)
    assert isinstance(open_labels(write_episodes(tmp_path / "e", ("unlabelled",))), EpisodeLabels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "is not a folder"),
        (lambda path: path.mkdir() or path, "holds neither videos nor episodes"),
        (lambda path: write_episodes(path, ("success",)), "holds no unlabelled episodes"),
    ],
)
def test_a_folder_with_nothing_to_label_is_refused(tmp_path: Path, make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_labels(make(tmp_path / "x"))  # type: ignore[operator]


def test_answers_of_videos_are_on_the_disk_and_leave_others_alone(tmp_path: Path) -> None:
    write_videos(tmp_path, {"b.mp4": 5, "a.mp4": 5, "success/c.mp4": 5})
    write_labels(tmp_path, {"b.mp4": VideoLabel("failure", None, None, "close the lid")})
    store = open_labels(tmp_path)
    assert [(item.name, item.label.outcome, item.task) for item in store.items()] == [
        ("a.mp4", "", ""), ("b.mp4", "failure", "close the lid"), ("success/c.mp4", "success", ""),
    ]  # fmt: skip
    assert store.save("b.mp4", VideoLabel("success", 0.3, 0.1)).label.done_at == 0.3
    store.save("a.mp4", VideoLabel("failure"))
    assert read_labels(tmp_path) == {
        "b.mp4": VideoLabel("success", 0.3, 0.1, "close the lid"),
        "a.mp4": VideoLabel("failure"),
    }
    assert labels(open_labels(tmp_path))["success/c.mp4"] == VideoLabel("success")
    with pytest.raises(KeyError):
        store.save("../a.mp4", VideoLabel("failure"))


def test_an_answer_makes_an_episode_of_its_kind_and_can_be_taken_back(tmp_path: Path) -> None:
    write_episodes(tmp_path, ("unlabelled", "success"))
    store = open_labels(tmp_path)
    (item,) = store.items()
    assert (item.name, item.task, item.label) == ("own/lift/unlabelled-00000.h5", SENTENCE, VideoLabel())
    done = store.save(item.name, VideoLabel("success", done_at=0.6, half_way_at=0.2))
    assert done.name == "own/lift/success-00000.h5"
    assert done.label == VideoLabel("success", 0.6, 0.2)
    assert labels(open_labels(tmp_path)) == {done.name: done.label}, "a new page shows the same"
    episode = read_episode(tmp_path / done.name)
    assert episode.success is not None
    assert episode.success.tolist() == [False] * 6 + [True] * 3
    np.testing.assert_allclose(episode.progress, [0, 0.25, 0.5, 0.625, 0.75, 0.875, 1, 1, 1])
    np.testing.assert_array_equal(episode.frames, pictures(9))
    failed = store.save(done.name, VideoLabel("failure", half_way_at=0.2))
    assert failed.label == VideoLabel("failure", None, 0.2)
    back = store.save(failed.name, VideoLabel())
    assert back.name == item.name
    assert read_episode(tmp_path / back.name).success is None
    assert len(list_episodes(tmp_path)) == 2, "no older version is left"


def test_an_episode_that_the_environment_judged_is_not_shown(tmp_path: Path) -> None:
    write_episodes(tmp_path, ("unlabelled", "success", "failure"))
    assert [item.name for item in open_labels(tmp_path).items()] == ["own/lift/unlabelled-00000.h5"]


def test_another_recording_of_the_same_number_is_not_overwritten(tmp_path: Path) -> None:
    write_episodes(tmp_path, ("unlabelled",))
    other = Episode("own/lift", "success", 0, pictures(9)[::-1].copy(), np.ones(9, np.bool_))
    write_episode(tmp_path, other)
    item = open_labels(tmp_path).save("own/lift/unlabelled-00000.h5", VideoLabel("success", 0.5))
    assert item.name == "own/lift/success-00001.h5"
    np.testing.assert_array_equal(read_episode(tmp_path / "own/lift/success-00000.h5").frames, other.frames)


def test_a_version_that_was_written_when_the_process_died_is_taken_up(tmp_path: Path) -> None:
    """The new file was whole and the old one not yet gone."""
    write_episodes(tmp_path, ("unlabelled",))
    before = (tmp_path / "own/lift/unlabelled-00000.h5").read_bytes()
    store = open_labels(tmp_path)
    store.save("own/lift/unlabelled-00000.h5", VideoLabel("success", 0.5))
    (tmp_path / "own/lift/unlabelled-00000.h5").write_bytes(before)
    item = store.save("own/lift/unlabelled-00000.h5", VideoLabel("success", 0.7))
    assert [path.name for path in list_episodes(tmp_path)] == ["success-00000.h5"]
    assert item.label.done_at == pytest.approx(0.7)


def test_a_moment_outside_an_episode_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    write_episodes(tmp_path, ("unlabelled",))
    with pytest.raises(ValueError, match="lies after its last frame"):
        open_labels(tmp_path).save("own/lift/unlabelled-00000.h5", VideoLabel("success", 60.0))
    assert [path.name for path in list_episodes(tmp_path)] == ["unlabelled-00000.h5"]


def test_a_clip_shows_each_frame_at_its_time(tmp_path: Path) -> None:
    write_videos(tmp_path / "v", {"a.mp4": 12})
    np.save(tmp_path / "v" / "b.npy", pictures(7))
    store = open_labels(tmp_path / "v")
    for name, count in (("a.mp4", 12), ("b.npy", 7)):
        clip = store.clip(name)
        assert (clip.fps, clip.frames) == (10.0, count)
        assert decoded(clip.mp4, tmp_path) == list(range(count))
    write_episodes(tmp_path / "e", ("unlabelled",))
    clip = open_labels(tmp_path / "e").clip("own/lift/unlabelled-00000.h5")
    assert (clip.fps, decoded(clip.mp4, tmp_path)) == (10.0, list(range(9)))


def test_a_fast_video_is_thinned_and_a_pause_held(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    write_mp4(tmp_path / "v" / "fast.mp4", pictures(24), 60.0)
    clip = open_labels(tmp_path / "v").clip("fast.mp4")
    assert clip.fps == 30.0
    assert decoded(clip.mp4, tmp_path) == [*range(0, 24, 2), 23]
    from PIL import Image

    images = [Image.fromarray(frame) for frame in pictures(3)]
    images[0].save(
        tmp_path / "v" / "slow.gif", save_all=True, append_images=images[1:], duration=[300, 100, 100]
    )
    clip = open_labels(tmp_path / "v").clip("slow.gif")
    assert (clip.fps, decoded(clip.mp4, tmp_path)) == (10.0, [0, 0, 0, 1, 2])


def test_large_pictures_are_made_smaller_in_their_proportions(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    write_mp4(tmp_path / "v" / "a.mp4", pictures(2, 720, 1280), 10.0)
    (tmp_path / "clip.mp4").write_bytes(open_labels(tmp_path / "v").clip("a.mp4").mp4)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)


def test_clips_are_encoded_once_and_the_oldest_dropped(tmp_path: Path) -> None:
    write_videos(tmp_path, {"a.mp4": 3, "b.mp4": 3})
    cache = ClipCache(open_labels(tmp_path), most=1)
    first = cache.get("a.mp4")
    assert cache.get("a.mp4") is first
    cache.get("b.mp4")
    assert cache.get("a.mp4") is not first
    write_videos(tmp_path, {"a.mp4": 5})
    assert cache.get("a.mp4").frames == 5, "a file that has changed is read anew"
