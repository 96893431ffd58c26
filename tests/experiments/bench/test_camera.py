"""The camera bench gives its renderers turns and counts what it says it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robometer_rl.experiments.bench.camera import CameraBenchConfig, main, measure


def test_renderers_take_turns_after_one_frame_to_start() -> None:
    calls: list[str] = []

    def draw(name: str) -> np.ndarray:
        calls.append(name)
        return np.zeros((2, 2, 3), dtype=np.uint8)

    timings = measure({"slow": lambda: draw("slow"), "fast": lambda: draw("fast")}, repetitions=3)
    assert calls == ["slow", "fast"] * 4
    assert [t.renderer for t in timings] == ["slow", "fast"]
    assert all(0 <= t.fastest_ms <= t.median_ms for t in timings)


def test_table_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    picture = tmp_path / "side.png"
    main(CameraBenchConfig(tasks=("reach-v3",), size=64, repetitions=3, picture=picture, picture_size=64))
    lines = capsys.readouterr().out.splitlines()
    speedups = [float(line.split()[-1]) for line in lines if line.startswith("reach-v3")]
    assert speedups[0] == 1.0
    assert speedups[2] > 3, "far below the usual 20 or more, so that a busy machine does not fail this"
    above, below = np.split(np.asarray(Image.open(picture)).astype(float), 2)
    assert np.abs(above - below).mean() < 40, "the same scene; shadows and reflections aside"
