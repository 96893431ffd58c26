"""Streams of a shared model: n running episodes, one or several cameras, averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.loading import check_model_spec
from robometer_rl.rewards.protocol import RewardModel, RewardStream, Scores

from .checks import check_scores
from .model_cache import Loaded, acquire

__all__ = ["ModelStreams"]


class ModelStreams:
    """Scores n running episodes seen by one or several cameras; a score is the mean over the cameras.

    The model is loaded at the first `reset`, in the process that calls it, so an unused scorer is cheap and
    picklable. Scorers of one process whose specs are equal share one model, for as long as one of them holds
    it.
    """

    def __init__(self, spec: str | Mapping[str, Any], n: int = 1, cameras: int = 1) -> None:
        """Checks the spec without loading anything.

        Args:
            spec: What `load_reward_model` reads.
            n: Number of episodes.
            cameras: Pictures per episode and step.

        Raises:
            TypeError: The spec is not a string or a mapping that JSON can hold.
            ValueError: No model has that name.
        """
        check_model_spec(spec)
        self.spec = spec
        self.n = n
        self.cameras = cameras
        self._loaded: Loaded | None = None
        self._streams: list[RewardStream] = []

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        if self._loaded is None:
            self._loaded = acquire(self.spec)
        return self._loaded.model

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        """Forgets the masked episodes and sets their tasks.

        Args:
            tasks: n sentences.
            mask: bool `(n,)`; None resets all.
        """
        if not self._streams:
            self._streams = [self.model.stream(self.n) for _ in range(self.cameras)]
        for stream in self._streams:
            stream.reset(tasks, mask)

    def push(self, frames: Sequence[NDArray[np.uint8]], mask: NDArray[np.bool_] | None = None) -> Scores:
        """Adds one picture per camera to each masked episode and scores it.

        Args:
            frames: One uint8 `(n, H, W, 3)` per camera; cameras may differ in size.
            mask: bool `(n,)`; None pushes all.

        Returns:
            Scores of shape `(n,)`, the mean over the cameras; NaN outside the mask.

        Raises:
            ValueError: The model returned scores of a wrong shape, NaN, or outside [0, 1].
        """
        rows = np.ones(self.n, dtype=np.bool_) if mask is None else mask
        views = [stream.push(view, mask) for stream, view in zip(self._streams, frames, strict=True)]
        for view in views:
            check_scores(self.spec, "progress", view.progress, rows)
            check_scores(self.spec, "success", view.success, rows)
        if len(views) == 1:  # a mean of one costs as much as all the rest of a step
            return views[0]
        return Scores(
            np.mean([view.progress for view in views], axis=0, dtype=np.float32),
            np.mean([view.success for view in views], axis=0, dtype=np.float32),
        )

    def close(self) -> None:
        """Lets go of the model and its streams; a later `reset` loads again."""
        self._streams = []
        self._loaded = None
