"""One training run: `robometer-rl train --env metaworld/drawer-open-v3 --reward robometer --seed 0`.

The run lies in `OUT/<run id>/`. Started again with the same command it goes on from its last checkpoint,
however it ended; a run that is done is only reported. Exit status 0: done; 2: wrong input, which no second
try will change; 130: asked to stop, and resumable; 1: anything else, with its traceback.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from robometer_rl import RobometerReward
from robometer_rl.arguments import read_arguments
from robometer_rl.envs.extras import MissingExtraError, naming_extras
from robometer_rl.errors import InputError, checking_input
from robometer_rl.rewards import weights_id

from ..common.files import write_json
from ..common.provenance import processor, versions
from ..common.seeds import training_seed
from .algorithms import hyperparameters, load_best, load_checkpoint, make_learner, normalisation
from .callback import Journal, StopRequest, TrainingCallback, solved, write_curve
from .environment_checks import EnvironmentFacts, check_environment
from .environments import evaluation_env, ground_truth, training_envs
from .run import Result, RunConfig, RunFolder, command_line, config_from_dict
from .videos import draw_videos

with naming_extras():
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.utils import get_device

__all__ = ["TrainCommand", "main", "train"]

INTERRUPTED = 130
_PACKAGES = (
    "robometer-rl", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "mujoco", "metaworld",
    "robosuite", "numpy",
)  # fmt: skip


@dataclass(frozen=True)
class TrainCommand:
    """A run, and where and how it is carried out."""

    # Without a default: one would come with what 0 stands for in its own world, for whatever `--env` names.
    run: Annotated[RunConfig, tyro.conf.arg(name="")]
    """The run itself."""
    out: Path = Path("runs")
    """Folder of runs."""
    checkpoint_every: int = 10_000
    """Environment steps between two checkpoints."""
    device: str = "cpu"
    """Device of the agent; the reward model's is part of `model`."""
    threads: int = 1
    """Threads of torch."""
    videos: bool = True
    """Draw the best episode and the failure that was paid most, once the run is done."""
    record: Path | None = None
    """Folder for every other episode that the agent learns from; `robometer-rl fit` reads them."""
    record_judged: bool = False
    """Record the episodes by which the agent is judged too, all of them."""
    wandb: str | None = None
    """Project of Weights & Biases to log to besides CSV and TensorBoard; needs `pip install wandb`."""

    def __post_init__(self) -> None:
        """Checks the options of how.

        Raises:
            ValueError: An option is outside its range.
        """
        for name in ("checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


def _check_device(name: str) -> None:
    """Refuses a device that torch does not know."""
    try:
        get_device(name)
    except RuntimeError as error:
        raise ValueError(f"device={name!r} is none of torch's: {error}") from error


def _check_folder(folder: RunFolder, config: RunConfig) -> None:
    """Checks that the folder of a run, where there is one, is this run's."""
    if not folder.config.exists():
        return
    there = config_from_dict(json.loads(folder.config.read_text()))
    if there != config:
        differs = [name for name, value in asdict(config).items() if getattr(there, name) != value]
        raise ValueError(
            f"{folder.path} holds another run: it differs in {', '.join(differs)}; choose another --out"
        )


def _warn_if_judged_twice(config: RunConfig) -> None:
    """Warns where evaluations outnumber updates: some judge an agent that was judged before."""
    values = hyperparameters(config)
    if "n_steps" not in values:  # a learner that updates every few decisions, such as SAC
        return
    update = int(values["n_steps"]) * config.n_envs * config.action_repeat
    if config.steps // config.eval_every > config.steps // update + 1:
        warnings.warn(
            f"eval_every={config.eval_every} judges the same agent more than once: an update of "
            f"{config.algo.upper()} takes {update} environment steps (n_steps x n_envs x action_repeat); "
            f"choose --eval-every {update} or more",
            stacklevel=3,
        )


def _begin(
    command: TrainCommand, folder: RunFolder, weights: str, facts: EnvironmentFacts
) -> tuple[BaseAlgorithm, Journal]:
    """Makes a new agent, or takes the one of the last checkpoint, which had the same reward weights."""
    config = command.run
    make_envs = partial(training_envs, config, record=command.record, facts=facts)
    loaded = load_checkpoint(folder.checkpoint, config, make_envs, command.device)
    if loaded is None:
        with checking_input():
            return make_learner(config, make_envs(), command.device), Journal(weights=weights)
    agent, state = loaded
    before = state.get("weights", "")
    if before != weights:
        raise InputError(
            f"{folder.path} was begun with other weights of the reward model {config.reward_model!r} "
            f"({before or 'unknown'}, now {weights}): remove the folder to begin again"
        )
    # Seeds the environments too, row by row: they go on from start states that no earlier session began with.
    agent.set_random_seed(training_seed(config.seed, int(state["sessions"])))
    print(f"going on from {agent.num_timesteps * config.action_repeat} environment steps", flush=True)
    return agent, Journal(state["rows"], state["wall_s"], state["sessions"], state["best"], weights)


def train(command: TrainCommand) -> Result | None:
    """Carries out a run, from the beginning or from its last checkpoint.

    Args:
        command: What to run, and where.

    Returns:
        The result, or None where the run was asked to stop and has made a checkpoint.

    Raises:
        InputError: The folder belongs to another run, or hyperparameters or the reward model are unknown.
        OSError: A checkpoint could not be written; the previous one stands.
    """
    config = command.run
    folder = RunFolder(command.out / config.run_id)
    with checking_input():
        _check_device(command.device)
        _check_folder(folder, config)
    if folder.done:
        print("this run is done already; its result:", flush=True)
        return Result(**json.loads(folder.result.read_text()))
    # Everything is checked before the folder is made: what never began leaves no run behind.
    with checking_input():
        _warn_if_judged_twice(config)
        weights = _weights(config)
        facts = _facts(config)
        env = evaluation_env(config, facts, command.record if command.record_judged else None)
        if not folder.config.exists():
            write_json(folder.config, asdict(config))
    stop = StopRequest()
    with stop.listening():
        agent, journal = _begin(command, folder, weights, facts)
        _log(agent, command, folder)
        callback = TrainingCallback(
            config, folder, env, journal, stop, lambda: _threshold(env), command.checkpoint_every,
            facts.judged_by,
        )  # fmt: skip
        decisions = -(-config.steps // config.action_repeat)
        if agent.num_timesteps < decisions:
            agent.learn(decisions - agent.num_timesteps, callback, reset_num_timesteps=False)
        finished = stop.asked is None
        if finished:
            result = _finish(command, folder, callback, env, agent, facts)
    agent.get_env().close()  # type: ignore[union-attr]  # a learner always has its environments
    env.close()
    return result if finished else None


def _log(agent: BaseAlgorithm, command: TrainCommand, folder: RunFolder) -> None:
    if command.wandb is not None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingExtraError("--wandb needs Weights & Biases: pip install wandb") from error
        # Before the first TensorBoard writer: it mirrors only those that are opened later.
        wandb.init(
            project=command.wandb, id=command.run.run_id, resume="allow", sync_tensorboard=True,
            config=asdict(command.run),
        )  # fmt: skip
    agent.set_logger(configure(str(folder.path / "tensorboard"), ["tensorboard"]))


def _threshold(env: Any) -> float:
    return float(env.robometer.success_threshold) if isinstance(env, RobometerReward) else float("nan")


def _weights(config: RunConfig) -> str:
    return weights_id(config.reward_model) if config.reward == "robometer" else ""


def _facts(config: RunConfig) -> EnvironmentFacts:
    """What the environment tells of; pictures that are missing are wrong input, as an option is."""
    try:
        facts = check_environment(config)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if not facts.success_known:
        print(f"{config.env} tells of no success: the run is judged by its own return", flush=True)
    return facts


def _finish(
    command: TrainCommand, folder: RunFolder, callback: TrainingCallback, env: Any, agent: BaseAlgorithm,
    facts: EnvironmentFacts,
) -> Result:  # fmt: skip
    """Holds the curve of a solved run, draws the videos, and writes the result last."""
    config, rows = command.run, callback.journal.rows
    # The agent's own count: the callback has none where the last checkpoint was made at the last step.
    reached, wall = agent.num_timesteps * config.action_repeat, callback.wall_s
    early = config.stop_when_solved and solved(rows)
    while early and rows[-1]["env_steps"] + config.eval_every <= config.steps:
        rows.append({**rows[-1], "env_steps": rows[-1]["env_steps"] + config.eval_every, "held": 1})
    write_curve(folder.curve, rows)
    if command.videos and isinstance(env, RobometerReward) and folder.best_model.exists():
        best = load_best(folder, agent, command.device)
        last_agent = (agent, normalisation(agent))
        draw_videos(folder.videos, best, last_agent, env, config.eval_episodes, config.frames)
    last = rows[-1]
    known = facts.success_known
    result = Result(
        run_id=config.run_id,
        env_steps=reached,
        wall_s=round(wall, 1),
        solved=solved(rows),
        best_true_success=max(row["true_success"] for row in rows) if known else None,
        final_true_success=last["true_success"] if known else None,
        final_true_success_last=last["true_success_last"] if known else None,
        ground_truth=ground_truth(config, agent),
        command=command_line(config),
        versions=versions(_PACKAGES),
        machine=f"{processor()}, {os.cpu_count()} cores",
        sessions=callback.journal.sessions + 1,
        weights=callback.journal.weights,
        judged_by=facts.judged_by,
        success_source=facts.success_source,
        best_env_return=max(row["env_return"] for row in rows),
        final_env_return=last["env_return"],
    )
    write_json(folder.result, asdict(result))
    shutil.rmtree(folder.checkpoint, ignore_errors=True)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Train one agent in any environment and judge it; the last line is the result as JSON."""
    import torch

    command = read_arguments(TrainCommand, argv, "train", main.__doc__)
    # The process is the command's own: its threads are set here, and not by `train` for who calls it.
    torch.set_num_threads(command.threads)
    print(f"run {command.run.run_id} in {command.out / command.run.run_id}", flush=True)
    result = train(command)
    if result is None:
        print("stopped; the same command goes on from here", flush=True)
        return INTERRUPTED
    print(json.dumps(asdict(result)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
