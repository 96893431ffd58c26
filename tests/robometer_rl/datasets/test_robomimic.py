"""Files of robomimic and LIBERO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from robometer_test_demos import SENTENCE, pictures, write_robomimic

from robometer_rl.datasets.episodes import Episode
from robometer_rl.datasets.protocol import ReadOptions
from robometer_rl.datasets.robomimic import RobomimicFile


def opened(path: Path, **options: Any) -> RobomimicFile:
    return RobomimicFile(path, ReadOptions(**{"task": SENTENCE, "image_size": None, **options}))


def success_of(episode: Episode) -> list[int]:
    assert episode.success is not None
    return episode.success.astype(int).tolist()


def test_a_demonstration_has_the_picture_after_its_last_action(tmp_path: Path) -> None:
    episode = opened(write_robomimic(tmp_path / "lift.hdf5")).read("demo_0")
    np.testing.assert_array_equal(episode.frames, pictures(7))
    assert success_of(episode) == [0, 0, 0, 0, 0, 0, 1]
    assert (episode.task, episode.kind, episode.detail) == ("own/lift-the-cube", "success", "demo_0")


def test_without_next_obs_a_success_of_the_last_action_counts_at_the_last_picture(tmp_path: Path) -> None:
    episode = opened(write_robomimic(tmp_path / "lift.hdf5", next_obs=False)).read("demo_0")
    np.testing.assert_array_equal(episode.frames, pictures(6))
    assert success_of(episode) == [0, 0, 0, 0, 0, 1]


def test_a_reward_tells_of_the_picture_after_it(tmp_path: Path) -> None:
    rewards = np.array([0.0, 0, 1, 1, 0, 1])
    episode = opened(write_robomimic(tmp_path / "lift.hdf5", rewards=rewards)).read("demo_0")
    assert success_of(episode) == [0, 0, 0, 1, 1, 0, 1]


def test_a_demonstration_without_a_reward_is_a_failure_where_others_have_one(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "mg.hdf5", demos=2, dones=np.arange(6) == 5)
    with h5py.File(path, "a") as file:
        file["data/demo_1/rewards"][:] = 0.0
    reader = opened(path)
    assert [episode.kind for episode in reader] == ["success", "failure"]
    assert "success is told by rewards" in reader.notes


def test_shaped_rewards_and_a_last_done_tell_nothing(tmp_path: Path) -> None:
    reader = opened(write_robomimic(tmp_path / "lift.hdf5", rewards=np.linspace(0, 1, 6)))
    assert success_of(reader.read("demo_0")) == [0, 0, 0, 0, 0, 0, 1]
    assert any("counts as done at its last frame" in note for note in reader.notes)


def test_rewards_of_nought_alone_tell_nothing(tmp_path: Path) -> None:
    """Those of real robots, say: that every demonstration failed would be the wrong thing to learn."""
    reader = opened(write_robomimic(tmp_path / "real.hdf5", rewards=np.zeros(6)))
    assert reader.read("demo_0").kind == "success"


def test_dones_before_the_end_tell_it(tmp_path: Path) -> None:
    dones = np.array([0, 0, 0, 1, 1, 1])
    reader = opened(write_robomimic(tmp_path / "lift.hdf5", rewards=None, dones=dones))
    assert success_of(reader.read("demo_0")) == [0, 0, 0, 0, 1, 1, 1]
    assert "success is told by dones" in reader.notes


@pytest.mark.parametrize(
    ("success", "expected"), [(np.arange(6) >= 4, [0, 0, 0, 0, 0, 1, 1]), (np.array([False]), [0] * 7)]
)
def test_a_dataset_success_goes_before_everything(tmp_path: Path, success: Any, expected: list[int]) -> None:
    episode = opened(write_robomimic(tmp_path / "lift.hdf5", success=success)).read("demo_0")
    assert success_of(episode) == expected


def test_an_attribute_success_is_of_the_whole_demonstration(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "lift.hdf5", demos=2)
    with h5py.File(path, "a") as file:
        for number, value in enumerate((True, False)):
            file[f"data/demo_{number}"].attrs["success"] = value
    assert [episode.kind for episode in opened(path)] == ["success", "failure"]


def test_pictures_are_thinned_and_the_last_one_kept(tmp_path: Path) -> None:
    episode = opened(write_robomimic(tmp_path / "lift.hdf5", count=150), frame_every=40).read("demo_0")
    np.testing.assert_array_equal(episode.frames, pictures(151)[[0, 40, 80, 120, 150]])
    assert episode.frame_every == 40
    assert success_of(episode) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("camera", "upside_down", "flip"),
    [
        ("agentview_image", False, "auto"),  # robomimic turns them upright before it stores them
        ("agentview_rgb", True, "auto"),  # LIBERO does not
        ("agentview_image", True, "vertical"),
        ("agentview_rgb", False, "none"),
    ],
)
def test_pictures_come_out_upright(tmp_path: Path, camera: str, upside_down: bool, flip: str) -> None:
    path = write_robomimic(tmp_path / "lift.hdf5", cameras=(camera,), upside_down=upside_down)
    reader = opened(path, flip=flip)
    np.testing.assert_array_equal(reader.read("demo_0").frames, pictures(7))
    assert any("turned top to bottom" in note for note in reader.notes) == upside_down


def test_the_camera_of_the_scene_is_taken_and_others_named(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5", cameras=("agentview_image", "robot0_eye_in_hand_image"))
    notes = opened(path).notes
    assert "the pictures are those of agentview_image, 32x32 pixels" in notes
    assert "other cameras, passed over: robot0_eye_in_hand_image" in notes
    assert "of robot0_eye_in_hand_image" in opened(path, camera="robot0_eye_in_hand_image").notes[0]
    with pytest.raises(
        ValueError, match=r"no camera 'front'; choose from agentview_image, robot0_eye_in_hand"
    ):
        opened(path, camera="front")


def test_among_other_cameras_one_must_be_chosen(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "x.hdf5", cameras=("left_image", "right_image"))
    with pytest.raises(ValueError, match=r"choose with --camera from left_image, right_image"):
        opened(path)


def test_a_file_without_pictures_says_how_to_get_them(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "low_dim.hdf5", cameras=())
    with pytest.raises(ValueError, match=r"low_dim\.hdf5.*no pictures.*dataset_states_to_obs\.py"):
        opened(path)


def test_demonstrations_come_by_their_numbers(tmp_path: Path) -> None:
    reader = opened(write_robomimic(tmp_path / "lift.hdf5", demos=11))
    assert list(reader.names) == [f"demo_{number}" for number in range(11)]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "lift.hdf5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"lift\.hdf5 cannot be read as robomimic's HDF5"):
        opened(path)
    (tmp_path / "other.hdf5").touch()
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file.create_group("data")
    with pytest.raises(ValueError, match=r"no groups data/demo_0"):
        opened(tmp_path / "other.hdf5")


def test_columns_of_another_length_are_refused(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "lift.hdf5", rewards=np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="rewards should have 6 values, one per picture, got 2"):
        opened(path).read("demo_0")


def test_without_a_sentence_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no sentence: give --task"):
        opened(write_robomimic(tmp_path / "lift.hdf5"), task=None).read("demo_0")
