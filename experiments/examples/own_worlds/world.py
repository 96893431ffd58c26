"""What a world of one's own consists of, and how its scripted behaviours are run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

__all__ = ["AIMLESS", "EXPERT", "Actions", "Behaviour", "Env", "OwnWorld", "ScriptedEpisode", "run_behaviour"]

EXPERT, AIMLESS = "expert", "aimless"
"""Names of the two behaviours that every world has."""

Env: TypeAlias = "gym.Env[Any, Any]"
Actions: TypeAlias = Generator[NDArray[Any], Any, Any]
"""Yields the next action and is sent the observation that it led to; the episode ends with it."""
Behaviour: TypeAlias = Callable[[Env, Any, np.random.Generator], Actions]
"""Starts a scripted behaviour from an environment, its first observation and a source of randomness."""


@dataclass(frozen=True)
class OwnWorld:
    """An environment with everything that recording demonstrations in it needs.

    Attributes:
        name: Short name, as `--world` takes it.
        task: The task as a sentence.
        make: Makes the environment. Its pictures are uint8 RGB, and an episode goes on after success.
        succeeded: Whether the task is done now, as `f(env, info)`.
        distance: How far the environment is from done, at least 0, in a unit of its own.
        min_distance: No episode is recorded from a start that is nearer to done than this.
        expert: Behaviour that solves the task.
        failures: Behaviours that do not, by name.
        frame_every: Environment steps between two pictures of a recording.
    """

    name: str
    task: str
    make: Callable[[], Env]
    succeeded: Callable[[Env, Mapping[str, Any]], bool]
    distance: Callable[[Env], float]
    min_distance: float
    expert: Behaviour
    failures: Mapping[str, Behaviour]
    frame_every: int = 1

    @property
    def behaviours(self) -> dict[str, Behaviour]:
        """All behaviours by name: `expert`, the failures and `aimless`."""
        return {EXPERT: self.expert, **self.failures, AIMLESS: move_aimlessly}


@dataclass(frozen=True)
class ScriptedEpisode:
    """What a behaviour did in one episode.

    Attributes:
        actions: Actions `(steps, ...)` as the environment took them.
        success: Bool `(steps + 1,)`, whether the task is done after the reset and after each action.
        distance: Float `(steps + 1,)`, how far it is from done.
    """

    actions: NDArray[Any]
    success: NDArray[np.bool_]
    distance: NDArray[np.float64]


def run_behaviour(world: OwnWorld, env: Env, behaviour: str, seed: int) -> ScriptedEpisode:
    """Runs one scripted behaviour from a reset to its end, without pictures.

    Args:
        world: The world that `env` is of.
        env: An environment of `world.make`.
        behaviour: A name of `world.behaviours`.
        seed: Seed of the reset and of the behaviour; the same seed gives the same episode.

    Returns:
        What was done and what came of it.

    Raises:
        ValueError: The world has no such behaviour.
    """
    if behaviour not in world.behaviours:
        raise ValueError(f"behaviour={behaviour!r}: {world.name} has {', '.join(world.behaviours)}")
    observation, info = env.reset(seed=seed)
    success, distance = [world.succeeded(env, info)], [world.distance(env)]
    rng = np.random.default_rng([seed, zlib.crc32(behaviour.encode())])
    script = world.behaviours[behaviour](env, observation, rng)
    actions, over = [next(script)], False
    while not over:
        observation, _, terminated, truncated, info = env.step(actions[-1])
        success.append(world.succeeded(env, info))
        distance.append(world.distance(env))
        over = bool(terminated or truncated)
        try:
            action = script.send(observation)
        except StopIteration:
            break
        actions += [] if over else [action]
    return ScriptedEpisode(np.stack(actions), np.array(success), np.array(distance))


def move_aimlessly(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Smooth random motion without a goal, until the episode ends.

    Raises:
        TypeError: The environment's actions are no box of numbers.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Box):
        raise TypeError(f"aimless motion needs a Box of actions, got {space}")
    centre, half = (space.high + space.low) / 2, (space.high - space.low) / 2
    motion = rng.normal(size=space.shape)
    keep = rng.uniform(0.7, 0.95)
    while True:
        motion = keep * motion + np.sqrt(1 - keep**2) * rng.normal(size=space.shape)
        yield np.clip(centre + half * motion, space.low, space.high).astype(space.dtype)
