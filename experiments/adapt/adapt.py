"""`robometer-rl adapt`: from a few demonstrations to a reward model of this world and camera.

Each stage leaves its files under OUT, so that the same command goes on after it was stopped:
`episodes` (demonstrations and aimless motion), `replay` (the bundled model's own tasks), `fit` (the training
run), `checkpoint`, `cheat` (the short agent), and `verdict.json`.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.errors import InputError, checking_input
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.checkpoint import load_checkpoint, save_checkpoint
from robometer_rl.rewards.training.augment import AugmentConfig
from robometer_rl.rewards.training.sampling import SamplingConfig
from robometer_rl.world_ids import task_id_of, world_of

from ..agent.environment_checks import check_environment
from ..agent.policies import fitting_algorithms
from ..agent.run import RunConfig
from ..common.allocator import keep_freed_memory
from ..common.environment import EnvironmentConfig, make_environment
from ..common.files import write_json
from ..episodes import list_episodes, read_episode, read_outcome, task_of
from ..reward_model.dataset import checkpoint_folder
from ..reward_model.fit import FitConfig, fit
from ..reward_model.verdict import hold_aside
from .cheat import find_cheats
from .examine import findings_table
from .gather import record_aimless, record_policy, take_demonstrations
from .replay import unpack_sample
from .verdict import Cheating, Findings, examine, is_ready_for_rl, judge

__all__ = ["AdaptConfig", "adapt", "fit_config", "main", "refit"]

_BLIND_STEPS = 300
"""Optimiser steps where there are too few successes to keep one aside: about where the others stop."""

_LOST_PICTURES = 4
"""Videos of each task whose picture is lost; without them a grey picture may be read as done."""

SIDE_WORDS = frozenset({"left", "right", "leftmost", "rightmost", "clockwise", "counterclockwise"})
"""Words of a sentence that a mirrored picture would make wrong."""


@dataclass(frozen=True)
class AdaptConfig:
    """What to adapt to, from what, and for how long."""

    demos: Path | None = None
    """Demonstrations: a folder of episodes (`RecordEpisodes`), a folder of videos with success/ and failure/,
    or a robomimic HDF5 file. Without any, --policy makes them."""
    task: str | None = None
    """What they show, as a sentence, e.g. "push the block to the target"; not needed where they say it."""
    env: str | None = None
    """The environment, as `robometer-rl train --env` takes it: aimless motion is recorded in it."""
    env_kwargs: str = "{}"
    """Keyword arguments of the environment as a JSON object."""
    wrappers: tuple[str, ...] = ()
    """Wrappers of the environment as `module:Wrapper`, innermost first."""
    success: str = "auto"
    """How the environment's success is known: auto, none or `module:function`."""
    frames: str = "render"
    """Where its pictures come from: render, a key of the observation, or `module:function`."""
    policy: str | None = None
    """A scripted policy as `module:factory`, whose rollouts are recorded beside the demonstrations."""
    rollouts: tuple[int, int] = (10, 20)
    """Whole rollouts of --policy, and rollouts that are stopped on the way."""
    aimless: int = 40
    """Episodes of aimless motion to record in --env."""
    horizon: int = 0
    """Environment steps per episode; 0 stands for the environment's own limit, which holds in any case."""
    agent_steps: int = 5_000
    """Environment steps of a short agent that learns in --env from the adapted reward alone, to see whether
    it finds something to be paid for that is not the task; 0 trains none."""
    action_repeat: int = 0
    """Environment steps per decision of that agent, as `robometer-rl train` takes it."""
    action_scale: float = 1.0
    """Factor on its actions, likewise."""
    overrides: str = "{}"
    """Hyperparameters of the agent that differ from its YAML, as a JSON object."""
    start: Path = Path("compact")
    """Checkpoint to start from; "compact" is the bundled model."""
    out: Path = Path("runs/adapted")
    """Where everything goes; the checkpoint is in `checkpoint`."""
    steps: int = 800
    """Most optimiser steps."""
    evaluate_every: int = 50
    """Steps between two looks at the episodes that are kept aside."""
    stop_after: int = 4
    """Looks without a better one after which training stops."""
    learning_rate: float = 3e-4
    """Peak learning rate."""
    replay_share: float = 0.35
    """Share of the batches with the bundled model's own tasks; 0 replays none, and the model forgets them."""
    flip: Annotated[bool | None, tyro.conf.arg(name="flip")] = None
    """Learn from mirrored pictures too; None does so unless the sentence tells left from right."""
    false_alarms: float = 0.02
    """Share of failures that may reach the success threshold."""
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    seed: int = 0
    """Of everything."""

    def __post_init__(self) -> None:
        """Checks the options before anything is read.

        Raises:
            ValueError: One is out of its range, or nothing names demonstrations.
        """
        least = {
            "aimless": 0,
            "horizon": 0,
            "agent_steps": 0,
            "steps": 1,
            "evaluate_every": 1,
            "stop_after": 1,
        }
        least |= {"horizon": 0, "threads": 0, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} should be at least {bound}, got {getattr(self, name)}")
        if not 0.0 <= self.replay_share < 1.0:
            raise ValueError(f"replay_share should be from 0 up to, but not, 1, got {self.replay_share}")
        if min(self.rollouts) < 0 or sum(self.rollouts) < 1:
            raise ValueError(f"rollouts should be two counts of at least 0, not both 0, got {self.rollouts}")
        if self.demos is None and (self.env is None or self.policy is None):
            raise ValueError("give demonstrations with --demos, or --env and --policy to record rollouts")
        if self.policy is not None and self.env is None:
            raise ValueError(f"policy={self.policy!r} acts in an environment: name it with --env")

    def environment(self, sentence: str) -> EnvironmentConfig | None:
        """The environment, None where none is named."""
        if self.env is None:
            return None
        return EnvironmentConfig(
            self.env, sentence, self.env_kwargs, self.wrappers, self.success, self.frames
        )


def fit_config(config: AdaptConfig, sentences: Sequence[str]) -> FitConfig:
    """The recipe for few demonstrations: mirrored and moved views, short clips, a stop by validation.

    Args:
        config: The adaptation.
        sentences: All sentences of its tasks.

    Returns:
        The options of the training run.
    """
    validation = config.out / "validation"
    _, aside = hold_aside(config.out / "episodes", validation)
    judges = [*aside, *(list_episodes(validation) if validation.is_dir() else ())]
    judged = any(read_outcome(path) for path in judges)
    words = {word for sentence in sentences for word in sentence.lower().split()}
    flips = not words & SIDE_WORDS if config.flip is None else config.flip
    return FitConfig(
        data=config.out / "episodes",
        validation=validation,
        out=config.out / "fit",
        start=config.start,
        sentences=config.out / "episodes" / "tasks.json",
        # One sentence teaches nothing about reading sentences.
        freeze=("word_projection",),
        # With the statistics of one world's pictures the others' are read wrongly.
        freeze_statistics=True,
        lost_pictures=_LOST_PICTURES,
        replay=config.out / "replay" if config.replay_share else None,
        replay_share=config.replay_share or 0.5,
        # Where no success can be kept aside, nothing says when to stop.
        steps=config.steps if judged else min(config.steps, _BLIND_STEPS),
        seed=config.seed,
        learning_rate=config.learning_rate,
        warmup=50,
        ema=0.99,
        threads=config.threads,
        save_every=config.evaluate_every,
        evaluate_every=config.evaluate_every,
        stop_after=config.stop_after if judged else 0,
        false_positives=config.false_alarms,
        sampling=SamplingConfig(frames_per_batch=160, max_frames=16),
        augment=AugmentConfig(
            shift=0.12, rotation=0.12, zoom=0.15, brightness=0.3, flip=0.5 if flips else 0.0
        ),
    )


def _look_at(config: AdaptConfig) -> tuple[str, RunConfig | None]:
    """Finds out early whether the environment serves for all that is to come.

    Returns:
        Id of its world, and the run of the short agent, whose model and sentence are not known yet; None
        where none is wanted.

    Raises:
        ValueError: It cannot be made, or no agent can be trained in it.
    """
    environment = config.environment(config.task or "anything")
    assert environment is not None
    env = make_environment(environment, horizon=config.horizon or None)
    try:
        world, fitting = world_of(env), fitting_algorithms(env.action_space)
        actions = env.action_space
    finally:
        env.close()
    if not config.agent_steps:
        return world, None
    if not fitting:
        raise ValueError(f"no learner takes the actions {actions}: give --agent-steps 0")
    run = RunConfig(
        **asdict(environment), seed=config.seed, algo=fitting[0], steps=config.agent_steps,
        horizon=config.horizon, action_repeat=config.action_repeat, action_scale=config.action_scale,
        overrides=config.overrides,
    )  # fmt: skip
    check_environment(run)
    return world, run


def _gather(config: AdaptConfig, worlds: Sequence[str], console: Console) -> dict[str, list[str]]:
    """Fills `episodes` and `replay`; returns the sentences of each task."""
    episodes = config.out / "episodes"
    size = load_checkpoint(checkpoint_folder(config.start)).network.config.image_size
    tasks: dict[str, list[str]] = {}
    if config.demos is not None:
        tasks = take_demonstrations(config.demos.expanduser(), episodes, config.task, console)
        if config.env is not None and len(tasks) != 1:
            raise InputError(f"--env shows one task, and the demonstrations have {', '.join(sorted(tasks))}")
    elif config.task is None:
        raise InputError('say what the environment is for: --task "push the block to the red target"')
    if config.env is not None:
        task_id = next(iter(tasks), task_id_of(worlds[0]))
        if not tasks:
            assert config.task is not None
            add_sentences(episodes, task_id, config.task)
            tasks = {task_id: [config.task]}
        environment = config.environment(tasks[task_id][0])
        assert environment is not None
        if config.policy is not None and not list_episodes(episodes, task_id, "success"):
            counts = config.rollouts
            record_policy(
                environment, config.policy, episodes, task_id, size, counts, config.seed, console,
                config.horizon,
            )  # fmt: skip
        record_aimless(
            environment, episodes, task_id, size, config.aimless, config.seed, console, config.horizon
        )
    if config.replay_share:
        unpack_sample(config.out / "replay", console, without=tasks)
    return tasks


def refit(
    config: AdaptConfig, sentences: Sequence[str], command: str, console: Console, worlds: Sequence[str] = ()
) -> Path:
    """Trains on the episodes that are gathered, and puts the checkpoint in its place.

    Args:
        config: The adaptation.
        sentences: All sentences of its tasks.
        command: The command line, recorded in the checkpoint.
        console: Where to show how far it is.
        worlds: Ids of the environments that it was recorded in, for which the wrapper need not warn.

    Returns:
        Folder of the checkpoint.
    """
    folder = config.out / "checkpoint"
    if (folder / "config.json").is_file():
        return folder
    made = fit(fit_config(config, sentences), command, console)
    part = config.out / "checkpoint.part"
    shutil.rmtree(part, ignore_errors=True)
    checkpoint = load_checkpoint(made)
    # What the start knew it still knows where it was replayed, the environments of earlier rounds among it.
    kept = load_checkpoint(checkpoint_folder(config.start)).trained_worlds if config.replay_share else ()
    known = tuple(sorted({*checkpoint.trained_worlds, *worlds, *kept}))
    save_checkpoint(replace(checkpoint, trained_worlds=known), part)
    part.rename(folder)
    return folder


def _let_cheat(
    run: RunConfig | None, sentence: str, checkpoint: Path, out: Path, console: Console
) -> Cheating | None:
    """Trains the short agent; None where none is wanted."""
    if run is None:
        return None
    report = find_cheats(replace(run, task=sentence), str(checkpoint), run.steps, out / "cheat", console)
    if report is None:  # asked to stop; the same command goes on
        raise KeyboardInterrupt
    return Cheating(report.verdict.value, report.says)


def adapt(config: AdaptConfig, command: str, console: Console) -> tuple[dict[str, Findings], str]:
    """Adapts the model and says what it is good for.

    Args:
        config: The adaptation.
        command: The command line, recorded in the checkpoint.
        console: Where to show how far it is.

    Returns:
        The findings of each task, and the verdict in one sentence.

    Raises:
        InputError: Demonstrations or environment cannot be used.
    """
    began = time.monotonic()
    with checking_input():
        config.out.mkdir(parents=True, exist_ok=True)
        looked = None if config.env is None else _look_at(config)
        worlds, run = ([], None) if looked is None else ([looked[0]], looked[1])
        tasks = _gather(config, worlds, console)
    sentences = [text for texts in tasks.values() for text in texts]
    folder = refit(config, sentences, command, console, worlds)
    model = load_reward_model(str(folder))
    _, aside = hold_aside(config.out / "episodes", config.out / "validation")
    found: dict[str, Findings] = {}
    for task, sentences in tasks.items():
        paths = [path for path in aside if task_of(path, config.out / "episodes") == task]
        episodes = {path.stem: read_episode(path) for path in paths}
        found[task] = examine(model, episodes, sentences[0], model.success_threshold)
        cheating = _let_cheat(run, sentences[0], folder, config.out, console)
        found[task] = replace(found[task], cheating=cheating)
    sentence = " ".join(
        judge(findings) if len(found) == 1 else f"{task}: {judge(findings)}"
        for task, findings in found.items()
    )
    minutes = (time.monotonic() - began) / 60
    write_json(
        config.out / "verdict.json",
        {
            "verdict": sentence,
            "command": command,
            "minutes_of_this_session": round(minutes, 1),
            "tasks": {task: findings.as_dict() for task, findings in found.items()},
        },
    )
    for task, findings in found.items():
        console.print(findings_table(task, findings))
        if findings.cheating is not None:
            console.print(f"the agent: {findings.cheating.says} See {config.out / 'cheat' / 'cheats.html'}")
    console.print(f"{minutes:.1f} minutes; the checkpoint is {folder}")
    console.print(sentence)
    return found, sentence


def main(argv: Sequence[str] | None = None) -> int:
    """Adapt the reward model to your own environment from a few demonstrations, and say what it is good for.

    Exit status 0: ready for RL; 1: not yet, the last line says what to do.
    """
    config = read_arguments(AdaptConfig, argv, "adapt", main.__doc__)
    words = ["robometer-rl", "adapt", *(sys.argv[1:] if argv is None else argv)]
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    found, _ = adapt(config, " ".join(words), Console(markup=False))
    return 0 if all(is_ready_for_rl(findings) for findings in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
