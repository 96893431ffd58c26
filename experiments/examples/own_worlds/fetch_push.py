"""FetchPush of Gymnasium-Robotics: a scripted expert, and failures as a person would record them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.rendering.gl_backend import import_suite

from .world import Actions, Behaviour, Env, OwnWorld

__all__ = ["FETCH_PUSH", "block_distance", "block_is_there", "expert", "fetch_push"]

SIZE = 128  # pixels
# From the side: in front of block or target there is nothing but the fingers, in 0 to 7 % of the frames of
# experts and of aimless motion. From the robot's front it was 7 to 18 %.
CAMERA = {"distance": 0.6, "azimuth": 100.0, "elevation": -30.0, "lookat": np.array([1.31, 0.76, 0.45])}

_ABOVE, _LOW = 0.49, 0.425  # heights of the fingertips: over the block (top 0.45 m), beside it
_BEHIND = 0.075  # m between block centre and fingertips before a push
_SLID_OFF = 0.025  # m to the side of the block's centre, from where it no longer goes where it is pushed
_METRES_PER_ACTION = 0.05

Vector: TypeAlias = NDArray[np.float64]


def fetch_push() -> Env:
    """FetchPush-v4 with a close camera, 128x128 pictures and its usual 50 steps."""
    gym.register_envs(import_suite("gymnasium_robotics", draws=True))
    return gym.make(
        "FetchPush-v4", render_mode="rgb_array", width=SIZE, height=SIZE, default_camera_config=CAMERA
    )


def block_distance(env: Env) -> float:
    """Metres between block and target."""
    inner: Any = env.unwrapped
    observation = inner._get_obs()
    return float(np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"]))


def block_is_there(env: Env, info: Mapping[str, Any]) -> bool:
    """Whether the block is within 5 cm of the target, the environment's own threshold."""
    inner: Any = env.unwrapped
    return block_distance(env) < inner.distance_threshold


def _towards(offset: Vector, rng: np.random.Generator) -> NDArray[np.float32]:
    """Action that moves the fingertips by an offset in metres, with the tremor of a hand that steers."""
    move = np.clip(offset / _METRES_PER_ACTION + rng.normal(scale=0.08, size=3), -1.0, 1.0)
    return np.append(move, 0.0).astype(np.float32)


def _hand(observation: Any) -> Vector:
    """Position of the fingertips, (3,)."""
    return observation["observation"][:3]


def _go(observation: Any, point: Vector, rng: np.random.Generator, steps: int = 12) -> Actions:
    """Move the fingertips to a point; returns the last observation."""
    for _ in range(steps):
        offset = point - _hand(observation)
        if np.linalg.norm(offset) < 0.015:
            break
        observation = yield _towards(1.5 * offset, rng)
    return observation


def _reach(observation: Any, beside: Vector, rng: np.random.Generator) -> Actions:
    """Rise, cross the table above the block and come down at a point (2,) beside it."""
    hand = _hand(observation)
    observation = yield from _go(observation, np.append(hand[:2], _ABOVE), rng, steps=3)
    observation = yield from _go(observation, np.append(beside, _ABOVE), rng)
    return (yield from _go(observation, np.append(beside, _LOW), rng, steps=6))


def _push(observation: Any, aim: Vector, stop: float, rng: np.random.Generator, steps: int = 40) -> Actions:
    """Push the block towards a point (2,) until it is within `stop` metres of it."""
    for _ in range(steps):
        hand, block = _hand(observation)[:2], observation["achieved_goal"][:2]
        left = float(np.linalg.norm(aim - block))
        direction = (aim - block) / max(left, 1e-6)
        behind = block - hand
        sideways = behind - direction * float(behind @ direction)
        slid_off = float(behind @ direction) < 0.0 or float(np.linalg.norm(sideways)) > _SLID_OFF
        if left < stop or slid_off:
            break
        # A hand that has slid to one side comes back to the line before it pushes on.
        speed = min(0.05, 0.01 + 0.3 * left) * (1.0 - float(np.linalg.norm(sideways)) / _SLID_OFF)
        move = direction * speed + sideways
        observation = yield _towards(np.append(move, _LOW - _hand(observation)[2]), rng)
    return observation


def _stay(observation: Any, rng: np.random.Generator, steps: int) -> Actions:
    """Keep the hand where it is."""
    point = _hand(observation).copy()
    for _ in range(steps):
        observation = yield _towards(point - _hand(observation), rng)
    return observation


def _finish(observation: Any, rng: np.random.Generator) -> Actions:
    """Stay a moment; mostly, lift the hand off first, so that it no longer hides the block."""
    if rng.uniform() < 0.7:
        above = _hand(observation) + np.array([0.0, 0.0, rng.uniform(0.06, 0.12)])
        observation = yield from _go(observation, above, rng, steps=5)
    return (yield from _stay(observation, rng, int(rng.integers(5, 12))))


def _line(observation: Any, aim: Vector) -> tuple[Vector, Vector]:
    """The point (2,) behind the block from where to push it to an aim, and the direction of that push."""
    block = observation["achieved_goal"][:2]
    direction = (aim - block) / max(float(np.linalg.norm(aim - block)), 1e-6)
    return block - _BEHIND * direction, direction


def expert(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Reach behind the block, push it onto the target and stay there."""
    aim = observation["desired_goal"][:2]
    for _ in range(3):
        if np.linalg.norm(observation["achieved_goal"][:2] - aim) < 0.035:
            break
        beside, _ = _line(observation, aim)
        observation = yield from _reach(observation, beside, rng)
        observation = yield from _push(observation, aim, 0.025, rng)
    yield from _finish(observation, rng)


def _misplace(choose_aim: Callable[[Vector, Vector, np.random.Generator], Vector]) -> Behaviour:
    """A behaviour that pushes the block to another place than the target.

    Args:
        choose_aim: Gives that place (2,) from where the block and the target lie, (2,) each.

    Returns:
        The behaviour.
    """

    def behaviour(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
        aim = choose_aim(observation["achieved_goal"][:2], observation["desired_goal"][:2], rng)
        for _ in range(2):
            if np.linalg.norm(observation["achieved_goal"][:2] - aim) < 0.03:
                break
            beside, _ = _line(observation, aim)
            observation = yield from _reach(observation, beside, rng)
            observation = yield from _push(observation, aim, 0.02, rng)
        yield from _finish(observation, rng)

    return behaviour


def _turned(vector: Vector, angle: float) -> Vector:
    """A vector (2,) turned by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]]) @ vector


def _halfway(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """Part of the way to the target."""
    return block + rng.uniform(0.3, 0.6) * (target - block)


def _past(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """Past the target, by its side."""
    way = float(np.linalg.norm(target - block))
    direction, further = (target - block) / way, rng.uniform(0.06, 0.12)
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.075, 0.09) * (way + further) / way
    return target + further * direction + side * _turned(direction, np.pi / 2)


def _near(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """A little short of the target or beside it."""
    direction = (block - target) / float(np.linalg.norm(block - target))
    return target + rng.uniform(0.075, 0.09) * _turned(direction, rng.uniform(-1.6, 1.6))


def _astray(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """Away from the target, to any side."""
    direction = (target - block) / float(np.linalg.norm(target - block))
    angle = rng.choice([-1.0, 1.0]) * rng.uniform(1.2, np.pi)
    return block + rng.uniform(0.08, 0.14) * _turned(direction, angle)


def _miss(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The hand comes down beside the way and pushes past the block without touching it."""
    start, target = observation["achieved_goal"][:2].copy(), observation["desired_goal"][:2]
    beside, direction = _line(observation, target)
    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.06, 0.08) * _turned(direction, np.pi / 2)
    observation = yield from _reach(observation, beside + side, rng)
    end = start + (np.linalg.norm(target - start) - 0.03) * direction + side
    for share in np.linspace(0.1, 1.0, 12):
        point = np.append(beside + side + share * (end - beside - side), _LOW)
        observation = yield _towards(1.5 * (point - _hand(observation)), rng)
    yield from _finish(observation, rng)


def _hover(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The hand goes over the block and stays there."""
    block, hand = observation["achieved_goal"][:2], _hand(observation)
    observation = yield from _go(observation, np.append(hand[:2], _ABOVE), rng, steps=3)
    observation = yield from _go(observation, np.append(block, _ABOVE), rng)
    yield from _stay(observation, rng, int(rng.integers(10, 25)))


def _hand_only(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The hand goes down onto the target without the block."""
    observation = yield from _reach(observation, observation["desired_goal"][:2], rng)
    yield from _stay(observation, rng, int(rng.integers(10, 20)))


def _stall(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The hand goes behind the block and never pushes."""
    beside, _ = _line(observation, observation["desired_goal"][:2])
    observation = yield from _reach(observation, beside, rng)
    yield from _stay(observation, rng, int(rng.integers(10, 20)))


FETCH_PUSH = OwnWorld(
    name="fetch_push",
    task="push the block to the red target",
    make=fetch_push,
    succeeded=block_is_there,
    distance=block_distance,
    expert=expert,
    failures={
        "near": _misplace(_near),
        "halfway": _misplace(_halfway),
        "past": _misplace(_past),
        "miss": _miss,
        "hover": _hover,
        "hand_only": _hand_only,
        "astray": _misplace(_astray),
        "stall": _stall,
    },
    min_distance=0.1,
)
