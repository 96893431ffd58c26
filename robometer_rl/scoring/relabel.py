"""Rewards of an episode that is over: one causal pass of the model instead of one per step.

The rules are those of the running wrappers (`EpisodeState`), so the numbers are the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robometer_rl.rewards.protocol import RewardModel, Scores

from ..frame_checks import DeadFrameWarning, check_video
from .checks import check_scores, check_task
from .episode_state import EpisodeState, RewardConfig
from .model_cache import acquire
from .thresholds import resolve_threshold

__all__ = ["Relabelled", "relabel", "replay", "score_views"]


class Relabelled(NamedTuple):
    """What an episode of T steps earns; index 0 of the scores is the frame of the reset."""

    reward: NDArray[np.float64]
    """Reward of each step, `(T,)`."""
    progress: NDArray[np.float64]
    """Progress at reset and after each step, `(T + 1,)`, in [0, 1]; held where a step is not scored."""
    success: NDArray[np.float64]
    """Success, as `progress`."""


def relabel(
    frames: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    task: str,
    model: str | Mapping[str, Any] | RewardModel = "compact",
    config: RewardConfig | None = None,
    *,
    env_reward: ArrayLike | None = None,
    true_success: ArrayLike | None = None,
    terminated: bool = False,
) -> Relabelled:
    """Computes the rewards that `RobometerReward` would have paid during an episode.

    Args:
        frames: uint8 `(T + 1, H, W, 3)` RGB, the reset's frame first; or a list of these, one per camera,
            whose scores are averaged.
        task: What the robot should do, a sentence.
        model: A spec as for `load_reward_model`, or a loaded model.
        config: The rules; None takes the wrapper's defaults.
        env_reward: `(T,)`, the environment's own; needed with `env_weight`.
        true_success: bool `(T,)`, the environment's own; needed with `true_success_bonus`.
        terminated: Whether the last step ended the episode other than by truncation.

    Returns:
        Rewards and scores.

    Raises:
        TypeError: The task or the model is of a wrong type.
        ValueError: Fewer than two frames, lengths that do not fit, every picture is flat, something needed is
            missing, or the rules end episodes on predicted success, which a recorded episode no longer can.
    """
    config = RewardConfig() if config is None else config
    views = [frames] if isinstance(frames, np.ndarray) else list(frames)
    lengths = [len(view) for view in views]
    if not views or len(set(lengths)) != 1 or lengths[0] < 2:
        raise ValueError(
            f"frames must hold the reset's picture and at least one more, as many per camera; got {lengths}"
        )
    if config.terminate_on_success:
        raise ValueError("terminate_on_success cannot end an episode that is over: relabel without it")
    steps = lengths[0] - 1
    if env_reward is None and config.shaping.env_weight != 0.0:
        raise ValueError(f"env_weight={config.shaping.env_weight} needs env_reward, the environment's own")
    if true_success is None and config.needs_truth:
        raise ValueError("true_success_bonus and terminate_on_true_success need true_success, bool (T,)")
    own = _per_step("env_reward", np.zeros(steps) if env_reward is None else env_reward, steps)
    truth = _per_step("true_success", np.zeros(steps) if true_success is None else true_success, steps) != 0.0
    number = np.arange(1, steps + 1)
    last = number == steps
    scored = config.is_due(number, last)
    kept = np.concatenate([[True], scored])
    loaded = acquire(model).model if isinstance(model, (str, Mapping)) else model
    scores = score_views(loaded, [view if kept.all() else view[kept] for view in views], check_task(task))
    for camera, view in enumerate(views):
        for told in check_video(view, f"camera {camera}"):
            warnings.warn(told, DeadFrameWarning, stacklevel=2)
    spec = model if isinstance(model, (str, Mapping)) else type(model).__qualname__
    threshold = resolve_threshold(config.success_threshold, loaded, spec, task, config.patience)
    return replay(config, threshold, scores, scored, own, truth, config.terminates(last & terminated, truth))


def _per_step(name: str, values: ArrayLike, steps: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (steps,):
        raise ValueError(f"{name} has shape {array.shape}; {steps + 1} frames make {steps} steps: ({steps},)")
    return array


def score_views(model: RewardModel, views: Sequence[NDArray[np.uint8]], task: str) -> Scores:
    """Scores one episode seen by one or several cameras.

    Args:
        model: The model.
        views: One uint8 `(K, H, W, 3)` per camera.
        task: The sentence.

    Returns:
        Scores of shape `(K,)`, the mean over the cameras.

    Raises:
        ValueError: The model returned scores of a wrong shape, NaN, or outside [0, 1].
    """
    seen = [model.score(view, task) for view in views]
    for scores, view in zip(seen, views, strict=True):
        for name, values in scores._asdict().items():
            check_scores(type(model).__qualname__, name, values, np.ones(len(view), dtype=np.bool_))
    return Scores(
        np.mean([scores.progress for scores in seen], axis=0, dtype=np.float32),
        np.mean([scores.success for scores in seen], axis=0, dtype=np.float32),
    )


def replay(
    config: RewardConfig,
    threshold: float,
    scores: Scores,
    scored: NDArray[np.bool_],
    env_reward: NDArray[np.float64],
    true_success: NDArray[np.bool_],
    terminated: NDArray[np.bool_],
) -> Relabelled:
    """Applies the rules to an episode whose scores are known.

    Args:
        config: The rules.
        threshold: Success score from which a step counts as success, in (0, 1].
        scores: Scores `(1 + scored.sum(),)`, of the reset's frame and of each scored step.
        scored: bool `(T,)`, which steps have a score.
        env_reward: float `(T,)`.
        true_success: bool `(T,)`.
        terminated: bool `(T,)`, what `RewardConfig.terminates` says.

    Returns:
        Rewards and scores of every step.
    """
    state = EpisodeState(1, config)
    row = np.ones(1, dtype=np.bool_)
    state.begin(row, Scores(scores.progress[:1], scores.success[:1]))
    steps = len(scored)
    reward, progress, success = np.zeros(steps), np.zeros(steps + 1), np.zeros(steps + 1)
    progress[0], success[0] = state.progress[0], state.success[0]
    taken = np.cumsum(scored)
    for t in range(steps):
        now = slice(taken[t], taken[t] + 1)
        outcome = state.pay(
            row,
            scored[t : t + 1],
            Scores(scores.progress[now], scores.success[now]),
            threshold,
            env_reward[t : t + 1],
            terminated[t : t + 1],
            true_success[t : t + 1],
        )
        reward[t] = outcome.reward[0]
        progress[t + 1], success[t + 1] = state.progress[0], state.success[0]
    return Relabelled(reward, progress, success)
