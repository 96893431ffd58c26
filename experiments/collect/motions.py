"""How a robot may move when no expert tells it: noise, pace, pauses and wandering, as streams of actions.

An action is a row of motion numbers and, last, the gripper's command. `unit` is the distance in metres that a
motion number of 1 moves the hand in one control step: worlds differ in the size of their actions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

OPEN = -1.0
"""Gripper command that opens, in Meta-World and robosuite alike."""
SHUT = 1.0
"""Gripper command that shuts."""


class Drift:
    """A random walk that is pulled back to zero (Ornstein-Uhlenbeck): each value resembles the one before."""

    def __init__(self, rng: np.random.Generator, size: int, scale: float, steps: float) -> None:
        """Starts at a typical value.

        Args:
            rng: Source of randomness.
            size: How many independent walks.
            scale: Standard deviation of a value, in its own unit.
            steps: After how many steps a value has forgotten about two thirds of itself.
        """
        self._rng = rng
        self._keep = float(np.exp(-1.0 / steps))
        self._push = scale * float(np.sqrt(1.0 - self._keep**2))
        self.value: Vector = rng.normal(0.0, scale, size)

    def step(self) -> Vector:
        """Returns the next value, float64 `(size,)`."""
        self.value = self._keep * self.value + self._push * self._rng.normal(size=self.value.shape)
        return self.value


class Pace:
    """The speed of an episode: a base drawn once, with a slow drift around it."""

    def __init__(self, rng: np.random.Generator, slowest: float) -> None:
        """Draws the base.

        Args:
            rng: Source of randomness.
            slowest: Least base speed, as a share of full speed in (0, 1].
        """
        self.base = float(rng.uniform(slowest, 1.0))
        self._drift = Drift(rng, 1, 0.2, 20.0)

    def step(self) -> float:
        """Returns the speed of the next step, in (0, 1]."""
        return float(np.clip(self.base * np.exp(self._drift.step()[0]), 0.75 * self.base, 1.0))


def still(size: int, gripper: float) -> NDArray[np.float32]:
    """An action that asks for no motion.

    Args:
        size: Length of an action.
        gripper: Command of the gripper, kept.

    Returns:
        float32 `(size,)`.
    """
    action = np.zeros(size, dtype=np.float32)
    action[-1] = gripper
    return action


def damp_turns(move: Vector) -> Vector:
    """Less of the motion numbers after the first three, which turn the wrist: full-size ones wind the arm up.

    Args:
        move: Motion, `(size,)`.

    Returns:
        A new motion.
    """
    return np.concatenate([move[:3], 0.15 * move[3:]])


def burst(rng: np.random.Generator, size: int, steps: int, strength: float) -> Iterator[Vector]:
    """A short push in one random direction.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        steps: Length of the push.
        strength: Length of each step as a share of full speed.

    Yields:
        Motion, float64 `(size,)`.
    """
    direction = _direction(rng, size)
    for _ in range(steps):
        yield strength * direction + rng.normal(0.0, 0.1 * strength, size)


def jitter(rng: np.random.Generator, size: int, strength: float) -> Iterator[Vector]:
    """Trembling on the spot: every step undoes the one before it, more or less.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        strength: Typical motion of a step, as a share of full speed.

    Yields:
        Motion, float64 `(size,)`, without end.
    """
    before = np.zeros(size)
    while True:
        now = damp_turns(rng.normal(0.0, strength, size))
        yield now - before
        before = now


def white(rng: np.random.Generator, size: int, strength: float) -> Iterator[Vector]:
    """Independent random motion at each step.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        strength: Typical motion of a step, as a share of full speed.

    Yields:
        Motion, float64 `(size,)`, without end.
    """
    while True:
        yield damp_turns(rng.normal(0.0, strength, size))


def swaying(rng: np.random.Generator, size: int, strength: float) -> Iterator[Vector]:
    """Smooth random motion.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        strength: Typical motion of a step, as a share of full speed.

    Yields:
        Motion, float64 `(size,)`, without end.
    """
    drift = Drift(rng, size, strength, 12.0)
    while True:
        yield damp_turns(drift.step())


def wandering(
    rng: np.random.Generator, size: int, unit: float, reach: Vector, speed: float
) -> Iterator[Vector]:
    """Straight ways from one random point to the next, with a rest at some of them.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        unit: Metres that a motion of 1 makes.
        reach: Half size of the box of points around the start, metres, `(3,)`.
        speed: Share of full speed.

    Yields:
        Motion, float64 `(size,)`, without end.
    """
    here = np.zeros(3)
    while True:
        target = rng.uniform(-reach, reach)
        yield from straight(here, target, size, unit, speed)
        here = target
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(3, 15))):
                yield np.zeros(size)


def roaming(
    rng: np.random.Generator, size: int, unit: float, room: Vector, front: Vector, speed: float
) -> Iterator[Vector]:
    """Up and away, then about the whole room, one way in three to where the arm hides things from the camera.

    Args:
        rng: Source of randomness.
        size: How many motion numbers an action has.
        unit: Metres that a motion of 1 makes.
        room: Half size of the box of points around the start, metres, `(3,)`.
        front: From the start to a point in front of the camera, metres, `(3,)`.
        speed: Share of full speed.

    Yields:
        Motion, float64 `(size,)`, without end.
    """
    here = np.zeros(3)
    target = rng.uniform([-0.02, -0.02, 0.06], [0.02, 0.02, 0.20])
    while True:
        yield from straight(here, target, size, unit, speed)
        here = target
        if rng.random() < 0.4:
            for _ in range(int(rng.integers(2, 12))):
                yield np.zeros(size)
        if rng.random() < 1 / 3:
            target = front * rng.uniform(0.2, 1.0) + rng.normal(0.0, 0.06, 3)
        else:
            target = rng.uniform(-room, room)


def straight(here: Vector, target: Vector, size: int, unit: float, speed: float) -> Iterator[Vector]:
    """A straight way between two points.

    Args:
        here: Start, metres, `(3,)`.
        target: End, metres, `(3,)`.
        size: How many motion numbers an action has; those after the first three stay 0.
        unit: Metres that a motion of 1 makes.
        speed: Share of full speed.

    Yields:
        Motion, float64 `(size,)`, until the end is reached.
    """
    way = (target - here) / unit
    steps = max(1, int(np.ceil(float(np.abs(way).max()) / speed)))
    for _ in range(steps):
        yield np.concatenate([way / steps, np.zeros(size - 3)])


def _direction(rng: np.random.Generator, size: int) -> Vector:
    direction = damp_turns(rng.normal(size=size))
    return direction / np.abs(direction).max()
