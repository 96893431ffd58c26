"""`robometer-rl fit`: train the compact reward model on collected episodes.

Reads top to bottom, from episodes over batches to a calibrated checkpoint; resumes from the last saved state.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.extras import naming_extras
from robometer_rl.errors import checking_input
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.training.lost_pictures import lose_pictures
from robometer_rl.rewards.training.sampling import (
    BatchSampler,
    TaskText,
    TrainingEpisode,
)
from robometer_rl.rewards.training.step import batch_losses, warn_if_emulated

from ..common.allocator import keep_freed_memory
from ..common.progress import progress
from ..episodes import Episode, read_episode, task_of
from .calibration import calibrate, check_validation, load_validation, validation_episodes
from .dataset import read_episodes, read_sentences, refuse_unseen, task_texts
from .evaluate import evaluate, load_by_task
from .fit_config import FitConfig, learning_rate_at
from .labels import label_all
from .task_thresholds import EpisodePeak
from .training_run import TrainingRun
from .verdict import measures, score_episodes, validation_error, verdict

__all__ = ["FitConfig", "fit", "main"]


def _load(
    config: FitConfig, run: TrainingRun, console: Console
) -> tuple[list[TrainingEpisode], dict[str, TaskText]]:
    """The training episodes with their labels, and the texts of their tasks."""
    own = {} if config.sentences is None else read_sentences(config.sentences, run.tokenizer)
    recorded = read_episodes([*run.training, *run.replay], run.network.config.image_size, console)
    texts = task_texts({episode.task for episode in recorded}, own)
    if not config.allow_unseen:
        refuse_unseen(texts)
    # Also those of the table beside those of --sentences: each is a wrong sentence for the other's videos.
    run.tokenizer.refuse_alike({name: text.sentences for name, text in texts.items()})
    episodes = label_all(recorded, texts, config.success_negative_below)
    own_episodes = [episode for episode in episodes if episode.task in run.tasks]
    rng = np.random.default_rng([config.seed, _LOST])
    episodes += lose_pictures(own_episodes, config.lost_pictures, rng)
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


_LOST = 2**31
"""Second part of the seed of lost pictures; that of a batch is its step."""

_JUDGED_PER_KIND = 10
"""Training episodes per task and kind that judge a fit for which no others are there."""


def _task_shares(run: TrainingRun, tasks: Collection[str]) -> dict[str, float] | None:
    """Each task's share of the batches where episodes are replayed; None where none are.

    Raises:
        ValueError: A task is in both folders, so that nobody could tell its episodes apart.
    """
    config = run.config
    if config.replay is None:
        return None
    own = run.tasks
    both = own & {task_of(path, config.replay) for path in run.replay}
    if both:
        raise ValueError(f"{', '.join(sorted(both))} is in {config.data} and in the replayed {config.replay}")
    replayed = len(tasks) - len(own)
    return {
        task: (1.0 - config.replay_share) / len(own) if task in own else config.replay_share / replayed
        for task in tasks
    }


def _look(
    run: TrainingRun, judges: Sequence[Episode], texts: Mapping[str, TaskText], log: Any, console: Console
) -> None:
    """Notes what validation says of the weights now."""
    with torch.random.fork_rng():  # a new network draws weights: training must not notice
        model = CompactReward(Checkpoint(run.averaged(), run.tokenizer), run.config.device)
        rows = score_episodes(model, judges, texts)
    found = measures(rows)
    error = validation_error(found, rows)
    known = {name: value for name, value in found.items() if not math.isnan(value)} | {"error": error}
    for name, value in known.items():
        log.add_scalar(f"validation/{name}", value, run.step)
    values = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
    console.print(f"step {run.step}, {run.seconds / 60:.1f} min: {values} on {len(judges)} episodes")
    run.note_error(error)


def _train(
    run: TrainingRun,
    sampler: BatchSampler,
    log: Any,
    console: Console,
    validation: dict[str, list[Episode]],
    look: Callable[[], None] | None,
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
        while run.step < config.steps and not run.stopped:
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
            over = run.step == config.steps
            due = run.step % config.evaluate_every == 0
            if look is not None and (due or over):
                look()
            # After the look, so that a resumed run has seen what this one saw.
            if run.step % config.save_every == 0 or over or run.stopped:
                run.save()
            if validation and due and not over:
                _evaluate_on_the_way(run, validation, log, console)
        if run.stopped:
            console.print(run.why_stopped)


def _evaluate_on_the_way(
    run: TrainingRun, validation: dict[str, list[Episode]], log: Any, console: Console
) -> None:
    with torch.random.fork_rng():  # a new network draws weights: training must not notice
        model = CompactReward(Checkpoint(run.averaged(), run.tokenizer), run.config.device)
        # Who looks at these picks by them: the held-out paraphrases stay for `robometer-rl evaluate`.
        table = evaluate(model, validation, run.config.seed, heldout=False)
    for key, value in table["mean"].items():
        log.add_scalar(f"validation/{key}", value, run.step)
    line = ", ".join(f"{key} {value:.3f}" for key, value in table["mean"].items())
    console.print(f"step {run.step}, {run.seconds / 60:.1f} min: {line}")


def _record(run: TrainingRun, command: str, episodes: Sequence[TrainingEpisode]) -> dict[str, Any]:
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
        run = TrainingRun(config)
    trained = sum(p.numel() for p in run.network.parameters())
    words = run.network.get_buffer("word_table").numel()
    console.print(f"{trained / 1e6:.2f}M trained parameters, word table {words / 1e6:.2f}M")
    with checking_input():
        if run.resume():
            console.print(f"resumed at step {run.step} from {run.path}")
        episodes, texts = _load(config, run, console)
        sampler = BatchSampler(episodes, texts, config.sampling, _task_shares(run, texts))
        own = {name: text for name, text in texts.items() if name in run.tasks}
        check_validation(config.validation, own)
        validation = {}
        if config.sentences is None:
            validation = load_validation(config.validation, list(own), config.evaluate_episodes)
        judges = _judging_episodes(run, own) if config.stop_after else []
    with SummaryWriter(str(config.out / "tensorboard"), purge_step=run.step) as log:
        look = partial(_look, run, judges, texts, log, console) if judges else None
        _train(run, sampler, log, console, validation, look)
        judged, evaluation = _judge(run, texts, own, log, console)
    training = _record(run, command, episodes) | {"evaluation": evaluation}
    folder = config.out / "checkpoint"
    save_checkpoint(replace(judged, training=training), folder)
    console.print(f"{run.step} steps in {run.seconds / 60:.1f} min; saved to {folder}")
    return folder


def _judging_episodes(run: TrainingRun, own: Mapping[str, TaskText]) -> list[Episode]:
    """The episodes by which a run stops.

    Raises:
        ValueError: There are none.
    """
    judges = [*validation_episodes(run.config.validation, own), *map(read_episode, run.aside)]
    if not any(episode.known_success.any() for episode in judges):
        raise ValueError(
            f"stop_after={run.config.stop_after} needs successes to judge by: write some to "
            f"{run.config.validation}, or have five or more in {run.config.data} so that one is held aside"
        )
    return judges


def _judge(
    run: TrainingRun, texts: Mapping[str, TaskText], own: Mapping[str, TaskText], log: Any, console: Console
) -> tuple[Checkpoint, dict[str, Any]]:
    """Measures the weights that are saved, calibrates their thresholds, and says whether the fit is good.

    Returns:
        The checkpoint, without a record of its training, and what was measured on how many episodes.
    """
    config, network = run.config, run.to_save()
    model = CompactReward(Checkpoint(network, run.tokenizer), config.device)
    episodes = chain(validation_episodes(config.validation, own), map(read_episode, run.aside))
    rows = score_episodes(model, episodes, own)
    on = f"{len(rows)} episodes that were not trained on"
    peaks = [EpisodePeak(row.task, row.succeeded, row.peak) for row in rows]
    found_threshold, own_thresholds = calibrate(peaks, own, config.false_positives)
    threshold = run.start.success_threshold if found_threshold is None else found_threshold
    calibrated = (
        "calibrated"
        if found_threshold is not None
        else f"uncalibrated: {config.validation} holds no failed episodes of these tasks, nor enough of "
        f"{config.data} to hold some aside"
    )
    if not rows:
        trained = load_by_task(config.data, list(own), _JUDGED_PER_KIND)
        rows = score_episodes(model, chain.from_iterable(trained.values()), own)
        on = f"{len(rows)} of the very episodes that it was trained on, which says little about others"
    found = measures(rows)
    for name, value in found.items():
        if not math.isnan(value):
            log.add_scalar(f"final/{name}", value, run.step)
    console.print(f"success threshold {threshold:.3f} ({calibrated})")
    if own_thresholds:
        console.print(f"{len(own_thresholds)} of {len(own)} tasks have a threshold of their own too")
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
