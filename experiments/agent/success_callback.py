"""Evaluation of an SB3 agent as it learns, by true success (`evaluate`), never by a reward."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from robometer_rl.envs.extras import naming_extras

from .algorithms import normalisation
from .evaluation import EvaluationEpisode, evaluate

with naming_extras():
    from stable_baselines3.common.callbacks import BaseCallback

__all__ = ["EvaluationCallback", "TrueSuccess"]


class EvaluationCallback(BaseCallback):
    """Knows when an evaluation is due and plays its episodes; a subclass decides what follows from them."""

    def __init__(self, env: gym.Env[Any, Any], action_repeat: int, every: int, episodes: int) -> None:
        """Stores the options.

        Args:
            env: The evaluation environment, its `info["is_success"]` the truth.
            action_repeat: Environment steps per decision, at least 1.
            every: Environment steps between two evaluations, at least 1.
            episodes: Episodes per evaluation, at least 1; the same start states each time.

        Raises:
            ValueError: A number is below 1.
        """
        super().__init__()
        for name, value in (("action_repeat", action_repeat), ("every", every), ("episodes", episodes)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.env = env
        self.action_repeat = action_repeat
        self.every = every
        self.episodes = episodes

    @property
    def env_steps(self) -> int:
        """Environment steps so far, action repeats counted."""
        return int(self.num_timesteps) * self.action_repeat

    def is_due(self, last: int) -> bool:
        """Whether a multiple of `every` lies between the last evaluation and now.

        Args:
            last: Environment steps at the last evaluation, 0 before the first.
        """
        return self.env_steps // self.every > last // self.every

    def evaluate(self) -> list[EvaluationEpisode]:
        """Plays the evaluation episodes with the deterministic policy, on observations as in training."""
        return evaluate(self.model, self.env, self.episodes, normalisation(self.model))


class TrueSuccess(EvaluationCallback):
    """Every so often, lets the deterministic policy play and counts the episodes that it solves."""

    def __init__(
        self, env: gym.Env[Any, Any], action_repeat: int = 1, every: int = 2_500, episodes: int = 20
    ) -> None:
        """Begins an empty curve.

        Args:
            env: As for `EvaluationCallback`.
            action_repeat: As there.
            every: As there.
            episodes: As there.

        Raises:
            ValueError: A number is below 1.
        """
        super().__init__(env, action_repeat, every, episodes)
        self.curve: list[tuple[int, float]] = []

    def success_rate(self) -> float:
        """Share of episodes solved at the end of any decision, in [0, 1]."""
        return sum(played.solved for played in self.evaluate()) / self.episodes

    def _on_step(self) -> bool:
        if self.is_due(self.curve[-1][0] if self.curve else 0):
            self.curve.append((self.env_steps, self.success_rate()))
            self.logger.record("eval/true_success", self.curve[-1][1])
            print(f"{self.env_steps:7d} environment steps: true success {self.curve[-1][1]:.2f}", flush=True)
        return True
