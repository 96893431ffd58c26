"""Flat and frozen pictures are noticed, and nothing else is."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv, play
from stable_baselines3.common.vec_env import DummyVecEnv

from robometer_rl import DeadFrameWarning, RobometerReward, RobometerVectorReward, VecRobometerReward
from robometer_rl.frame_checks import FLAT_RUN, FROZEN, FrameMonitor, check_video, is_flat

RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 256, (96, 96, 3), dtype=np.uint8)


def flat(*colour: int, side: int = 96) -> Any:
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (side, side, 3)).copy()


def dotted(side: int, dot: int, contrast: int) -> Any:
    picture = flat(100, 110, 120, side=side)
    picture[7 : 7 + dot, 11 : 11 + dot] += np.uint8(contrast)
    return picture


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255), (10, 200, 60)])
def test_one_colour_is_flat_whatever_it_is(colour: tuple[int, int, int]) -> None:
    assert is_flat(flat(*colour))


def test_the_noise_of_a_covered_lens_is_flat() -> None:
    noise = np.clip(np.rint(RNG.normal(3.0, 0.8, (480, 640, 3))), 0, 255).astype(np.uint8)
    assert is_flat(noise)


@pytest.mark.parametrize(
    "picture",
    [
        SCENE,
        dotted(96, 3, 60),
        dotted(720, 9, 100),
        np.tile(np.arange(96, dtype=np.uint8)[:, None, None] // 4, (1, 96, 3)),
    ],
    ids=["scene", "three pixels wide", "nine of 720", "a faint gradient"],
)
def test_small_and_faint_things_are_something(picture: Any) -> None:
    assert not is_flat(picture)
    assert not is_flat(np.ascontiguousarray(picture)[::-1])


def monitor(n: int = 1, cameras: int = 1) -> Any:
    """`see(*pictures, began=...)` shows one picture per episode, the same to every camera."""
    watching = FrameMonitor(n, [f"camera {number}" for number in range(cameras)])

    def see(*pictures: Any, began: bool = False) -> None:
        view = np.stack(pictures)
        rows = np.ones(n, dtype=np.bool_)
        watching.see(rows if began else ~rows, rows, [view] * cameras)

    see.end = lambda: watching.end(np.ones(n, dtype=np.bool_))  # type: ignore[attr-defined]
    return see


def test_flat_pictures_in_a_row_are_warned_of_once_with_what_they_are() -> None:
    see = monitor()
    see(SCENE, began=True)
    for _ in range(FLAT_RUN - 1):
        see(flat(0, 0, 0))
    with pytest.warns(DeadFrameWarning, match=r"96x96 pixels, mean 0.0, std 0.0, min 0, max 0.*Usual causes"):
        see(flat(0, 0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10):
            see(flat(0, 0, 0))
        see.end()  # not all of the episode


def test_an_episode_that_begins_black_is_none_of_our_business() -> None:
    see = monitor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            for number in range(FLAT_RUN - 1):
                see(flat(0, 0, 0), began=number == 0)
            see(SCENE)
            see.end()


@pytest.mark.filterwarnings("ignore::robometer_rl.DeadFrameWarning")
def test_an_episode_of_flat_pictures_is_an_error_that_names_it() -> None:
    see = monitor(n=2, cameras=2)
    see(SCENE, flat(9, 9, 9), began=True)
    see(flat(9, 9, 9), flat(9, 9, 9))
    words = r"all 2 pictures of an episode were flat \(camera 0 of environment 1\); the last: 96x96.*mean 9"
    with pytest.raises(RuntimeError, match=words):
        see.end()


def test_one_picture_alone_ends_nothing() -> None:
    see = monitor()
    see(flat(0, 0, 0), began=True)
    see.end()


def test_a_picture_that_never_changes_is_warned_of_once() -> None:
    see = monitor()
    see(SCENE, began=True)
    for _ in range(FROZEN - 1):
        see(SCENE)
    with pytest.warns(DeadFrameWarning, match=f"not changed by a bit in {FROZEN} steps.*camera 0"):
        see(SCENE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(2 * FROZEN):
            see(SCENE, began=number % (FROZEN + 5) == 0)


def test_standing_still_after_a_move_is_no_fault() -> None:
    see = monitor()
    moved = SCENE.copy()
    moved[40:50, 40:50] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        see(SCENE, began=True)
        for _ in range(3 * FROZEN):
            see(moved)


@pytest.mark.parametrize("side", [96, 480])
def test_a_move_that_the_samples_miss_is_found(side: int) -> None:
    scene = RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)
    see = monitor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(2 * FROZEN):
            scene[1, 1, 0] = number
            see(scene, began=number == 0)


def test_a_video_is_told_by_its_pictures() -> None:
    changing = np.stack([np.roll(SCENE, number, axis=1) for number in range(6)])
    assert check_video(changing, "v") == []
    changing[2:5] = 7
    (told,) = check_video(changing, "v")
    assert told.startswith(
        "3 of 6 pictures of v are flat, the first of them number 2: 96x96 pixels, mean 7.0"
    )
    (told,) = check_video(np.stack([SCENE] * 4), "v")
    assert told.startswith("all 4 pictures of v are the same")
    with pytest.raises(ValueError, match="all 2 pictures of v are flat"):
        check_video(np.zeros((2, 16, 16, 3), np.uint8), "v")


# In the wrappers.


class Dark(FakeEnv):
    """Its renderer has lost its context."""

    def picture(self, value: int) -> Any:
        return np.zeros((self.size, self.size, 3), dtype=np.uint8)


class Stuck(FakeEnv):
    """Its camera gives the first picture for ever."""

    def picture(self, value: int) -> Any:
        return super().picture(7)


@pytest.mark.parametrize("score", ["step", "episode_end"])
def test_the_wrapper_warns_where_the_user_calls_it_and_stops_at_the_end(score: Any) -> None:
    env = RobometerReward(Dark(horizon=6), SENTENCE, MODEL, score=score)
    env.reset()
    with pytest.warns(DeadFrameWarning, match=r"flat \(env.render\(\)\): 12x12 pixels") as caught:
        play(env, 5)
    assert len(caught) == 1
    assert caught[0].filename.endswith("fakes.py"), "the line that called step()"
    with pytest.raises(RuntimeError, match="all 7 pictures of an episode were flat"):
        env.step(ACTION)


def test_an_episode_that_predicted_success_ends_is_looked_at_too() -> None:
    class Bright(FakeEnv):
        def picture(self, value: int) -> Any:
            return np.full((12, 12, 3), 200, dtype=np.uint8)

    env = RobometerReward(Bright(), SENTENCE, MODEL, terminate_on_success=True, shift=-1.0)
    env.reset()
    with pytest.raises(RuntimeError, match="all 2 pictures of an episode were flat"):
        env.step(ACTION)


@pytest.mark.filterwarnings("ignore::robometer_rl.DeadFrameWarning")
def test_the_vector_wrappers_name_the_environment() -> None:
    words = r"all 4 pictures of an episode were flat \(env.render\(\) of environment 1\)"
    envs = RobometerVectorReward(
        gym.vector.SyncVectorEnv([lambda: FakeEnv(horizon=3), lambda: Dark(horizon=3)]), SENTENCE, MODEL
    )
    venv = VecRobometerReward(
        DummyVecEnv([lambda: FakeEnv(horizon=3), lambda: Dark(horizon=3)]), SENTENCE, MODEL
    )
    for vector in (envs, venv):
        vector.reset()
        for _ in range(2):
            vector.step(np.tile(ACTION, (2, 1)))
        with pytest.raises(RuntimeError, match=words):
            vector.step(np.tile(ACTION, (2, 1)))


def test_a_camera_that_is_stuck_is_warned_of() -> None:
    env = RobometerReward(Stuck(horizon=40), SENTENCE, MODEL)
    env.reset()
    with pytest.warns(DeadFrameWarning, match="has not changed by a bit"):
        play(env)


def test_a_living_camera_is_no_reason_to_warn() -> None:
    env = RobometerReward(FakeEnv(horizon=40), SENTENCE, MODEL)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeadFrameWarning)
        for _ in range(3):
            env.reset()
            play(env)
