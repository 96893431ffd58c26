"""How far a Meta-World object is from where its task wants it, and from how near the task counts as done.

The suite reports `obj_to_target` for most tasks; for the ones with a function below it
reports a constant zero or the hand's distance.
Tolerances are those of the suite's own success tests, in each task's `evaluate_state` (Meta-World 3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_USUAL_TOLERANCE = 0.07
_TOLERANCES = {
    "assembly-v3": 0.02,
    "basketball-v3": 0.08,
    "bin-picking-v3": 0.05,
    "box-close-v3": 0.08,
    "button-press-topdown-v3": 0.024,
    "button-press-topdown-wall-v3": 0.024,
    "button-press-v3": 0.02,
    "button-press-wall-v3": 0.03,
    "coffee-button-v3": 0.02,
    "disassemble-v3": 0.0,
    "door-close-v3": 0.08,
    "door-lock-v3": 0.02,
    "door-open-v3": 0.08,
    "door-unlock-v3": 0.02,
    "drawer-close-v3": 0.065,
    "drawer-open-v3": 0.03,
    "hammer-v3": 0.0,
    "hand-insert-v3": 0.05,
    "handle-press-side-v3": 0.02,
    "handle-press-v3": 0.02,
    "handle-pull-side-v3": 0.08,
    "handle-pull-v3": 0.05,
    "lever-pull-v3": np.pi / 24,
    "push-v3": 0.05,
    "reach-v3": 0.05,
    "reach-wall-v3": 0.05,
    "stick-pull-v3": 0.12,
    "stick-push-v3": 0.12,
    "sweep-into-v3": 0.05,
    "sweep-v3": 0.05,
    "window-close-v3": 0.05,
    "window-open-v3": 0.05,
}


def tolerance(task: str) -> float:
    """The distance at which the suite counts a task as done.

    Args:
        task: Name of a Meta-World task, such as `"reach-v3"`.

    Returns:
        Metres (radians for the lever).
    """
    return float(_TOLERANCES.get(task, _USUAL_TOLERANCE))


def distance(task: str, sim: Any, reported: float) -> float:
    """How far the object is from where the task wants it.

    Args:
        task: Name of a Meta-World task.
        sim: The suite's environment, with positions up to date.
        reported: Its `info["obj_to_target"]`.

    Returns:
        Metres (radians for the lever), not negative.
    """
    own = _DISTANCES.get(task)
    return float(reported) if own is None else own(sim)


def _lid(sim: Any) -> float:
    return float(np.linalg.norm(sim._get_pos_objects() - sim._target_pos))


def _door_handle(sim: Any) -> float:
    # The success test looks at this axis alone.
    return float(abs(sim._get_pos_objects()[0] - sim._target_pos[0]))


def _nut(sim: Any) -> float:
    return float(np.linalg.norm(sim.data.site("RoundNut").xpos - sim._target_pos))


def _nut_height(sim: Any) -> float:
    return max(float(sim._target_pos[2] - sim._get_pos_objects()[2]), 0.0)


def _lever(sim: Any) -> float:
    return abs(np.pi / 2 + float(sim.data.joint("LeverAxis").qpos[0]))


def _hammer(sim: Any) -> float:
    # From the hammer's head to the nail, then the way the nail has to go: 0.09 m in the success test.
    head = sim._get_pos_objects()[:3] + np.array([0.16, 0.06, 0.0])
    nail = max(0.09 - float(sim.data.joint("NailSlideJoint").qpos[0]), 0.0)
    return float(np.linalg.norm(head - sim.data.site("nailHead").xpos)) + nail


_DISTANCES: dict[str, Callable[[Any], float]] = {
    "assembly-v3": _nut,
    "box-close-v3": _lid,
    "disassemble-v3": _nut_height,
    "door-open-v3": _door_handle,
    "hammer-v3": _hammer,
    "lever-pull-v3": _lever,
}
