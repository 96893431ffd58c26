"""The rules of the wrappers: when to score, what to pay, when to end; and n running episodes under them.

Every wrapper keeps one `EpisodeState`, the single one with n = 1, so that all of them pay the same reward.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robometer_rl.rewards.protocol import Scores

from .shaping import ShapingConfig, check_early_end, require_finite, shape_reward
from .thresholds import AUTO, ThresholdOption

__all__ = ["EpisodeState", "Fill", "RewardConfig", "StepOutcome"]

Fill = Literal["hold", "zero"]
"""What stands for the score at steps without one."""


@dataclass(frozen=True)
class RewardConfig:
    """All that decides reward and episode end, apart from the model and its frames."""

    shaping: ShapingConfig = field(default_factory=ShapingConfig)
    """How a score becomes a reward."""
    score_every: int = 1
    """Score each k-th step of an episode and always its last, at least 1; reset scores the first frame."""
    fill: Fill = "hold"
    """Between scores: `hold` keeps the last score (so `delta` pays 0 and `potential` pays (gamma - 1) p,
    which keeps its sum exact); `zero` pays nothing for the scores there. Shift and the environment's reward
    are paid at every step."""
    terminate_on_success: bool = False
    """Ends the episode when the predicted success holds; the `success_bonus` is then paid at that step only,
    so that hovering within the patience earns none."""
    success_threshold: ThresholdOption = None
    """Success score, in (0, 1], from which a step counts as success; None takes the checkpoint's general
    value, `"auto"` the one of the task."""
    success_patience: int = 1
    """Consecutive scores at the threshold or above that end an episode. At least 1."""
    true_success_bonus: float = 0.0
    """Ground truth: added where the environment reports `is_success`, in reward units."""
    terminate_on_true_success: bool = False
    """Ground truth: ends the episode where the environment reports `is_success`."""

    def __post_init__(self) -> None:
        """Checks every field, and the combination with early termination.

        Raises:
            ValueError: A field is outside its range, or loitering would pay better than success.
        """
        for name in ("score_every", "success_patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
            object.__setattr__(self, name, int(value))  # plain, whatever numpy it came as
        for name in ("terminate_on_success", "terminate_on_true_success"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name}={getattr(self, name)!r} must be True or False")
            object.__setattr__(self, name, bool(getattr(self, name)))
        if self.fill not in get_args(Fill):
            raise ValueError(f"fill={self.fill!r} is unknown; choose one of {', '.join(get_args(Fill))}")
        if self.success_threshold is not None and self.success_threshold != AUTO:
            object.__setattr__(self, "success_threshold", _check_threshold(self.success_threshold))
        require_finite("true_success_bonus", self.true_success_bonus)
        object.__setattr__(self, "true_success_bonus", float(self.true_success_bonus))
        if self.terminate_on_success:
            check_early_end(self.shaping)
        if self.terminate_on_true_success:
            repeated = 0.0 if self.terminate_on_success else self.shaping.success_bonus
            check_early_end(
                self.shaping, "terminate_on_true_success", bonus=self.true_success_bonus, repeated=repeated
            )

    def is_due(self, step: ArrayLike, ended: ArrayLike) -> NDArray[np.bool_]:
        """Tells whether a step is scored: each `score_every`-th of an episode, and the last.

        Args:
            step: Number of the step in its episode, from 1.
            ended: bool, whether it is the last for a reason other than predicted success.

        Returns:
            bool, elementwise.
        """
        return np.logical_or(ended, np.asarray(step) % self.score_every == 0)

    def terminates(self, terminated: ArrayLike, true_success: ArrayLike) -> NDArray[np.bool_]:
        """Tells whether a step terminates its episode, apart from predicted success.

        Args:
            terminated: bool, the environment's own.
            true_success: bool, the environment's own.

        Returns:
            bool, elementwise.
        """
        if not self.terminate_on_true_success:
            return np.asarray(terminated, dtype=np.bool_)
        return np.logical_or(terminated, true_success)

    @property
    def patience(self) -> int:
        """Consecutive scores at the threshold that count as success, where the bonus is paid or it ends."""
        return self.success_patience if self.terminate_on_success else 1

    @property
    def needs_truth(self) -> bool:
        """Whether true success enters the reward or the termination through a named option."""
        return self.true_success_bonus != 0.0 or self.terminate_on_true_success

    @property
    def ground_truth(self) -> dict[str, float | bool]:
        """Every way by which ground truth can reach the agent, for reports; all 0 or False by default."""
        return {
            "env_weight": self.shaping.env_weight,
            "true_success_bonus": self.true_success_bonus,
            "terminate_on_true_success": self.terminate_on_true_success,
        }


def _check_threshold(value: object) -> float:
    """A success threshold as a plain number."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not 0.0 < float(value) <= 1.0:  # type: ignore[arg-type]
        raise ValueError(f"success_threshold={value!r} must be a number in (0, 1], None or 'auto'")
    return float(value)  # type: ignore[arg-type]


class StepOutcome(NamedTuple):
    """What a step pays and whether it ends the episode, both of shape `(n,)`."""

    reward: NDArray[np.float64]
    """The reward."""
    terminated: NDArray[np.bool_]
    """True where the environment or a rule ended the episode."""


class EpisodeState:
    """Keeps the last scores of n episodes; `begin`, then `pay` at every step.

    Examples:
        >>> state = EpisodeState(1, RewardConfig(ShapingConfig("delta")))
        >>> all_rows, zero, no = np.ones(1, bool), np.zeros(1, np.float32), np.zeros(1, bool)
        >>> state.begin(all_rows, Scores(zero, zero))
        >>> state.pay(all_rows, all_rows, Scores(zero + 0.5, zero), 0.5, np.zeros(1), no, no).reward
        array([0.5])
    """

    def __init__(self, n: int, config: RewardConfig) -> None:
        """Makes n episodes that have not begun.

        Args:
            n: Number of episodes, at least 1.
            config: The rules.
        """
        self.config = config
        self.progress = np.zeros(n, dtype=np.float64)
        """Last score of progress, `(n,)`."""
        self.success = np.zeros(n, dtype=np.float64)
        """Last score of success, `(n,)`."""
        self._streak = np.zeros(n, dtype=np.int64)

    def begin(self, rows: NDArray[np.bool_], scores: Scores) -> None:
        """Starts episodes with the scores of their first frames.

        Args:
            rows: bool `(n,)`, the episodes that start.
            scores: Scores of shape `(n,)`; read in `rows`.
        """
        if rows.any():
            self.progress[rows] = scores.progress[rows]
            self.success[rows] = scores.success[rows]
            self._streak[rows] = 0

    def pay(
        self,
        rows: NDArray[np.bool_],
        scored: NDArray[np.bool_],
        scores: Scores,
        threshold: float | NDArray[np.float64],
        env_reward: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        true_success: NDArray[np.bool_],
    ) -> StepOutcome:
        """Computes reward and termination of one step.

        Args:
            rows: bool `(n,)`, the episodes that made a step; the others get reward 0.
            scored: bool `(n,)`, those of `rows` whose step has a score.
            scores: Scores of shape `(n,)`; read where `scored`.
            threshold: Success score from which a step counts as success, in (0, 1]; one, or one per episode
                `(n,)`.
            env_reward: float `(n,)`, the environment's own.
            terminated: bool `(n,)`, what `RewardConfig.terminates` says.
            true_success: bool `(n,)`, the environment's own; False where it does not tell.

        Returns:
            Reward and termination, which predicted success may add.
        """
        config = self.config
        previous = self.progress.copy()
        self.progress[scored] = scores.progress[scored]
        self.success[scored] = scores.success[scored]
        detected = scored & (self.success >= threshold)
        self._streak[scored] = np.where(detected, self._streak + 1, 0)[scored]

        ends = terminated.copy()
        if config.terminate_on_success:
            # From here on only what ends the episode counts, for the bonus too.
            detected &= self._streak >= config.success_patience
            ends |= detected
        reward = shape_reward(
            config.shaping,
            self.progress,
            self.success,
            previous,
            terminated=ends,
            detected=detected,
            paid=scored | (config.fill == "hold"),
            env_reward=env_reward,
        )
        reward = reward + config.true_success_bonus * true_success
        return StepOutcome(np.where(rows, reward, 0.0), ends)
