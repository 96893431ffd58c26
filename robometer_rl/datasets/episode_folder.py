"""Folders of our own episodes, under the protocol of the other readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..frames import resize_frame
from .episodes import COLUMNS, Episode, list_episodes, read_episode
from .protocol import EpisodeReader, ReadOptions, kept_frames, thinned_success
from .sentences import read_tasks

__all__ = ["EpisodeFolder"]


class EpisodeFolder(EpisodeReader):
    """A folder that `RecordEpisodes`, `collect` or `import-demos` wrote; `tasks.json` has the sentences."""

    format = "episodes"

    def __init__(self, root: Path, options: ReadOptions) -> None:
        """Lists the episodes; none is read yet.

        Args:
            root: The folder.
            options: How to read them.

        Raises:
            ValueError: It holds none, its `tasks.json` is wrong, or a task id is given: episodes have theirs.
        """
        if options.task_id is not None:
            raise ValueError(f"task_id={options.task_id!r}: episodes have the ids of their tasks already")
        self.root, self.options = root, options
        self.names: Sequence[str] = [path.relative_to(root).as_posix() for path in list_episodes(root)]
        self.notes: Sequence[str] = []
        self._tasks = read_tasks(root)
        if not self.names:
            raise ValueError(f"{root} holds no episodes")

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether it is a folder of episodes."""
        return path.is_dir() and bool(list_episodes(path))

    def read(self, name: str) -> Episode:
        """Reads one episode, see `EpisodeReader.read`."""
        episode = read_episode(self.root / name)
        kept = kept_frames(len(episode.frames), self.options.frame_every)
        frames, size = episode.frames[kept], self.options.image_size
        if size is not None and frames.shape[1:3] != (size, size):
            frames = np.stack([resize_frame(frame, size) for frame in frames])
        known = {name: getattr(episode, name) for name in COLUMNS}
        columns: dict[str, Any] = {name: None if row is None else row[kept] for name, row in known.items()}
        if episode.success is not None:
            columns["success"] = thinned_success(episode.success, kept)
        return replace(
            episode,
            seed=self.names.index(name),
            frames=frames,
            frame_every=episode.frame_every * self.options.frame_every,
            **columns,
        )

    def sentences(self, name: str) -> Sequence[str]:
        """The sentences of an episode's task, see `EpisodeReader.sentences`."""
        task = name.rpartition("/")[0]
        if task in self._tasks:
            return self._tasks[task]
        if self.options.task is None:
            raise ValueError(f"{self.root / 'tasks.json'} has no sentence for {task!r}: give --task")
        return [self.options.task]

    def version(self, name: str) -> str:
        """See `EpisodeReader.version`."""
        stat = (self.root / name).stat()
        return repr((self.options, stat.st_size, stat.st_mtime_ns))
