"""Averages of checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from robometer_test_episodes import TASKS

from robometer_rl.experiments.reward_model.average import AverageConfig, average, mean_checkpoint
from robometer_rl.experiments.reward_model.fit import FitConfig
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def two(config: FitConfig, tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint of the tasks of the episodes, and the same with every weight larger by 1."""
    assert config.start is not None
    start = replace(load_checkpoint(config.start), trained_worlds=TASKS)
    save_checkpoint(start, tmp_path / "a")
    with torch.no_grad():
        for parameter in start.network.parameters():
            parameter += 1
    save_checkpoint(replace(start, training={"seed": 1}), tmp_path / "b")
    return tmp_path / "a", tmp_path / "b"


def test_the_mean_of_two_lies_half_way(two: tuple[Path, Path]) -> None:
    start, mean = load_checkpoint(two[0]).network.state_dict(), mean_checkpoint(two).network.state_dict()
    parameters = dict(load_checkpoint(two[0]).network.named_parameters())
    for name, tensor in mean.items():
        expected = start[name] + 0.5 if name in parameters else start[name]
        torch.testing.assert_close(tensor, expected, msg=name)


def test_the_mean_is_calibrated_and_says_what_it_is_of(
    two: tuple[Path, Path], config: FitConfig, tmp_path: Path
) -> None:
    chosen = AverageConfig(two, tmp_path / "mean", config.validation)
    folder = average(chosen, "robometer-rl average a b", Console(quiet=True))
    checkpoint = load_checkpoint(folder)
    assert checkpoint.training == {
        "command": "robometer-rl average a b",
        "averaged": [str(path) for path in two],
        "last": {"seed": 1},
    }
    assert checkpoint.success_threshold != load_checkpoint(two[1]).success_threshold
    assert set(checkpoint.success_thresholds) == set(TASKS), "its own too"
    assert load_reward_model(str(folder)).trained_worlds == TASKS


def test_one_checkpoint_is_no_average(two: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match=r"two or more checkpoint folders, got .*a$"):
        mean_checkpoint(two[:1])


def test_only_like_is_averaged(two: tuple[Path, Path], tmp_path: Path) -> None:
    save_checkpoint(replace(load_checkpoint(two[0]), trained_worlds=TASKS[:1]), tmp_path / "fewer")
    with pytest.raises(ValueError, match=r"fewer differs from .*b in its tasks"):
        mean_checkpoint((tmp_path / "fewer", two[1]))


def test_without_failed_episodes_nothing_is_written(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no failed episodes of the 2 tasks"):
        average(AverageConfig(two, tmp_path / "mean", tmp_path / "none"), "", Console(quiet=True))
    assert not (tmp_path / "mean").exists()
