"""The episodes that an adaptation learns from: demonstrations, aimless motion, rollouts of a policy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console

from robometer_rl import RecordEpisodes
from robometer_rl.datasets.sentences import add_sentences, read_tasks
from robometer_rl.envs.extras import naming_extras
from robometer_rl.errors import InputError

from ..collect.import_demos import ImportConfig, import_demos
from ..common.environment import EnvironmentConfig, make_environment
from ..common.files import write_json
from ..common.policy import Policy, begin_episode, load_policy
from ..common.progress import progress
from ..common.seeds import COLLECTION
from ..episodes import list_episodes, read_frame_kind, read_outcome

with naming_extras():
    import h5py

__all__ = [
    "aimless_actions",
    "record_aimless",
    "record_policy",
    "take_demonstrations",
]

_PLAYED = "aimless.json"
"""Beside the episodes: how many aimless ones were played, those included that were not kept."""

_LONGEST_HOLD = 8
"""Most steps for which aimless motion repeats an action: jitter at one end, swings at the other."""

_ENDLESS = 10_000
"""Steps after which an episode is taken for one that never ends."""

_STOPS = (0.2, 0.9)
"""Share of a policy's steps after which a rollout that is to fail stops helping, drawn between the two."""


def take_demonstrations(source: Path, out: Path, task: str | None, console: Console) -> dict[str, list[str]]:
    """Puts demonstrations of any layout into a folder of episodes; those that are there stay.

    Args:
        source: A folder of episodes, a folder of videos, or an HDF5 file of robomimic.
        out: Folder of the episodes.
        task: What they show, where they do not say it themselves.
        console: Where to show how far it is.

    Returns:
        The sentences of each task.

    Raises:
        InputError: They cannot be read, or nobody says what they show.
    """
    if (source / "tasks.json").is_file() and task is None:
        tasks = read_tasks(source)
        for path in list_episodes(source):
            _link(path, out / path.relative_to(source))
        for name, sentences in tasks.items():
            add_sentences(out, name, sentences)
    else:
        imported = import_demos(ImportConfig(source, out, task), console)
        if imported.left_out:
            first, why = next(iter(imported.left_out.items()))
            raise InputError(
                f"{len(imported.left_out)} recordings cannot be read, the first is {first}: {why}"
            )
        tasks = read_tasks(out)
    unlabelled = list_episodes(out, kind="unlabelled")
    if unlabelled:
        raise InputError(
            f"{len(unlabelled)} of the demonstrations in {source} are unlabelled: "
            f"`robometer-rl label-demos {source}` asks whether they succeed"
        )
    return tasks


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has none; what is there stays."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:  # another file system, or one without links
        part.write_bytes(source.read_bytes())
    os.replace(part, target)


def aimless_actions(space: gym.Space[Any], rng: np.random.Generator) -> Iterator[Any]:
    """Random actions, each held for a while, so that the arm gets somewhere.

    Args:
        space: The action space; it is seeded from `rng`.
        rng: Source of all randomness.

    Yields:
        Actions without end.
    """
    space.seed(int(rng.integers(2**31)))
    while True:
        action = space.sample()
        for _ in range(int(rng.integers(1, _LONGEST_HOLD + 1))):
            yield action


def _recorder(
    config: EnvironmentConfig, out: Path, task_id: str, size: int, horizon: int, **options: Any
) -> RecordEpisodes:
    env = make_environment(config, horizon=horizon or None)
    return RecordEpisodes(env, out, task_id, frames=config.frames, image_size=size, **options)


def _pace(out: Path, task_id: str) -> int:
    """Steps between two frames of the demonstrations, for what is recorded beside them; 1 without any."""
    there = [path for path in list_episodes(out, task_id) if not path.name.startswith("random")]
    return read_frame_kind(there[0])[2] if there else 1


def record_aimless(
    config: EnvironmentConfig,
    out: Path,
    task_id: str,
    size: int,
    episodes: int,
    seed: int,
    console: Console,
    horizon: int = 0,
) -> None:
    """Records what an arm does that wants nothing; episodes that are there count.

    One that succeeds by chance is no example of having done nothing, and is not kept.

    Args:
        config: The environment.
        out: Folder of the episodes.
        task_id: Task that the episodes are filed under.
        size: Side of the pictures in pixels.
        episodes: How many are wanted.
        seed: Of start states and actions.
        console: Where to show how far it is.
        horizon: Environment steps per episode; 0 stands for the environment's own limit.

    Raises:
        InputError: An episode does not end.
    """
    note = out / _PLAYED
    there = json.loads(note.read_text())["played"] if note.exists() else 0
    if there >= episodes:
        return
    env = _recorder(config, out, task_id, size, horizon, kind="random", frame_every=_pace(out, task_id))
    with progress(console, "aimless episodes", episodes, there) as advance:
        for number in range(there, episodes):
            rng = np.random.default_rng([seed, number])
            env.reset(seed=COLLECTION.start + int(rng.integers(2**29)))
            for steps, action in enumerate(aimless_actions(env.action_space, rng), 1):
                *_, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    break
                _refuse_endless(steps)
            write_json(note, {"played": number + 1})
            advance()
    env.close()
    for path in list_episodes(out, task_id, "random"):
        if _may_have_succeeded(path):
            path.unlink()


def _may_have_succeeded(path: Path) -> bool:
    with h5py.File(path, "r") as file:
        known = "success" in file
    return known and read_outcome(path)


def record_policy(
    config: EnvironmentConfig,
    policy: str,
    out: Path,
    task_id: str,
    size: int,
    episodes: tuple[int, int],
    seed: int,
    console: Console,
    horizon: int = 0,
) -> None:
    """Records a scripted policy, as it is and stopped on the way, in place of demonstrations.

    Whether an episode succeeds the environment says. A rollout that is to fail follows the policy for a part
    of the way and then moves aimlessly, or rests.

    Args:
        config: The environment, which must tell its success.
        policy: `module:factory`, see `load_policy`.
        out: Folder of the episodes.
        task_id: Task that the episodes are filed under.
        size: Side of the pictures in pixels.
        episodes: How many whole rollouts, and how many that are stopped on the way.
        seed: Of start states, stops and actions.
        console: Where to show how far it is.
        horizon: Environment steps per episode; 0 stands for the environment's own limit.
    """
    env = _recorder(config, out, task_id, size, horizon)
    act = load_policy(policy, env)
    whole, stopped = episodes
    longest = 0
    with progress(console, "rollouts of the policy", whole + stopped) as advance:
        for number in range(whole + stopped):
            rng = np.random.default_rng([seed, 1, number])
            stop = None if number < whole else int(max(1, longest * rng.uniform(*_STOPS)))
            steps = _roll_out(env, act, stop, rng, COLLECTION.start + int(rng.integers(2**29)))
            longest = max(longest, steps) if stop is None else longest
            advance()
    env.close()


def _roll_out(
    env: gym.Env[Any, Any], act: Policy, stop: int | None, rng: np.random.Generator, seed: int
) -> int:
    """Plays one episode; returns the step at which it was done, or its length where it never was.

    Raises:
        InputError: It does not end.
    """
    observation, _ = env.reset(seed=seed)
    begin_episode(act)
    aimless = aimless_actions(env.action_space, rng)
    rests, done, step = rng.random() < 0.5, 0, 0
    resting = env.action_space.sample() * 0 if isinstance(env.action_space, gym.spaces.Box) else None
    while True:
        if stop is None or step < stop:
            action = act(observation)
        else:
            action = resting if rests and resting is not None else next(aimless)
        observation, _, terminated, truncated, info = env.step(action)
        step += 1
        done = done or (step if info.get("is_success") else 0)
        if terminated or truncated:
            return done or step
        _refuse_endless(step)


def _refuse_endless(steps: int) -> None:
    if steps >= _ENDLESS:
        raise InputError(f"an episode had not ended after {steps} steps: say how long one is, --horizon 200")
