"""The parts that every wrapper shares, at two episodes at once: a mask keeps the other row as it was."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from robometer_test_fakes import MODEL

from robometer_rl.rewards.protocol import Scores
from robometer_rl.scoring.episode_state import EpisodeState, RewardConfig
from robometer_rl.scoring.model_streams import ModelStreams
from robometer_rl.scoring.shaping import ShapingConfig

BOTH, FIRST, SECOND, NONE = (np.array(mask) for mask in ([1, 1], [1, 0], [0, 1], [0, 0]))
BOTH, FIRST, SECOND, NONE = (mask.astype(bool) for mask in (BOTH, FIRST, SECOND, NONE))


def scores(progress: tuple[float, float], success: tuple[float, float] = (0.1, 0.1)) -> Scores:
    return Scores(np.array(progress, np.float32), np.array(success, np.float32))


def frames(*pixels: int) -> list[NDArray[np.uint8]]:
    """One camera, one grey picture per episode."""
    return [np.stack([np.full((4, 4, 3), pixel, np.uint8) for pixel in pixels])]


def step(state: EpisodeState, rows: NDArray[np.bool_], seen: Scores) -> tuple[list[float], list[bool]]:
    """One scored step of the masked episodes: what is paid, who has ended."""
    outcome = state.pay(rows, rows, seen, 0.5, np.array([10.0, 20.0]), NONE, NONE)
    return outcome.reward.tolist(), outcome.terminated.tolist()


def test_a_row_outside_the_mask_is_neither_paid_nor_moved() -> None:
    state = EpisodeState(2, RewardConfig(ShapingConfig("delta", env_weight=1.0)))
    state.begin(BOTH, scores((0.25, 0.5)))
    assert step(state, FIRST, scores((0.5, 0.75))) == ([10.25, 0.0], [False, False])
    assert state.progress.tolist() == [0.5, 0.5]
    assert step(state, BOTH, scores((0.75, 1.0)))[0] == [10.25, 20.5], (
        "measured from each row's own last score"
    )


def test_each_row_begins_on_its_own() -> None:
    state = EpisodeState(2, RewardConfig(ShapingConfig("progress")))
    state.begin(BOTH, scores((0.0, 0.0)))
    step(state, BOTH, scores((0.5, 0.25)))
    state.begin(FIRST, scores((0.0, 0.0)))
    assert state.progress.tolist() == [0.0, 0.25], "the second goes on"


def test_a_step_without_a_score_holds_the_last_one() -> None:
    state = EpisodeState(2, RewardConfig(ShapingConfig("progress"), score_every=2))
    state.begin(BOTH, scores((0.5, 0.5)))
    outcome = state.pay(BOTH, FIRST, scores((1.0, 1.0)), 0.5, np.zeros(2), NONE, NONE)
    assert outcome.reward.tolist() == [1.0, 0.5]


def test_each_kth_step_and_the_last_are_due() -> None:
    config = RewardConfig(score_every=3)
    assert config.is_due(np.arange(1, 8), [0, 0, 0, 0, 0, 0, 1]).tolist() == [0, 0, 1, 0, 0, 1, 1]
    assert [bool(RewardConfig().is_due(step, False)) for step in (1, 2)] == [True, True]


@pytest.mark.parametrize("named", [False, True])
def test_true_success_terminates_only_where_it_is_named(named: bool) -> None:
    config = RewardConfig(ShapingConfig("delta"), terminate_on_true_success=named)
    assert config.terminates([False, True, False], [True, True, False]).tolist() == [named, True, False]


def test_each_row_has_its_own_patience() -> None:
    shaping = ShapingConfig("delta", success_bonus=4.0)
    state = EpisodeState(2, RewardConfig(shaping, terminate_on_success=True, success_patience=2))
    state.begin(BOTH, scores((0.0, 0.0)))
    done = scores((0.0, 0.0), (0.9, 0.9))
    assert step(state, FIRST, done) == ([0.0, 0.0], [False, False])
    assert step(state, BOTH, done) == ([4.0, 0.0], [True, False])
    state.begin(FIRST, done)
    assert step(state, BOTH, done) == ([0.0, 4.0], [False, True]), "a new episode starts at patience 0"


def test_a_scorer_of_two_forgets_and_scores_by_mask() -> None:
    scorer = ModelStreams({"name": MODEL, "memory": True}, n=2)
    scorer.reset(["count up", "count up"])
    assert scorer.push(frames(50, 20)).progress == pytest.approx([0.5, 0.2])
    seen = scorer.push(frames(10, 40), SECOND)
    assert np.isnan(seen.progress[0])
    assert np.isnan(seen.success[0])
    assert seen.progress[1] == pytest.approx(0.4)
    scorer.reset(["count up", ""], FIRST)
    assert scorer.push(frames(10, 10)).progress == pytest.approx([0.1, 0.4]), "only the first forgot"
    assert scorer.push(frames(90, 10), FIRST).success[0] == pytest.approx(0.9)


def test_a_scorer_of_two_averages_its_cameras_by_row() -> None:
    scorer = ModelStreams(MODEL, n=2, cameras=2)
    scorer.reset(["count up", "count up"])
    seen = scorer.push([*frames(10, 40), *frames(30, 60)], SECOND)
    assert np.isnan(seen.progress[0])
    assert seen.progress[1] == pytest.approx(0.5)


def test_a_broken_score_counts_only_where_it_is_asked_for() -> None:
    """Rows outside the mask are NaN by the protocol; inside, NaN is an error."""
    scorer = ModelStreams({"name": MODEL, "broken": 1.5}, n=2)
    scorer.reset(["count up", "count up"])
    with pytest.raises(ValueError, match=r"returned progress=\[1.5\], not all in"):
        scorer.push(frames(10, 10), FIRST)
    assert np.isnan(scorer.push(frames(10, 10), NONE).progress).all()
