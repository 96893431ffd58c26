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

    from .datasets.recorder import RecordEpisodes
    from .frame_checks import DeadFrameWarning
    from .scoring.episode_state import RewardConfig
    from .scoring.relabel import Relabelled, relabel
    from .scoring.shaping import ShapingConfig
    from .scoring.thresholds import UncalibratedTaskWarning
    from .scoring.unseen_world import UnseenWorldWarning
    from .subenvs.share_frames import ShareFrames
    from .subenvs.workers import WorkerDiedError
    from .video.batch import score_videos
    from .video.ranking import RankedVideo, VideoRanking, rank_videos
    from .video.scored import FailedVideo, ScoredVideo, VideoScores
    from .wrappers.sb3 import VecRobometerReward
    from .wrappers.sb3_replay import RobometerDictReplayBuffer, RobometerReplayBuffer
    from .wrappers.single import RobometerReward
    from .wrappers.vector import RobometerVectorReward

__all__ = [
    "DeadFrameWarning",
    "FailedVideo",
    "RankedVideo",
    "RecordEpisodes",
    "Relabelled",
    "RewardConfig",
    "RewardModel",
    "RewardStream",
    "RobometerDictReplayBuffer",
    "RobometerReplayBuffer",
    "RobometerReward",
    "RobometerVectorReward",
    "ScoredVideo",
    "Scores",
    "ShapingConfig",
    "ShareFrames",
    "UncalibratedTaskWarning",
    "UnseenWorldWarning",
    "VecRobometerReward",
    "VideoRanking",
    "VideoScores",
    "WorkerDiedError",
    "__version__",
    "load_reward_model",
    "make_env",
    "rank_videos",
    "register_robot_envs",
    "relabel",
    "score_videos",
]

__version__ = "0.1.0"

_HOMES = {
    "DeadFrameWarning": "robometer_rl.frame_checks",
    "FailedVideo": "robometer_rl.video.scored",
    "RankedVideo": "robometer_rl.video.ranking",
    "RecordEpisodes": "robometer_rl.datasets.recorder",
    "Relabelled": "robometer_rl.scoring.relabel",
    "RewardConfig": "robometer_rl.scoring.episode_state",
    "RewardModel": "robometer_rl.rewards.protocol",
    "RewardStream": "robometer_rl.rewards.protocol",
    "RobometerDictReplayBuffer": "robometer_rl.wrappers.sb3_replay",
    "RobometerReplayBuffer": "robometer_rl.wrappers.sb3_replay",
    "RobometerReward": "robometer_rl.wrappers.single",
    "RobometerVectorReward": "robometer_rl.wrappers.vector",
    "ScoredVideo": "robometer_rl.video.scored",
    "Scores": "robometer_rl.rewards.protocol",
    "ShapingConfig": "robometer_rl.scoring.shaping",
    "ShareFrames": "robometer_rl.subenvs.share_frames",
    "UncalibratedTaskWarning": "robometer_rl.scoring.thresholds",
    "UnseenWorldWarning": "robometer_rl.scoring.unseen_world",
    "VecRobometerReward": "robometer_rl.wrappers.sb3",
    "VideoRanking": "robometer_rl.video.ranking",
    "VideoScores": "robometer_rl.video.scored",
    "WorkerDiedError": "robometer_rl.subenvs.workers",
    "load_reward_model": "robometer_rl.rewards.loading",
    "make_env": "robometer_rl.envs.make",
    "rank_videos": "robometer_rl.video.ranking",
    "relabel": "robometer_rl.scoring.relabel",
    "score_videos": "robometer_rl.video.batch",
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
