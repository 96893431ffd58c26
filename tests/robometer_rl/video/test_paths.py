from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robometer_rl.video.paths import expand_paths, short_names


def clip(path: Path, shape: tuple[int, ...] = (2, 8, 8, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros(shape, np.uint8))
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def text(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no video")
    return path


def found(root: Path, *paths: Path) -> tuple[list[str], list[str]]:
    result = expand_paths(paths or (root,))
    return tuple([str(path.relative_to(root)) for path in group]  # type: ignore[return-value]
                 for group in (result.videos, result.passed_over))  # fmt: skip


def test_videos_come_in_the_order_named_and_in_a_folder_by_number(tmp_path: Path) -> None:
    for name in ("runs/v10.npy", "runs/v2.npy", "runs/deep/er/a.npy", "z.npy", "b.npy"):
        clip(tmp_path / name)
    videos, _ = found(tmp_path, tmp_path / "z.npy", tmp_path / "runs", tmp_path / "b.npy")
    assert videos == ["z.npy", "runs/deep/er/a.npy", "runs/v2.npy", "runs/v10.npy", "b.npy"]


def test_hidden_files_and_folders_are_left_out_and_not_named(tmp_path: Path) -> None:
    for name in ("a.npy", "._a.npy", ".cache/b.npy"):
        clip(tmp_path / name)
    assert found(tmp_path) == (["a.npy"], [])


def test_what_is_no_video_is_passed_over_and_named_once(tmp_path: Path) -> None:
    clip(tmp_path / "v.npy")
    clip(tmp_path / "rewards.npy", (21,))
    np.savez(tmp_path / "states.npz", qpos=np.zeros(3), qvel=np.zeros(3))
    np.savez(tmp_path / "w.npz", frames=np.zeros((2, 8, 8, 3), np.uint8), fps=10.0)
    text(tmp_path / "notes.txt")
    picture(tmp_path / "cover.png")
    picture(tmp_path / "still.webp")
    videos, passed = found(tmp_path, tmp_path, tmp_path)
    assert videos == ["v.npy", "w.npz"]
    assert passed == ["cover.png", "notes.txt", "rewards.npy", "states.npz", "still.webp"]


def test_an_animated_webp_is_a_video_and_a_still_one_a_picture(tmp_path: Path) -> None:
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:])
    images[0].save(tmp_path / "b.webp")
    assert found(tmp_path) == (["a.webp"], ["b.webp"])


def test_a_damaged_video_is_a_video_all_the_same(tmp_path: Path) -> None:
    """It is to fail by name when it is read, not to vanish from the table."""
    text(tmp_path / "a.mp4")
    text(tmp_path / "b.npy")
    text(tmp_path / "c.npz")
    assert found(tmp_path) == (["a.mp4", "b.npy", "c.npz"], [])


def test_a_folder_of_pictures_is_one_video(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"stills/frame_{number}.png")
    text(tmp_path / "stills/camera.json")
    assert found(tmp_path, tmp_path / "stills") == (["stills"], [])


def test_folders_of_pictures_below_a_folder_are_videos_each(tmp_path: Path) -> None:
    for folder in ("ep_2", "ep_10"):
        picture(tmp_path / folder / "0.png")
    clip(tmp_path / "more/v.npy")
    assert found(tmp_path) == (["ep_2", "ep_10", "more/v.npy"], [])


def test_pictures_beside_video_files_at_any_depth_are_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / "cover.png")
    clip(tmp_path / "deep/v.npy")
    assert found(tmp_path) == (["deep/v.npy"], ["cover.png"])


def test_the_same_file_is_found_once(tmp_path: Path) -> None:
    clip(tmp_path / "runs/a.npy")
    (tmp_path / "link.npy").symlink_to(tmp_path / "runs/a.npy")
    videos, _ = found(tmp_path, tmp_path / "link.npy", tmp_path / "runs", tmp_path / "runs/../runs/a.npy")
    assert videos == ["link.npy"]


def test_a_link_to_a_folder_above_ends_the_search(tmp_path: Path) -> None:
    clip(tmp_path / "runs/a.npy")
    (tmp_path / "runs/up").symlink_to(tmp_path)
    assert found(tmp_path) == (["runs/a.npy"], [])


def test_a_linked_folder_is_searched(tmp_path: Path) -> None:
    clip(tmp_path / "elsewhere/a.npy")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/linked").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path, tmp_path / "runs") == (["runs/linked/a.npy"], [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.mp4", "no video at .*gone.mp4"),
        ("notes.txt", "notes.txt is no video: expected one of .mp4"),
        ("text.mp4", "text.mp4 cannot be decoded as a video"),
        ("rewards.npy", r"rewards.npy has shape \(21,\), expected uint8"),
        ("empty", "the folder .*empty holds neither videos nor pictures"),
    ],
)
def test_a_named_path_that_is_no_video_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    text(tmp_path / "empty/notes.txt")
    text(tmp_path / "notes.txt")
    text(tmp_path / "text.mp4")
    clip(tmp_path / "rewards.npy", (21,))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        expand_paths([clip(tmp_path / "good.npy"), tmp_path / name])


def test_no_path_and_a_bare_string_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video is named"):
        expand_paths([])
    with pytest.raises(ValueError, match=r"must be a list of videos and folders, got the one path 'v.mp4'"):
        expand_paths("v.mp4")


def test_names_lose_the_folders_that_all_share(tmp_path: Path) -> None:
    assert short_names([tmp_path / "a/v.mp4"]) == ["v.mp4"]
    assert short_names([tmp_path / "a/v.mp4", tmp_path / "a/w.mp4"]) == ["v.mp4", "w.mp4"]
    assert short_names([tmp_path / "a/v.mp4", tmp_path / "b/v.mp4"]) == ["a/v.mp4", "b/v.mp4"]
    assert short_names([tmp_path / "v", tmp_path / "b/v.mp4"]) == ["v", "b/v.mp4"]
