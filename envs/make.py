"""One function that makes any of the worlds."""

from __future__ import annotations

from .base import RewardMode, RobotEnv
from .tasks import get_task


def make_env(
    task_id: str,
    seed: int | None = None,
    reward: RewardMode = "sparse",
    horizon: int | None = None,
    action_repeat: int = 1,
    terminate_on_success: bool = False,
    camera: str | None = None,
    image_size: int = 96,
    render_mode: str | None = "rgb_array",
) -> RobotEnv:
    """Makes a robot task as a Gymnasium environment.

    Args:
        task_id: Suite and task, such as `"metaworld/drawer-open-v3"` or `"robosuite/Lift"`.
        seed: Seed of the first `reset()` that is given none.
        reward: `"sparse"` (1.0 while solved, else 0.0) or `"dense"` (the suite's own).
        horizon: Control steps until truncation; None takes the task's.
        action_repeat: Control steps that one `step()` takes with the same action; their dense rewards are
            added up, while the sparse reward is the success after the last of them.
        terminate_on_success: Ends the episode as soon as the task is solved.
        camera: A camera of the suite; None takes the task's.
        image_size: Side of the square picture in pixels.
        render_mode: `"rgb_array"`, or None for no pictures.

    Returns:
        The environment; `env.unwrapped.task` is its task.

    Raises:
        ValueError: Unknown task, or an option outside its range.
        ImportError: The suite is not installed; the message is the command that installs it.
    """
    task = get_task(task_id)
    return _adapter(task.suite)(
        task_id, seed, reward, horizon, action_repeat, terminate_on_success, camera, image_size, render_mode
    )


def _adapter(suite: str) -> type[RobotEnv]:
    if suite == "metaworld":
        from .suites.metaworld import MetaWorldEnv

        return MetaWorldEnv
    from .suites.robosuite import RobosuiteEnv

    return RobosuiteEnv
