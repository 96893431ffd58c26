from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from robometer_rl.frames import MIN_SIDE, FrameGrabber, as_rgb

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def check(got: np.ndarray, expected: np.ndarray) -> None:
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected)


def test_a_good_frame_passes_untouched() -> None:
    assert as_rgb(PICTURE) is PICTURE


def test_a_flipped_view_becomes_contiguous() -> None:
    check(as_rgb(PICTURE[::-1]), PICTURE[::-1])


def test_channels_first_is_turned() -> None:
    check(as_rgb(np.ascontiguousarray(PICTURE.transpose(2, 0, 1))), PICTURE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_unit_range_come_back_as_their_levels(dtype: type) -> None:
    check(as_rgb((PICTURE / 255.0).astype(dtype)), PICTURE)


def test_both_conversions_at_once() -> None:
    check(as_rgb((PICTURE / 255.0).transpose(2, 0, 1)), PICTURE)


def test_the_smallest_side_is_accepted() -> None:
    assert as_rgb(np.zeros((MIN_SIDE, MIN_SIDE, 3), np.uint8)).shape == (MIN_SIDE, MIN_SIDE, 3)


NAN = np.full((12, 12, 3), 0.5, np.float32)
NAN[3, 4, 1] = np.nan


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (None, TypeError, "cam gave None; expected a numpy array"),
        ([PICTURE], TypeError, "a list of 1 items"),
        ("x", TypeError, "a builtins.str"),
        (PICTURE.astype(np.int64), TypeError, "dtype int64"),
        (PICTURE > 3, TypeError, "dtype bool"),
        (PICTURE.astype(np.uint16), TypeError, "dtype uint16"),
        (PICTURE.astype(np.float32), ValueError, r"float pixels in \[0, 255\].*astype"),
        (PICTURE / 255.0 - 0.5, ValueError, "float pixels"),
        (NAN, ValueError, "1 pixel values that are NaN"),
        (np.full((12, 12, 3), np.inf), ValueError, "NaN or infinite"),
        (PICTURE[..., 0], ValueError, r"\(12, 16\).*grayscale"),
        (PICTURE[..., :1], ValueError, "grayscale"),
        (PICTURE[None], ValueError, "stack of pictures"),
        (np.zeros((12, 12, 4), np.uint8), ValueError, "drop alpha"),
        (np.zeros((12, 12, 5), np.uint8), ValueError, r"expected \(H, W, 3\)"),
        (np.zeros((3, 12, 3), np.uint8), ValueError, "first axis or the last"),
        (np.zeros((12,), np.uint8), ValueError, r"shape \(12,\)"),
        (np.zeros((7, 64, 3), np.uint8), ValueError, "7x64 pixels; each side must be at least 8"),
        (np.zeros((0, 64, 3), np.uint8), ValueError, "0x64"),
    ],
)
def test_bad_frames_are_refused_with_what_was_expected(
    frame: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        as_rgb(frame, "cam")


def test_sources_render_key_callable_and_entry_point(fakes: ModuleType) -> None:
    env = fakes.FakeEnv(images=True, pace=7)
    grabber = FrameGrabber(
        env, ["render", "front", "side", fakes.front_camera, "robometer_test_fakes:front_camera"]
    )
    env.reset()
    observation, *_ = env.step(env.action_space.sample())
    assert grabber.cameras == 5
    assert [int(frame[0, 0, 0]) for frame in grabber.grab(observation)] == [7, 7, 14, 7, 7]


def test_the_whole_observation_can_be_the_frame(fakes: ModuleType) -> None:
    grabber = FrameGrabber(fakes.FakeEnv(), "observation")
    check(grabber.grab(PICTURE)[0], PICTURE)


@pytest.mark.parametrize(
    ("sources", "error", "words"),
    [
        ("top", ValueError, "'top' is not a source.*'state', 'front', 'side'|'front', 'side', 'state'"),
        ([], ValueError, "names no source"),
        (3, TypeError, "frames=3 must be"),
        ([b"front"], TypeError, "must be a string"),
        ("robometer_test_fakes:nothing", ValueError, "has no function 'nothing'"),
    ],
)
def test_bad_sources_fail_at_construction(
    fakes: ModuleType, sources: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        FrameGrabber(fakes.FakeEnv(images=True), sources)


def test_without_pictures_the_error_names_the_fix(fakes: ModuleType) -> None:
    env = fakes.FakeEnv(render_mode=None)
    grabber = FrameGrabber(env, "render")
    observation, _ = env.reset()
    with pytest.raises(RuntimeError, match='render_mode="rgb_array"'):
        grabber.grab(observation)


@pytest.mark.parametrize(
    ("frame_format", "error"),
    [("gray", ValueError), ("nan", ValueError), ("none", TypeError)],
)
def test_bad_renders_name_their_source(fakes: ModuleType, frame_format: str, error: type[Exception]) -> None:
    env = fakes.FakeEnv(frame_format=frame_format)
    observation, _ = env.reset()
    with pytest.raises(error, match=r"env.render\(\) gave"):
        FrameGrabber(env, "render").grab(observation)
