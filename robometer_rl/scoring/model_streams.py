"""The model behind the wrappers: loaded late, shared within a process, averaged over cameras."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.loading import check_model_spec, load_reward_model
from robometer_rl.rewards.protocol import RewardModel, RewardStream, Scores

__all__ = [
    "ANY_WORLD",
    "Loaded",
    "Scorer",
    "UnseenWorldWarning",
    "acquire",
    "check_scores",
    "check_task",
    "check_world",
    "warn_if_unseen",
    "world_of",
]

ANY_WORLD = "*"
"""Entry of `RewardModel.trained_worlds` by which a general model says that no world is foreign to it."""


class UnseenWorldWarning(UserWarning):
    """The checkpoint never saw this world, so its scores may mean nothing there."""


class Loaded:
    """Holds a model so that it can be referred to weakly, whatever its class."""

    def __init__(self, model: RewardModel) -> None:
        """Keeps the model."""
        self.model = model


_shared: WeakValueDictionary[tuple[int, str], Loaded] = WeakValueDictionary()
_warned: set[tuple[str, str]] = set()


def acquire(spec: str | Mapping[str, Any]) -> Loaded:
    """Loads a model, or hands out the one that this process has loaded under an equal spec.

    Args:
        spec: What `load_reward_model` reads.

    Returns:
        The holder of the model; it is shared for as long as somebody keeps a holder.
    """
    # The process id is part of the key: a forked worker must not use the threads and streams of its parent.
    key = (os.getpid(), json.dumps(spec, sort_keys=True))
    loaded = _shared.get(key)
    if loaded is None:
        loaded = Loaded(load_reward_model(spec))
        _shared[key] = loaded
    return loaded


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


def world_of(env: gym.Env[Any, Any]) -> str:
    """Id of an environment's world: its task's id, else its spec's, else its class name.

    Args:
        env: The environment, wrapped or not.

    Returns:
        The id, such as `metaworld/drawer-open-v3`.
    """
    known = getattr(getattr(env.unwrapped, "task", None), "id", None)
    if isinstance(known, str):
        return known
    spec = env.unwrapped.spec
    return type(env.unwrapped).__qualname__ if spec is None else spec.id


def warn_if_unseen(model: RewardModel, spec: object, world: str, stacklevel: int = 3) -> None:
    """Warns, once per process, world and model, where a checkpoint was never trained on the world.

    By default the warning points at the caller of the function that calls this one.

    Args:
        model: The model.
        spec: How the user named it.
        world: Id of the world, such as `metaworld/drawer-open-v3`.
        stacklevel: As for `warnings.warn`.
    """
    key = (world, json.dumps(spec, sort_keys=True))
    if key in _warned or world in model.trained_worlds or ANY_WORLD in model.trained_worlds:
        return
    _warned.add(key)
    warnings.warn(
        f"the reward model {spec!r} was never trained on {world!r}: its scores may mean little here. "
        "Fit it on a few demonstrations of this world with `robometer-rl fit`, or use a larger model. "
        "Where it knows this world by another id, say so with world=...; warn_unseen_world=False silences "
        "this. "
        f"It knows: {', '.join(model.trained_worlds) or 'no world'}.",
        UnseenWorldWarning,
        stacklevel=stacklevel,
    )


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


class Scorer:
    """Scores n running episodes seen by one or several cameras; a score is the mean over the cameras.

    The model is loaded at the first `reset`, in the process that calls it, so an unused scorer is cheap and
    picklable. Scorers of one process whose specs are equal share one model, for as long as one of them holds
    it.
    """

    def __init__(self, spec: str | Mapping[str, Any], n: int = 1, cameras: int = 1) -> None:
        """Checks the spec without loading anything.

        Args:
            spec: What `load_reward_model` reads.
            n: Number of episodes.
            cameras: Pictures per episode and step.

        Raises:
            TypeError: The spec is not a string or a mapping that JSON can hold.
            ValueError: No model has that name.
        """
        check_model_spec(spec)
        self.spec = spec
        self.n = n
        self.cameras = cameras
        self._loaded: Loaded | None = None
        self._streams: list[RewardStream] = []

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        if self._loaded is None:
            self._loaded = acquire(self.spec)
        return self._loaded.model

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        """Forgets the masked episodes and sets their tasks.

        Args:
            tasks: n sentences.
            mask: bool `(n,)`; None resets all.
        """
        if not self._streams:
            self._streams = [self.model.stream(self.n) for _ in range(self.cameras)]
        for stream in self._streams:
            stream.reset(tasks, mask)

    def push(self, frames: Sequence[NDArray[np.uint8]], mask: NDArray[np.bool_] | None = None) -> Scores:
        """Adds one picture per camera to each masked episode and scores it.

        Args:
            frames: One uint8 `(n, H, W, 3)` per camera; cameras may differ in size.
            mask: bool `(n,)`; None pushes all.

        Returns:
            Scores of shape `(n,)`, the mean over the cameras; NaN outside the mask.

        Raises:
            ValueError: The model returned scores of a wrong shape, NaN, or outside [0, 1].
        """
        rows = np.ones(self.n, dtype=np.bool_) if mask is None else mask
        views = [stream.push(view, mask) for stream, view in zip(self._streams, frames, strict=True)]
        for view in views:
            check_scores(self.spec, "progress", view.progress, rows)
            check_scores(self.spec, "success", view.success, rows)
        if len(views) == 1:  # a mean of one costs as much as all the rest of a step
            return views[0]
        return Scores(
            np.mean([view.progress for view in views], axis=0, dtype=np.float32),
            np.mean([view.success for view in views], axis=0, dtype=np.float32),
        )

    def close(self) -> None:
        """Lets go of the model and its streams; a later `reset` loads again."""
        self._streams = []
        self._loaded = None
