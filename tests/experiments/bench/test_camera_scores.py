"""The study of both renderers draws the same states twice and compares the scores."""

from __future__ import annotations

import numpy as np
import pytest

from robometer_rl.experiments.bench.camera_scores import CameraScoresConfig, film, main


def test_both_videos_show_the_same_states() -> None:
    videos = film("reach-v3", 0, CameraScoresConfig(size=64, frames=4))
    assert videos.default.shape == videos.fast.shape == (4, 64, 64, 3)
    apart = np.abs(videos.default.astype(float) - videos.fast).mean()
    moved = np.abs(videos.fast[-1].astype(float) - videos.fast[0]).max()
    assert apart < 40, "shadows and reflections aside"
    assert moved > 100, "the arm moves"


def test_the_table_has_a_row_per_task_and_the_mean(capsys: pytest.CaptureFixture[str]) -> None:
    main(CameraScoresConfig(tasks=("reach-v3",), seeds=(0,), frames=3))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["reach-v3", "mean"]
    assert lines[2].split()[1:] == lines[3].split()[1:], "one row is its own mean"
    assert 0 <= float(lines[2].split()[3]) <= 1
