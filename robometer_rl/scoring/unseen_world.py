"""The warning that a checkpoint was never trained on the world that it is asked to score."""

from __future__ import annotations

import json
import warnings

from robometer_rl.rewards.protocol import ANY_WORLD, RewardModel

from ..world_ids import task_id_of

__all__ = ["UnseenWorldWarning", "warn_if_unseen"]


class UnseenWorldWarning(UserWarning):
    """The checkpoint never saw this world, so its scores may mean nothing there."""


_warned: set[tuple[str, str]] = set()


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
    trained = set(model.trained_worlds)
    # `train` names a world by its task's id, `adapt` by its own.
    if key in _warned or ANY_WORLD in trained or task_id_of(world) in map(task_id_of, trained):
        return
    _warned.add(key)
    warnings.warn(
        f"the reward model {spec!r} was never trained on {world!r}: its scores may mean little here. "
        "Adapt it with a few demonstrations of this world, `robometer-rl adapt`, or use a larger model. "
        "Where it knows this world by another id, say so with world=...; warn_unseen_world=False silences "
        "this. "
        f"It knows: {', '.join(model.trained_worlds) or 'no world'}.",
        UnseenWorldWarning,
        stacklevel=stacklevel,
    )
