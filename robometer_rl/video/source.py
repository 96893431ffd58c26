"""A video before it is decoded: its pictures one by one, each with its time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """Where the pictures of a video come from."""

    pictures: Iterable[tuple[float, NDArray[np.uint8]]]
    """Seconds since the first picture, and the picture, decoded when it is asked for. Without a frame rate
    the seconds are the picture's number."""
    fps: float | None = None
    """Mean frames per second, None where the source does not say."""
    shortest_gap: float | None = None
    """About the shortest time between two pictures, in seconds; None without a frame rate."""
    length: float | None = None
    """Seconds for which the source says that its pictures last; None where it does not say."""

    def duration(self, last: float, count: int) -> float | None:
        """Seconds until the last picture has been shown.

        Args:
            last: Time of the last picture, in seconds since the first.
            count: Number of pictures.

        Returns:
            What the source says where that is later than the last picture, else one more mean gap; None
            without a frame rate.
        """
        if self.fps is None:
            return None
        if self.length is not None and self.length > last:
            return self.length
        return last + (last / (count - 1) if count > 1 and last > 0 else 1.0 / self.fps)
