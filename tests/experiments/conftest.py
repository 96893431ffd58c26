"""What the tests of the studies share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from robometer_test_episodes import TASKS, long_tokenizer, make_episode

from robometer_rl.experiments.episodes import RANKS, write_episode
from robometer_rl.experiments.reward_model.fit import FitConfig
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint
from robometer_rl.rewards.training.sampling import SamplingConfig


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for task in TASKS:
        for kind in RANKS:
            for seed in range(2):
                write_episode(tmp_path / "data", make_episode(task, kind, seed))
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path, data: Path, checkpoint: Checkpoint) -> FitConfig:
    long = replace(checkpoint, tokenizer=long_tokenizer(checkpoint))
    save_checkpoint(long, tmp_path / "start")
    sampling = SamplingConfig(frames_per_batch=24, max_frames=6, max_stall=2)
    return FitConfig(
        data=data,
        validation=data,
        out=tmp_path / "run",
        start=tmp_path / "start",
        steps=6,
        warmup=2,
        save_every=2,
        evaluate_every=4,
        evaluate_episodes=1,
        sampling=sampling,
        threads=1,
    )
