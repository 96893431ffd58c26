"""Which success threshold holds: the one that was given, that of the task, or the model's general one."""

from __future__ import annotations

import json
import warnings
from typing import Literal

from robometer_rl.rewards.protocol import RewardModel, ThresholdsPerTask

__all__ = ["AUTO", "ThresholdOption", "UncalibratedTaskWarning", "resolve_threshold"]

ThresholdOption = float | Literal["auto"] | None
"""A number; `"auto"`, the model's threshold of the task; or None, the model's general threshold."""

AUTO: Literal["auto"] = "auto"


class UncalibratedTaskWarning(UserWarning):
    """A success threshold was not calibrated for the task, or not for how it is used."""


_warned: set[tuple[str, str, int]] = set()


def resolve_threshold(
    option: ThresholdOption, model: RewardModel, spec: object, task: str, patience: int = 1
) -> float:
    """Finds the success threshold of an episode.

    Args:
        option: What the user gave.
        model: The model.
        spec: How the user named the model, for warnings.
        task: The sentence that the episode is scored against.
        patience: Consecutive scores at the threshold that count as success.

    Returns:
        Success score, in (0, 1], from which a step counts as done.

    Warns:
        UncalibratedTaskWarning: `"auto"`, and the model has no threshold of the task, or one for more
            patience; once per process, model and task.
    """
    if option is None:
        return float(model.success_threshold)
    if option != AUTO:
        return float(option)
    keeps = isinstance(model, ThresholdsPerTask)
    found = model.task_threshold(task) if isinstance(model, ThresholdsPerTask) else None
    if found is None:
        general = float(model.success_threshold)
        lacks = f"has no threshold of {task!r}" if keeps else "keeps no thresholds of single tasks"
        _warn(
            (json.dumps(spec, sort_keys=True, default=repr), task, 0),
            f"success_threshold='auto': the reward model {spec!r} {lacks}, so its general one, {general:g}, "
            f"is used for {task!r}. `robometer-rl calibrate` sets thresholds of tasks from episodes",
        )
        return general
    if patience < found.patience:
        _warn(
            (json.dumps(spec, sort_keys=True, default=repr), task, patience),
            f"success_threshold='auto': the threshold of {task!r} was calibrated for {found.patience} "
            f"consecutive scores, and {patience} are asked for: expect more false alarms. Use "
            f"terminate_on_success with success_patience={found.patience}, or calibrate again",
        )
    return found.threshold


def _warn(key: tuple[str, str, int], message: str) -> None:
    if key not in _warned:
        _warned.add(key)
        warnings.warn(message, UncalibratedTaskWarning, stacklevel=3)
