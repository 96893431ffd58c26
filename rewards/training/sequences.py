"""How one encoded clip becomes many training videos: forward, rewound, reversed, with stalls.

A path is the order in which the frames of a clip are shown. Frames are encoded once; every path over them is
another video, and its labels are the labels of the frames it shows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["forward_path", "reversed_path", "rewound_path", "sample_frames"]

Path = NDArray[np.int64]


def sample_frames(length: int, count: int, turn: int, rng: np.random.Generator) -> Path:
    """Draw `count` sorted frame indices of an episode with random spacing.

    The first frame is always shown (a stream starts there). The others are, by equal chance, spread at random
    over the whole episode, over a random part of it, close around its turning point, or evenly spaced: never
    only evenly, since even spacing lets a model read progress off the frame count. Around the turning point
    done and nearly done differ by a few pixels.

    Args:
        length: frames of the episode, at least 1.
        count: frames to show, at least 1; frames repeat where the episode is shorter.
        turn: index of the frame where it is first done, or where a failure ends.
        rng: source of randomness.

    Returns:
        int64 `(count,)`, sorted, starting with 0.
    """
    style = rng.integers(4)
    end = length - 1 if style != 1 else int(rng.integers(0, length))
    start = int(rng.integers(0, end + 1)) if style == 1 and rng.random() < 0.5 else 0
    if style == 2:
        rest = np.linspace(start, end, count)[1:].round().astype(np.int64)
    elif style == 3:
        near = rng.normal(turn, 1 + length / 12, size=count - 1).round().astype(np.int64)
        rest = np.sort(np.clip(near, 0, end))
    else:
        rest = np.sort(rng.integers(start, end + 1, size=count - 1))
    return np.concatenate([np.zeros(1, dtype=np.int64), rest])


def _fit_length(path: Path, length: int, rng: np.random.Generator) -> Path:
    """Bring a path to `length`: drop random frames but the first, or let frames stall."""
    if len(path) > length:
        kept = np.sort(rng.choice(len(path) - 1, size=length - 1, replace=False)) + 1
        return path[np.concatenate([[0], kept])]
    missing = length - len(path)
    if rng.random() < 0.5:  # one long stall, at the start, the end or anywhere
        at = int(rng.choice([0, len(path) - 1, rng.integers(len(path))]))
        repeats = np.ones(len(path), dtype=np.int64)
        repeats[at] += missing
    else:
        repeats = 1 + rng.multinomial(missing, np.full(len(path), 1 / len(path)))
    return np.repeat(path, repeats)


def forward_path(frames: int, length: int, rng: np.random.Generator) -> Path:
    """Show `frames` frames in order, stalling where `length` is longer; int64 `(length,)`."""
    return _fit_length(np.arange(frames), length, rng)


def rewound_path(frames: int, length: int, rng: np.random.Generator) -> Path:
    """Show the clip up to a random frame, then backwards to a random earlier one; int64 `(length,)`."""
    peak = int(rng.integers(1, frames))
    floor = int(rng.integers(0, peak))
    return _fit_length(np.concatenate([np.arange(peak + 1), np.arange(peak - 1, floor - 1, -1)]), length, rng)


def reversed_path(frames: int, length: int, rng: np.random.Generator) -> Path:
    """Show the clip backwards; int64 `(length,)`."""
    return _fit_length(np.arange(frames)[::-1], length, rng)
