"""The judge counts what the simulator says, whatever the reward model says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from robometer_test_fakes import MODEL, SENTENCE, FakeEnv

from robometer_rl import RobometerReward
from robometer_rl.experiments.agent.callback import solved
from robometer_rl.experiments.agent.evaluation import EvaluationEpisode, evaluate, play, summarise
from robometer_rl.experiments.agent.videos import pick
from robometer_rl.frames import FrameGrabber


class Still:
    """An agent that does nothing and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        assert deterministic
        self.seen.append(observation)
        return np.zeros(2, dtype=np.float32), None


def test_an_episode_is_kept_as_it_was() -> None:
    env = RobometerReward(FakeEnv(horizon=3, pace=30, success_at=3), SENTENCE, MODEL, shaping="progress")
    played = play(Still(), env, seed=5, frames=FrameGrabber(env.env, "render"))
    assert played.true_success is not None
    assert played.true_success.tolist() == [False, False, True]
    assert played.env_return == 11 + 12 + 13
    assert played.learned_return == pytest.approx(0.3 + 0.6 + 0.9)
    assert played.progress == pytest.approx([0.3, 0.6, 0.9])
    assert played.success == pytest.approx([0.1, 0.1, 0.9])
    assert played.frames is not None
    assert played.frames[:, 0, 0, 0].tolist() == [30, 60, 90]
    assert played.solved


def test_without_a_reward_model_its_numbers_are_nan_and_its_counts_zero() -> None:
    played = play(Still(), FakeEnv(horizon=2, success_at=1), seed=5)
    assert played.env_return == 11 + 12
    assert np.isnan(played.learned_return)
    row = summarise([played], float("nan"))
    assert row["true_success"] == 1.0
    assert [row[name] for name in row if name.startswith("head_")] == [0, 0, 0, 0]


def test_where_success_is_unknown_its_numbers_are_nan() -> None:
    env = RobometerReward(FakeEnv(horizon=3, pace=30, success_key=None), SENTENCE, MODEL, shaping="progress")
    played = play(Still(), env, seed=5)
    assert played.true_success is None
    assert not played.solved
    row = summarise([played, played], 0.5)
    assert np.isnan([row["true_success"], row["true_success_last"]]).all()
    assert row["env_return"] == 11 + 12 + 13
    assert row["learned_return"] == pytest.approx(0.3 + 0.6 + 0.9)
    assert [row[name] for name in row if name.startswith("head_")] == [0, 0, 0, 0]


def test_observations_are_normalised_as_in_training() -> None:
    agent = Still()
    play(agent, FakeEnv(horizon=1), seed=5, normalise=lambda observation: observation * 0 + 7)
    assert agent.seen[0].tolist() == [7.0, 7.0]


def test_every_judgement_has_the_same_start_states() -> None:
    agents = [Still(), Still()]
    for agent in agents:
        evaluate(agent, FakeEnv(horizon=1), episodes=3)
    assert np.array_equal(agents[0].seen, agents[1].seen)
    assert len({float(seen[1]) for seen in agents[0].seen}) == 3


def episode(truth: list[int], said: list[float], learned: float) -> EvaluationEpisode:
    return EvaluationEpisode(
        np.array(truth, dtype=bool), 1.0, learned, np.linspace(0, 1, len(truth)), np.array(said)
    )


def test_columns_known_by_hand() -> None:
    row = summarise([episode([0, 1, 0], [0.9, 0.6, 0.1], 2.0), episode([0, 0, 0], [0.1, 0.5, 0.2], 4.0)], 0.5)
    assert row == {
        "true_success": 0.5,
        "true_success_last": 0.0,
        "env_return": 1.0,
        "learned_return": 3.0,
        "final_progress": 1.0,
        "head_true_positive": 1,
        "head_false_positive": 2,
        "head_true_negative": 3,
        "head_false_negative": 0,
    }


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([1, 1], False), ([0.95, 0.95, 0.95], True), ([1, 0.9, 1], False), ([0, 1, 1, 1], True), ([], False)],
)
def test_solved_is_three_in_a_row(rates: list[float], expected: bool) -> None:
    assert solved([{"true_success": rate} for rate in rates]) is expected


def test_the_films_are_the_best_and_the_most_wrongly_paid() -> None:
    episodes = [
        episode([0], [0], 9.0),
        episode([1], [1], 3.0),
        episode([1], [1], 5.0),
        episode([0], [0], 2.0),
    ]
    assert pick(episodes) == {"best": 2, "wrong": 0}
    assert pick(episodes[1:3]) == {"best": 1}
    assert pick([episodes[3], episodes[0]]) == {"best": 1, "wrong": 1}
