"""What is checked before and after a model scores: the sentence, the id of the world, the scores."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_scores", "check_task", "check_world"]


def check_task(task: object) -> str:
    """Checks a task sentence.

    Args:
        task: What the user gave.

    Returns:
        The sentence.

    Raises:
        TypeError: Not a string.
        ValueError: Empty or blank.
    """
    hint = 'say what the robot should do, e.g. task="open the drawer"'
    if not isinstance(task, str):
        raise TypeError(f"task={task!r} must be a sentence, not {type(task).__name__}: {hint}")
    if not task.strip():
        raise ValueError(f"task={task!r} is empty: {hint}")
    return task


def check_world(world: object) -> str | None:
    """Checks the id of a world.

    Args:
        world: What the user gave.

    Returns:
        The id, None if none was given.

    Raises:
        TypeError: Neither a string nor None.
        ValueError: Empty or blank.
    """
    hint = 'give the id under which the checkpoint knows it, e.g. world="mylab/press-bell", or None'
    if world is None:
        return None
    if not isinstance(world, str):
        raise TypeError(f"world={world!r} must be a string, not {type(world).__name__}: {hint}")
    if not world.strip():
        raise ValueError(f"world={world!r} is empty: {hint}")
    return world


def read_env_reward(reward: object) -> float:
    """Reads what an environment pays for a step.

    Args:
        reward: One number, as Python's, numpy's or another library's scalar, or an array that holds just one.

    Returns:
        The number.

    Raises:
        TypeError: Not one real number.
        ValueError: NaN or infinite.
    """
    expected = "expected one finite number"
    number = reward
    if isinstance(reward, (np.ndarray, list, tuple)):
        array = np.asarray(reward, dtype=object)
        if array.size != 1:
            raise TypeError(
                f"the environment paid a reward of shape {array.shape}, {expected}: make one of a "
                "multi-objective reward, e.g. gymnasium.wrappers.TransformReward(env, sum)"
            )
        number = array.reshape(-1)[0]
    if isinstance(number, complex) or not isinstance(number, SupportsFloat):
        raise TypeError(f"the environment paid the reward {reward!r}, {expected}")
    try:
        value = float(number)
    except (TypeError, ValueError, RuntimeError) as error:  # another library's array of several numbers
        raise TypeError(f"the environment paid the reward {reward!r}, {expected}") from error
    if not math.isfinite(value):
        raise ValueError(f"the environment paid the reward {value}, {expected}: it must be finite")
    return value


def check_scores(model: object, name: str, values: NDArray[np.float32], rows: NDArray[np.bool_]) -> None:
    """Checks what a model returned.

    Args:
        model: What to call the model in the error.
        name: `"progress"` or `"success"`.
        values: The scores, `(n,)`.
        rows: bool `(n,)`, which of them count.

    Raises:
        ValueError: A wrong shape, NaN, or a score outside [0, 1].
    """
    if np.shape(values) != rows.shape:
        raise ValueError(f"model {model!r} returned {name} of shape {np.shape(values)}, not {rows.shape}")
    inside = (values >= 0.0) & (values <= 1.0)  # False for NaN too
    if not (inside | ~rows).all():
        raise ValueError(f"model {model!r} returned {name}={values[rows].tolist()}, not all in [0, 1]")
