"""The quickstart runs, and its judge counts true success by hand-checkable rules."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from robometer_rl.experiments.agent.success_callback import TrueSuccess
from robometer_rl.experiments.examples import quickstart_sac


class SolvedFrom(gym.Env[Any, Any]):
    """Solved at its second step in the episodes whose seed is at least a bound."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, bound: int) -> None:
        self.bound = bound

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        assert seed is not None
        self.solves, self.steps = seed >= self.bound, 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        solved = self.solves and self.steps == 2  # only for one step: any step counts
        return np.zeros(2, np.float32), 0.0, False, self.steps == 4, {"is_success": solved}


class Still:
    """A policy that does nothing."""

    num_timesteps = 0

    def predict(self, observation: Any, deterministic: bool) -> tuple[Any, None]:
        return np.zeros(1, np.float32), None

    def get_vec_normalize_env(self) -> None:
        """Observations are as they are."""


class Normalised(Still):
    """A policy that was trained on observations less 7; it keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def predict(self, observation: Any, deterministic: bool) -> tuple[Any, None]:
        self.seen.append(observation)
        return super().predict(observation, deterministic)

    def get_vec_normalize_env(self) -> Any:
        return SimpleNamespace(normalize_obs=lambda observation: observation - 7)


def test_an_agent_is_judged_on_observations_normalised_as_in_training() -> None:
    evaluation = TrueSuccess(SolvedFrom(0), episodes=1)
    evaluation.model = agent = Normalised()  # type: ignore[assignment]
    evaluation.success_rate()
    assert np.unique(agent.seen) == [-7.0]


def test_success_at_any_step_counts() -> None:
    evaluation = TrueSuccess(SolvedFrom(1_000_003), episodes=4)
    evaluation.model = Still()  # type: ignore[assignment]
    assert evaluation.success_rate() == 0.25


@pytest.mark.parametrize("bad", [{"every": 0}, {"episodes": 0}, {"action_repeat": -1}])
def test_bad_options_are_named(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        TrueSuccess(SolvedFrom(0), **bad)


@pytest.mark.parametrize("reward", ["sparse", "robometer"])
def test_the_quickstart_writes_its_curve(
    reward: str, tmp_path: Path, fakes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The judge plays one episode; the reward model is the fake, so that only the loop is under test.
    monkeypatch.setattr(quickstart_sac, "TrueSuccess", lambda env, repeat: TrueSuccess(env, repeat, 100, 1))
    wrap = quickstart_sac.RobometerReward
    monkeypatch.setattr(
        quickstart_sac,
        "RobometerReward",
        lambda env, task: wrap(env, task, fakes.MODEL, warn_unseen_world=False),
    )
    quickstart_sac.main(
        ["--reward", reward, "--seed", "3", "--steps", "200", "--horizon", "50", "--out", str(tmp_path)]
    )
    with (tmp_path / f"{reward}-3.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["env_steps"] for row in rows] == ["100", "200"]
    assert all(0 <= float(row["true_success"]) <= 1 and row["reward"] == reward for row in rows)
