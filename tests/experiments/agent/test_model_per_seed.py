"""`{seed}` in the name of a run's reward model: each seed of a study learns from a model of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robometer_rl.experiments.agent.run import RunConfig, RunFolder
from robometer_rl.experiments.agent.train import TrainCommand, train
from robometer_rl.rewards import weights_id
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint

TINY = RunConfig(env="metaworld/door-open-v3", steps=60, horizon=30, eval_every=60, eval_episodes=1)


@pytest.mark.parametrize(
    ("model", "seed", "spec"),
    [
        ("compact", 3, "compact"),
        ("runs/fit_{seed}/checkpoint", 0, "runs/fit_0/checkpoint"),
        ("runs/{seed}/{seed}", 12, "runs/12/12"),
        ('{"name": "runs/fit_{seed}", "threads": 1}', 2, '{"name": "runs/fit_2", "threads": 1}'),
        ("runs/{step}", 1, "runs/{step}"),
    ],
)
def test_the_seed_is_filled_in(model: str, seed: int, spec: str) -> None:
    assert RunConfig(model=model, seed=seed).reward_model == spec


def test_each_seed_learns_from_its_own_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for seed in (0, 1):
        with torch.no_grad():
            next(checkpoint.network.parameters()).add_(seed)
        save_checkpoint(checkpoint, tmp_path / f"fit_{seed}")
    config = replace(TINY, model=str(tmp_path / "fit_{seed}"))
    for seed in (0, 1):
        result = train(TrainCommand(replace(config, seed=seed), tmp_path / "runs", videos=False))
        assert result is not None
        assert result.weights == weights_id(str(tmp_path / f"fit_{seed}"))
        assert "fit_{seed}" in result.command  # the group of the other seeds
        assert RunFolder(tmp_path / "runs" / result.run_id).read_config().model == config.model
    assert weights_id(str(tmp_path / "fit_0")) != weights_id(str(tmp_path / "fit_1"))


def test_a_seed_without_a_model_is_named_before_anything_runs(tmp_path: Path) -> None:
    config = replace(TINY, model=str(tmp_path / "fit_{seed}"), seed=2)
    with pytest.raises(ValueError, match=r"unknown reward model '.*fit_2'"):
        train(TrainCommand(config, tmp_path / "runs", videos=False))
