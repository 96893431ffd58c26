"""The experts' rate: counted right, and written where asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robometer_rl.experiments.bench.experts import CheckExpertsConfig, check_experts, main


def test_one_row_per_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "experts.json"
    main(["--tasks", "metaworld/reach-v3", "--seeds", "2", "--seed-start", "3", "--json", str(path)])
    report = json.loads(path.read_text())
    assert (report["seed_start"], report["horizon"]) == (3, None)
    (row,) = report["rows"]
    assert (row["task"], row["seeds"], row["successes"]) == ("metaworld/reach-v3", 2, 2)
    assert row["failed_seeds"] == []
    assert 5 < row["mean_steps"] < 200
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert f"{row['mean_steps']:.1f}" in shown


def test_an_episode_cut_short_is_a_failure() -> None:
    (row,) = check_experts(CheckExpertsConfig(tasks=("metaworld/reach-v3",), seeds=2, horizon=2))
    assert (row.successes, row.mean_steps, row.failed_seeds) == (0, None, (0, 1))


@pytest.mark.parametrize("options", [{"seeds": 0}, {"seed_start": -1}, {"tasks": ()}])
def test_bad_numbers_are_named(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one task or a split, seeds >= 1 and seed_start >= 0"):
        CheckExpertsConfig(**options)  # type: ignore[arg-type]


def test_an_unknown_task_is_named_before_anything_is_played() -> None:
    with pytest.raises(ValueError, match="did you mean 'robosuite/Lift'"):
        check_experts(CheckExpertsConfig(tasks=("robosuite/Lift", "robosuite/Lyft")))
