from __future__ import annotations

from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from robometer_rl import RobometerReward
from robometer_rl.frames import MIN_SIDE, FrameGrabber, as_rgb, resize_frame

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
        (np.zeros((12, 14, 4), np.uint8), ValueError, r"RGBA.*drop alpha, frame\[..., :3\].*4 gray pictures"),
        (np.zeros((4, 12, 14), np.uint8), ValueError, r"4 gray pictures.*RGBA.*drop alpha, frame\[:3\]"),
        (np.zeros((12, 14, 5), np.uint8), ValueError, r"expected \(H, W, 3\).*a stack of 5 gray pictures"),
        (np.zeros((2, 12, 14), np.uint8), ValueError, "a stack of 2 gray pictures"),
        (np.zeros((12, 14, 6), np.uint8), ValueError, "a stack of 2 RGB pictures, or of 6 gray ones"),
        (np.zeros((12, 12, 12), np.uint8), ValueError, r"expected \(H, W, 3\) RGB$"),
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
        (3, ValueError, "frames=3 is not a source"),
        (3.5, TypeError, "frames=3.5 must be"),
        ([b"front"], TypeError, "must be a string"),
        ("robometer_test_fakes:nothing", ValueError, "has no function 'nothing'"),
    ],
)
def test_bad_sources_fail_at_construction(
    fakes: ModuleType, sources: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        FrameGrabber(fakes.FakeEnv(images=True), sources)


class Seen(gym.Env[Any, Any]):
    """Shows what it is told to, at every reset."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, space: gym.Space[Any], observation: Any) -> None:
        self.observation_space, self.observation, self.render_mode = space, observation, "rgb_array"

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self.observation, {}

    def step(self, action: Any) -> Any:
        return self.observation, 0.0, False, False, {}

    def render(self) -> Any:
        return PICTURE[::-1]


Dict, Tuple = gym.spaces.Dict, gym.spaces.Tuple
BOX = gym.spaces.Box(0, 255, PICTURE.shape, np.uint8)
VECTOR = gym.spaces.Box(0.0, 1.0, (3,))
OTHER = 255 - PICTURE


def taken(space: gym.Space[Any], observation: Any, source: Any) -> Any:
    return FrameGrabber(Seen(space, observation), source).grab(observation)[0]


@pytest.mark.parametrize("key", ["observation", "render", "module:function", "0"])
def test_a_key_of_the_observation_wins_over_the_keywords(key: str) -> None:
    """Goal environments call a part of their observation "observation"."""
    space = Dict({key: BOX, "achieved_goal": VECTOR})
    check(taken(space, {key: PICTURE, "achieved_goal": np.zeros(3)}, key), PICTURE)


@pytest.mark.parametrize(
    ("space", "observation", "source"),
    [
        (
            Dict({"pixels": Dict({"top": BOX})}),
            {"pixels": {"top": PICTURE}},
            "pixels/top",
        ),
        (Tuple((VECTOR, BOX)), (np.zeros(3), PICTURE), "1"),
        (Tuple((VECTOR, BOX)), (np.zeros(3), PICTURE), 1),
        (Dict({"eyes": Tuple((BOX, BOX))}), {"eyes": (OTHER, PICTURE)}, "eyes/1"),
        (Tuple((Dict({"a": BOX}),)), ({"a": PICTURE},), "0/a"),
        (
            Dict({"a/b": BOX, "a": Dict({"b": BOX})}),
            {"a/b": PICTURE, "a": {"b": OTHER}},
            "a/b",
        ),
        (Dict({"a/b": Dict({"c": BOX})}), {"a/b": {"c": PICTURE}}, "a/b/c"),
    ],
)
def test_a_path_or_an_index_reaches_nested_pictures(space: Any, observation: Any, source: Any) -> None:
    check(taken(space, observation, source), PICTURE)


def test_an_index_is_one_camera_and_indices_are_several() -> None:
    env = Seen(Tuple((BOX, BOX)), (PICTURE, OTHER))
    grabber = FrameGrabber(env, [1, 0, "render"])
    first, second, third = grabber.grab(env.observation)
    check(first, OTHER)
    check(second, PICTURE)
    check(third, PICTURE[::-1])
    wrapped = RobometerReward(env, "a task", "robometer_test_fakes:FakeRewardModel", frames=0)
    assert wrapped.robometer.parameters["frames"] == 0


@pytest.mark.parametrize(
    ("space", "source", "words"),
    [
        (
            Dict({"a": BOX, "b": Dict({"c": BOX})}),
            "observation",
            "a Dict: .*'a', 'b/c'",
        ),
        (Tuple((VECTOR, BOX)), "observation", "a Tuple: .*'0', '1'"),
        (Dict({"b": Dict({"c": BOX})}), "b", "a Dict: .*'b/c'"),
        (Tuple((VECTOR, BOX)), 2, "frames=2 is not a source.*'0', '1'"),
        (Tuple((VECTOR, BOX)), -1, "frames=-1 is not a source"),
        (Dict({"b": Dict({"c": BOX})}), "b/d", "frames='b/d' is not a source.*'b/c'"),
        (BOX, 0, "it has none"),
    ],
)
def test_a_part_that_is_no_picture_is_refused_with_those_that_may_be(
    space: Any, source: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        FrameGrabber(Seen(space, None), source)


def test_truth_values_are_no_index() -> None:
    with pytest.raises(TypeError, match="frames=True must be"):
        FrameGrabber(Seen(Tuple((BOX, BOX)), None), True)


GRAY = gym.spaces.Box(0, 255, (12, 16), np.uint8)


@pytest.mark.parametrize("source", ["observation", "render"])
def test_a_gray_stack_of_three_is_not_read_as_a_colour_picture(source: str) -> None:
    env = gym.wrappers.FrameStackObservation(Seen(GRAY, PICTURE[..., 0]), 3)
    if source == "render":
        check(FrameGrabber(env, source).grab(env.reset()[0])[0], PICTURE[::-1])
        return
    words = r"a stack of 3 gray pictures, shape \(3, 12, 16\) \(FrameStackObservation\).*frames=\"render\""
    with pytest.raises(ValueError, match=words):
        FrameGrabber(env, source)


def test_a_stack_is_found_below_other_wrappers_and_under_a_key() -> None:
    inner = Seen(Dict({"eye": GRAY, "rgb": BOX}), {"eye": PICTURE[..., 0], "rgb": PICTURE})
    env = gym.wrappers.TimeLimit(gym.wrappers.FrameStackObservation(inner, 3), 5)
    with pytest.raises(ValueError, match="a stack of 3 gray pictures"):
        FrameGrabber(env, "eye")
    with pytest.raises(ValueError, match="a stack of 3 RGB pictures"):
        FrameGrabber(env, "rgb")


def test_a_stack_in_the_channels_is_found() -> None:
    class StackChannels(gym.ObservationWrapper[Any, Any, Any]):
        observation_space = gym.spaces.Box(0, 255, (12, 16, 3), np.uint8)

        def observation(self, observation: Any) -> Any:
            return np.repeat(observation, 3, axis=-1)

    env = StackChannels(Seen(gym.spaces.Box(0, 255, (12, 16, 1), np.uint8), PICTURE[..., :1]))
    with pytest.raises(ValueError, match=r"a stack of 3 gray .*\(12, 16, 3\) \(StackChannels\)"):
        FrameGrabber(env, "observation")


def test_what_takes_the_newest_out_of_a_stack_is_no_stack() -> None:
    inner = Seen(BOX, PICTURE)
    stack = gym.wrappers.FrameStackObservation(inner, 3)
    env = gym.wrappers.TransformObservation(stack, lambda seen: seen[-1], BOX)
    check(FrameGrabber(env, "observation").grab(env.reset()[0])[0], PICTURE)


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


@pytest.mark.parametrize("shape", [(480, 640), (96, 96), (64, 50), (333, 101)])
def test_resizing_is_the_models_own(shape: tuple[int, int]) -> None:
    import torch

    from robometer_rl.rewards.compact.runtime import preprocess

    frame = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = preprocess(frame[None], 96, torch.device("cpu"))[0].permute(1, 2, 0).numpy() * 255
    got = resize_frame(frame, 96)
    assert got is not frame
    assert np.abs(got - expected).max() <= 1.01
