"""`robometer-rl fit`: train the compact reward model on collected episodes.

Reads top to bottom, from episodes over batches to a calibrated checkpoint; resumes from the last saved state.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.extras import naming_extras
from robometer_rl.errors import checking_input
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from robometer_rl.rewards.compact.configuration import CompactConfig
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.compact.text import TaskTokenizer
from robometer_rl.rewards.training.augment import AugmentConfig
from robometer_rl.rewards.training.sampling import (
    Batch,
    BatchSampler,
    SamplingConfig,
    TaskText,
    TrainingEpisode,
)
from robometer_rl.rewards.training.step import WordNoise, batch_losses, warn_if_emulated
from robometer_rl.rewards.training.words import distil_word_table, teacher_folder

from ..common.allocator import keep_freed_memory
from ..common.progress import progress
from ..episodes import Episode, list_episodes, read_episode
from .calibration import calibrate, check_validation, load_validation, validation_episodes
from .dataset import checkpoint_folder, fingerprint, read_episodes, read_sentences, refuse_unseen, task_texts
from .evaluate import evaluate, load_by_task
from .labels import label_all
from .task_thresholds import EpisodePeak
from .verdict import hold_aside, measures, score_episodes, verdict

__all__ = ["FitConfig", "fit", "learning_rate_at", "main"]


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
        least = {"steps": 1, "seed": 0, "warmup": 0, "threads": 0, "save_every": 1}
        for name, bound in {**least, "evaluate_every": 1, "evaluate_episodes": 1}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} should be at least {bound}, got {getattr(self, name)}")
        for name in ("ema", "false_positives"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} should be from 0 up to, but not, 1, got {getattr(self, name)}")
        if not 0.0 <= self.success_negative_below <= 1.0:
            raise ValueError(
                f"success_negative_below should be from 0 to 1, got {self.success_negative_below}"
            )
        for name in ("learning_rate", "grad_clip"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} should be a positive number, got {getattr(self, name)}")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay should be a number of at least 0, got {self.weight_decay}")


def _load(
    config: FitConfig, run: _Run, console: Console
) -> tuple[list[TrainingEpisode], dict[str, TaskText]]:
    """The training episodes with their labels, and the texts of their tasks."""
    own = {} if config.sentences is None else read_sentences(config.sentences, run.tokenizer)
    recorded = read_episodes(run.training, run.network.config.image_size, console)
    texts = task_texts({episode.task for episode in recorded}, own)
    if not config.allow_unseen:
        refuse_unseen(texts)
    # Also those of the table beside those of --sentences: each is a wrong sentence for the other's videos.
    run.tokenizer.refuse_alike({name: text.sentences for name, text in texts.items()})
    episodes = label_all(recorded, texts, config.success_negative_below)
    frames = sum(len(e.frames) for e in episodes)
    console.print(f"{len(episodes)} episodes, {frames} frames, {len(texts)} tasks")
    if run.aside:
        console.print(
            f"{len(run.aside)} other episodes of {config.data} are held aside to judge the fit by: "
            f"{config.validation} lacks successes or failures of their tasks"
        )
    if len(texts) == 1:
        console.print(
            f"{next(iter(texts))} is the only task: the model learns nothing about reading its sentence; "
            "episodes of a second task would teach it"
        )
    return episodes, texts


def _starting_point(config: FitConfig) -> Checkpoint:
    if config.start is not None:
        return load_checkpoint(checkpoint_folder(config.start))
    sizes = CompactConfig()
    network = CompactRewardNetwork(sizes)
    network.get_buffer("word_table").copy_(distil_word_table(sizes.word_size))
    return Checkpoint(network, TaskTokenizer(teacher_folder() / "tokenizer.json", sizes.max_words))


def learning_rate_at(step: int, config: FitConfig) -> float:
    """Linear warm-up, then cosine from the peak to a fiftieth of it."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def _optimizer(network: CompactRewardNetwork, config: FitConfig) -> torch.optim.AdamW:
    decayed = [p for p in network.parameters() if p.dim() >= 2]
    plain = [p for p in network.parameters() if p.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def _warmed_average(largest: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Moving average of weights whose decay rises from a tenth to `largest`.

    It averages over the last ninth of the steps so far, until that is as long as the largest decay's own
    average. With a decay that is the same from the start, 37% of what is saved after 500 steps at 0.998 are
    the weights that the run began with. The rule reads the step alone and not the number of steps to come.

    Args:
        largest: In [0, 1).

    Returns:
        What `AveragedModel` takes as `multi_avg_fn`.
    """

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], step: Tensor | int) -> None:
        decay = min(largest, (1.0 + float(step)) / (10.0 + float(step)))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1.0 - decay)

    return update


_JUDGED_PER_KIND = 10
"""Training episodes per task and kind that judge a fit for which no others are there."""

_FREE = {"out", "validation", "allow_unseen", "device", "threads", "save_every", "evaluate_every"}
_FREE |= {"evaluate_episodes", "false_positives"}
"""Options that a resumed run may change."""


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options side by side, `sampling.stall` for `stall` in `sampling`."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


class _Run:
    """Everything that a resumed run must get back."""

    def __init__(self, config: FitConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.training, self.aside = list_episodes(config.data), list[Path]()
        if config.sentences is not None:
            self.training, self.aside = hold_aside(config.data, config.validation)
        self.data = fingerprint(config.data, self.training)
        self.start = _starting_point(config)
        self.network, self.tokenizer = self.start.network, self.start.tokenizer
        torch.nn.Module.to(self.network, config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=_warmed_average(config.ema),
            use_buffers=False,
        )
        self.optimizer = _optimizer(self.network, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0

    @property
    def recipe(self) -> str:
        """The options that decide what comes out, as JSON: a resumed run must have the same."""
        kept = {key: value for key, value in asdict(self.config).items() if key not in _FREE}
        return json.dumps(kept, default=str, sort_keys=True)

    @property
    def path(self) -> Path:
        """File of the saved state."""
        return self.config.out / "state.pt"

    def save(self) -> None:
        """Write the state under a temporary name, then rename: a killed run leaves the old state whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.config.device.startswith("cuda") else [],
            "step": self.step,
            "seconds": self.seconds,
            "recipe": self.recipe,
            "data": self.data,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.path)

    def resume(self) -> bool:
        """Load the saved state if there is one; says whether there was."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, map_location=self.config.device, weights_only=True)
        changed = self._changed_since(state)
        if changed:
            raise ValueError(
                f"{self.path} is of another run ({'; '.join(changed)}): "
                "give the old options to go on with it, or another --out"
            )
        self.network.load_state_dict(state["network"], strict=True)
        self.average.load_state_dict(state["average"], strict=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["dropout"].cpu())
        if state["cuda"]:
            torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda"]])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        return True

    def _changed_since(self, state: dict[str, Any]) -> list[str]:
        """What of options and data is not as it was; options that the state does not know are passed over."""
        if "recipe" not in state:
            raise ValueError(
                f"{self.path} does not say which options it was made with (an older version saved it): "
                "give another --out"
            )
        then, now = _flat(json.loads(state["recipe"])), _flat(json.loads(self.recipe))
        changed = [
            f"{name} was {then[name]!r}, now {value!r}"
            for name, value in now.items()
            if name in then and then[name] != value
        ]
        data = {**self.data, **state.get("data", {})}
        if data["episodes"] != self.data["episodes"]:
            changed.append(f"the data had {data['episodes']} episodes, now {self.data['episodes']}")
        elif data["names"] != self.data["names"]:
            changed.append("the data has episodes of other names")
        elif data["contents"] != self.data["contents"]:
            changed.append("the data has episodes of these names with other contents")
        return changed

    def losses_of_average(self, batch: Batch, precision: torch.dtype) -> dict[str, float]:
        """The losses on a batch of the weights that would be saved now, without dropout.

        Args:
            batch: What to read, in views drawn for this step.
            precision: Of the large products.

        Returns:
            Value per term.
        """
        average = self.average.module
        assert isinstance(average, CompactRewardNetwork)
        average.eval()
        for kept, now in zip(average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)
        views = torch.Generator().manual_seed(self.step)  # the run's own generator must not notice
        with torch.no_grad():
            losses = batch_losses(
                average,
                self.tokenizer,
                batch,
                self.config.augment,
                self.config.noise,
                views,
                precision,
            )
        return {name: value.item() for name, value in losses._asdict().items()}

    def averaged(self) -> CompactRewardNetwork:
        """A copy of the network with averaged weights and the current normalisation statistics."""
        copy = CompactRewardNetwork(self.network.config)
        state = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        state.update({name: tensor.cpu() for name, tensor in self.average.module.named_parameters()})
        copy.load_state_dict(state, strict=True)
        return copy.eval()


def _train(
    run: _Run, sampler: BatchSampler, log: Any, console: Console, validation: dict[str, list[Episode]]
) -> None:
    config = run.config
    precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.precision]
    warn_if_emulated(precision, torch.device(config.device))
    steps = progress(console, "steps", config.steps, done=run.step)
    terms: str | None = None
    with steps as advance, ThreadPoolExecutor(1) as loader:

        def draw(step: int) -> Any:  # each step has its own generator: a resumed run draws the same batches
            return sampler.draw(np.random.default_rng([config.seed, step]))

        upcoming = loader.submit(draw, run.step)
        while run.step < config.steps:
            start = time.perf_counter()
            batch = upcoming.result()
            upcoming = loader.submit(draw, run.step + 1)
            rate = learning_rate_at(run.step, config)
            for group in run.optimizer.param_groups:
                group["lr"] = rate
            losses = batch_losses(
                run.network, run.tokenizer, batch, config.augment, config.noise, run.generator, precision
            )
            total = losses.total if config.preference else losses.progress + losses.success
            if not bool(torch.isfinite(total)):
                raise FloatingPointError(f"the loss of step {run.step} is {losses}: lower the learning rate")
            run.optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(run.network.parameters(), config.grad_clip)
            run.optimizer.step()
            run.average.update_parameters(run.network)
            run.step += 1
            run.seconds += time.perf_counter() - start
            if run.step % 20 == 0:
                saved = run.losses_of_average(batch, precision)
                for name, value in saved.items():
                    log.add_scalar(f"loss/{name}", value, run.step)
                    log.add_scalar(f"loss_while_learning/{name}", getattr(losses, name).item(), run.step)
                log.add_scalar("learning_rate", rate, run.step)
                terms = " ".join(f"{name} {value:.3f}" for name, value in saved.items())
            advance(note=terms)
            if run.step % config.save_every == 0 or run.step == config.steps:
                run.save()
            if validation and (run.step % config.evaluate_every == 0) and run.step < config.steps:
                _evaluate_on_the_way(run, validation, log, console)


def _evaluate_on_the_way(run: _Run, validation: dict[str, list[Episode]], log: Any, console: Console) -> None:
    with torch.random.fork_rng():  # a new network draws weights: training must not notice
        model = CompactReward(Checkpoint(run.averaged(), run.tokenizer), run.config.device)
        # Who looks at these picks by them: the held-out paraphrases stay for `robometer-rl evaluate`.
        table = evaluate(model, validation, run.config.seed, heldout=False)
    for key, value in table["mean"].items():
        log.add_scalar(f"validation/{key}", value, run.step)
    line = ", ".join(f"{key} {value:.3f}" for key, value in table["mean"].items())
    console.print(f"step {run.step}, {run.seconds / 60:.1f} min: {line}")


def _record(run: _Run, command: str, episodes: Sequence[TrainingEpisode]) -> dict[str, Any]:
    """What a checkpoint says of its training."""
    start = run.config.start
    return {
        "command": command,
        "seed": run.config.seed,
        "steps": run.step,
        "minutes": round(run.seconds / 60, 1),
        "device": run.config.device,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "episodes": len(episodes),
        "frames": sum(len(episode.frames) for episode in episodes),
        "config": json.loads(json.dumps(asdict(run.config), default=str)),
        **({} if start is None else {"started_from": {"path": str(start), "training": run.start.training}}),
    }


def fit(config: FitConfig, command: str, console: Console) -> Path:
    """Train, calibrate and save.

    Args:
        config: the run.
        command: the command line, recorded in the checkpoint.
        console: where progress is shown.

    Returns:
        Folder of the checkpoint.
    """
    with naming_extras():
        from torch.utils.tensorboard import SummaryWriter

    with checking_input():
        config.out.mkdir(parents=True, exist_ok=True)
        run = _Run(config)
    trained = sum(p.numel() for p in run.network.parameters())
    words = run.network.get_buffer("word_table").numel()
    console.print(f"{trained / 1e6:.2f}M trained parameters, word table {words / 1e6:.2f}M")
    with checking_input():
        if run.resume():
            console.print(f"resumed at step {run.step} from {run.path}")
        episodes, texts = _load(config, run, console)
        sampler = BatchSampler(episodes, texts, config.sampling)
        check_validation(config.validation, texts)
        validation = {}
        if config.sentences is None:
            validation = load_validation(config.validation, list(texts), config.evaluate_episodes)
    with SummaryWriter(str(config.out / "tensorboard"), purge_step=run.step) as log:
        _train(run, sampler, log, console, validation)
        judged, evaluation = _judge(run, texts, log, console)
    training = _record(run, command, episodes) | {"evaluation": evaluation}
    folder = config.out / "checkpoint"
    save_checkpoint(replace(judged, training=training), folder)
    console.print(f"{run.step} steps in {run.seconds / 60:.1f} min; saved to {folder}")
    return folder


def _judge(
    run: _Run, texts: Mapping[str, TaskText], log: Any, console: Console
) -> tuple[Checkpoint, dict[str, Any]]:
    """Measures the weights that are saved, calibrates their thresholds, and says whether the fit is good.

    Returns:
        The checkpoint, without a record of its training, and what was measured on how many episodes.
    """
    config, network = run.config, run.averaged()
    model = CompactReward(Checkpoint(network, run.tokenizer), config.device)
    episodes = chain(validation_episodes(config.validation, texts), map(read_episode, run.aside))
    rows = score_episodes(model, episodes, texts)
    on = f"{len(rows)} episodes that were not trained on"
    peaks = [EpisodePeak(row.task, row.succeeded, row.peak) for row in rows]
    found_threshold, own_thresholds = calibrate(peaks, texts, config.false_positives)
    threshold = run.start.success_threshold if found_threshold is None else found_threshold
    calibrated = (
        "calibrated"
        if found_threshold is not None
        else f"uncalibrated: {config.validation} holds no failed episodes of these tasks, nor enough of "
        f"{config.data} to hold some aside"
    )
    if not rows:
        own = load_by_task(config.data, list(texts), _JUDGED_PER_KIND)
        rows = score_episodes(model, chain.from_iterable(own.values()), texts)
        on = f"{len(rows)} of the very episodes that it was trained on, which says little about others"
    found = measures(rows)
    for name, value in found.items():
        if not math.isnan(value):
            log.add_scalar(f"final/{name}", value, run.step)
    console.print(f"success threshold {threshold:.3f} ({calibrated})")
    if own_thresholds:
        console.print(f"{len(own_thresholds)} of {len(texts)} tasks have a threshold of their own too")
    console.print(verdict(found, on))
    numbers = {name: None if math.isnan(value) else round(value, 4) for name, value in found.items()}
    judged = Checkpoint(
        network, run.tokenizer, threshold, tuple(sorted(texts)), success_thresholds=own_thresholds
    )
    return judged, {**numbers, "on": on}


def main(argv: Sequence[str] | None = None) -> None:
    """Train the compact reward model on collected episodes."""
    config = read_arguments(FitConfig, argv, "fit", main.__doc__)
    words = ["robometer-rl", "fit", *(sys.argv[1:] if argv is None else argv)]
    # The process is the command's own, so what holds for all of it is set here and not in `fit`.
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    fit(config, " ".join(words), Console(markup=False))


if __name__ == "__main__":
    main()
