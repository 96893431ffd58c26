from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from robometer_test_fakes import FakeRewardModel  # type: ignore[import-not-found]

from robometer_rl.experiments.adapt.measures import (
    look_at_pictures,
    measure_motion,
    measure_reward,
    measure_times,
    tell_upright,
)
from robometer_rl.experiments.adapt.probe import ProbedEpisode


def episode(
    frames: Any = None,
    progress: Any = (0.0, 0.5, 1.0),
    success: Any = (0.0, 0.1, 0.9),
    true_success: Any = (False, False, True),
    reward: Any = (0.0, 1.0),
    original: Any = None,
) -> ProbedEpisode:
    seen = None if frames is None else np.asarray(frames, dtype=np.uint8)
    if original is None and seen is not None:
        original = seen[0]
    ms = np.array([1.0, 3.0])
    return ProbedEpisode(
        seen=seen,
        originals=() if original is None else (original,) * 3,
        progress=np.array(progress),
        success=np.array(success),
        true_success=None if true_success is None else np.array(true_success),
        reward=np.array(reward),
        ended=True,
        step_ms=ms,
        render_ms=2 * ms if frames is not None else ms[:0],
        score_ms=3 * ms if frames is not None else ms[:0],
    )


def brightening(count: int = 5, side: int = 20) -> Any:
    """The upper half gets brighter; the lower one is striped and stays."""
    frames = np.zeros((count, side, side, 3), dtype=np.uint8)
    frames[:, side // 2 :, ::2] = 60
    frames[:, : side // 2] = (20 * np.arange(count))[:, None, None, None]
    return frames


def about(found: Any) -> dict[str, tuple[str, str]]:
    return {one.about: (one.level, one.text) for one in found}


def test_the_share_of_the_picture_that_moves_is_measured() -> None:
    picture, found = look_at_pictures([episode(brightening())])
    assert picture.moving_share == pytest.approx(0.5)
    assert not picture.flat
    assert not picture.frozen
    assert about(found)["picture"] == (
        "ok",
        "it shows something, and 50.0% of the picture changes in an episode",
    )


def test_little_motion_is_warned_of() -> None:
    frames = np.repeat(brightening()[:1], 3, axis=0)
    frames[1, 0, 0] = 200  # one pixel of 400
    assert about(look_at_pictures([episode(frames)])[1])["picture"][0] == "warning"


@pytest.mark.parametrize(
    ("frames", "name", "message"),
    [
        (np.full((4, 20, 20, 3), 7), "flat", "of one colour"),
        (np.repeat(brightening()[:1], 4, axis=0), "frozen", "never changes"),
    ],
)
def test_dead_pictures_are_a_problem(frames: Any, name: str, message: str) -> None:
    picture, found = look_at_pictures([episode(frames)])
    assert getattr(picture, name)
    level, text = about(found)["picture"]
    assert level == "problem"
    assert message in text


@pytest.mark.parametrize(
    ("height", "width", "name", "level"),
    [
        (100, 100, "size", "ok"),
        (100, 124, "size", "ok"),
        (100, 126, "shape", "warning"),
        (126, 100, "shape", "warning"),
        (19, 19, "size", "warning"),
    ],
)
def test_size_and_shape_are_compared_with_what_the_model_reads(
    height: int, width: int, name: str, level: str
) -> None:
    original = np.zeros((height, width, 3), dtype=np.uint8)
    _, found = look_at_pictures([episode(brightening(side=20), original=original)])
    assert about(found)[name][0] == level


def test_a_picture_that_follows_success_is_taken_for_upright_and_its_mirror_image_not() -> None:
    done = [False] * 4 + [True]
    scores = {"progress": [0.0] * 5, "success": [0.0] * 5, "true_success": done, "reward": [0.0] * 4}
    upright = tell_upright(FakeRewardModel(), "count up", True, [episode(brightening(), **scores)])
    assert (upright.hint, upright.confidence) == ("upright", 1.0)
    turned = tell_upright(FakeRewardModel(), "count up", True, [episode(brightening()[:, ::-1], **scores)])
    assert (turned.hint, turned.confidence) == ("upside down", 1.0)


def test_scores_that_follow_success_either_way_tell_nothing() -> None:
    frames = np.repeat((20 * np.arange(3)).astype(np.uint8)[:, None, None, None], 20, 1)
    frames = np.broadcast_to(frames, (3, 20, 20, 3))
    told = tell_upright(FakeRewardModel(), "count up", True, [episode(frames)])
    assert (told.hint, told.confidence) == ("unknown", 0.0)


@pytest.mark.parametrize(("knows", "done"), [(False, True), (True, False), (True, None)])
def test_no_hint_is_given_without_a_known_world_and_a_success(knows: bool, done: bool | None) -> None:
    success = None if done is None else [False, False, done]
    told = tell_upright(FakeRewardModel(), "count up", knows, [episode(brightening(3), true_success=success)])
    assert (told.hint, told.confidence) == ("unknown", 0.0)
    assert "pictures.png" in told.because


def test_motion_is_summed_up_over_all_steps() -> None:
    motion = measure_motion([episode(), episode(progress=(0.0, 0.0, 0.0), true_success=(False,) * 3)], 0.9)
    assert (motion.episodes, motion.steps, motion.succeeded, motion.called_done) == (2, 4, 1, 2)
    assert motion.mean_progress == pytest.approx(0.25)
    assert motion.max_progress == 1.0
    assert motion.final_progress == pytest.approx(0.5)


def test_success_of_which_one_episode_does_not_tell_is_unknown() -> None:
    assert measure_motion([episode(), episode(true_success=None)], 0.9).succeeded is None


def test_the_own_reward_has_a_range() -> None:
    reward = measure_reward([episode(), episode(reward=(-2.0, 3.0))])
    assert (reward.low, reward.mean, reward.high, reward.constant) == (-2.0, 0.5, 3.0, False)
    assert measure_reward([episode(reward=(1.0, 1.0))]).constant


def test_times_are_medians_and_nan_without_pictures() -> None:
    times = measure_times([episode(brightening(3))])
    assert (times.step, times.render, times.score) == (2.0, 4.0, 6.0)
    blind = measure_times([episode()])
    assert blind.step == 2.0
    assert math.isnan(blind.render)
