"""What happens in each kind of episode: generators of (action, tick) that act on a stage.

The tick is the expert's own time: its speed while it works on the task, 0 while it rests, trembles or makes up for
a detour, and negative while its own steps are undone. So time on the clock is way on the task, whatever the wall
clock says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .motions import OPEN, SHUT, Drift, Pace, burst, damp_turns, jitter, still, straight, swaying, wandering, white
from .stage import Done, Stage

Move = tuple[NDArray[np.float32], float]

ROOM = np.array([0.22, 0.22, 0.12])
"""Half size of the space random points are drawn from, around the start of the hand, metres."""

@dataclass(frozen=True)
class World:
    """What differs between the suites.

    Attributes:
        unit: Metres that the hand moves in one control step at a motion number of 1.
        sway: Largest smooth noise, as a share of full speed, under which an expert still succeeds now and then.
    """

    unit: float
    sway: float


WORLDS = {"metaworld": World(unit=0.01, sway=0.5), "robosuite": World(unit=0.012, sway=0.25)}
"""Suite -> its measures; robosuite's arm makes far less than the 0.05 m a step that its action asks for."""

_BRAKE_ABOVE = 0.012
"""Lead of the commanded hand over the real one, in metres, above which a pause first brakes: at rest it is 4 mm."""


class Policy(Protocol):
    """What maps an observation to an action: an expert, or another task's."""

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns an action inside the action box."""


def _no_lead() -> NDArray[np.float64]:
    return np.zeros(3)


@dataclass
class Scene:
    """All that a behaviour works with.

    Attributes:
        stage: Where it acts.
        rng: Source of all that is drawn.
        typical: Full-speed steps that the expert typically needs in this task.
        world: The measures of its suite.
        expert: The task's own, reset together with the stage.
        rehearsal: A success from this very start, step by step; empty where the kind needs none.
        ease: 0 at the first try and up to 1 at the last: later tries are easier to get right.
        other: Another task's policy and its name; None where there is none. For `undone`, the inverse task's.
        lead: How far the commanded hand is ahead of the real one now, metres, `(3,)`.
        detail: Filled in by the behaviour: what it drew.
    """

    stage: Stage
    rng: np.random.Generator
    typical: float
    world: World
    expert: Policy | None = None
    rehearsal: Sequence[Done] = ()
    ease: float = 0.0
    other: tuple[str, Policy] | None = None
    lead: Callable[[], NDArray[np.float64]] = _no_lead
    detail: str = ""


Behaviour = Callable[[Scene], Iterator[Move]]
"""Acts on a scene's stage, move by move; whoever iterates makes the steps."""


def hold(scene: Scene, steps: int, gripper: float | None = None, brake: bool = True) -> Iterator[Move]:
    """Rests: no motion, the gripper as it is (or as told).

    Where the commanded hand runs ahead of the real one, as it does while something is pushed, the first steps take the
    lead back: otherwise the robot would go on working in its pause.

    Args:
        scene: The scene.
        steps: How long.
        gripper: Its command; None keeps the last one.
        brake: False keeps up the pressure, as one does on a button that is already down.

    Yields:
        Moves.
    """
    stage = scene.stage
    command = stage.gripper if gripper is None else gripper
    for step in range(steps):
        lead = scene.lead()
        action = still(stage.size, command)
        if brake and step < 8 and float(np.abs(lead).max()) > _BRAKE_ABOVE:
            action[:3] = np.clip(-lead / scene.world.unit, -1.0, 1.0)
        yield action, 0.0


def act(motion: NDArray[np.float64], gripper: float) -> NDArray[np.float32]:
    """Joins motion and gripper to an action, inside [-1, 1]."""
    return np.clip(np.append(motion, gripper), -1.0, 1.0).astype(np.float32)


def _free(scene: Scene, motions: Iterator[NDArray[np.float64]]) -> Iterator[Move]:
    """Turns motions into moves that keep the gripper and do not advance the clock."""
    for motion in motions:
        yield act(motion, scene.stage.gripper), 0.0


@dataclass(frozen=True)
class Work:
    """How the expert works in one episode.

    Attributes:
        slowest: Least base speed.
        noise: Standard deviation of white action noise, as a share of full speed.
        sway: Standard deviation of smooth action noise.
        pauses: Clock times at which it pauses, rising, and for how many steps.
        detours: Clock times at which it is pushed off its way, rising.
    """

    slowest: float
    noise: float = 0.03
    sway: float = 0.0
    pauses: tuple[tuple[float, int], ...] = ()
    detours: tuple[float, ...] = ()


def draw_work(scene: Scene, way: float, room: float, most_pauses: int = 3) -> Work:
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
    return Work(slowest=float(np.clip(max(slowest, 1.25 * way / moving), 0.0, 1.0)), noise=rng.uniform(0.0, 0.06), pauses=pauses)


def work(scene: Scene, plan: Work, until: Callable[[], bool]) -> Iterator[Move]:
    """The expert at work, with pauses, noise and detours.

    Args:
        scene: The scene.
        plan: How it works.
        until: Asked before each step; true ends the work.

    Yields:
        Moves.
    """
    stage, rng, expert = scene.stage, scene.rng, _expert(scene)
    pace = Pace(rng, plan.slowest)
    drift = Drift(rng, stage.motion_size, plan.sway, 8.0)
    pauses, detours = list(plan.pauses), list(plan.detours)
    debt = 0.0
    while not until():
        if pauses and stage.clock >= pauses[0][0]:
            yield from hold(scene, pauses.pop(0)[1])
            continue
        if detours and stage.clock >= detours[0]:
            detours.pop(0)
            began = len(stage.done)
            yield from detour(scene)
            # The way back to where the detour began is no progress: the clock waits until it is made.
            debt += _way_off(stage, began)
            continue
        speed = pace.step()
        motion = speed * np.asarray(expert.action(stage.obs), dtype=np.float64)
        gripper = motion[-1] / speed
        motion = motion[:-1] + damp_turns(drift.step() + rng.normal(0.0, plan.noise, stage.motion_size))
        tick = max(0.0, speed - debt)
        debt = max(0.0, debt - speed)
        yield act(motion, gripper), tick


def detour(scene: Scene) -> Iterator[Move]:
    """A burst of random motion; half of the time the robot goes back the way it came."""
    rng, stage = scene.rng, scene.stage
    began = len(stage.done)
    strength = float(rng.uniform(0.4, 1.0))
    yield from _free(scene, burst(rng, stage.motion_size, int(rng.integers(5, 14)), strength))
    yield from hold(scene, int(rng.integers(0, 6)))
    if rng.random() < 0.5:
        for done in reversed(stage.done[began:]):
            yield act(-done.action[:-1].astype(np.float64), float(done.action[-1])), 0.0


def _way_off(stage: Stage, began: int) -> float:
    """Full-speed steps that lead back to where the hand was at step `began`."""
    moved = np.sum([done.action[:3] for done in stage.done[began:]], axis=0)
    return float(np.abs(moved).max())


def _expert(scene: Scene) -> Policy:
    if scene.expert is None:
        raise ValueError("this behaviour needs a scene with an expert")
    return scene.expert


def full_speed(scene: Scene) -> Iterator[Move]:
    """The expert does the task as fast as it can."""
    while not scene.stage.success:
        yield np.asarray(_expert(scene).action(scene.stage.obs), dtype=np.float32), 1.0


def rehearse(scene: Scene, share: float) -> Iterator[Move]:
    """The expert does the task, at a pace at which a share of it leaves time for something else.

    Args:
        scene: The scene; its `rehearsal` is not used.
        share: Share of an episode's control steps that the task may take.

    Yields:
        Moves, up to the success.
    """
    plan = draw_work(scene, scene.typical, share * scene.stage.left, most_pauses=2)
    yield from work(scene, plan, lambda: scene.stage.success)


def success(scene: Scene) -> Iterator[Move]:
    """The expert does the task and stays a while."""
    after = int(scene.rng.integers(5, 26))
    plan = draw_work(scene, scene.typical, scene.stage.left - after)
    yield from work(scene, plan, lambda: scene.stage.success)
    yield from _afterwards(scene, after)


def noisy_success(scene: Scene) -> Iterator[Move]:
    """The expert does the task although it is disturbed all the time."""
    rng = scene.rng
    after = int(rng.integers(5, 26))
    times = np.sort(rng.uniform(0.0, 0.9, int(rng.integers(0, 3)))) * scene.typical
    base = draw_work(scene, scene.typical, scene.stage.left - after - 30 * len(times), most_pauses=2)
    sway = scene.world.sway * float(rng.uniform(0.3, 1.0)) * (1.0 - 0.8 * scene.ease**0.5)
    plan = Work(base.slowest, base.noise, sway, base.pauses, tuple(times.tolist()))
    scene.detail = f"sway {sway:.2f}, {len(times)} detours"
    yield from work(scene, plan, lambda: scene.stage.success)
    yield from _afterwards(scene, after)


def _afterwards(scene: Scene, steps: int) -> Iterator[Move]:
    """After the success the expert goes on, or rests."""
    if scene.rng.random() < 0.5:
        yield from hold(scene, steps, brake=False)
        return
    ends = len(scene.stage.done) + steps
    yield from work(scene, Work(slowest=0.5), lambda: len(scene.stage.done) >= ends)


def near_miss(scene: Scene) -> Iterator[Move]:
    """The expert gives up shortly before the end."""
    yield from _give_up(scene, 0.80, 0.95)


def stalled(scene: Scene) -> Iterator[Move]:
    """The expert gives up half-way."""
    yield from _give_up(scene, 0.35, 0.60)


def _give_up(scene: Scene, low: float, high: float) -> Iterator[Move]:
    """Works for a share of the way, then rests, trembles or drifts a little."""
    rng, stage = scene.rng, scene.stage
    # Some tasks count as done early: later tries stop earlier within the range.
    share = float(rng.uniform(low, high - 0.8 * (high - low) * scene.ease))
    yield from _part(scene.rehearsal, share)
    after = min(stage.left, int(rng.integers(12, 60)))
    style = ("rest", "rest", "tremble", "drift")[int(rng.integers(4))]
    scene.detail = f"{share:.2f} of the way, then {style}"
    if style == "tremble":
        yield from islice(_free(scene, jitter(rng, stage.motion_size, rng.uniform(0.1, 0.5))), after)
    elif style == "drift":
        moving = int(rng.integers(after // 3, after + 1))
        yield from _free(scene, burst(rng, stage.motion_size, moving, rng.uniform(0.02, 0.06)))
        yield from hold(scene, after - moving)
    else:
        yield from hold(scene, after)


def _part(rehearsal: Sequence[Done], share: float) -> Iterator[Move]:
    """Plays the first part of a rehearsed success again: the same actions from the same start lead to the same states."""
    stop, clock = share * sum(done.tick for done in rehearsal), 0.0
    for done in rehearsal:
        if clock >= stop:
            return
        yield done.action, done.tick
        clock += done.tick


def undone(scene: Scene) -> Iterator[Move]:
    """The expert goes some way; then its steps are taken back, or the inverse task's policy undoes what they did."""
    rng, stage = scene.rng, scene.stage
    # Where going back leaves the object in its new place, later tries turn round earlier.
    share = float(rng.uniform(0.45 - 0.3 * scene.ease, 0.90 - 0.6 * scene.ease))
    if scene.other is not None:
        # The inverse task's policy only makes a difference once the object has moved.
        share = float(rng.uniform(0.65, 0.9 - 0.1 * scene.ease))
    after = int(rng.integers(3, 20))
    yield from _part(scene.rehearsal, share)
    forward, reached = list(stage.done), stage.clock
    yield from hold(scene, int(rng.integers(0, 16)))
    if scene.other is None:
        scene.detail = f"{share:.2f} of the way and back"
        yield from _take_back(forward)
    else:
        name, policy = scene.other
        scene.detail = f"{share:.2f} of the way, then {name}"
        limit = stage.left - after
        for action, _ in islice(_foreign(scene, policy), limit):
            yield action, -reached / limit
    yield from hold(scene, after)


def _take_back(forward: Sequence[Done]) -> Iterator[Move]:
    """The steps negated, in reverse order, without the pauses; each with the gripper as it was then."""
    for done in reversed(forward):
        if done.tick > 0.0 or np.any(done.action[:-1]):
            yield act(-done.action[:-1].astype(np.float64), float(done.action[-1])), -done.tick


def random(scene: Scene) -> Iterator[Move]:
    """No idea of the task: white, smooth or wandering motion, hardly any, or none."""
    rng, stage = scene.rng, scene.stage
    styles = ("swaying", "wandering", "white", "wandering", "hardly", "never")
    style = styles[int(rng.integers(len(styles)))]
    scene.detail = style
    steps = _length(scene)
    size = stage.motion_size
    motions = {
        "swaying": lambda: swaying(rng, size, rng.uniform(0.3, 1.0)),
        "wandering": lambda: wandering(rng, size, scene.world.unit, ROOM, rng.uniform(0.3, 1.0)),
        "white": lambda: white(rng, size, rng.uniform(0.4, 1.0)),
        "hardly": lambda: jitter(rng, size, rng.uniform(0.02, 0.3)),
    }
    if style == "never":
        # From the first frame to the last nothing happens, whichever way the gripper stands.
        yield from hold(scene, steps, gripper=(OPEN, SHUT)[int(rng.integers(4)) == 0])
        return
    toggles = rng.uniform(0.0, 1.0) < 0.5
    gripper = OPEN
    for motion in islice(motions[style](), steps):
        if toggles and rng.random() < 0.04:
            gripper = -gripper
        yield act(motion, gripper), 0.0


def other_task(scene: Scene) -> Iterator[Move]:
    """Works with a purpose, but on something else: another task's policy, or a grasp or a wave beside the object.

    """
    steps = _length(scene)
    if scene.other is None:
        yield from islice(_elsewhere(scene), steps)
        return
    scene.detail, policy = scene.other
    yield from islice(_foreign(scene, policy), steps)


def _foreign(scene: Scene, policy: Policy) -> Iterator[Move]:
    """A policy that is not this task's expert, at a changing pace; without end."""
    stage, rng = scene.stage, scene.rng
    pace = Pace(rng, 0.5)
    while True:
        action = np.asarray(policy.action(stage.obs), dtype=np.float64)
        motion = pace.step() * action[:-1] + rng.normal(0.0, 0.03, stage.motion_size)
        yield act(motion, float(action[-1])), 0.0


def _elsewhere(scene: Scene) -> Iterator[Move]:
    """For worlds without other policies: grasps the air beside the object, waves, or sweeps over the table."""
    rng, size = scene.rng, scene.stage.motion_size
    style = ("grasp beside", "wave", "sweep")[int(rng.integers(3))]
    scene.detail = style
    here = np.zeros(3)
    while True:
        aside = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.06, 0.18, 2)
        speed = rng.uniform(0.3, 0.8)
        low, high = rng.uniform(-0.22, -0.12), rng.uniform(-0.02, 0.08)
        if style == "wave":
            ways = [np.array([aside[0], sign * abs(aside[1]), high]) for sign in (1, -1, 1, -1, 1)]
        elif style == "sweep":
            ways = [np.array([*aside, low]), np.array([-aside[0], aside[1], low]), np.array([-aside[0], aside[1], high])]
        else:
            ways = [np.array([*aside, 0.0]), np.array([*aside, low])]
        for target in ways:
            for motion in straight(here, target, size, scene.world.unit, speed):
                yield act(motion, OPEN), 0.0
            here = target
        if style == "grasp beside":
            yield from hold(scene, 12, gripper=SHUT)
            lifted = here + np.array([0.0, 0.0, 0.2])
            for motion in straight(here, lifted, size, scene.world.unit, speed):
                yield act(motion, SHUT), 0.0
            here = lifted
            yield from hold(scene, int(rng.integers(5, 30)))


def _length(scene: Scene) -> int:
    """Control steps of an episode that has no end of its own: as long as others of the task are."""
    longest = min(scene.stage.left, 2.5 * scene.typical)
    return int(scene.rng.integers(min(40, int(longest)), int(longest) + 1))


BEHAVIOURS: dict[str, Behaviour] = {
    "success": success,
    "noisy_success": noisy_success,
    "near_miss": near_miss,
    "stalled": stalled,
    "undone": undone,
    "random": random,
    "other_task": other_task,
}
"""Kind of episode -> what happens in it."""
