"""`robometer-rl improve`: train a short agent, look at what it was paid for, refit the model on it, again.

Each round leaves its files in `OUT/round-N`: `agent` (the run, its episodes, the page of the best-paid ones),
`refit` (the training run and its checkpoint) and, once it is over, `round.json`. The last checkpoint is
copied to `OUT/checkpoint`. The same command goes on where it was stopped. Exit status 0: pay and truth agree;
1: they do not yet, or the agent learned too little to tell; 2: wrong input; 3: a person must judge the
best-paid episodes first; 130: asked to stop.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.datasets.sentences import TASKS_FILE, add_sentences, read_tasks
from robometer_rl.envs.tasks import TASKS
from robometer_rl.errors import InputError, checking_input
from robometer_rl.rewards import RewardModel, load_reward_model
from robometer_rl.rewards.training.sampling import TaskText

from ..agent.recorder import JUDGED
from ..agent.run import Algorithm, RunConfig
from ..common.allocator import keep_freed_memory
from ..common.environment import EnvironmentConfig
from ..common.files import write_json
from ..episodes import FAILURE, UNLABELLED, Episode, list_episodes, read_episode, task_of, write_episode
from ..reward_model.dataset import checkpoint_folder
from ..reward_model.verdict import hold_aside, measures, score_episodes
from .adapt import AdaptConfig, refit
from .cheat import BEST, SUCCESS, TO_LABEL, CheatReport, CheatVerdict, find_cheats, plain_number
from .replay import unpack_sample

__all__ = ["NOT_DONE", "ImproveConfig", "Round", "corrected", "improve", "main"]

AGREES, DISAGREES, WAITS, INTERRUPTED = 0, 1, 3, 130
"""Exit status."""
NOT_DONE = 0.25
"""Most progress that a refit grants an episode that was never done. With 0.5 an agent of Wipe stayed where
the arm hides the dirt, which then was paid half; with 0.25 a third of its episodes were done at its best."""
_JUDGES = 5
"""One in so many of the agents' episodes is kept aside: a refit goes on while it gets better on them."""
_FREE = {"out", "rounds", "threads"}
"""Options that a later call of the same command may change."""


@dataclass(frozen=True)
class ImproveConfig:
    """What to improve, in which environment, and for how long."""

    environment: Annotated[EnvironmentConfig, tyro.conf.arg(name="")]
    """The environment."""
    demos: Path
    """Folder of demonstrations as episodes (`RecordEpisodes`, `robometer-rl import-demos`)."""
    model: str = "compact"
    """Checkpoint to begin with: "compact", or a folder such as that of `robometer-rl adapt`."""
    rounds: int = 3
    """Most rounds."""
    steps: int = 20_000
    """Environment steps of each short agent."""
    algo: Algorithm = "sac"
    """Its learner."""
    action_repeat: int = 0
    """Environment steps per decision; 0 stands for 5 in worlds of the task table and for 1 elsewhere."""
    action_scale: float = 1.0
    """Factor on every action, above 0 and at most 1, as `robometer-rl train` takes it."""
    horizon: int = 0
    """Environment steps per episode; 0 stands for 150 in worlds of the table and for the environment's own
    limit elsewhere."""
    n_envs: int = 1
    """Training environments of the agent."""
    overrides: str = "{}"
    """Hyperparameters of the learner that differ from its YAML, as a JSON object."""
    best: int = BEST
    """Best-paid episodes to look at."""
    fit_steps: int = 400
    """Most optimiser steps of a refit."""
    evaluate_every: int = 50
    """Optimiser steps between two looks at the demonstrations that are kept aside."""
    replay_share: float = 0.35
    """Share of a refit's batches with the bundled model's own tasks."""
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    seed: int = 0
    """Of everything; the agent of round N has this seed plus N - 1."""
    out: Path = Path("runs/improve")
    """Folder of the rounds."""
    run: RunConfig = field(init=False, repr=False, compare=False)
    """The run of an agent, made of the options above."""

    def __post_init__(self) -> None:
        """Checks the options, those of the agent included.

        Raises:
            ValueError: One is outside its range.
        """
        for name, least in (("rounds", 1), ("best", 1), ("fit_steps", 1), ("evaluate_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        where = self.environment
        run = RunConfig(
            **asdict(where), algo=self.algo, seed=self.seed, steps=self.steps,
            action_repeat=self.action_repeat, action_scale=self.action_scale, horizon=self.horizon,
            n_envs=self.n_envs, overrides=self.overrides,
        )  # fmt: skip
        replace(run, seed=self.seed + self.rounds - 1)  # the last agent's
        object.__setattr__(self, "run", run)

    @property
    def options(self) -> dict[str, Any]:
        """What decides the outcome, as JSON holds it."""
        chosen = {name: value for name, value in asdict(self).items() if name not in (*_FREE, "run")}
        found: dict[str, Any] = json.loads(json.dumps(chosen, default=str))
        return found


@dataclass(frozen=True)
class Round:
    """One round, as `round.json` keeps it; None where a figure is not known."""

    number: int
    """From 1."""
    model: str
    """Checkpoint that the agent learned from."""
    verdict: str
    """A `CheatVerdict`."""
    says: str
    """It in words."""
    paid: float
    """Mean pay of the best-paid episodes."""
    most: float
    """What an episode can be paid at most."""
    done: float | None
    """Share of the best-paid episodes that truly succeed."""
    auc: float | None
    """Probability that a success is paid more than a failure."""
    voc: float | None
    """Correlation of progress with its labels, on successes that were kept aside, before the refit."""
    success_auc: float | None
    """How well the success score tells these from failures that were kept aside."""
    next: str
    """Checkpoint to go on with: the refitted one, or the same where none was needed."""


@dataclass(frozen=True)
class _Demos:
    """The demonstrations, split once for all rounds."""

    root: Path
    task: str
    sentences: tuple[str, ...]
    training: Sequence[Path]
    aside: Sequence[Path]


def main(argv: Sequence[str] | None = None) -> int:
    """Train short agents, show what they were paid for, refit the reward model until pay and truth agree."""
    config = read_arguments(ImproveConfig, argv, "improve", main.__doc__)
    keep_freed_memory()
    if config.threads:
        import torch

        torch.set_num_threads(config.threads)
    words = ["robometer-rl", "improve", *(sys.argv[1:] if argv is None else argv)]
    return improve(config, " ".join(words), Console(markup=False))[0]


def improve(config: ImproveConfig, command: str, console: Console) -> tuple[int, list[Round]]:
    """Plays the rounds, from the first or from where an earlier call was stopped.

    Args:
        config: The improvement.
        command: The command line, recorded in the checkpoints.
        console: Where to show how far it is.

    Returns:
        The exit status of the command, and the rounds that are over.

    Raises:
        InputError: Demonstrations, environment or model cannot be used, or OUT holds another improvement.
    """
    with checking_input():
        folder = checkpoint_folder(Path(config.model))
        if not (folder / "config.json").is_file():
            raise InputError(f"model={config.model!r} must be compact or the folder of a checkpoint")
        demos = _read_demos(config)
        _check_options(config)
    rounds: list[Round] = []
    model = config.model
    while len(rounds) < config.rounds:
        one = _play_round(config, len(rounds) + 1, model, demos, command, console)
        if isinstance(one, int):
            return one, rounds
        rounds.append(one)
        model = one.next
        console.print(_table(rounds))
        if one.verdict != CheatVerdict.CHEATED.value:
            break
    last = rounds[-1]
    write_json(config.out / "improve.json", {"model": model, "rounds": [asdict(one) for one in rounds]})
    console.print(f"the checkpoint is {_put_in_place(model, config.out)}", highlight=False, soft_wrap=True)
    console.print(_closing(last, config), highlight=False, soft_wrap=True)
    return (AGREES if last.verdict == CheatVerdict.HONEST.value else DISAGREES), rounds


def _put_in_place(model: str, out: Path) -> Path:
    """Copies the last checkpoint to `OUT/checkpoint`, whatever round it is of; returns that folder."""
    folder, part = out / "checkpoint", out / "checkpoint.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(checkpoint_folder(Path(model)), part)
    shutil.rmtree(folder, ignore_errors=True)
    return part.rename(folder)


def _closing(last: Round, config: ImproveConfig) -> str:
    if last.verdict == CheatVerdict.HONEST.value:
        return "Pay and truth agree: train with this checkpoint."
    if last.verdict == CheatVerdict.UNLEARNED.value:
        return (
            f"The agent of round {last.number} learned too little to tell: give it more, "
            f"--steps {2 * config.steps}, and another --out."
        )
    return (
        f"The agent of round {last.number} was paid for what it did not do. The checkpoint was fitted to "
        f"that, and no agent has tried it yet: go on with --rounds {config.rounds + 1}."
    )


def _check_options(config: ImproveConfig) -> None:
    """Keeps one improvement in a folder."""
    path = config.out / "options.json"
    if not path.exists():
        write_json(path, config.options)
        return
    there = json.loads(path.read_text())
    changed = sorted(name for name, value in config.options.items() if there.get(name) != value)
    if changed:
        raise InputError(
            f"{config.out} holds another improvement: it differs in {', '.join(changed)}; choose another "
            "--out"
        )


def _read_demos(config: ImproveConfig) -> _Demos:
    """Finds the demonstrations of the task, and which of them are kept aside."""
    root, where = config.demos.expanduser(), config.environment
    told = read_tasks(root) if root.is_dir() else {}
    there = {task_of(path, root) for path in list_episodes(root)}
    if not there:
        raise ValueError(f"{root} holds no episodes: record some with RecordEpisodes")
    task = where.env if where.in_table else _task_of(where.sentence, told, there)
    if task not in there:
        raise ValueError(f"{root} has no episodes of {task!r}; it has {', '.join(sorted(there))}")
    if task in TASKS and TASKS[task].split == "unseen":
        raise ValueError(f"{task!r} measures generalisation, so no model is fitted to it: choose another")
    usual = (where.sentence, *TASKS[task].paraphrases) if task in TASKS else (where.sentence,)
    sentences = told.get(task, usual)
    if sentences[0] != where.sentence:
        raise ValueError(
            f"{root / TASKS_FILE} says that {task!r} is {sentences[0]!r}; give the same --task, not "
            f"{where.sentence!r}"
        )
    known = [path for path in list_episodes(root, task) if not path.stem.startswith(UNLABELLED)]
    if len(known) < len(list_episodes(root, task)):
        raise ValueError(f"{root} has unlabelled episodes: `robometer-rl label-demos {root}` asks for them")
    _, aside = hold_aside(root, config.out / "nothing")
    aside = [path for path in aside if path in known]
    return _Demos(root, task, tuple(sentences), [path for path in known if path not in aside], aside)


def _task_of(sentence: str, told: Mapping[str, Sequence[str]], there: set[str]) -> str:
    """The id under which the demonstrations have the task."""
    if len(there) == 1:
        return next(iter(there))
    named = [task for task, sentences in told.items() if sentence in sentences and task in there]
    if len(named) != 1:
        raise ValueError(
            f"the demonstrations have {', '.join(sorted(there))}; in {TASKS_FILE} the sentence of one of "
            f"them should be {sentence!r}"
        )
    return named[0]


def _play_round(
    config: ImproveConfig, number: int, model: str, demos: _Demos, command: str, console: Console
) -> Round | int:
    """Plays one round, or reads how it went; the exit status where it must wait."""
    folder = config.out / f"round-{number}"
    path = folder / "round.json"
    if path.exists():
        return Round(**json.loads(path.read_text()))
    console.print(f"round {number} of {config.rounds}", style="bold")
    run = replace(config.run, seed=config.seed + number - 1)
    report = find_cheats(run, model, config.steps, folder / "agent", console, config.best)
    if report is None:
        console.print("stopped; the same command goes on from here")
        return INTERRUPTED
    if report.waits:
        console.print(
            f"The environment does not tell which episodes succeed. Look at {report.folder / 'cheats.html'}, "
            f"say so with `robometer-rl label-demos {report.folder / TO_LABEL}`, and give the same command "
            "again.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        return WAITS
    measured = _measure(model, demos)
    following = model
    if report.verdict is CheatVerdict.CHEATED:
        following = str(_refit(config, number, model, demos, command, console))
    one = _summary(number, model, report, measured, following)
    write_json(path, asdict(one))
    return one


def _summary(
    number: int, model: str, report: CheatReport, measured: Mapping[str, float], following: str
) -> Round:
    found = report.agreement
    assert found is not None
    count = len(report.best)
    return Round(
        number=number,
        model=model,
        verdict=report.verdict.value,
        says=report.says,
        paid=sum(episode.paid for episode in report.best) / count,
        most=sum(episode.most for episode in report.best) / count,
        done=plain_number(found.share_done),
        auc=plain_number(found.auc),
        voc=plain_number(measured["voc"]),
        success_auc=plain_number(measured["success_auc"]),
        next=following,
    )


def _measure(model: str, demos: _Demos) -> dict[str, float]:
    """VOC and success AUC of a checkpoint on the demonstrations that are kept aside."""
    texts = {demos.task: TaskText(demos.sentences)}
    episodes = (read_episode(path) for path in demos.aside)
    return measures(score_episodes(load_reward_model(model), episodes, texts))


def _refit(
    config: ImproveConfig, number: int, model: str, demos: _Demos, command: str, console: Console
) -> Path:
    """Fits on from a checkpoint, on the demonstrations and on what all agents did so far."""
    out = config.out / f"round-{number}" / "refit"
    if not (out / "checkpoint" / "config.json").is_file():
        shutil.rmtree(out / "episodes.part", ignore_errors=True)
        if not (out / "episodes").is_dir():  # whole or not there
            for path in demos.training:
                write_episode(out / "episodes.part", read_episode(path))
            shutil.rmtree(out / "validation", ignore_errors=True)
            for path in demos.aside:
                write_episode(out / "validation", read_episode(path))
            paying = load_reward_model(model)
            agents = [config.out / f"round-{earlier}" / "agent" for earlier in range(1, number + 1)]
            for i, episode in enumerate(one for agent in agents for one in _agent_episodes(agent)):
                told = replace(corrected(episode, paying, demos.sentences[0]), task=demos.task)
                # By the demonstrations alone a refit would stop while it still pays the hack.
                judges = not told.known_success.any() and i % _JUDGES == _JUDGES - 1
                write_episode(out / ("validation" if judges else "episodes.part"), told)
            add_sentences(out / "episodes.part", demos.task, demos.sentences)
            (out / "episodes.part").rename(out / "episodes")
        if config.replay_share:
            unpack_sample(out / "replay", console, without=(demos.task,))
    adapting = AdaptConfig(
        demos=demos.root, start=Path(model), out=out, steps=config.fit_steps, seed=config.seed,
        evaluate_every=config.evaluate_every, replay_share=config.replay_share, threads=config.threads,
    )  # fmt: skip
    return refit(adapting, demos.sentences, command, console)


def corrected(episode: Episode, model: RewardModel, sentence: str) -> Episode:
    """Gives an agent's failure the progress that it should be paid.

    Of an episode that was never done nobody knows how far it came. The model's own progress is kept as the
    label, scaled down where it claims more than `NOT_DONE`: the order of its frames stays, and what the agent
    was overpaid for is unlearned. Successes, and failures whose progress is known, stay as they are.

    Args:
        episode: What the agent did.
        model: The reward model that paid it.
        sentence: What it should have done.

    Returns:
        The episode.
    """
    known = episode.quality is not None or episode.progress is not None
    if known or episode.success is None or episode.known_success.any():
        return episode
    claimed = np.clip(model.score(episode.frames, sentence).progress, 0.0, 1.0)
    scale = min(1.0, NOT_DONE / max(float(claimed.max()), NOT_DONE))
    return replace(episode, progress=(claimed * scale).astype(np.float32))


def _agent_episodes(folder: Path) -> Iterator[Episode]:
    """The episodes of an agent of which success is known.

    Those by which it was judged are left out: agents are compared from their start states.
    """
    labelled = {
        int(path.stem.rpartition("-")[2]): path
        for kind in (SUCCESS, FAILURE)
        for path in (list_episodes(folder / TO_LABEL, kind=kind) if (folder / TO_LABEL).is_dir() else ())
    }
    for path in list_episodes(folder / "episodes"):
        episode = read_episode(path)
        if episode.detail == JUDGED:
            continue
        if episode.kind != UNLABELLED:
            yield episode
        elif episode.seed in labelled:
            yield read_episode(labelled[episode.seed])


def _table(rounds: Sequence[Round]) -> Table:
    table = Table(title="What the agents were paid for")
    for heading in ("round", "verdict", "best-paid", "truly done", "AUC of pay", "VOC", "success AUC"):
        table.add_column(heading)
    for one in rounds:
        table.add_row(
            str(one.number), one.verdict, f"{one.paid:.1f} of {one.most:.1f}",
            *("not known" if value is None else f"{value:.2f}"
              for value in (one.done, one.auc, one.voc, one.success_auc)),
        )  # fmt: skip
    return table


if __name__ == "__main__":
    raise SystemExit(main())
