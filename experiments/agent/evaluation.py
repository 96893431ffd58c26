"""How good an agent is: whole episodes on a separate environment, by the environment's own success test.

An episode counts as solved where the test holds at the end of any decision, that is after `action_repeat`
control steps; a success that comes and goes within one decision is not seen. The reward model's scores of the
same episodes are kept beside the truth and decide nothing. Where the environment tells of no success, an
episode counts by the return of the environment's own reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.frames import FrameGrabber

from ..common.seeds import EVALUATION

__all__ = ["Agent", "EvaluationEpisode", "evaluate", "play", "summarise"]

Normalise = Callable[[Any], Any]


class Agent(Protocol):
    """What is judged: an agent of Stable-Baselines3."""

    def predict(self, observation: Any, *, deterministic: bool = False) -> tuple[Any, Any]:
        """Returns the action for an observation, and the next hidden state."""
        ...


@dataclass(frozen=True)
class EvaluationEpisode:
    """One episode of T decisions."""

    true_success: NDArray[np.bool_] | None
    """`(T,)`, whether the task is done at the end of each decision; None where nobody tells."""
    env_return: float
    """Sum of the environment's own reward."""
    learned_return: float
    """Sum of the learned reward; NaN without a reward model."""
    progress: NDArray[np.float64]
    """`(T,)`, the model's scores; NaN without one."""
    success: NDArray[np.float64]
    """As `progress`."""
    frames: NDArray[np.uint8] | None = None
    """uint8 `(T, H, W, 3)` where they were asked for."""

    @property
    def solved(self) -> bool:
        """Whether the task was done at the end of any decision; False where nobody tells."""
        return self.true_success is not None and bool(self.true_success.any())


def play(
    agent: Agent,
    env: gym.Env[Any, Any],
    seed: int,
    normalise: Normalise | None = None,
    frames: FrameGrabber | None = None,
) -> EvaluationEpisode:
    """Plays one episode with the deterministic policy.

    Args:
        agent: Who plays.
        env: Where; its `info["is_success"]` is the truth, at every step or at none.
        seed: Of the episode.
        normalise: How the agent's observations were normalised, if they were.
        frames: Takes the pictures to keep; None keeps none.

    Returns:
        The episode.
    """
    observation, _ = env.reset(seed=seed)
    truth, own, learned, progress, success, pictures = [], [], [], [], [], []
    over = False
    while not over:
        seen = observation if normalise is None else normalise(observation)
        action, _ = agent.predict(seen, deterministic=True)
        observation, reward, terminated, truncated, info = env.step(action)
        over = terminated or truncated
        truth.append(info.get("is_success"))
        scored = "robometer/progress" in info
        own.append(float(info["env_reward"] if scored else reward))
        learned.append(float(reward) if scored else np.nan)
        progress.append(info.get("robometer/progress", np.nan))
        success.append(info.get("robometer/success", np.nan))
        if frames is not None:
            pictures.append(frames.grab(observation)[0].copy())  # a renderer may hand out its buffer again
    return EvaluationEpisode(
        None if None in truth else np.array(truth, dtype=np.bool_),
        float(np.sum(own)),
        float(np.sum(learned)),
        np.array(progress),
        np.array(success),
        None if frames is None else np.array(pictures),
    )


def evaluate(
    agent: Agent, env: gym.Env[Any, Any], episodes: int, normalise: Normalise | None = None
) -> list[EvaluationEpisode]:
    """Plays the episodes by which an agent is judged, the same start states each time.

    Args:
        agent: Who plays.
        env: Where.
        episodes: How many.
        normalise: How the agent's observations were normalised, if they were.

    Returns:
        The episodes.
    """
    return [play(agent, env, EVALUATION[i], normalise) for i in range(episodes)]


def summarise(episodes: Sequence[EvaluationEpisode], threshold: float) -> dict[str, float]:
    """Turns judged episodes into the columns of a curve.

    Args:
        episodes: At least one.
        threshold: Success score from which the reward model counts a frame as done, in (0, 1]; NaN without a
            reward model.

    Returns:
        Numbers by column of `run.CURVE_COLUMNS`. Those of success are NaN where an episode does not tell of
        it, and the counts of the success head are 0 then and without a model.
    """
    told = [episode.true_success for episode in episodes if episode.true_success is not None]
    known = len(told) == len(episodes)
    truth = np.concatenate(told) if known else np.zeros(0, dtype=np.bool_)
    scores = np.concatenate([episode.success for episode in episodes]) if known else np.zeros(0)
    said = scores >= threshold  # False where NaN
    counted = known and bool(np.isfinite(threshold))
    return {
        "true_success": float(np.mean([episode.solved for episode in episodes])) if known else float("nan"),
        "true_success_last": float(np.mean([one[-1] for one in told])) if known else float("nan"),
        "env_return": float(np.mean([episode.env_return for episode in episodes])),
        "learned_return": float(np.mean([episode.learned_return for episode in episodes])),
        "final_progress": float(np.mean([episode.progress[-1] for episode in episodes])),
        "head_true_positive": int((said & truth).sum() * counted),
        "head_false_positive": int((said & ~truth).sum() * counted),
        "head_true_negative": int((~said & ~truth).sum() * counted),
        "head_false_negative": int((~said & truth).sum() * counted),
    }
