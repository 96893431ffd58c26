"""What every reader of demonstrations does, and which one opens what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_demos import write_episodes, write_robomimic, write_videos

from robometer_rl.datasets.protocol import kept_frames, task_id_of, thinned_success
from robometer_rl.datasets.reader import FORMATS, EpisodeReader, ReadOptions, open_dataset


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """A data set of each format."""
    return {
        "episodes": write_episodes(tmp_path / "episodes"),
        "videos": write_videos(tmp_path / "videos", {"success/a.mp4": 12, "failure/b.mp4": 12}),
        "robomimic": write_robomimic(tmp_path / "lift.hdf5", demos=2),
    }


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_found_by_looking_or_named(places: dict[str, Path], format: str) -> None:
    options = ReadOptions(task="lift the cube")
    for named in (None, format):
        reader = open_dataset(places[format], options, named)
        assert reader.format == format
        assert len(reader) == len(reader.names) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_recordings_come_one_at_a_time_and_again(places: dict[str, Path], format: str) -> None:
    reader: EpisodeReader = open_dataset(places[format], ReadOptions(task="lift the cube", image_size=16))
    episodes = iter(reader)
    first = next(episodes)
    assert first.frames.shape[1:] == (16, 16, 3)
    assert first.seed == 0
    assert len(list(episodes)) == 1
    again = reader.read(reader.names[0])
    np.testing.assert_array_equal(again.frames, first.frames)
    assert reader.sentences(reader.names[0]) == ["lift the cube"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_version_changes_with_the_options_and_the_file(places: dict[str, Path], format: str) -> None:
    small, large = (
        open_dataset(places[format], ReadOptions(task="lift the cube", image_size=size)) for size in (16, 32)
    )
    name = small.names[0]
    assert small.version(name) == open_dataset(places[format], small.options).version(name)
    assert small.version(name) != large.version(name)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"format": "rlds"}, "format 'rlds' is unknown; valid formats: episodes, robomimic, videos"),
        (
            {"options": ReadOptions(camera="agentview_image")},
            "camera='agentview_image' is for robomimic, not",
        ),
        (
            {"options": ReadOptions(frame_every=2)},
            "frame_every=2 is for robomimic and episodes, not for videos",
        ),
    ],
)
def test_what_does_not_fit_is_refused(places: dict[str, Path], what: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset(places["videos"], **what)


def test_nothing_and_something_else_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no demonstrations at"):
        open_dataset(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("hello")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="looks like none of the formats episodes, robomimic, videos"):
            open_dataset(place)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": " "}, "should be a sentence"),
        ({"task_id": "x"}, "should read 'suite/name'"),
        ({"image_size": 4}, "image_size must be at least 8, got 4"),
        ({"fps": 0.0}, "positive number"),
        ({"frame_every": 0}, "frame_every must be at least 1, got 0"),
    ],
)
def test_options_have_ranges(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReadOptions(**options)


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("Push the block!", "own/push-the-block"),
        ("打开抽屉", "own/打开抽屉"),
        ("a " * 80, "own/" + "a-" * 29 + "a"),
    ],
)
def test_a_sentence_makes_an_id(sentence: str, task: str) -> None:
    assert task_id_of(sentence) == task


def test_a_sentence_without_words_makes_an_id_too() -> None:
    assert task_id_of("?!") != task_id_of("!?")


def test_the_first_and_the_last_frame_are_kept() -> None:
    assert kept_frames(6, 2).tolist() == [0, 2, 4, 5]
    assert kept_frames(5, 2).tolist() == [0, 2, 4]
    assert kept_frames(1, 3).tolist() == [0]


def test_a_success_between_two_kept_frames_is_not_lost() -> None:
    success = np.array([False, False, False, True, False, False])
    assert thinned_success(success, np.array([0, 2, 4, 5])).tolist() == [False, False, True, False]
    success[5] = True
    assert thinned_success(success, np.array([0, 2, 4, 5])).tolist() == [False, False, False, True]
