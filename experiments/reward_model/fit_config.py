"""The options of `robometer-rl fit`, and the learning rate that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from robometer_rl.rewards.training.augment import AugmentConfig
from robometer_rl.rewards.training.sampling import SamplingConfig
from robometer_rl.rewards.training.step import WordNoise

__all__ = ["FitConfig", "learning_rate_at"]


@dataclass(frozen=True)
class FitConfig:
    """A training run."""

    data: Path = Path("data/train")
    """Training episodes, from `robometer-rl collect`."""
    validation: Path = Path("data/validation")
    """Episodes for the evaluation on the way, the verdict at the end and the success threshold; never trained
    on. Optional with --sentences: every fifth success and failure of a task of which it lacks one of the two
    is then held aside from --data in their place."""
    out: Path = Path("runs/compact")
    """Where state, logs and the checkpoint go."""
    start: Path | None = None
    """Checkpoint folder to start from; "compact" is the bundled model, to fit on a few demonstrations."""
    sentences: Path | None = None
    """JSON with sentences of tasks outside the table: {"suite/task": ["canonical", "paraphrase", ...]}."""
    replay: Path | None = None
    """Episodes of tasks that the model knows already, mixed in so that it does not forget them; see
    `replay_share`. They judge nothing."""
    replay_share: float = 0.25
    """Share of the batches that is drawn from the tasks of --replay."""
    freeze: tuple[str, ...] = ()
    """Parts of the network that keep the weights of --start, such as word_projection or encoder.stage1."""
    freeze_statistics: bool = False
    """Normalise by the statistics of --start instead of each batch's: what is seen then looks as it did to
    the tasks that --start knows."""
    lost_pictures: int = 0
    """Videos to add for each task of --data whose picture is lost after the first frame, with progress 0."""
    allow_unseen: bool = False
    """Train on tasks of the unseen split too, which are then no test of generalisation any more."""
    steps: int = 4000
    """Optimiser steps."""
    seed: int = 0
    """Seed of weights, batches, augmentation."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    warmup: int = 200
    """Steps of linear warm-up, then cosine to a fiftieth."""
    weight_decay: float = 0.05
    """On matrices and kernels only."""
    grad_clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.998
    """Largest decay of the moving average of the weights, which is what is evaluated and saved; it warms up:
    at step t the decay is at most (1 + t) / (10 + t)."""
    success_negative_below: float = 1.0
    """In a success, frames from this progress up to the success get no success label. Robometer leaves out
    those from 0.5 up to its success cutoff. Here the simulator tells success exactly, so by default (1) every
    frame has a label: a head that is not told where the end is fires early."""
    preference: bool = True
    """Train by preference too; without it the model is the progress-only one of the ablation."""
    device: str = "cpu"
    """torch device."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the large products; bfloat16 takes half the time where the processor has it (AVX512-BF16, AMX),
    and many times float32's where it has not."""
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    save_every: int = 200
    """Steps between saved states."""
    evaluate_every: int = 1000
    """Steps between evaluations on validation episodes."""
    stop_after: int = 0
    """Stop after so many evaluations without a better one, and save the last weights, or the best ones where
    the last are much worse; 0 takes all steps and saves the last. It is judged on the episodes of
    --validation and those that are held aside."""
    evaluate_episodes: int = 2
    """Episodes per task and kind in these evaluations."""
    false_positives: float = 0.02
    """Share of failed validation episodes that may reach the calibrated success threshold."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """The batches."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """The random views."""
    noise: WordNoise = field(default_factory=WordNoise)
    """Noise on the task words."""

    def __post_init__(self) -> None:
        """Checks the numbers before anything is read.

        Raises:
            ValueError: One is out of its range.
        """
        least = {"steps": 1, "seed": 0, "warmup": 0, "threads": 0, "save_every": 1, "stop_after": 0}
        least["lost_pictures"] = 0
        for name, bound in {**least, "evaluate_every": 1, "evaluate_episodes": 1}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} should be at least {bound}, got {getattr(self, name)}")
        if self.freeze_statistics and self.start is None:
            raise ValueError("freeze_statistics=True needs --start: a new network has no statistics yet")
        for name in ("ema", "false_positives"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} should be from 0 up to, but not, 1, got {getattr(self, name)}")
        if not 0.0 < self.replay_share < 1.0:
            raise ValueError(f"replay_share should be between 0 and 1, got {self.replay_share}")
        if not 0.0 <= self.success_negative_below <= 1.0:
            raise ValueError(
                f"success_negative_below should be from 0 to 1, got {self.success_negative_below}"
            )
        for name in ("learning_rate", "grad_clip"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} should be a positive number, got {getattr(self, name)}")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay should be a number of at least 0, got {self.weight_decay}")


def learning_rate_at(step: int, config: FitConfig) -> float:
    """Linear warm-up, then cosine from the peak to a fiftieth of it."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
