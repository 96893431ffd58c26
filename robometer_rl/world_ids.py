"""Ids of worlds and of tasks: what a world is called, and the task id that its recordings go by."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym

__all__ = ["is_task", "task_id_of", "world_of"]

_PART = r"[\w+-](?:[\w .+-]*[\w+-])?"
_TASK = re.compile(f"{_PART}/{_PART}")


def is_task(task: object) -> bool:
    """Whether something is a task id, ``suite/name``, which can name a file and no other folder."""
    return isinstance(task, str) and _TASK.fullmatch(task) is not None


def world_of(env: gym.Env[Any, Any]) -> str:
    """Id of an environment's world: its task's id, else its spec's, else its class name.

    Args:
        env: The environment, wrapped or not.

    Returns:
        The id, such as `metaworld/drawer-open-v3` or `FetchPush-v4`.
    """
    known = getattr(getattr(env.unwrapped, "task", None), "id", None)
    if isinstance(known, str):
        return known
    spec = env.unwrapped.spec
    return type(env.unwrapped).__name__ if spec is None else spec.id


def task_id_of(world: str) -> str:
    """The task id of a world whose user names none.

    Args:
        world: Id of the world.

    Returns:
        The id where it reads `suite/name` (`metaworld/door-open-v3`, `ALE/Pong-v5`), else `own/` and it.
    """
    return world if is_task(world) else "own/" + re.sub(r"[^\w+-]+", "-", world).strip("-")
