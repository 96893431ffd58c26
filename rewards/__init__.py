"""Reward models that read a task sentence and a video, behind one protocol; importing this loads no torch."""

from __future__ import annotations

from .loading import check_model_spec, load_reward_model, weights_id
from .protocol import RewardModel, RewardStream, Scores, UnreadTaskWarning

__all__ = [
    "RewardModel",
    "RewardStream",
    "Scores",
    "UnreadTaskWarning",
    "check_model_spec",
    "load_reward_model",
    "weights_id",
]
