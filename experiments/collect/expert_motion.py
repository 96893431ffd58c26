"""A scene and the expert in it: how it works on its task at a changing pace, pauses, is pushed away.

What happens is a generator of moves, pairs of action and tick, and whoever iterates makes the steps. The
tick is the expert's own time: its speed while it works on the task, 0 while it rests, trembles or makes up
for a detour, and negative while its own steps are undone. So the clock tells the way made on the task,
whatever the time it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .motions import OPEN, Drift, Pace, burst, damp_turns, roaming, still
from .rollout import Done, Rollout

Move = tuple[NDArray[np.float32], float]


@dataclass(frozen=True)
class World:
    """What differs between the suites.

    Attributes:
        unit: Metres that the hand moves in one control step at a motion number of 1.
        sway: Largest smooth noise under which an expert still succeeds now and then, as a share of full
            speed.
        room: Half size of the box, around the start of the hand, that the arm roams, metres.
        front: From the start of the hand to a point in front of the camera, metres.
        leaves: Ease up to which the hand may leave the object half done; below 0 is never, as where a cube
            that is let go falls.
    """

    unit: float
    sway: float
    room: tuple[float, float, float]
    front: tuple[float, float, float]
    leaves: float


WORLDS = {
    "metaworld": World(unit=0.01, sway=0.5, room=(0.40, 0.30, 0.20), front=(0.44, -0.30, 0.29), leaves=0.3),
    "robosuite": World(unit=0.012, sway=0.25, room=(0.22, 0.22, 0.12), front=(0.20, 0.0, 0.10), leaves=-1.0),
}
"""Suite -> its measures; robosuite's arm makes far less than the 0.05 m a step that its action asks for."""

_BRAKE_ABOVE = 0.012
"""Lead of the commanded hand over the real one (metres) above which a pause first brakes; 4 mm at rest."""


class Policy(Protocol):
    """What maps an observation to an action: an expert, or another task's."""

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns an action inside the action box."""


def _no_lead() -> NDArray[np.float64]:
    return np.zeros(3)


@dataclass
class ExpertScene:
    """All that a behaviour works with.

    Attributes:
        rollout: Where it acts.
        rng: Source of all that is drawn.
        typical: Full-speed steps that the expert typically needs in this task.
        world: The measures of its suite.
        expert: The task's own, reset together with the rollout.
        rehearsal: A success from this very start, step by step; empty where the kind needs none.
        ease: 0 at the first try and up to 1 at the last: later tries are easier to get right.
        other: Another task's policy and its name; None where there is none. For `undone`, the inverse task's.
        lead: How far the commanded hand is ahead of the real one now, metres, `(3,)`.
        detail: Filled in by the behaviour: what it drew.
        spoiled: Filled in by the behaviour: why the episode must not be used; empty where it may.
    """

    rollout: Rollout
    rng: np.random.Generator
    typical: float
    world: World
    expert: Policy | None = None
    rehearsal: Sequence[Done] = ()
    ease: float = 0.0
    other: tuple[str, Policy] | None = None
    lead: Callable[[], NDArray[np.float64]] = _no_lead
    detail: str = ""
    spoiled: str = ""


Behaviour = Callable[[ExpertScene], Iterator[Move]]
"""Acts on a scene's rollout, move by move; whoever iterates makes the steps."""


def hold(scene: ExpertScene, steps: int, gripper: float | None = None, brake: bool = True) -> Iterator[Move]:
    """Rests: no motion, the gripper as it is (or as told).

    Where the commanded hand runs ahead of the real one, as it does while something is pushed, the first
    steps take the lead back: otherwise the robot would go on working in its pause.

    Args:
        scene: The scene.
        steps: How long.
        gripper: Its command; None keeps the last one.
        brake: False keeps up the pressure, as one does on a button that is already down.

    Yields:
        Moves.
    """
    rollout = scene.rollout
    command = rollout.gripper if gripper is None else gripper
    for step in range(steps):
        lead = scene.lead()
        action = still(rollout.size, command)
        if brake and step < 8 and float(np.abs(lead).max()) > _BRAKE_ABOVE:
            action[:3] = np.clip(-lead / scene.world.unit, -1.0, 1.0)
        yield action, 0.0


def act(motion: NDArray[np.float64], gripper: float) -> NDArray[np.float32]:
    """Joins motion and gripper to an action, inside [-1, 1]."""
    return np.clip(np.append(motion, gripper), -1.0, 1.0).astype(np.float32)


def roam(scene: ExpertScene, gripper: float | None = None) -> Iterator[Move]:
    """The arm goes about with nothing to do with the object, often between it and the camera; without end.

    Args:
        scene: The scene.
        gripper: Its command; None keeps the last one.

    Yields:
        Moves.
    """
    world, rng = scene.world, scene.rng
    command = scene.rollout.gripper if gripper is None else gripper
    room, front = np.array(world.room), np.array(world.front)
    speed = rng.uniform(0.4, 1.0)
    for motion in roaming(rng, scene.rollout.motion_size, world.unit, room, front, speed):
        yield act(motion, command), 0.0


def free(scene: ExpertScene, motions: Iterator[NDArray[np.float64]]) -> Iterator[Move]:
    """Turns motions into moves that keep the gripper and do not advance the clock."""
    for motion in motions:
        yield act(motion, scene.rollout.gripper), 0.0


@dataclass(frozen=True)
class Work:
    """How the expert works in one episode.

    Attributes:
        slowest: Least base speed.
        noise: Standard deviation of white action noise, as a share of full speed.
        sway: Standard deviation of smooth action noise.
        pauses: Clock times at which it pauses, rising, and for how many steps.
        detours: Clock times at which it is pushed off its way, rising.
        leaves_at: Quality at which it leaves the object half done, to come back and go on; above 1 is never.
        leaves_for: For how many steps it is away.
    """

    slowest: float
    noise: float = 0.03
    sway: float = 0.0
    pauses: tuple[tuple[float, int], ...] = ()
    detours: tuple[float, ...] = ()
    leaves_at: float = 2.0
    leaves_for: int = 0


def draw_work(scene: ExpertScene, way: float, room: float, most_pauses: int = 3) -> Work:
    """Draws pauses and the slowest speed that fits.

    Args:
        scene: The scene.
        way: Full-speed steps that will be made.
        room: Control steps that there are for them, pauses included.
        most_pauses: Largest number of pauses.

    Returns:
        The plan, without sway and detours.
    """
    rng = scene.rng
    times = np.sort(rng.uniform(0.0, way, int(rng.integers(0, most_pauses + 1))))
    if len(times) and rng.random() < 0.35:
        times[0] = 0.0
    pauses = tuple((float(time), int(rng.integers(5, 26))) for time in times)
    moving = max(1.0, room - sum(length for _, length in pauses))
    # Later tries are quicker: a few tasks need momentum, or just barely fit into an episode at low speed.
    slowest = 0.35 + 0.45 * scene.ease
    return Work(
        slowest=float(np.clip(max(slowest, 1.25 * way / moving), 0.0, 1.0)),
        noise=rng.uniform(0.0, 0.06),
        pauses=pauses,
    )


def work(scene: ExpertScene, plan: Work, until: Callable[[], bool]) -> Iterator[Move]:
    """The expert at work, with pauses, noise and detours.

    Args:
        scene: The scene.
        plan: How it works.
        until: Asked before each step; true ends the work.

    Yields:
        Moves.
    """
    rollout, rng, expert = scene.rollout, scene.rng, _expert(scene)
    pace = Pace(rng, plan.slowest)
    drift = Drift(rng, rollout.motion_size, plan.sway, 8.0)
    pauses, detours = list(plan.pauses), list(plan.detours)
    debt, leaves_at = 0.0, plan.leaves_at
    while not until():
        if rollout.quality >= leaves_at:
            leaves_at = 2.0
            began = len(rollout.done)
            yield from leave(scene, plan.leaves_for)
            debt += _way_off(rollout, began)
            continue
        if pauses and rollout.clock >= pauses[0][0]:
            yield from hold(scene, pauses.pop(0)[1])
            continue
        if detours and rollout.clock >= detours[0]:
            detours.pop(0)
            began = len(rollout.done)
            yield from detour(scene)
            # The way back to where the detour began is no progress: the clock waits until it is made.
            debt += _way_off(rollout, began)
            continue
        speed = pace.step()
        motion = speed * np.asarray(expert.action(rollout.obs), dtype=np.float64)
        gripper = motion[-1] / speed
        motion = motion[:-1] + damp_turns(drift.step() + rng.normal(0.0, plan.noise, rollout.motion_size))
        tick = max(0.0, speed - debt)
        debt = max(0.0, debt - speed)
        yield act(motion, gripper), tick


_GLIDES, _STAYS = 0.25, 0.1
"""Largest change of quality while the hand lets go, and while it is away, that leaves the labels right."""


def leave(scene: ExpertScene, steps: int) -> Iterator[Move]:
    """Lets go, goes about, and leaves the object half done; spoils the scene where the object moves then.

    Args:
        scene: The scene.
        steps: How long the hand is away.

    Yields:
        Moves.
    """
    rollout = scene.rollout
    before = rollout.quality
    yield from hold(scene, 10, gripper=OPEN)
    left = lowest = highest = rollout.quality
    for move in islice(roam(scene, OPEN), steps):
        yield move
        lowest, highest = min(lowest, rollout.quality), max(highest, rollout.quality)
    if abs(left - before) > _GLIDES or left - lowest > _STAYS or highest - left > _STAYS:
        moved = f"from quality {before:.2f} to between {lowest:.2f} and {highest:.2f}"
        scene.spoiled = f"the object moved {moved} while the hand was away"


def detour(scene: ExpertScene) -> Iterator[Move]:
    """A burst of random motion; half of the time the robot goes back the way it came."""
    rng, rollout = scene.rng, scene.rollout
    began = len(rollout.done)
    strength = float(rng.uniform(0.4, 1.0))
    yield from free(scene, burst(rng, rollout.motion_size, int(rng.integers(5, 14)), strength))
    yield from hold(scene, int(rng.integers(0, 6)))
    if rng.random() < 0.5:
        for done in reversed(rollout.done[began:]):
            yield act(-done.action[:-1].astype(np.float64), float(done.action[-1])), 0.0


def _way_off(rollout: Rollout, began: int) -> float:
    """Full-speed steps that lead back to where the hand was at step `began`."""
    return float(np.abs(travelled(rollout.done[began:])).max())


def travelled(moves: Sequence[Done]) -> NDArray[np.float32]:
    """Where moves lead the hand, in full-speed steps, `(3,)`."""
    return np.sum([done.action[:3] for done in moves], axis=0)


def _expert(scene: ExpertScene) -> Policy:
    if scene.expert is None:
        raise ValueError("this behaviour needs a scene with an expert")
    return scene.expert


def full_speed(scene: ExpertScene) -> Iterator[Move]:
    """The expert does the task as fast as it can."""
    while not scene.rollout.success:
        yield np.asarray(_expert(scene).action(scene.rollout.obs), dtype=np.float32), 1.0


def rehearse(scene: ExpertScene, share: float) -> Iterator[Move]:
    """The expert does the task, at a pace at which a share of it leaves time for something else.

    Args:
        scene: The scene; its `rehearsal` is not used.
        share: Share of a rehearsal's control steps that the task may take.

    Yields:
        Moves, up to the success.
    """
    plan = draw_work(scene, scene.typical, share * scene.rollout.left, most_pauses=2)
    yield from work(scene, plan, lambda: scene.rollout.success)
