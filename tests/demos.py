"""Small demonstrations in the layouts of other tools, written by hand.

`tests/conftest.py` registers this file as the module `robometer_test_demos`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from robometer_rl.datasets.episodes import Episode, write_episode
from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.video.io import write_mp4

FPS = 10.0
SENTENCE = "lift the cube"


def pictures(count: int, height: int = 32, width: int = 32) -> NDArray[np.uint8]:
    """Frame t is of brightness 10 t (at most 250) above a strip at its foot: not flat."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[:] = np.minimum(10 * np.arange(count), 250)[:, None, None, None]
    frames[:, -4:, : width // 2] = 255
    frames[:, -4:, width // 2 :] = 0
    return frames


def write_videos(root: Path, videos: Mapping[str, int]) -> Path:
    """Videos of so many frames at 10 frames per second."""
    root.mkdir(parents=True, exist_ok=True)
    for name, count in videos.items():
        write_mp4(root / name, pictures(count), FPS)
    return root


def write_episodes(root: Path, kinds: tuple[str, ...] = ("success", "failure"), count: int = 9) -> Path:
    """One episode of each kind, and the sentence of their task."""
    for number, kind in enumerate(kinds):
        success = (
            None if kind == "unlabelled" else np.arange(count) >= (count - 2 if kind == "success" else count)
        )
        write_episode(root, Episode("own/lift", kind, number, pictures(count), success))
    add_sentences(root, "own/lift", SENTENCE)
    return root


def write_robomimic(
    path: Path,
    demos: int = 1,
    count: int = 6,
    cameras: tuple[str, ...] = ("agentview_image",),
    next_obs: bool = True,
    upside_down: bool = False,
    **columns: Any,
) -> Path:
    """A file as robomimic's dataset_states_to_obs.py writes it; `columns` are those of every demonstration.

    By default the last action succeeds: rewards and dones are 1 after it. None leaves a column out.
    """
    last = (np.arange(count) == count - 1).astype(np.float64)
    columns = {"rewards": last, "dones": last.astype(np.int64), **columns}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = demos * count
        data.attrs["env_args"] = json.dumps(
            {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
        )
        for number in range(demos):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = count
            demo.attrs["model_file"] = "<mujoco/>"
            demo.create_dataset("actions", data=np.zeros((count, 7)))
            demo.create_dataset("states", data=np.zeros((count, 32)))
            for name, values in columns.items():
                if values is not None:
                    demo.create_dataset(name, data=values)
            seen = pictures(count + 1)
            seen = seen[:, ::-1] if upside_down else seen
            for group, rows in (("obs", seen[:-1]), ("next_obs", seen[1:])):
                if group == "next_obs" and not next_obs:
                    continue
                demo.create_dataset(f"{group}/robot0_eef_pos", data=np.zeros((count, 3)))
                demo.create_dataset(f"{group}/object", data=np.zeros((count, 10)))
                for camera in cameras:
                    demo.create_dataset(f"{group}/{camera}", data=rows)
    return path
