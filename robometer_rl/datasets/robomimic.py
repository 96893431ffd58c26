"""robomimic's HDF5 files, and those of LIBERO, which have the same layout.

The layout: `data/demo_0/obs/agentview_image` uint8 `(T, H, W, 3)`, `data/demo_0/rewards` and `dones` `(T,)`,
and `data/demo_0/next_obs` unless it was left out. Row t of `rewards` and `dones` tells of the state after
action t, which is picture t + 1.

robomimic turns the pictures of robosuite upright before it stores them. LIBERO stores them as OpenGL gives
them, upside down, under names that end in `_rgb`. So do files of robomimic that were written with robosuite's
`IMAGE_CONVENTION = "opencv"`, which nothing in the file tells: `flip="vertical"` is for those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.extras import naming_extras

from ..frames import MIN_SIDE, resize_frame
from .episodes import FAILURE, Episode
from .hdf5 import opened
from .protocol import EpisodeReader, ReadOptions, kept_frames, task_id_of, thinned_success

with naming_extras():
    import h5py

__all__ = ["RobomimicFile"]

_FAULT = "cannot be read as robomimic's HDF5"
_SUFFIXES = (".hdf5", ".h5")
_FAVOURITES = ("agentview_image", "agentview_rgb")
"""The camera that shows the whole scene, in robosuite's own worlds."""
_BLOCK = 64
"""Pictures in memory at their stored size."""


class RobomimicFile(EpisodeReader):
    """One HDF5 file of demonstrations."""

    format = "robomimic"

    def __init__(self, root: Path, options: ReadOptions) -> None:
        """Lists the demonstrations and chooses the camera; no picture is read yet.

        Args:
            root: The file.
            options: How to read it.

        Raises:
            ValueError: It is no HDF5 file of this layout, or holds no such camera; the message lists them.
        """
        self.root, self.options = root, options
        with opened(root, _FAULT) as file:
            found = file.get("data")
            demos = dict(found) if isinstance(found, h5py.Group) else {}
            demos = {name: demos[name] for name in sorted(demos, key=_number)}
            self.names: Sequence[str] = [name for name in demos if isinstance(demos[name], h5py.Group)]
            if not self.names:
                raise ValueError("it has no groups data/demo_0, data/demo_1, ...")
            first = demos[self.names[0]]
            cameras = _cameras(first)
            self._camera = _choose(cameras, options.camera)
            _, height, width, _ = first["obs"][self._camera].shape
            self._teller = _who_tells([demos[name] for name in self.names])
        upside_down = options.flip == "auto" and self._camera.endswith("_rgb")
        self._flips = upside_down or options.flip == "vertical"
        turned = ", turned top to bottom" if self._flips else ""
        notes = [f"the pictures are those of {self._camera}, {width}x{height} pixels{turned}"]
        others = [name for name in cameras if name != self._camera]
        if others:
            notes.append(f"other cameras, passed over: {', '.join(others)}")
        notes.append(f"success is told by {self._teller}" if self._teller else _UNTOLD)
        self.notes: Sequence[str] = notes

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether it is an HDF5 file with a group `data`."""
        if not path.is_file() or path.suffix.lower() not in _SUFFIXES or not h5py.is_hdf5(path):
            return False
        with h5py.File(path, "r") as file:
            return isinstance(file.get("data"), h5py.Group)

    def read(self, name: str) -> Episode:
        """Reads one demonstration, see `EpisodeReader.read`.

        Success is what `success` says, a dataset or an attribute; else rewards of 1, where the file has only
        0 and 1 and not 0 alone; else `dones`, where some come before the last step, since the last may only
        say that the recording ends. Where nothing tells, as with shaped rewards, each demonstration counts as
        done at its last frame: they are successes as a rule.
        """
        (sentence,) = self.sentences(name)
        with opened(self.root, _FAULT) as file:
            demo = file["data"][name]
            frames, kept = self._frames(demo)
            after = _success_after(demo, self._teller, len(demo["obs"][self._camera]))
        # Row t of `after` belongs to picture t + 1. Where the picture after the last action was not stored,
        # a success there counts at the last one that was.
        success = np.concatenate([[False], after])
        count = int(kept[-1]) + 1
        success[count - 1] |= success[count:].any()
        success = thinned_success(success[:count], kept)
        return Episode(
            task=self.options.task_id or task_id_of(sentence),
            kind="success" if success.any() else FAILURE,
            seed=self.names.index(name),
            frames=frames,
            success=success,
            frame_every=self.options.frame_every,
            detail=name,
        )

    def sentences(self, name: str) -> Sequence[str]:
        """The sentence of the file's task, see `EpisodeReader.sentences`."""
        if self.options.task is None:
            raise ValueError(f"{self.root} has no sentence: give --task")
        return [self.options.task]

    def version(self, name: str) -> str:
        """See `EpisodeReader.version`."""
        stat = self.root.stat()
        return repr((self.options, stat.st_size, stat.st_mtime_ns))

    def _frames(self, demo: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The pictures kept, and which of all they are."""
        stored = demo["obs"].get(self._camera)
        if not _is_pictures(stored):
            raise ValueError(f"its obs/{self._camera} should be uint8 (T, H, W, 3), got {stored!r}")
        ahead = demo.get("next_obs", {}).get(self._camera)
        extra = [ahead[-1]] if _is_pictures(ahead) else []
        count = len(stored) + len(extra)
        kept = kept_frames(count, self.options.frame_every)
        pictures: list[NDArray[np.uint8]] = []
        for start in range(0, len(stored), _BLOCK):
            rows = kept[(kept >= start) & (kept < min(start + _BLOCK, len(stored)))]
            pictures += [self._turned(picture) for picture in (stored[rows] if len(rows) else [])]
        pictures += [self._turned(picture) for picture in extra]
        return np.stack(pictures), kept

    def _turned(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        upright = np.ascontiguousarray(picture[::-1] if self._flips else picture)
        size = self.options.image_size
        return upright if size is None else resize_frame(upright, size)


def _number(name: str) -> tuple[int, str]:
    """Sort key: demo_2 before demo_10."""
    digits = re.search(r"(\d+)$", name)
    return (int(digits[1]) if digits else -1, name)


def _is_pictures(dataset: Any) -> bool:
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or len(dataset.shape) != 4:
        return False
    count, height, width, channels = dataset.shape
    return bool(dataset.dtype == np.uint8 and channels == 3 and count and min(height, width) >= MIN_SIDE)


def _cameras(demo: Any) -> list[str]:
    """Names of the datasets with pictures."""
    observations = demo.get("obs")
    if not isinstance(observations, h5py.Group):
        return []
    return [name for name in observations if _is_pictures(observations[name])]


def _choose(cameras: Sequence[str], asked: str | None) -> str:
    if not cameras:
        raise ValueError(
            "it holds no pictures (obs/..._image, uint8 (T, H, W, 3)): have robomimic render them, "
            "dataset_states_to_obs.py --camera_names agentview --camera_height 96 --camera_width 96"
        )
    valid = ", ".join(cameras)
    if asked is not None:
        if asked not in cameras:
            raise ValueError(f"it has no camera {asked!r}; choose from {valid}")
        return asked
    for name in _FAVOURITES:
        if name in cameras:
            return name
    if len(cameras) > 1:
        raise ValueError(f"it has several cameras: choose with --camera from {valid}")
    return cameras[0]


def _who_tells(demos: Sequence[Any]) -> str:
    """The name of what tells success in a file; empty where nothing does."""
    if all("success" in demo or "success" in demo.attrs for demo in demos):
        return "success"
    if all("rewards" in demo for demo in demos):
        rewards = np.concatenate([np.asarray(demo["rewards"][()]).reshape(-1) for demo in demos])
        if np.isin(rewards, (0.0, 1.0)).all() and rewards.any():
            return "rewards"
    if all("dones" in demo for demo in demos) and any(demo["dones"][:-1].any() for demo in demos):
        return "dones"
    return ""


def _success_after(demo: Any, teller: str, count: int) -> NDArray[np.bool_]:
    """Success after each of so many actions."""
    if not teller:
        values = np.ones(1)
    elif teller in demo:
        values = np.asarray(demo[teller][()]).reshape(-1)
    else:
        values = np.asarray(demo.attrs[teller]).reshape(-1)
    if len(values) == 1:  # of the whole demonstration
        return np.append(np.zeros(count - 1, dtype=np.bool_), bool(values[0]))
    if len(values) != count:
        raise ValueError(f"{teller} should have {count} values, one per picture, got {len(values)}")
    return values.astype(np.bool_)


_UNTOLD = (
    "nothing tells success (no success, rewards of 0 and 1, or dones before the end), so each demonstration "
    "counts as done at its last frame"
)
