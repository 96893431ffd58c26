"""Videos whose scores by the fake reward model are known by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

Clip = Callable[..., Path]


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Writes a video of some levels: the fake model sees level / 100 as progress, success 0.9 above 80."""

    def write(name: str, levels: Sequence[int], fps: float = 10.0) -> Path:
        frames = np.stack([np.full((12, 16, 3), level, np.uint8) for level in levels])
        frames[:, -2:, ::2], frames[:, -2:, 1::2] = 60, 200
        path = tmp_path / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, frames=frames, fps=fps)
        return path

    return write
