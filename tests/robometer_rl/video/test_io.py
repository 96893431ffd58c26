from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
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
    fps, counts = video.playback
    assert fps == pytest.approx(20.0)
    assert counts.tolist() == [4, 4, 3, 1]


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


@pytest.mark.parametrize("kind", ["npy", "npz", "gif"])
def test_any_damage_of_a_file_is_named(tmp_path: Path, kind: str) -> None:
    """Bytes changed at random: every file is read, or refused by a `ValueError`."""
    whole, path = tmp_path / f"v.{kind}", tmp_path / f"broken.{kind}"
    if kind == "gif":
        first, *others = (Image.fromarray(frame) for frame in ramp(6))
        first.save(whole, save_all=True, append_images=others, duration=100)
    elif kind == "npy":
        np.save(whole, ramp(6))
    else:
        np.savez_compressed(whole, frames=ramp(6), fps=10)
    random, content = np.random.default_rng(0), whole.read_bytes()
    for attempt in range(150):
        damaged = bytearray(content)
        for place in random.integers(0, len(content) if attempt % 2 else min(len(content), 200), 5):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        with suppress(ValueError):
            read_video(path)


def test_a_title_in_latin_1_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "__cafe__"
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for frame in ramp(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert b"__cafe__" in content
    path.write_bytes(content.replace(b"__cafe__", "__café__".encode("latin-1")))
    assert len(read_video(path)) == 3


def test_a_shortened_mp4_warns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (40, 64, 64, 3), dtype=np.uint8)
    whole = write_mp4(tmp_path / "v.mp4", noise, 10.0).read_bytes()
    # The index of an mp4 stands at its end; moved to the front, as streamed files have it, it survives the
    # cut.
    front = _fast_start(tmp_path / "v.mp4")
    (tmp_path / "cut.mp4").write_bytes(front[: len(whole) // 2])
    with pytest.warns(UserWarning, match=r"cut short: \d+ of about 40 frames could be read"):
        assert len(read_video(tmp_path / "cut.mp4")) < 36


def _fast_start(path: Path) -> bytes:
    moved = path.with_name("front.mp4")
    with av.open(str(path)) as whole, av.open(str(moved), "w", options={"movflags": "faststart"}) as front:
        old = whole.streams.video[0]
        new = front.add_stream_from_template(old)
        for packet in whole.demux(old):
            if packet.dts is not None:
                packet.stream = new
                front.mux(packet)
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


# Pictures that come unevenly.


def uneven(path: Path, times_ms: list[int], sound_s: float = 0.0) -> Path:
    """An mp4 whose picture i is shown from `times_ms[i]` on, with silence of `sound_s` seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"bf": "0"}
        sound = container.add_stream("aac", rate=8000) if sound_s else None
        for picture, at in zip(ramp(len(times_ms)), times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            samples = np.zeros((1, int(8000 * sound_s)), dtype=np.float32)
            audio = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            audio.sample_rate = 8000
            container.mux(sound.encode(audio))
            container.mux(sound.encode())
    return path


PAUSE = [*range(0, 500, 50), *range(3500, 4000, 50)]
"""20 pictures a second for half a second, the tenth for 3 s, then half a second more."""


def test_a_video_with_a_pause_gives_each_stored_picture_once_at_its_own_time(tmp_path: Path) -> None:
    video = read_video(uneven(tmp_path / "v.mp4", PAUSE))
    assert video.index.tolist() == list(range(20))
    assert video.times is not None
    np.testing.assert_allclose(video.times, np.array(PAUSE) / 1000, atol=2e-3)
    np.testing.assert_allclose(grey(video.frames), grey(ramp(20)), atol=6)
    assert video.duration == pytest.approx(4.0, abs=0.1)


def test_a_lower_rate_takes_what_is_shown_at_each_moment_and_a_pause_stays_as_long(tmp_path: Path) -> None:
    video = read_video(uneven(tmp_path / "v.mp4", PAUSE), fps=5.0)
    assert video.index.tolist() == [0, 4, 8, *[9] * 15, 12, 16, 19][: len(video.index)]
    assert len(video) == pytest.approx(20, abs=1)
    assert video.times is not None
    np.testing.assert_allclose(np.diff(video.times[3:18]), 0.2, atol=1e-6)


def test_the_first_picture_stays_however_short_it_is_shown(tmp_path: Path) -> None:
    video = read_video(uneven(tmp_path / "v.mp4", [0, 30, 200, 210, 700, 2000]), fps=5)
    assert (video.index[0], video.index[-1]) == (0, 5)
    assert video.times is not None
    assert video.times[0] == 0.0


def test_an_uneven_video_is_shown_as_long_as_it_lasts(tmp_path: Path) -> None:
    video = read_video(uneven(tmp_path / "v.mp4", PAUSE))
    fps, counts = video.playback
    assert counts.sum() / fps == pytest.approx(4.0, abs=0.1)
    assert counts[9] == pytest.approx(61, abs=2)
    assert (np.delete(counts, 9) == 1).all()


def test_sound_that_goes_on_makes_no_video_longer(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    video = read_video(uneven(tmp_path / "v.mp4", list(range(0, 1000, 50)), sound_s=3.0))
    assert len(video) == 20
    assert video.duration == pytest.approx(1.0, abs=0.06)
    assert not recwarn.list


def test_a_gif_has_its_own_time_for_each_picture(tmp_path: Path) -> None:
    images = [Image.fromarray(frame) for frame in ramp(3)]
    images[0].save(tmp_path / "v.gif", save_all=True, append_images=images[1:], duration=[100, 100, 3000])
    video = read_video(tmp_path / "v.gif")
    assert video.times is not None
    np.testing.assert_allclose(video.times, [0.0, 0.1, 0.2])
    assert video.duration == pytest.approx(3.2)
    fps, counts = video.playback
    assert fps == pytest.approx(10.0)
    assert counts.tolist() == [1, 1, 30]


def test_an_animated_webp_is_read_whole(tmp_path: Path) -> None:
    images = [Image.fromarray(frame) for frame in ramp(4)]
    images[0].save(tmp_path / "v.webp", save_all=True, append_images=images[1:], duration=200, lossless=True)
    video = read_video(tmp_path / "v.webp")
    np.testing.assert_array_equal(video.frames, ramp(4))
    assert video.fps == pytest.approx(5.0)


def test_a_turned_video_comes_upright(tmp_path: Path) -> None:
    """A phone that was held upright stores its pictures lying and says so in the track's matrix."""
    path = write_mp4(tmp_path / "v.mp4", ramp(3), 10.0)
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    one = 0x10000
    clockwise = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 0x40000000)
    data[header + 40 : header + 76] = clockwise
    path.write_bytes(bytes(data))
    video = read_video(path)
    expected = np.rot90(ramp(3), -1, axes=(1, 2))
    assert video.frames.shape == expected.shape
    np.testing.assert_allclose(video.frames[0, 4, -4], (250, 0, 0), atol=12)


# Paths as people type them.


@pytest.mark.parametrize(
    "name", ["2026-11-27T13:44:32.mp4", "12:30.mp4", "x[red].mp4", "-v.mp4", "a b's.mp4"]
)
def test_a_relative_path_with_odd_characters_is_a_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_mp4(name, ramp(3), 10.0) == Path(name)
    assert len(read_video(name)) == 3


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_mp4("~/deep/x.mp4", ramp(3), 10.0)
    assert (tmp_path / "deep" / "x.mp4").is_file()
    assert len(read_video("~/deep/x.mp4")) == 3


# Folders of images.


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    levels = np.full((16, 16), 127 * 257, dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "f_0.png")
    assert read_video(tmp_path).frames.mean() == 127


def test_a_picture_that_lies_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    lying = Image.fromarray(np.rot90(ramp(1)[0]))
    exif = lying.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees with the clock
    lying.save(tmp_path / "f_0.jpg", exif=exif, quality=95)
    frame = read_video(tmp_path).frames[0]
    assert frame.shape == ramp(1)[0].shape
    np.testing.assert_allclose(frame[4, 4], (250, 0, 0), atol=30)


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    Image.fromarray(ramp(1)[0]).save(tmp_path / "f_0.png")
    (tmp_path / "._f_0.png").write_bytes(b"what macOS notes of a file")
    assert len(read_video(tmp_path)) == 1


def test_an_animation_in_a_folder_is_refused(tmp_path: Path) -> None:
    images = [Image.fromarray(frame) for frame in ramp(4)]
    images[0].save(tmp_path / "f_0.webp", save_all=True, append_images=images[1:], lossless=True)
    with pytest.raises(ValueError, match="animation of 4 pictures: pass the file itself"):
        read_video(tmp_path)


# Small files that would fill the memory.


def test_an_array_that_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    """The header describes 3 TiB; nothing of it may be decoded, and the file need not even hold it."""
    header = io.BytesIO()
    fields = {"shape": (10**6, 1024, 1024, 3), "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, fields)
    (tmp_path / "v.npy").write_bytes(header.getvalue() + bytes(100))
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        archive.writestr("frames.npy", header.getvalue() + bytes(100))
    for name in ("v.npy", "v.npz"):
        with pytest.raises(ValueError, match=r"2929.7 GiB; at most 4 GiB"):
            read_video(tmp_path / name)


def test_an_array_that_is_not_all_there_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ramp(5))
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-50])
    with pytest.raises(ValueError, match="damaged"):
        read_video(tmp_path / "v.npy")


def test_a_long_gif_is_decoded_one_picture_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [Image.fromarray(frame) for frame in ramp(20)]
    images[0].save(tmp_path / "v.gif", save_all=True, append_images=images[1:], duration=50)
    monkeypatch.setattr("robometer_rl.video.io.MAX_BYTES", 5 * ramp(1).nbytes)
    with pytest.raises(ValueError, match="subsample it with a lower fps"):
        read_video(tmp_path / "v.gif")
    assert len(read_video(tmp_path / "v.gif", fps=4.0)) == 5


def test_pictures_are_changed_as_they_come_and_the_memory_holds_the_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    np.save(tmp_path / "v.npy", frames)
    monkeypatch.setattr("robometer_rl.video.io.MAX_BYTES", frames.nbytes)
    write_mp4(tmp_path / "v.mp4", np.concatenate([frames, frames]), 10.0)
    with pytest.raises(ValueError, match="longer than"):
        read_video(tmp_path / "v.mp4")
    video = read_video(tmp_path / "v.mp4", None, lambda frame: frame[::8, ::8])
    assert video.frames.shape == (12, 8, 8, 3)
    np.testing.assert_array_equal(
        read_video(tmp_path / "v.npy", None, lambda frame: frame[::-1]).frames, frames[:, ::-1]
    )
