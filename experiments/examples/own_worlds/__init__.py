"""Worlds that the bundled model never saw, each made as a user makes his own, with demonstrations to record.

`--env robometer_rl.experiments.examples.own_worlds:fetch_push` names one; `record` writes demonstrations of
it. Nothing of another tool is imported before a world is made.
"""

from .fetch_push import FETCH_PUSH, block_is_there, fetch_push
from .push_t import PUSH_T, block_is_on_target, push_t
from .robosuite_wipe import ROBOSUITE_WIPE, robosuite_wipe, table_is_clean

__all__ = [
    "WORLDS",
    "block_is_on_target",
    "block_is_there",
    "fetch_push",
    "push_t",
    "robosuite_wipe",
    "table_is_clean",
]

WORLDS = {world.name: world for world in (FETCH_PUSH, ROBOSUITE_WIPE, PUSH_T)}
"""All of them by name."""
