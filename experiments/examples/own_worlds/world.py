"""What a world of one's own consists of: an environment, a task sentence, a success rule and scripted behaviours."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt

__all__ = ["Actions", "Behaviour", "Episode", "World", "aimless", "rollout"]

Env: TypeAlias = "gym.Env[Any, Any]"
Actions: TypeAlias = Generator[npt.NDArray[Any], Any, None]
"""Yields the next action and is sent the observation that it led to; the episode ends with it."""
Behaviour: TypeAlias = Callable[[Env, Any, np.random.Generator], Actions]
"""Starts a scripted behaviour from an environment, its first observation and a generator."""


@dataclass(frozen=True)
class World:
    """An environment with everything that recording demonstrations in it needs.

    Attributes:
        name: Short name, as `--world` takes it.
        sentence: The task in words.
        make: Makes the environment; it renders uint8 RGB pictures.
        succeeded: Whether the task is solved in the environment's present state.
        distance: How far the present state is from solved, 0 or more, in the world's own unit.
        expert: Behaviour that solves the task.
        failures: Behaviours that do not, by kind.
        min_distance: Starts that are nearer to solved than this are not recorded.
        frame_every: Environment steps per recorded picture.
    """

    name: str
    sentence: str
    make: Callable[[], Env]
    succeeded: Callable[[Env], bool]
    distance: Callable[[Env], float]
    expert: Behaviour
    failures: Mapping[str, Behaviour]
    min_distance: float
    frame_every: int = 1


@dataclass(frozen=True)
class Episode:
    """One recorded episode.

    Attributes:
        frames: Pictures, uint8 `(T, H, W, 3)` RGB, the first after the reset.
        success: Whether the task is solved in each picture, bool `(T,)`.
        quality: How much of the distance at the start is gone in each picture, float32 `(T,)` in [0, 1].
        kind: `expert`, `aimless` or a kind of failure.
        seed: Seed of the reset and of the behaviour.
    """

    frames: npt.NDArray[np.uint8]
    success: npt.NDArray[np.bool_]
    quality: npt.NDArray[np.float32]
    kind: str
    seed: int


def rollout(world: World, env: Env, kind: str, seed: int) -> Episode:
    """Run one scripted behaviour from a reset to its end.

    Args:
        world: The world that `env` is of.
        env: An environment of `world.make`.
        kind: `expert`, `aimless` or a key of `world.failures`.
        seed: Seed of the reset and of the behaviour; the same seed gives the same episode.

    Returns:
        The episode, with one picture every `world.frame_every` steps and one of the last step.

    Raises:
        ValueError: `kind` is no behaviour of the world.
    """
    behaviours = {"expert": world.expert, "aimless": aimless, **world.failures}
    if kind not in behaviours:
        raise ValueError(f"{world.name} has no behaviour {kind!r}; it has {', '.join(sorted(behaviours))}")
    observation, _ = env.reset(seed=seed)
    start = max(world.distance(env), 1e-6)
    frames, success, quality = [], [], []

    def take_picture() -> None:
        frames.append(np.asarray(env.render(), dtype=np.uint8))
        success.append(world.succeeded(env))
        quality.append(np.clip(1.0 - world.distance(env) / start, 0.0, 1.0))

    take_picture()
    actions = behaviours[kind](env, observation, np.random.default_rng([seed, zlib.crc32(kind.encode())]))
    action, steps, ended = next(actions), 0, False
    while not ended:
        observation, _, terminated, truncated, _ = env.step(action)
        steps += 1
        try:
            action = actions.send(observation)
        except StopIteration:
            ended = True
        ended = ended or terminated or truncated
        if ended or steps % world.frame_every == 0:
            take_picture()
    return Episode(np.stack(frames), np.array(success), np.array(quality, np.float32), kind, seed)


def aimless(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Smooth random motion without a goal, until the episode ends."""
    space = env.action_space
    assert isinstance(space, gym.spaces.Box)
    centre, half = (space.high + space.low) / 2, (space.high - space.low) / 2
    motion = rng.normal(size=space.shape)
    keep = rng.uniform(0.7, 0.95)
    while True:
        motion = keep * motion + np.sqrt(1 - keep**2) * rng.normal(size=space.shape)
        yield np.clip(centre + half * motion, space.low, space.high).astype(space.dtype)
