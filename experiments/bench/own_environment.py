"""What a wrapped step costs in an environment of one's own: its own step, the picture, the reward model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
from rich.table import Table

from robometer_rl import RobometerReward
from robometer_rl.frames import FrameGrabber

from ..common.environment import EnvironmentConfig, make_environment
from .table import Spread

__all__ = ["OwnReport", "PartCost", "measure"]

_SPARSE = 5
"""Steps between two scores of the cheaper wrapped step."""


@dataclass(frozen=True)
class PartCost:
    """The time of one thing."""

    name: str
    """What was timed."""
    ms: Spread
    """Milliseconds of a call."""


@dataclass(frozen=True)
class OwnReport:
    """What was measured in an environment."""

    env: str
    """Its name."""
    costs: tuple[PartCost, ...]
    """In the order of the table."""
    machine: dict[str, Any]
    """What the numbers depend on."""
    command: str
    """The command line."""

    def table(self) -> Table:
        """The report for a terminal."""
        table = Table(title=f"{self.env}: milliseconds a step", title_style="bold")
        table.add_column("what")
        for name in ("median", "p10", "p90", "per second"):
            table.add_column(name, justify="right")
        for cost in self.costs:
            ms = cost.ms
            table.add_row(
                cost.name, f"{ms.median:.2f}", f"{ms.p10:.2f}", f"{ms.p90:.2f}", f"{1e3 / ms.median:,.0f}"
            )
        return table

    def to_json(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return asdict(self)


def measure(
    config: EnvironmentConfig, model: str, repetitions: int, machine: dict[str, Any], command: str
) -> OwnReport:
    """Times the steps of an environment, plain and wrapped, under random actions.

    Args:
        config: The environment.
        model: A reward model, as in `load_reward_model`.
        repetitions: Timed calls of each, at least 1.
        machine: What the numbers depend on.
        command: The command line, for the report.

    Returns:
        The times; the first calls, in which things are loaded, do not count.

    Raises:
        ValueError: The environment or the model cannot be made, or there are no such pictures.
    """
    costs = []
    env = make_environment(config, seed=0)
    try:
        grabber = FrameGrabber(env, config.frames)
        steps = _Steps(env)
        plain = _spread(steps.step, repetitions, steps.begin)
        costs.append(PartCost("environment step, without reward model", plain))
        costs.append(PartCost("one picture", _spread(lambda: grabber.grab(steps.observation), repetitions)))
        for every in (1, _SPARSE):
            wrapped = RobometerReward(
                env, config.sentence, model, frames=config.frames, score_every=every,
                warn_unseen_world=False,  # only the time is of interest
            )  # fmt: skip
            steps = _Steps(wrapped)
            name = "wrapped step" if every == 1 else f"wrapped step, mean, with a score every {every} steps"
            costs.append(PartCost(name, _spread(steps.step, repetitions, steps.begin, every)))
    finally:
        env.close()
    return OwnReport(config.env, tuple(costs), machine, command)


class _Steps:
    """Steps an environment with random actions; a new episode begins outside of what is timed."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self._env = env
        env.action_space.seed(0)
        self.observation, _ = env.reset(seed=0)
        self._over = False

    def step(self) -> None:
        """One step."""
        self.observation, _, terminated, truncated, _ = self._env.step(self._env.action_space.sample())
        self._over = bool(terminated or truncated)

    def begin(self) -> None:
        """Resets, where the episode is over."""
        if self._over:
            self.observation, _ = self._env.reset()
            self._over = False


def _spread(
    call: Callable[[], object], repetitions: int, begin: Callable[[], object] | None = None, group: int = 1
) -> Spread:
    """Milliseconds of a call, each the mean over a group of consecutive ones; `begin` comes before each."""
    times = []
    for number in range(-2, repetitions):
        spent = 0.0
        for _ in range(group):
            if begin is not None:
                begin()
            start = time.perf_counter()
            call()
            spent += time.perf_counter() - start
        if number >= 0:
            times.append(1e3 * spent / group)
    return Spread.of(times)
