"""Evaluation of an SB3 agent as it learns, by true success (`judge`), never by a reward."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from robometer_rl.envs.extras import naming_extras

from .evaluation import judge

with naming_extras():
    from stable_baselines3.common.callbacks import BaseCallback

__all__ = ["TrueSuccess"]


class TrueSuccess(BaseCallback):
    """Every so often, lets the deterministic policy play and counts the episodes that it solves."""

    def __init__(
        self, env: gym.Env[Any, Any], action_repeat: int = 1, every: int = 2_500, episodes: int = 20
    ) -> None:
        """Stores the options.

        Args:
            env: the second environment, its `info["is_success"]` the truth.
            action_repeat: environment steps per decision, for the axis of the curve.
            every: environment steps between two evaluations.
            episodes: episodes per evaluation; the same start states each time.
        """
        super().__init__()
        if min(action_repeat, every, episodes) < 1:
            raise ValueError(
                f"action_repeat, every and episodes must be >= 1, got {action_repeat}, {every}, {episodes}"
            )
        self.env = env
        self.action_repeat = action_repeat
        self.every = every
        self.episodes = episodes
        self.curve: list[tuple[int, float]] = []

    def success_rate(self) -> float:
        """Share of episodes solved at the end of any decision, in [0, 1]."""
        return sum(played.solved for played in judge(self.model, self.env, self.episodes)) / self.episodes

    def _on_step(self) -> bool:
        steps = self.num_timesteps * self.action_repeat
        if steps // self.every > (self.curve[-1][0] if self.curve else 0) // self.every:
            self.curve.append((steps, self.success_rate()))
            self.logger.record("eval/true_success", self.curve[-1][1])
            print(f"{steps:7d} environment steps: true success {self.curve[-1][1]:.2f}", flush=True)
        return True
