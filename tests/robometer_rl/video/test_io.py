from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from robometer_rl.video.io import read_video, write_mp4


def ramp(count: int, height: int = 32, width: int = 48) -> NDArray[np.uint8]:
    """Frames of one grey each, 10 levels apart, with a red upper left quarter that tells flips and swaps."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[:] = (np.arange(count) * 10).astype(np.uint8)[:, None, None, None]
    frames[:, : height // 2, : width // 2] = (250, 0, 0)
    return frames


def grey(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    return frames[:, -8:, -8:].mean(axis=(1, 2, 3))


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_mp4_keeps_frames_order_colour_and_rate(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = ramp(20, *size)
    video = read_video(write_mp4(tmp_path / "deep" / "v.mp4", iter(frames), 20.0))
    height, width = size
    assert video.frames.shape == (20, height + height % 2, width + width % 2, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == pytest.approx(20.0)
    np.testing.assert_allclose(grey(video.frames), grey(frames), atol=4)
    np.testing.assert_allclose(video.frames[0, 4, 4], (250, 0, 0), atol=12)
    assert not list(tmp_path.rglob("*unfinished*"))


def test_gif_is_seen_whole_and_names_its_rate(tmp_path: Path) -> None:
    frames = ramp(6)
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "v.gif", save_all=True, append_images=images[1:], duration=50)
    video = read_video(tmp_path / "v.gif")
    np.testing.assert_allclose(video.frames.astype(int), frames, atol=8)
    assert video.fps == pytest.approx(20.0)


def test_npy_and_npz_are_read_exactly(tmp_path: Path) -> None:
    frames = ramp(5)
    np.save(tmp_path / "v.npy", frames)
    np.savez(tmp_path / "one.npz", anything=frames)
    np.savez_compressed(tmp_path / "many.npz", frames=frames, labels=np.zeros(5), fps=12.5)
    for name, fps in (("v.npy", None), ("one.npz", None), ("many.npz", 12.5)):
        video = read_video(tmp_path / name)
        np.testing.assert_array_equal(video.frames, frames)
        assert video.fps == fps
        assert video.index.tolist() == [0, 1, 2, 3, 4]


def test_a_folder_is_ordered_by_number(tmp_path: Path) -> None:
    frames = ramp(12)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"frame_{number}.png")
    (tmp_path / "notes.txt").write_text("not an image")
    np.testing.assert_array_equal(read_video(tmp_path).frames, frames)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (20.0, list(range(13))),
        (10.0, [0, 2, 4, 6, 8, 10, 12]),
        (99.0, list(range(13))),
        (8.0, [0, 2, 5, 8, 10, 12]),
    ],
)
def test_subsampling_holds_the_rate_and_both_ends(tmp_path: Path, fps: float, expected: list[int]) -> None:
    np.savez(tmp_path / "v.npz", frames=ramp(13), fps=20.0)
    video = read_video(tmp_path / "v.npz", fps=fps)
    assert video.index.tolist() == expected
    np.testing.assert_array_equal(video.frames, ramp(13)[expected])


def test_the_last_frame_stays_when_it_is_off_the_beat(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", frames=ramp(12), fps=20.0)
    video = read_video(tmp_path / "v.npz", fps=5.0)
    assert video.index.tolist() == [0, 4, 8, 11]
    assert video.shown_fps == pytest.approx(20.0 * 3 / 11)


BAD_ARRAYS = {
    "float": (np.zeros((3, 8, 8, 3), np.float32), r"dtype float32, expected uint8 .*\[0, 255\]"),
    "channels first": (np.zeros((4, 3, 8, 8), np.uint8), r"transpose\(0, 2, 3, 1\)"),
    "one picture": (
        np.zeros((8, 8, 3), np.uint8),
        r"shape \(8, 8, 3\), expected uint8 \(T, height, width, 3\)",
    ),
    "with alpha": (np.zeros((3, 8, 8, 4), np.uint8), r"shape \(3, 8, 8, 4\)"),
    "no frames": (np.zeros((0, 8, 8, 3), np.uint8), "holds no frames"),
    "no pixels": (np.zeros((2, 0, 8, 3), np.uint8), r"expected \(height, width, 3\)"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_wrong_arrays_are_named(tmp_path: Path, case: str, suffix: str) -> None:
    array, message = BAD_ARRAYS[case]
    path = tmp_path / f"v{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    with pytest.raises(ValueError, match=message):
        read_video(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.asarray([{"frames": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled"):
        read_video(tmp_path / "v.npy")


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".npy", ".npz"])
@pytest.mark.parametrize("content", [b"", b"this is no video " * 40])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.*(is empty|cannot be)"):
        read_video(path)


def test_a_shortened_mp4_warns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (40, 64, 64, 3), dtype=np.uint8)
    whole = write_mp4(tmp_path / "v.mp4", noise, 10.0).read_bytes()
    # The index of an mp4 stands at its end; moved to the front, as streamed files have it, it survives the
    # cut.
    front = _fast_start(tmp_path / "v.mp4")
    (tmp_path / "cut.mp4").write_bytes(front[: len(whole) // 2])
    with pytest.warns(UserWarning, match=r"cut short: \d+ frames could be read of about 40"):
        assert len(read_video(tmp_path / "cut.mp4")) < 36


def _fast_start(path: Path) -> bytes:
    import subprocess

    import imageio_ffmpeg

    moved = path.with_name("front.mp4")
    words = ["-i", str(path), "-c", "copy", "-movflags", "+faststart", str(moved)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *words], check=True)
    return moved.read_bytes()


def test_missing_unknown_and_empty_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no video at .*gone\.mp4"):
        read_video(tmp_path / "gone.mp4")
    (tmp_path / "v.txt").write_text("x")
    with pytest.raises(ValueError, match=r"expected one of \.mp4.*or a folder of images"):
        read_video(tmp_path / "v.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        read_video(tmp_path / "empty")
    np.savez(tmp_path / "two.npz", a=ramp(2), b=ramp(2))
    with pytest.raises(ValueError, match=r"\['a', 'b'\]; name the one with the video 'frames'"):
        read_video(tmp_path / "two.npz")


def test_images_of_two_sizes_and_broken_images_are_named(tmp_path: Path) -> None:
    Image.fromarray(ramp(1)[0]).save(tmp_path / "0.png")
    Image.fromarray(ramp(1, 16, 16)[0]).save(tmp_path / "1.png")
    with pytest.raises(
        ValueError, match=r"frame 1 .*\(16, 16, 3\), but the frames before it have \(32, 48, 3\)"
    ):
        read_video(tmp_path)
    (tmp_path / "1.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"1\.png cannot be decoded"):
        read_video(tmp_path)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_wrong_rates_are_refused(tmp_path: Path, fps: float) -> None:
    np.save(tmp_path / "v.npy", ramp(2))
    with pytest.raises(ValueError, match="positive number"):
        read_video(tmp_path / "v.npy", fps=fps)
    with pytest.raises(ValueError, match="positive number"):
        write_mp4(tmp_path / "w.mp4", ramp(2), fps)


def test_an_array_without_a_rate_is_not_subsampled(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ramp(2))
    with pytest.raises(ValueError, match="has no frame rate"):
        read_video(tmp_path / "v.npy", fps=5)


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames to write"):
        write_mp4(tmp_path / "v.mp4", [], 10)
    with pytest.raises(ValueError, match=r"written as \.mp4"):
        write_mp4(tmp_path / "v.avi", ramp(2), 10)
    with pytest.raises(ValueError, match=r"frame 1 for v\.mp4 has shape \(16, 16, 3\)"):
        write_mp4(tmp_path / "v.mp4", [ramp(1)[0], ramp(1, 16, 16)[0]], 10)
    assert not list(tmp_path.iterdir())
