"""The quickstart's figure shows what its CSVs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.experiments.examples.plot_quickstart import (
    QuickstartPlotConfig,
    main,
    mean_curve,
    read_curves,
)

HEADER = "task,reward,seed,env_steps,true_success\n"


def write(folder: Path, reward: str, seed: int, rates: list[float], task: str = "door") -> None:
    rows = [f"{task},{reward},{seed},{100 * (i + 1)},{rate}\n" for i, rate in enumerate(rates)]
    (folder / f"{reward}-{seed}.csv").write_text(HEADER + "".join(rows))


def test_the_mean_is_taken_where_all_seeds_were_evaluated() -> None:
    assert mean_curve({0: [(100, 0.0), (200, 1.0)], 1: [(100, 0.5)]}) == ([100], [0.25])


def test_figure_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    write(tmp_path, "robometer", 0, [0.2, 0.8])
    write(tmp_path, "robometer", 1, [0.0, 0.6])
    write(tmp_path, "sparse", 0, [0.0, 0.0])
    assert read_curves(tmp_path)["robometer"][1] == [(100, 0.0), (200, 0.6)]
    main(QuickstartPlotConfig(tmp_path, tmp_path / "figure.png"))
    out = capsys.readouterr().out
    assert "robometer: mean true success 0.70 at 200 steps; 0.8 first met at {0: 200, 1: None}" in out
    assert len(Image.open(tmp_path / "figure.png").convert("RGB").getcolors(10**6) or []) > 10


def test_no_curves_or_two_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found \\[\\]"):
        read_curves(tmp_path)
    write(tmp_path, "sparse", 0, [0.0])
    write(tmp_path, "sparse", 1, [0.0], task="window")
    with pytest.raises(ValueError, match="window"):
        read_curves(tmp_path)
