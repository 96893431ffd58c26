"""SAC on the learned reward alone: what a user writes in 30 lines.

`python -m robometer_rl.experiments.examples.quickstart_sac --reward robometer --seed 0` trains on door-close
and prints the true success of a second environment as it goes; `--reward sparse` is the same agent on the
suite's 0/1 reward.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import tyro

from robometer_rl import RobometerReward
from robometer_rl.envs import get_task, make_env
from robometer_rl.envs.extras import naming_extras

from ..agent.success_callback import TrueSuccess

with naming_extras():
    from stable_baselines3 import SAC


@dataclass(frozen=True)
class QuickstartConfig:
    """One run."""

    task: str = "metaworld/door-close-v3"
    """A task id of the table."""
    reward: Literal["robometer", "sparse"] = "robometer"
    """robometer: learned progress + success, no ground truth; sparse: 1 while the task is solved."""
    seed: int = 0
    """Seed of environment and agent."""
    steps: int = 50_000
    """Environment steps."""
    action_repeat: int = 5
    """Environment steps per decision."""
    horizon: int = 150
    """Environment steps per episode."""
    gamma: float = 0.97
    """Discount per decision."""
    out: Path = Path("runs/quickstart")
    """Folder of the curve, `REWARD-SEED.csv`."""


def train(config: QuickstartConfig) -> list[tuple[int, float]]:
    """Train one agent; returns (environment steps, true success rate) at each evaluation."""
    options: dict[str, Any] = {"horizon": config.horizon, "action_repeat": config.action_repeat}
    env: gym.Env[Any, Any] = make_env(config.task, seed=config.seed, reward="sparse", **options)
    if config.reward == "robometer":
        env = RobometerReward(env, task=get_task(config.task).sentence)  # the one line
    evaluation = TrueSuccess(make_env(config.task, **options), config.action_repeat)
    agent = SAC("MlpPolicy", env, gamma=config.gamma, gradient_steps=4, seed=config.seed, device="cpu")
    agent.learn(config.steps // config.action_repeat, callback=evaluation)
    return evaluation.curve


def main(argv: list[str] | None = None) -> None:
    """Train SAC on one task and write its curve of true success."""
    config = tyro.cli(QuickstartConfig, args=argv)
    config.out.mkdir(parents=True, exist_ok=True)
    curve = train(config)
    with (config.out / f"{config.reward}-{config.seed}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("task", "reward", "seed", "env_steps", "true_success")])
        csv.writer(file).writerows(
            (config.task, config.reward, config.seed, steps, rate) for steps, rate in curve
        )


if __name__ == "__main__":
    main()
