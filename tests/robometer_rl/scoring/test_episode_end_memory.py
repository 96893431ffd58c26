"""`score="episode_end"` keeps once what the model reads of the frames; scores stay those of full frames."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from robometer_test_fakes import ACTION, MODEL, FakeEnv, FakeRewardModel, make, play

from robometer_rl import RobometerReward, load_reward_model, relabel
from robometer_rl.rewards.protocol import FrameResizer, Scores

STEPS, SIDE = 60, 240
FRAME = SIDE * SIDE * 3


class HalvedFrames(FakeRewardModel):
    """Reads every fifth pixel, and says so."""

    read: tuple[int, ...] = ()

    def resize_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return frames if frames.shape[1] == SIDE // 5 else np.ascontiguousarray(frames[:, ::5, ::5])

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        type(self).read = frames.shape
        return super().score(frames, task)


def peak(run: Callable[[], Any]) -> int:
    """The most memory that a call holds at once, in bytes, above what was there before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run()
    most = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return most


def episode(model: Any, **options: Any) -> RobometerReward:
    env = make({"horizon": STEPS, "size": SIDE}, model=model, score="episode_end", **options)
    env.reset()
    return env


def test_full_frames_are_held_once() -> None:
    env = episode(MODEL)
    assert peak(lambda: play(env)) < 1.4 * STEPS * FRAME


def test_frames_are_resized_when_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    import robometer_test_fakes

    monkeypatch.setattr(robometer_test_fakes, "HalvedFrames", HalvedFrames, raising=False)
    env = episode("robometer_test_fakes:HalvedFrames", shaping="progress")
    assert peak(lambda: play(env)) < 0.2 * STEPS * FRAME
    assert HalvedFrames.read == (STEPS + 1, SIDE // 5, SIDE // 5, 3)


def test_a_model_says_by_its_type_that_it_resizes() -> None:
    assert isinstance(HalvedFrames(), FrameResizer)
    assert not isinstance(FakeRewardModel(), FrameResizer)
    assert isinstance(load_reward_model("compact"), FrameResizer)


class Noise(FakeEnv):
    """Pictures of a gradient under noise, 480x640."""

    def picture(self, value: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(value)
        ramp = np.linspace(0, 200, 640, dtype=np.float64)[None, :, None]
        return (ramp + rng.integers(0, 55, (480, 640, 3))).astype(np.uint8)


def test_the_bundled_models_scores_are_those_of_the_full_frames() -> None:
    env = RobometerReward(
        Noise(horizon=6), "open the drawer", shaping="progress", score="episode_end", warn_unseen_world=False
    )
    env.reset()
    got = play(env)[-1][3]["robometer/rewards"]
    frames = np.stack([Noise().picture(count) for count in range(7)])
    assert got.tolist() == relabel(frames, "open the drawer").progress[1:].astype(np.float32).tolist()
    small = load_reward_model("compact").resize_frames(frames)  # type: ignore[attr-defined]
    assert small.shape == (7, 96, 96, 3)
    assert small.dtype == np.uint8


def test_relabel_holds_no_second_copy_of_the_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 101, (STEPS, SIDE, SIDE, 3), dtype=np.uint8)
    assert peak(lambda: relabel(frames, "count up", MODEL)) < 0.2 * frames.nbytes


def test_several_cameras_of_different_size_are_kept_apart() -> None:
    env = make({"images": True, "pace": 20, "horizon": 3}, frames=["front", "side"], score="episode_end")
    env.reset()
    assert play(env)[-1][3]["robometer/rewards"] == pytest.approx([0.3 + 0.1, 0.6 + 0.1, 0.8 + 0.5])
    env.reset()
    assert np.isnan(env.step(ACTION)[1])
