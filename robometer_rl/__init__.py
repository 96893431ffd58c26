"""Learned, language-conditioned rewards for Gymnasium environments, in one line.

Importing this package registers the ids of its robot worlds
(`gym.make("robometer_rl:metaworld/drawer-open-v3")`) and loads neither torch nor a simulator; what is named
in `__all__` is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registration import register_robot_envs

if TYPE_CHECKING:
    from robometer_rl.envs.make import make_env
    from robometer_rl.rewards.loading import load_reward_model
    from robometer_rl.rewards.protocol import RewardModel, RewardStream, Scores

    from .relabelling import Relabelled, relabel
    from .rules import RewardConfig
    from .sb3 import VecRobometerReward
    from .sb3_buffer import RobometerDictReplayBuffer, RobometerReplayBuffer
    from .scorer import UnseenWorldWarning
    from .shaping import ShapingConfig
    from .share import ShareFrames
    from .vector import RobometerVectorReward
    from .workers import WorkerDiedError
    from .wrapper import RobometerReward

__all__ = [
    "Relabelled",
    "RewardConfig",
    "RewardModel",
    "RewardStream",
    "RobometerDictReplayBuffer",
    "RobometerReplayBuffer",
    "RobometerReward",
    "RobometerVectorReward",
    "Scores",
    "ShapingConfig",
    "ShareFrames",
    "UnseenWorldWarning",
    "VecRobometerReward",
    "WorkerDiedError",
    "__version__",
    "load_reward_model",
    "make_env",
    "register_robot_envs",
    "relabel",
]

__version__ = "0.1.0"

_HOMES = {
    "Relabelled": "robometer_rl.relabelling",
    "RewardConfig": "robometer_rl.rules",
    "RewardModel": "robometer_rl.rewards.protocol",
    "RewardStream": "robometer_rl.rewards.protocol",
    "RobometerDictReplayBuffer": "robometer_rl.sb3_buffer",
    "RobometerReplayBuffer": "robometer_rl.sb3_buffer",
    "RobometerReward": "robometer_rl.wrapper",
    "RobometerVectorReward": "robometer_rl.vector",
    "Scores": "robometer_rl.rewards.protocol",
    "ShapingConfig": "robometer_rl.shaping",
    "ShareFrames": "robometer_rl.share",
    "UnseenWorldWarning": "robometer_rl.scorer",
    "VecRobometerReward": "robometer_rl.sb3",
    "WorkerDiedError": "robometer_rl.workers",
    "load_reward_model": "robometer_rl.rewards.loading",
    "make_env": "robometer_rl.envs.make",
    "relabel": "robometer_rl.relabelling",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, which keeps `import robometer_rl` fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Lists the lazy names too."""
    return sorted(set(globals()) | set(__all__))


register_robot_envs()
