"""Learners of Stable-Baselines3 by name: their hyperparameters from YAML, their checkpoints."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import flatdim
from numpy.typing import NDArray

from robometer_rl.envs.extras import naming_extras

from ..common.files import write_json, write_whole
from ..common.parsing import parse_yaml
from ..common.seeds import training_seed
from .evaluation import Normalise
from .policies import choose_policy
from .run import RunConfig, RunFolder

with naming_extras():
    from sb3_contrib import TQC
    from stable_baselines3 import DQN, PPO, SAC
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.buffers import ReplayBuffer
    from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

__all__ = [
    "hyperparameters",
    "load_best",
    "load_checkpoint",
    "make_learner",
    "normalisation",
    "restore_normaliser",
    "save_checkpoint",
    "split_normalize",
    "write_agent",
    "write_best",
]

_CLASSES: dict[str, type[BaseAlgorithm]] = {"sac": SAC, "ppo": PPO, "dqn": DQN, "tqc": TQC}
_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def hyperparameters(config: RunConfig) -> dict[str, Any]:
    """Reads the learner's YAML for the run's environment, with the run's own overrides.

    Args:
        config: The run.

    Returns:
        Keyword arguments of the learner, and `normalize`, keyword arguments of `VecNormalize` or None.

    Raises:
        ValueError: An override has a name that the YAML does not have, or another type than its value there.
    """
    text = (resources.files(__package__) / "hyperparameters" / f"{config.algo}.yaml").read_text()
    table: dict[str, dict[str, Any]] = parse_yaml(text)
    values = {"normalize": None, **table["default"]}
    if config.environment.in_table:
        suite = config.env.split("/")[0]
        values |= {**table.get("table", {}), **table.get(suite, {})}
    for name, value in config.hyperparameters.items():
        if name not in values:
            raise ValueError(
                f"overrides: {name!r} is not in {config.algo}.yaml; choose from {', '.join(values)}"
            )
        fits, kind = _type_of(values[name])
        if not fits(value):
            raise ValueError(
                f"overrides: {name}={value!r} should be {kind}; {config.algo}.yaml has {values[name]!r}"
            )
    return {**values, **config.hyperparameters}


def _type_of(default: Any) -> tuple[Callable[[Any], bool], str]:
    """What may stand in place of a value of the YAML: a test, and the same in words."""
    if isinstance(default, bool):
        return lambda value: isinstance(value, bool), "true or false"
    if isinstance(default, int):
        return lambda value: type(value) is int, "a whole number"
    if isinstance(default, float):
        return lambda value: type(value) in (int, float), "a number"
    if isinstance(default, str):  # "auto" may become a number
        return lambda value: type(value) in (str, int, float), "text or a number"
    if isinstance(default, dict):
        return lambda value: value is None or isinstance(value, dict), "a mapping or null"
    return lambda value: True, "anything"  # null says nothing of the type; who uses the value checks it


def split_normalize(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Parts hyperparameters into the learner's and those of `VecNormalize`, None where it is not used."""
    rest = dict(values)
    return rest, rest.pop("normalize")


def make_learner(config: RunConfig, venv: VecEnv, device: str) -> BaseAlgorithm:
    """Makes an untrained agent.

    Args:
        config: The run.
        venv: Training environments.
        device: Of torch.

    Returns:
        The agent.
    """
    values, _ = split_normalize(hyperparameters(config))
    if values.get("action_noise") is not None:
        values["action_noise"] = _lasting_noise(values["action_noise"], venv)
    if values["policy"] == "auto":
        values["policy"] = choose_policy(venv.observation_space, config.env)
    # Stable-Baselines3 seeds the environments with it as well, row i with this number + i.
    return _CLASSES[config.algo](**values, env=venv, seed=training_seed(config.seed), device=device)


def _lasting_noise(options: Mapping[str, Any], venv: VecEnv) -> OrnsteinUhlenbeckActionNoise:
    """Noise on top of the agent's own that lasts for `1 / theta` decisions, `sigma / sqrt(2 theta)` strong.

    Args:
        options: `sigma`, `theta` and, unless all actions get it, `actions`, their indices.
        venv: Training environments, which have the actions.

    Returns:
        The noise, of mean 0.

    Raises:
        ValueError: There are other options than these, or one is out of range.
    """
    said, size = f"action_noise={options!r} must have", flatdim(venv.action_space)
    if not isinstance(options, Mapping) or {"sigma", "theta"} != set(options) - {"actions"}:
        raise ValueError(f"{said} the keys sigma and theta, may have actions, and no other")
    sigma, theta, actions = options["sigma"], options["theta"], options.get("actions", list(range(size)))
    if not all(isinstance(value, int | float) for value in (sigma, theta)):
        raise ValueError(f"{said} numbers for sigma and theta")
    if not (0.0 < sigma < np.inf and 0.0 < theta <= 1.0):
        raise ValueError(f"{said} sigma above 0, theta above 0 and at most 1")
    if not (isinstance(actions, list) and actions and all(index in range(-size, size) for index in actions)):
        raise ValueError(f"{said} for actions a list of indices from {-size} to {size - 1}")
    strength = np.zeros(size)
    strength[actions] = sigma
    return OrnsteinUhlenbeckActionNoise(mean=np.zeros(size), sigma=strength, theta=theta, dt=1.0)


def save_checkpoint(folder: Path, agent: BaseAlgorithm, state: Mapping[str, Any]) -> None:
    """Saves agent, replay buffer, normaliser and state, in one piece; the previous checkpoint goes last.

    Args:
        folder: Folder of checkpoints; one is a folder in it, named by the agent's decisions.
        agent: The agent.
        state: What else is needed to go on, for JSON.

    Raises:
        OSError: It could not be written, a full disk for instance; the previous checkpoint is whole.
    """
    whole = folder / f"{agent.num_timesteps:09d}"
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        write_agent(part / "agent.zip", agent)
        buffer = getattr(agent, "replay_buffer", None)
        if isinstance(buffer, ReplayBuffer):
            filled = buffer.buffer_size if buffer.full else buffer.pos
            arrays = {name: array[:filled] for name, array in _arrays(buffer).items()}
            np.savez(part / "buffer.npz", pos=buffer.pos, full=buffer.full, **arrays)
        normaliser = agent.get_vec_normalize_env()
        if normaliser is not None:
            normaliser.save(str(part / "normaliser.pkl"))
        write_json(part / "state.json", dict(state))
        _sync(part)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OSError(
            error.errno, f"checkpoint not written ({error.strerror}); the previous one stands", str(folder)
        ) from error
    shutil.rmtree(whole, ignore_errors=True)
    os.replace(part, whole)
    for old in _whole(folder):
        if old != whole:
            shutil.rmtree(old)


def _arrays(buffer: ReplayBuffer) -> dict[str, NDArray[Any]]:
    """The arrays of a replay buffer by name; those of a part of Dict observations are `observations.PART`."""
    found: dict[str, NDArray[Any]] = {}
    for name in _BUFFER:
        held = getattr(buffer, name)
        found |= (
            {f"{name}.{part}": array for part, array in held.items()}
            if isinstance(held, dict)
            else {name: held}
        )
    return found


def write_agent(path: Path, agent: BaseAlgorithm) -> None:
    """Saves an agent as an SB3 archive, whole or not at all.

    Args:
        path: The archive, ending in `.zip`.
        agent: The agent.
    """
    archive = io.BytesIO()
    agent.save(archive)
    write_whole(path, archive.getbuffer())


def write_best(folder: RunFolder, agent: BaseAlgorithm) -> None:
    """Saves an agent as the run's best, with its normaliser: without that it would act on other numbers.

    Args:
        folder: The run's files.
        agent: The agent.
    """
    normaliser = agent.get_vec_normalize_env()
    if normaliser is not None:
        part = folder.best_normaliser.with_suffix(".part")
        normaliser.save(str(part))
        os.replace(part, folder.best_normaliser)
    write_agent(folder.best_model, agent)


def load_best(folder: RunFolder, agent: BaseAlgorithm, device: str) -> tuple[BaseAlgorithm, Normalise | None]:
    """Loads what `write_best` saved.

    Args:
        folder: The run's files.
        agent: The agent that the run ended with.
        device: Of torch.

    Returns:
        The best agent, and how its observations were normalised, if they were.
    """
    best = type(agent).load(folder.best_model, device=device)
    venv = agent.get_env()
    if not folder.best_normaliser.exists():
        return best, None
    assert isinstance(venv, VecNormalize)
    return best, VecNormalize.load(str(folder.best_normaliser), venv.venv).normalize_obs


def normalisation(agent: BaseAlgorithm) -> Normalise | None:
    """How the observations of an agent in training are normalised, None where they are not."""
    normaliser = agent.get_vec_normalize_env()
    return None if normaliser is None else normaliser.normalize_obs


def _sync(folder: Path) -> None:
    """Waits until the files are on the disk: their name must not outlive their content in a crash."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _whole(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def load_checkpoint(
    folder: Path, config: RunConfig, wrap: Callable[[int, Path | None], VecEnv], device: str
) -> tuple[BaseAlgorithm, dict[str, Any]] | None:
    """Loads the newest whole checkpoint.

    Args:
        folder: Folder of checkpoints.
        config: The run.
        wrap: Makes the training environments, from how often the run was started before and the file of the
            normaliser if there is one.
        device: Of torch.

    Returns:
        Agent and state, or None where there is no checkpoint.
    """
    found = _whole(folder)
    if not found:
        return None
    newest = found[-1]
    normaliser = newest / "normaliser.pkl"
    state: dict[str, Any] = json.loads((newest / "state.json").read_text())
    venv = wrap(int(state["sessions"]), normaliser if normaliser.exists() else None)
    agent = _CLASSES[config.algo].load(newest / "agent.zip", env=venv, device=device)
    if (newest / "buffer.npz").exists():
        buffer = getattr(agent, "replay_buffer", None)
        assert isinstance(buffer, ReplayBuffer)
        with np.load(newest / "buffer.npz") as data:
            for name, array in _arrays(buffer).items():
                array[: len(data[name])] = data[name]
            buffer.pos, buffer.full = int(data["pos"]), bool(data["full"])
    return agent, state


def restore_normaliser(path: Path | None, venv: VecEnv, options: Mapping[str, Any]) -> VecNormalize:
    """Wraps training environments with a new normaliser, or the one of a checkpoint."""
    return VecNormalize(venv, **options) if path is None else VecNormalize.load(str(path), venv)
