"""One training run as data: its configuration, its id, and the files it leaves behind.

`train` writes these files, `sweep` reads whether a run is done, `report` reads the curves.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from robometer_rl.scoring.shaping import Mode

from ..common.environment import EnvironmentConfig
from ..common.parsing import check_key, parse_json, refuse_numbers_as_text
from ..common.seeds import EVALUATION, MAX_ENVS, MAX_SEED

__all__ = [
    "CURVE",
    "CURVE_COLUMNS",
    "DONE",
    "Algorithm",
    "JudgedBy",
    "Result",
    "Reward",
    "RunConfig",
    "RunFolder",
    "command_line",
    "config_from_dict",
    "train_options",
]

Algorithm = Literal["sac", "ppo", "dqn", "tqc"]
"""Learners of Stable-Baselines3, and TQC of its contributions."""

Reward = Literal["robometer", "sparse", "dense", "none"]
"""What the agent learns from: the learned reward; true success, 0 or 1; the environment's own; nothing."""

JudgedBy = Literal["true_success", "env_return"]
"""Column of the curve by which a run is judged: its true success, or, where the environment tells of none,
the return of its own reward."""

CURVE = "curve.csv"
"""File of a run: one row of `CURVE_COLUMNS` per evaluation, by true success on a separate environment."""

DONE = "result.json"
"""File of a run that is over; it appears in one piece, so whoever sees it can read it."""

CURVE_COLUMNS = (
    "env_steps",  # environment steps, action repeats counted
    "wall_s",  # seconds of training so far, over all sessions of the run
    "true_success",  # share of evaluation episodes in which the task was done at the end of any decision;
    # nan where the environment tells of no success, as in the other columns of success
    "true_success_last",  # share in which it was done at the end of the last decision
    "env_return",  # mean return of the environment's own reward in the evaluation episodes
    "learned_return",  # mean return of the learned reward in them; nan where there is no reward model
    "final_progress",  # mean last progress of the reward model in them; nan likewise
    "head_true_positive",  # evaluation frames, by success head at the threshold against the truth
    "head_false_positive",
    "head_true_negative",
    "head_false_negative",
    "train_learned_return",  # mean return the agent was trained on, over the episodes since the last row
    "train_true_success",  # share of these training episodes in which the task was done
    "held",  # 1 where the run stopped early as solved and the row repeats its last evaluation
)
"""Columns of `CURVE`; every number of an evaluation, none smoothed."""

_ALWAYS_SAID = ("env", "algo", "reward", "seed", "steps")
_OF_TABLE = {"action_repeat": 5, "horizon": 150}
"""What 0 stands for in worlds of the task table, where earlier versions had it as the default."""


@dataclass(frozen=True)
class RunConfig:
    """One training run; everything that decides its numbers is here."""

    env: str = "metaworld/drawer-open-v3"
    """A world of the task table (`metaworld/drawer-open-v3`, `robosuite/Lift`), a Gymnasium id
    (`CartPole-v1`, or `module:Id-v0`, where the module registers it), or `module:factory`."""
    algo: Algorithm = "sac"
    """Learner. sac and tqc take continuous actions, dqn discrete ones, ppo both."""
    reward: Reward = "robometer"
    """robometer: learned, no ground truth; sparse: true success, 0 or 1; dense: the suite's own, divided by
    what a decision pays at most, and outside of the task table the environment's own, as it is; none: 0."""
    seed: int = 0
    """Seed of environments and agent, below 65,536; see `common.seeds` for who is reset with what."""
    steps: int = 100_000
    """Environment steps, action repeats counted."""
    shaping: Mode = "progress+success"
    """How scores become the learned reward."""
    model: str = "compact"
    """Reward model of `reward=robometer`: a name, a checkpoint folder or `package.module:Factory`. `{seed}`
    in it stands for the run's seed, so that each seed of a study can have a model that was fitted for it."""
    action_repeat: int = 0
    """Environment steps per decision; 0 stands for 5 in worlds of the table and for 1 elsewhere."""
    action_scale: float = 1.0
    """Factor on every action, above 0 and at most 1: `1 / action_repeat` lets a repeated decision of a
    controller of displacements, robosuite's, move as far as one step of it."""
    hold_orientation: bool = False
    """The hand keeps its orientation: the agent has no say over the three numbers of robosuite's action that
    turn it. Meta-World's hand never turns."""
    horizon: int = 0
    """Environment steps per episode; 0 stands for 150 in worlds of the table and for the environment's own
    limit elsewhere, which holds in any case."""
    score_every: int = 1
    """Score each k-th decision and always the last of an episode."""
    n_envs: int = 1
    """Training environments; above 1 they run in worker processes."""
    eval_every: int = 2_500
    """Environment steps between two evaluations."""
    eval_episodes: int = 20
    """Episodes of an evaluation; the same start states each time."""
    stop_when_solved: bool = False
    """Stop after three evaluations in a row at 0.95 or more; the rest of the curve is held and marked. It
    needs an environment that tells of success."""
    overrides: str = "{}"
    """Hyperparameters of the learner that differ from its YAML, as a JSON object: '{"gamma": 0.99}'."""
    task: str | None = None
    """What the agent should do, as a sentence; only worlds of the table have one of their own."""
    env_kwargs: str = "{}"
    """Keyword arguments of the environment, as a JSON object: '{"reward_type": "dense"}'."""
    wrappers: tuple[str, ...] = ()
    """Wrappers of the environment as `module:Wrapper`, each called with it alone, innermost first."""
    success: str = "auto"
    """How success is known. auto: `info["is_success"]`, else `info["success"]`; none: not at all; or
    `module:function`, called as `f(env, info)` after every step. Without any, the run is judged by the
    return of the environment's own reward."""
    frames: str = "render"
    """Where the reward model's pictures come from: `render`, a key of the observation, or
    `module:function`."""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: A field is outside its range; the message lists the valid choices.
        """
        environment = self.environment
        for name, value in self._world_defaults.items():
            if getattr(self, name) == 0 and not isinstance(getattr(self, name), bool):
                object.__setattr__(self, name, value)
        for name, choices in (("algo", Algorithm), ("reward", Reward), ("shaping", Mode)):
            if getattr(self, name) not in get_args(choices):
                valid = ", ".join(get_args(choices))
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose one of {valid}")
        least = {"seed": 0, "steps": 1, "action_repeat": 1, "score_every": 1}
        least["horizon"] = 1 if environment.in_table else 0
        least |= {"n_envs": 1, "eval_every": 1, "eval_episodes": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise ValueError(f"{name}={value!r} must be a whole number of at least {lowest}")
        for name, most in (("seed", MAX_SEED - 1), ("n_envs", MAX_ENVS), ("eval_episodes", len(EVALUATION))):
            if getattr(self, name) > most:
                raise ValueError(f"{name}={getattr(self, name)} must be at most {most}")
        if not 0.0 < self.action_scale <= 1.0:
            raise ValueError(f"action_scale={self.action_scale!r} must be above 0 and at most 1")
        if self.hold_orientation and not (environment.in_table and self.env.startswith("robosuite/")):
            raise ValueError(
                f"hold_orientation=True is for robosuite, whose hand turns; got env={self.env!r}"
            )
        needs = {"reward": self.reward == "sparse", "stop_when_solved": self.stop_when_solved}
        for name in (name for name, needed in needs.items() if needed and self.success == "none"):
            raise ValueError(f"{name}={getattr(self, name)!r} needs success, and success='none' has none")
        if not isinstance(self.hyperparameters, dict):
            raise ValueError(f"overrides={self.overrides!r} must be a JSON object: '{{\"gamma\": 0.99}}'")
        try:
            refuse_numbers_as_text(self.hyperparameters)
        except ValueError as error:
            raise ValueError(f"overrides: {error}") from error

    @property
    def environment(self) -> EnvironmentConfig:
        """The environment, and how its success and its pictures are found."""
        return EnvironmentConfig(
            self.env, self.task, self.env_kwargs, self.wrappers, self.success, self.frames
        )

    @property
    def _world_defaults(self) -> dict[str, int]:
        """What the fields stand for that 0 leaves to the world."""
        return _OF_TABLE if self.environment.in_table else {"action_repeat": 1, "horizon": 0}

    @property
    def changed(self) -> dict[str, Any]:
        """The fields that differ from their defaults, which for some depend on the environment."""
        usual = {item.name: item.default for item in fields(self)} | self._world_defaults
        return {
            name: getattr(self, name) for name, default in usual.items() if getattr(self, name) != default
        }

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The overrides as a dict."""
        try:
            return parse_json(self.overrides)
        except json.JSONDecodeError as error:
            raise ValueError(f"overrides={self.overrides!r} is not JSON: {error}") from error
        except ValueError as error:
            raise ValueError(f"overrides: {error}") from error

    @property
    def reward_model(self) -> str:
        """The spec of the reward model, `{seed}` filled in."""
        return self.model.replace("{seed}", str(self.seed))

    @property
    def run_id(self) -> str:
        """Name and hash of the configuration: equal for equal configurations, in every process.

        Only what differs from the defaults is hashed, so that a field that is added later, at a default that
        means what was before, leaves the ids of earlier runs as they are.
        """
        text = json.dumps(self.changed, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        task = re.split("[/:]", self.env)[-1]
        return f"{task}-{self.algo}-{self.reward}-s{self.seed}-{digest}"


def config_from_dict(values: Mapping[str, Any]) -> RunConfig:
    """Builds a configuration from data.

    Args:
        values: Fields of `RunConfig`; what is missing takes its default.

    Returns:
        The configuration.

    Raises:
        ValueError: A key is no field, or a value is outside its range.
    """
    known = [field.name for field in fields(RunConfig)]
    for key in values:
        check_key(key, known)
    wrappers = values.get("wrappers", ())
    if not isinstance(wrappers, list | tuple) or not all(isinstance(name, str) for name in wrappers):
        raise ValueError(f"wrappers={wrappers!r} must be a list of texts such as my_package:MyWrapper")
    return RunConfig(**{**values, "wrappers": tuple(wrappers)})


def train_options(config: RunConfig) -> list[str]:
    """The options of `robometer-rl train` that name a run.

    Args:
        config: The run.

    Returns:
        Words for a command line: what tells the runs of a study apart, and what differs from its default.
    """
    words = []
    changed = config.changed
    for item in fields(RunConfig):
        if item.name not in changed and item.name not in _ALWAYS_SAID:
            continue
        value, flag = getattr(config, item.name), item.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            words += [f"--{flag}", *value]
        else:
            words += [f"--{flag}", str(value)]
    return words


def command_line(config: RunConfig, out: Path | None = None, extra: str = "") -> str:
    """The command that makes a run by hand.

    Args:
        config: The run.
        out: Folder of runs; without it, the command leaves it to its default.
        extra: Further options of `robometer-rl train`, quoted as for a shell.

    Returns:
        A line for a shell.
    """
    words = ["robometer-rl", "train", *train_options(config), *shlex.split(extra)]
    return shlex.join(words if out is None else [*words, "--out", str(out)])


@dataclass(frozen=True)
class Result:
    """What `result.json` holds."""

    run_id: str
    """Id of the configuration."""
    env_steps: int
    """Environment steps that were made; fewer than asked where the run stopped as solved."""
    wall_s: float
    """Seconds of training and evaluation, over all sessions of the run."""
    solved: bool
    """Whether three evaluations in a row were at 0.95 or more; False where success is unknown."""
    best_true_success: float | None
    """Best evaluation by true success; None where it is unknown, as in the next two."""
    final_true_success: float | None
    """Last evaluation, done at the end of any decision."""
    final_true_success_last: float | None
    """Last evaluation, done at the end of the last decision."""
    ground_truth: dict[str, float | bool]
    """Every way by which ground truth entered reward or termination of training."""
    command: str
    """The command that repeats the run."""
    versions: dict[str, str]
    """Packages and their versions."""
    machine: str
    """Processor."""
    sessions: int
    """How often the run was started, 1 where it was never interrupted."""
    weights: str = ""
    """Which weights the reward model had, see `rewards.weights_id`; empty without a reward model."""
    judged_by: JudgedBy = "true_success"
    """Column of the curve by which the best agent was chosen."""
    success_source: str = "is_success"
    """Key of the info that tells of success, the function that does, or `"none"`."""
    best_env_return: float | None = None
    """Best evaluation by the mean return of the environment's own reward; None in results of before."""
    final_env_return: float | None = None
    """Last evaluation by it; None likewise."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, `DIR/<run id>/`."""

    path: Path
    """The folder."""

    @property
    def config(self) -> Path:
        """`config.json`: the fields of `RunConfig`."""
        return self.path / "config.json"

    @property
    def curve(self) -> Path:
        """`curve.csv`, see `CURVE`."""
        return self.path / CURVE

    @property
    def result(self) -> Path:
        """`result.json`, there once the run is done, with the keys of `Result`."""
        return self.path / DONE

    @property
    def checkpoint(self) -> Path:
        """Folder of the last checkpoint; gone once the run is done."""
        return self.path / "checkpoint"

    @property
    def videos(self) -> Path:
        """Folder of `best.mp4` and `wrong.mp4`: the best episode, and the failure that was paid most."""
        return self.path / "videos"

    @property
    def best_model(self) -> Path:
        """The agent at its best evaluation, see `Result.judged_by`; an SB3 archive."""
        return self.path / "best_model.zip"

    @property
    def best_normaliser(self) -> Path:
        """The `VecNormalize` that goes with `best_model`, where the learner uses one."""
        return self.path / "best_model_normaliser.pkl"

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return self.result.is_file()

    def read_config(self) -> RunConfig:
        """Returns the configuration that the folder belongs to.

        Raises:
            ValueError: The file does not describe a run.
        """
        return config_from_dict(json.loads(self.config.read_text()))
