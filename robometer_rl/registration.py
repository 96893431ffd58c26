"""Gymnasium ids of the robot worlds, such as `robometer_rl:metaworld/drawer-open-v3`.

Names without a version get `-v1`: `robometer_rl:robosuite/Lift-v1`. The prefix makes Gymnasium import this
package first, in worker processes too; entry points (of packaging metadata) would do nothing, since Gymnasium
1.0 stopped reading them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import gymnasium as gym

__all__ = ["RegisteredReward", "gym_id", "make_registered", "register_robot_envs"]

RegisteredReward = Literal["sparse", "dense", "robometer"]
"""`sparse`: true success, 0 or 1. `dense`: the suite's own. `robometer`: learned, by `RobometerReward`."""


def gym_id(task_id: str) -> str:
    """Returns the Gymnasium id of a task.

    Args:
        task_id: Id in the task table, such as `metaworld/drawer-open-v3` or `robosuite/Lift`.

    Returns:
        The id, with `-v1` where the suite's name has no version.
    """
    return task_id if re.search(r"-v\d+$", task_id) else f"{task_id}-v1"


def register_robot_envs() -> None:
    """Registers every task of the table with Gymnasium; ids that are already there stay as they are."""
    from robometer_rl.envs.tasks import TASKS

    for task_id in TASKS:
        if gym_id(task_id) not in gym.registry:
            gym.register(
                id=gym_id(task_id),
                entry_point="robometer_rl.registration:make_registered",
                kwargs={"task_id": task_id},
            )


def make_registered(
    task_id: str,
    reward: RegisteredReward = "sparse",
    env_reward: Literal["sparse", "dense"] = "sparse",
    robometer: Mapping[str, Any] | None = None,
    **options: Any,
) -> gym.Env[Any, Any]:
    """Makes the environment of a registered id.

    The horizon is kept inside the environment (option `horizon`), so that the wrapper sees the truncation and
    scores the last step; prefer it to the `max_episode_steps` of `gym.make`, which acts outside the wrapper.

    Args:
        task_id: Id in the task table.
        reward: `"sparse"`, `"dense"`, or `"robometer"` for the learned reward.
        env_reward: With `reward="robometer"`, the environment's own reward underneath (`info["env_reward"]`).
        robometer: With `reward="robometer"`, options of `RobometerReward`; `task` defaults to the canonical
            sentence.
        options: Options of `make_env`: seed, horizon, action_repeat, terminate_on_success, camera,
            image_size, render_mode.

    Returns:
        The environment.

    Raises:
        ValueError: Unknown reward, or options that do not go together.
        ImportError: The suite is not installed; the message is the command that installs it.
    """
    from robometer_rl.envs.make import make_env

    if reward not in get_args(RegisteredReward):
        raise ValueError(
            f"reward={reward!r} is unknown; choose one of {', '.join(get_args(RegisteredReward))}"
        )
    if reward != "robometer":
        if robometer is not None or env_reward != "sparse":
            raise ValueError(
                f"robometer= and env_reward= belong to reward='robometer', not to reward={reward!r}"
            )
        return make_env(task_id, reward=reward, **options)
    if options.get("terminate_on_success"):
        raise ValueError(
            "terminate_on_success=True ends episodes on true success, which a learned reward need not know: "
            "use robometer={'terminate_on_success': True, 'shift': -1} for the predicted one, or, knowingly, "
            "robometer={'terminate_on_true_success': True, 'shift': -1}"
        )
    from robometer_rl.envs.tasks import get_task

    from .wrappers.single import RobometerReward

    env = make_env(task_id, reward=env_reward, **options)
    return RobometerReward(env, **{"task": get_task(task_id).sentence, **dict(robometer or {})})
