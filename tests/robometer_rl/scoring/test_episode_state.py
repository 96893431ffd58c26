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


def step(
    state: EpisodeState, rows: NDArray[np.bool_], seen: Scores, ended: NDArray[np.bool_] = NONE
) -> tuple[list[bool], list[float], list[bool]]:
    """One step of the masked episodes: who is scored, what is paid, who has ended."""
    due = state.due(rows, ended)
    outcome = state.pay(rows, due, seen, 0.5, np.array([10.0, 20.0]), ended, NONE)
    return due.tolist(), outcome.reward.tolist(), outcome.terminated.tolist()


def test_a_row_outside_the_mask_is_neither_paid_nor_moved() -> None:
    state = EpisodeState(2, RewardConfig(ShapingConfig("delta", env_weight=1.0)))
    state.begin(BOTH, scores((0.25, 0.5)))
    assert step(state, FIRST, scores((0.5, 0.75))) == ([True, False], [10.25, 0.0], [False, False])
    assert state.progress.tolist() == [0.5, 0.5]
    assert step(state, BOTH, scores((0.75, 1.0)))[1] == [10.25, 20.5], (
        "measured from each row's own last score"
    )


def test_each_row_has_its_own_clock() -> None:
    state = EpisodeState(2, RewardConfig(ShapingConfig("progress"), score_every=2))
    state.begin(BOTH, scores((0.0, 0.0)))
    seen = scores((0.5, 0.25))
    assert [step(state, rows, seen)[0] for rows in (FIRST, BOTH, BOTH)] == [
        [False, False],
        [True, False],
        [False, True],
    ]
    state.begin(FIRST, scores((0.0, 0.0)))
    assert state.progress.tolist() == [0.0, 0.25], "the second goes on"
    assert step(state, FIRST, seen) == ([False, False], [0.0, 0.0], [False, False])
    assert step(state, BOTH, seen, ended=SECOND) == ([True, True], [0.5, 0.25], [False, True])


def test_each_row_has_its_own_patience() -> None:
    shaping = ShapingConfig("delta", success_bonus=4.0)
    state = EpisodeState(2, RewardConfig(shaping, terminate_on_success=True, success_patience=2))
    state.begin(BOTH, scores((0.0, 0.0)))
    done = scores((0.0, 0.0), (0.9, 0.9))
    assert step(state, FIRST, done)[1:] == ([0.0, 0.0], [False, False])
    assert step(state, BOTH, done)[1:] == ([4.0, 0.0], [True, False])
    state.begin(FIRST, done)
    assert step(state, BOTH, done)[1:] == ([0.0, 4.0], [False, True]), "a new episode starts at patience 0"


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
