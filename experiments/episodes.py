"""Recorded episodes, under the name by which experiments and users import them.

What one holds, and its HDF5 file, is `robometer_rl/datasets/episodes.py`.
"""

from __future__ import annotations

from robometer_rl.datasets.episodes import (
    AIMLESS,
    COLUMNS,
    FAILURE,
    KINDS,
    RANKS,
    UNLABELLED,
    UNMOVED,
    Episode,
    episode_path,
    list_episodes,
    read_episode,
    read_frame_kind,
    read_outcome,
    task_of,
    write_episode,
)

__all__ = [
    "AIMLESS",
    "COLUMNS",
    "FAILURE",
    "KINDS",
    "RANKS",
    "UNLABELLED",
    "UNMOVED",
    "Episode",
    "episode_path",
    "list_episodes",
    "read_episode",
    "read_frame_kind",
    "read_outcome",
    "task_of",
    "write_episode",
]
