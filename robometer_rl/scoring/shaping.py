"""How a score becomes a reward: pure functions, elementwise, so that one environment and n share them.

    reward = scale * base + success_bonus * detected + shift + env_weight * env_reward

where `base` depends on the mode, with p_t the progress and s_t the success score at step t, both in [0, 1]:

    progress+success   p_t + s_t
    progress           p_t
    success            s_t
    delta              p_t - p_{t-1}
    potential          gamma * p_t - p_{t-1}, with p_t taken as 0 on termination, not on truncation

The first three are absolute: they pay every step, so they pay for loitering. The last two telescope over an
episode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ABSOLUTE_MODES", "EarlyEnd", "Mode", "ShapingConfig", "check_early_end", "shape_reward"]

Mode = Literal["progress+success", "progress", "success", "delta", "potential"]
"""Which function of the scores is the reward."""

EarlyEnd = Literal["terminate_on_success", "terminate_on_true_success"]
"""Options by which a success, predicted or true, ends an episode."""

ABSOLUTE_MODES: dict[Mode, float] = {"progress+success": 2.0, "progress": 1.0, "success": 1.0}
"""The modes that pay every step, each with the most that its base pays in one."""


@dataclass(frozen=True)
class ShapingConfig:
    """Turns scores into a reward; the formula is in the module's docstring."""

    mode: Mode = "progress+success"
    """Function of the scores."""
    gamma: float = 0.99
    """Discount in (0, 1]: set the agent's own. Used by `potential`, and to tell whether an early end pays."""
    success_bonus: float = 0.0
    """Added at each scored step whose success score reaches the threshold, in reward units, at least 0; where
    predicted success ends the episode, only at the step that it ends."""
    scale: float = 1.0
    """Factor of the base, above 0."""
    shift: float = 0.0
    """Added to every step, in reward units; -1 makes the absolute modes a cost that ends with success, but
    for what `check_early_end` neglects."""
    env_weight: float = 0.0
    """Factor of the environment's own reward, which is mixed in; at least 0."""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: A field is outside its range.
        """
        if self.mode not in get_args(Mode):
            raise ValueError(f"shaping={self.mode!r} is unknown; choose one of {', '.join(get_args(Mode))}")
        for name in ("gamma", "success_bonus", "scale", "shift", "env_weight"):
            require_finite(name, getattr(self, name))
            object.__setattr__(self, name, float(getattr(self, name)))  # plain, whatever numpy it came as
        if not 0.0 < self.gamma <= 1.0:
            raise ValueError(f"gamma={self.gamma} must lie in (0, 1]; use the agent's own discount")
        if self.success_bonus < 0.0:
            raise ValueError(
                f"success_bonus={self.success_bonus} must be at least 0: below, success is punished"
            )
        if self.scale <= 0.0:
            raise ValueError(f"scale={self.scale} must be above 0: otherwise undoing the task is rewarded")
        if self.env_weight < 0.0:
            raise ValueError(f"env_weight={self.env_weight} must be at least 0")


def require_finite(name: str, value: Any) -> None:
    """Checks that an option is a finite real number.

    Raises:
        ValueError: It is not; bool does not count as a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name}={value!r} must be a number, not {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name}={value!r} must be finite")


def shape_reward(
    config: ShapingConfig,
    progress: ArrayLike,
    success: ArrayLike,
    previous: ArrayLike,
    *,
    terminated: ArrayLike = False,
    detected: ArrayLike = False,
    paid: ArrayLike = True,
    env_reward: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Computes the reward of one step, elementwise over any common shape.

    Args:
        config: The formula and its factors.
        progress: p_t in [0, 1].
        success: s_t in [0, 1].
        previous: p_{t-1} in [0, 1]; the score of the first frame at the first step.
        terminated: bool, whether the step ended the episode other than by truncation.
        detected: bool, whether the step earns the success bonus.
        paid: bool; where False the base counts as 0 (steps without a score under the fill rule `zero`).
        env_reward: The environment's own reward.

    Returns:
        float64, the reward.
    """
    p = np.asarray(progress, dtype=np.float64)
    s = np.asarray(success, dtype=np.float64)
    before = np.asarray(previous, dtype=np.float64)
    if config.mode == "progress+success":
        base = p + s
    elif config.mode == "progress":
        base = p
    elif config.mode == "success":
        base = s
    elif config.mode == "delta":
        base = p - before
    else:
        base = config.gamma * np.where(terminated, 0.0, p) - before
    learned = config.scale * np.where(paid, base, 0.0)
    bonus = config.success_bonus * np.asarray(detected, dtype=np.float64)
    own = config.env_weight * np.asarray(env_reward, dtype=np.float64)
    return np.asarray(learned + bonus + config.shift + own, dtype=np.float64)


def check_early_end(
    config: ShapingConfig,
    option: EarlyEnd = "terminate_on_success",
    bonus: float | None = None,
    repeated: float = 0.0,
) -> None:
    """Refuses a reward under which an agent does better by never finishing, where success ends the episode.

    Ending cuts off the rewards that a policy would earn by waiting just short of success. A shift that takes
    back a full step of progress (`shift <= -(scale + repeated)`) is taken as enough for an absolute mode;
    otherwise the bonus must be worth at least the discounted sum of what is cut off, at most
    `gamma / (1 - gamma) * (scale * most + repeated + shift)`, where `most` is 2 for progress+success, 1 for
    progress and success, and 0 for delta and potential, which pay nothing for standing still.

    What `shift=-1` leaves at scale 1: nothing with progress or success, whose p - 1 or s - 1 is never above
    0; with progress+success p + s - 1, which is above 0 wherever s > 1 - p, so also just under the threshold,
    at the steps before a `success_patience` above 1 runs out, and where the success that ends the episode is
    the true one. An agent that learns to hover there is still paid for it; `shift=-2` leaves nothing.

    The environment's own reward is not counted, since its range is unknown here.

    Args:
        config: The formula and its factors.
        option: Which option ends the episode.
        bonus: What the ending step earns once, in reward units; None takes the `success_bonus`.
        repeated: What a step short of the end may earn besides the base, again and again, in reward units:
            the `success_bonus` where predicted success does not end the episode.

    Raises:
        ValueError: Loitering pays; the message holds the numbers that would do.
    """
    absolute = config.mode in ABSOLUTE_MODES
    bonus = config.success_bonus if bonus is None else bonus
    per_step = config.scale * ABSOLUTE_MODES.get(config.mode, 0.0) + repeated + config.shift
    enough = -repeated - (config.scale if absolute else 0.0)
    if per_step <= 0.0 or (absolute and config.shift <= enough):
        return
    cut_off = math.inf if config.gamma == 1.0 else config.gamma / (1.0 - config.gamma) * per_step
    if bonus >= cut_off:
        return
    name = f"{option.removeprefix('terminate_on_')}_bonus"
    ways = [f"shift={enough:g} or less"]
    if math.isfinite(cut_off):
        ways.append(f"{name}={math.ceil(cut_off)} or more")
    if absolute and config.shift + repeated <= 0.0:
        ways.append("shaping='delta' or 'potential'")
    again = f"success_bonus={repeated:g} again and again, " if repeated else ""
    raise ValueError(
        f"{option} with shaping={config.mode!r}, scale={config.scale:g}, shift={config.shift:g}, {again}"
        f"{name}={bonus:g} pays for loitering: a step just short of success earns up to {per_step:g}, and "
        f"success ends that income (worth up to {cut_off:g} at gamma={config.gamma:g}). "
        f"Set {', or '.join(ways)}."
    )
