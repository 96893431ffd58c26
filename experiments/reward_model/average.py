"""`robometer-rl average`: one checkpoint whose weights are the mean of several, with thresholds of its own.

Checkpoints fitted one from another keep what each was fitted on better in their mean than in the last of them
(Wortsman et al. 2022, "Model soups", section 3.1), and it costs nothing where the mean is used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import InputError, checking_input
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from robometer_rl.rewards.compact.runtime import CompactReward

from .calibration import calibrate, validation_paths
from .dataset import checkpoint_folder, task_texts
from .task_thresholds import score_peaks

__all__ = ["AverageConfig", "average", "main", "mean_checkpoint"]


@dataclass(frozen=True)
class AverageConfig:
    """Which checkpoints, and where their mean goes."""

    checkpoints: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of two or more checkpoints of the same architecture, words and tasks; "compact" is the bundled
    one."""
    out: Path = Path("runs/average")
    """Folder of the run; the checkpoint goes to `checkpoint` in it, as with `fit`."""
    validation: Path = Path("data/validation")
    """Episodes for the success thresholds, the general one and those of single tasks; never trained on."""
    false_positives: float = 0.02
    """Share of failed validation episodes that may reach the calibrated success threshold."""


def mean_checkpoint(folders: Sequence[Path]) -> Checkpoint:
    """The mean of the checkpoints' weights; threshold and training are the last one's.

    Args:
        folders: of two or more checkpoints.

    Raises:
        ValueError: fewer than two, or they differ in architecture, words or tasks.
    """
    if len(folders) < 2:
        raise ValueError(f"give two or more checkpoint folders, got {', '.join(map(str, folders)) or 'none'}")
    *others, last = [load_checkpoint(checkpoint_folder(folder)) for folder in folders]
    for folder, other in zip(folders[:-1], others, strict=True):
        for what, found, expected in (
            ("architecture", other.network.config.to_dict(), last.network.config.to_dict()),
            ("words", other.tokenizer.path.read_bytes(), last.tokenizer.path.read_bytes()),
            ("tasks", other.trained_worlds, last.trained_worlds),
        ):
            if found != expected:
                raise ValueError(
                    f"{folder} differs from {folders[-1]} in its {what}: only like can be averaged"
                )
    states = [checkpoint.network.state_dict() for checkpoint in (*others, last)]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in states[-1].items()
    }
    last.network.load_state_dict(mean, strict=True)
    return last


def average(config: AverageConfig, command: str, console: Console) -> Path:
    """Average, calibrate and save.

    Args:
        config: what to do.
        command: the command line, recorded in the checkpoint.
        console: where the result is told.

    Returns:
        Folder of the checkpoint.

    Raises:
        InputError: the checkpoints do not fit together, or no failed validation episode is there.
    """
    with checking_input():
        mean = mean_checkpoint(config.checkpoints)
        texts = task_texts(mean.trained_worlds, {})
        validation = validation_paths(config.validation, texts)
        scored = score_peaks(CompactReward(mean), validation, texts, patience=1, console=console)
    threshold, own = calibrate(scored, texts, config.false_positives)
    if threshold is None:
        raise InputError(
            f"{config.validation} holds no failed episodes of the {len(texts)} tasks to calibrate on: "
            f"collect them with `robometer-rl collect --seed-start 200000 --out {config.validation}`"
        )
    training = {
        "command": command,
        "averaged": [str(folder) for folder in config.checkpoints],
        "last": mean.training,
    }
    folder = config.out / "checkpoint"
    save_checkpoint(
        Checkpoint(mean.network, mean.tokenizer, threshold, mean.trained_worlds, training, own), folder
    )
    console.print(f"mean of {len(config.checkpoints)}; success threshold {threshold:.3f}; saved to {folder}")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """Average compact checkpoints and calibrate the mean."""
    config = read_arguments(AverageConfig, argv, "average", main.__doc__)
    words = ["robometer-rl", "average", *(sys.argv[1:] if argv is None else argv)]
    average(config, " ".join(words), Console(markup=False))


if __name__ == "__main__":
    main()
