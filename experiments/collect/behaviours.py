"""What happens in each kind of episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from ..episodes import UNMOVED
from .expert_motion import (
    Behaviour,
    ExpertScene,
    Move,
    Policy,
    Work,
    act,
    draw_work,
    free,
    hold,
    leave,
    roam,
    travelled,
    work,
)
from .motions import OPEN, SHUT, Pace, burst, jitter, straight, swaying, wandering, white
from .rollout import Done

ROOM = np.array([0.22, 0.22, 0.12])
"""Half size of the space random points are drawn from, around the start of the hand, metres."""


def success(scene: ExpertScene) -> Iterator[Move]:
    """The expert does the task and stays a while, or leaves what it did and roams."""
    after, (leaves_at, away) = _after(scene), _away(scene)
    plan = draw_work(scene, scene.typical, scene.rollout.left - after.steps - _back(away))
    plan = replace(plan, leaves_at=leaves_at, leaves_for=away)
    scene.detail = f"away {away}, then {after.style}"
    yield from work(scene, plan, lambda: scene.rollout.success)
    yield from _afterwards(scene, after)


def noisy_success(scene: ExpertScene) -> Iterator[Move]:
    """The expert does the task although it is disturbed all the time."""
    rng = scene.rng
    after, (leaves_at, away) = _after(scene), _away(scene)
    times = np.sort(rng.uniform(0.0, 0.9, int(rng.integers(0, 3)))) * scene.typical
    room = scene.rollout.left - after.steps - _back(away) - 30 * len(times)
    base = draw_work(scene, scene.typical, room, most_pauses=2)
    sway = scene.world.sway * float(rng.uniform(0.3, 1.0)) * (1.0 - 0.8 * scene.ease**0.5)
    plan = Work(base.slowest, base.noise, sway, base.pauses, tuple(times.tolist()), leaves_at, away)
    scene.detail = f"sway {sway:.2f}, {len(times)} detours, away {away}, then {after.style}"
    yield from work(scene, plan, lambda: scene.rollout.success)
    yield from _afterwards(scene, after)


@dataclass(frozen=True)
class _After:
    """What comes after the success: a style, and for how many steps."""

    style: str
    steps: int


def _after(scene: ExpertScene) -> _After:
    """Later tries stay, and shorter: objects spring back, or move once the hand leaves them."""
    rng = scene.rng
    if scene.ease <= max(0.0, scene.world.leaves) and rng.random() < 0.5:
        return _After("roam", int(rng.integers(25, 81)))
    style = "rest" if rng.random() < 0.5 else "go on"
    return _After(style, int(rng.integers(5, 26 - int(18 * scene.ease))))


def _away(scene: ExpertScene) -> tuple[float, int]:
    """At which quality, and for how many steps, the hand leaves the object half done; on early tries only.

    Otherwise a hand that has left the object would always mean that the object is done, or untouched.
    """
    if scene.ease <= scene.world.leaves and scene.rng.random() < 0.5:
        return float(scene.rng.uniform(0.1, 0.9)), int(scene.rng.integers(25, 71))
    return 2.0, 0


def _back(away: int) -> int:
    """Steps that `away` costs, with the way back to the object."""
    return away + 50 if away else 0


def _afterwards(scene: ExpertScene, after: _After) -> Iterator[Move]:
    """After the success the robot rests, goes on, or leaves the object and roams."""
    if after.style == "rest":
        yield from hold(scene, after.steps, brake=False)
        return
    # Before it leaves, the robot goes on for a moment: what is only just done would not stay so.
    more = after.steps if after.style == "go on" else after.steps // 4
    ends = len(scene.rollout.done) + more
    yield from work(scene, Work(slowest=0.5), lambda: len(scene.rollout.done) >= ends)
    yield from islice(roam(scene, gripper=OPEN), after.steps - more)


def near_miss(scene: ExpertScene) -> Iterator[Move]:
    """The expert gives up shortly before the end."""
    yield from _give_up(scene, 0.80, 0.95)


def stalled(scene: ExpertScene) -> Iterator[Move]:
    """The expert gives up half-way: one time in three of its time, else of the object's way.

    Half of the time is often spent before the object moves at all. Where the hand has left an object that is
    half done, nothing but the object tells how far it is, and policies under training find such states.
    """
    if scene.rng.random() < 1 / 3:
        yield from _give_up(scene, 0.35, 0.60)
        return
    rng, rollout = scene.rng, scene.rollout
    level = float(rng.uniform(0.15, 0.70)) * (1.0 - 0.5 * scene.ease)
    for done in scene.rehearsal:
        if rollout.quality >= level:
            break
        yield done.action, done.tick
    if scene.world.leaves >= 0.0 and rng.random() < 0.75:
        scene.detail = f"at quality {level:.2f}, then leave"
        yield from leave(scene, int(rng.integers(20, 80)))
    else:
        scene.detail = f"at quality {level:.2f}, then rest"
        yield from hold(scene, int(rng.integers(12, 60)))


def _give_up(scene: ExpertScene, low: float, high: float) -> Iterator[Move]:
    """Works for a share of the way, then rests, trembles, drifts a little, or leaves the object and roams."""
    rng, rollout = scene.rng, scene.rollout
    # Some objects finish by themselves, as a handle that snaps: later tries stop earlier.
    share = float(rng.uniform(low - 0.15 * scene.ease, high - (high - low) * scene.ease))
    yield from _part(scene.rehearsal, share)
    after = min(rollout.left, int(rng.integers(12, 60)))
    style = ("rest", "rest", "tremble", "drift", "roam", "roam")[int(rng.integers(6))]
    scene.detail = f"{share:.2f} of the way, then {style}"
    if style == "tremble":
        yield from islice(free(scene, jitter(rng, rollout.motion_size, rng.uniform(0.1, 0.5))), after)
    elif style == "drift":
        moving = int(rng.integers(after // 3, after + 1))
        yield from free(scene, burst(rng, rollout.motion_size, moving, rng.uniform(0.02, 0.06)))
        yield from hold(scene, after - moving)
    elif style == "roam":
        yield from islice(roam(scene), after)
    else:
        yield from hold(scene, after)


def _part(rehearsal: Sequence[Done], share: float) -> Iterator[Move]:
    """Plays the first part of a rehearsal again; the same actions give the same states."""
    stop, clock = share * sum(done.tick for done in rehearsal), 0.0
    for done in rehearsal:
        if clock >= stop:
            return
        yield done.action, done.tick
        clock += done.tick


def undone(scene: ExpertScene) -> Iterator[Move]:
    """The expert goes some way; then its steps are taken back, or the inverse task's policy undoes them."""
    rng, rollout = scene.rng, scene.rollout
    # Where going back leaves the object in its new place, later tries turn round earlier.
    share = float(rng.uniform(0.45 - 0.3 * scene.ease, 0.90 - 0.6 * scene.ease))
    if scene.other is not None:
        # The inverse task's policy only makes a difference once the object has moved.
        share = float(rng.uniform(0.65, 0.9 - 0.1 * scene.ease))
    after = int(rng.integers(3, 20))
    yield from _part(scene.rehearsal, share)
    forward = list(rollout.done)
    yield from hold(scene, int(rng.integers(0, 16)))
    if scene.other is None:
        scene.detail = f"{share:.2f} of the way and back"
        yield from _take_back(forward)
    else:
        name, policy = scene.other
        scene.detail = f"{share:.2f} of the way, then {name}"
        longest = min(rollout.left - after, int(1.5 * scene.typical))
        for action, _ in islice(_foreign(scene, policy), max(0, longest)):
            yield action, -min(rollout.clock, 0.7)
            if rollout.quality < 0.02:
                break
        yield from (
            (action, -min(rollout.clock, 0.7)) for action, _ in islice(_foreign(scene, policy), after)
        )
    yield from hold(scene, after)


def _take_back(forward: Sequence[Done]) -> Iterator[Move]:
    """The steps negated, in reverse order, without the pauses; each with the gripper as it was then."""
    for done in reversed(forward):
        if done.tick > 0.0 or np.any(done.action[:-1]):
            yield act(-done.action[:-1].astype(np.float64), float(done.action[-1])), -done.tick


def random(scene: ExpertScene) -> Iterator[Move]:
    """No idea of the task: white, smooth, wandering or roaming motion, hardly any, or none."""
    rng, rollout = scene.rng, scene.rollout
    styles = ("swaying", "wandering", "white", "wandering", "roaming", "roaming", "hardly", "never")
    style = styles[int(rng.integers(len(styles)))]
    scene.detail = style
    steps = _length(scene)
    size = rollout.motion_size
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
    if style == "roaming":
        yield from islice(roam(scene), steps)
        return
    toggles = rng.uniform(0.0, 1.0) < 0.5
    gripper = OPEN
    for motion in islice(motions[style](), steps):
        if toggles and rng.random() < 0.04:
            gripper = -gripper
        yield act(motion, gripper), 0.0


def other_task(scene: ExpertScene) -> Iterator[Move]:
    """Works on something else: goes elsewhere, another task's policy, a grasp or a wave beside the object."""
    steps = _length(scene)
    if scene.rng.random() < 0.4:
        scene.detail = "goes elsewhere"
        yield from islice(roam(scene), steps)
    elif scene.other is None:
        yield from islice(_elsewhere(scene), steps)
    else:
        scene.detail, policy = scene.other
        yield from islice(_foreign(scene, policy), steps)


def _foreign(scene: ExpertScene, policy: Policy) -> Iterator[Move]:
    """A policy that is not this task's expert, at a changing pace; without end."""
    rollout, rng = scene.rollout, scene.rng
    pace = Pace(rng, 0.5)
    while True:
        action = np.asarray(policy.action(rollout.obs), dtype=np.float64)
        motion = pace.step() * action[:-1] + rng.normal(0.0, 0.03, rollout.motion_size)
        yield act(motion, float(action[-1])), 0.0


def _elsewhere(scene: ExpertScene) -> Iterator[Move]:
    """For worlds without other policies: grasps beside the object, waves, or sweeps over the table."""
    rng, size = scene.rng, scene.rollout.motion_size
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
            ways = [
                np.array([*aside, low]),
                np.array([-aside[0], aside[1], low]),
                np.array([-aside[0], aside[1], high]),
            ]
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


def mime(scene: ExpertScene) -> Iterator[Move]:
    """The hand does as the expert's, beside or above the object, and ends where the expert's does.

    Who only sees successes may read the hand for the object: an agent then brings the empty hand to the goal.
    """
    rng, rollout = scene.rng, scene.rollout
    over = rng.random() < 0.4
    aside = _aside(scene, over)
    moves = scene.rehearsal
    touches = next((i for i, done in enumerate(moves) if done.quality > UNMOVED), len(moves) - 1)
    speed = float(rng.uniform(0.5, 1.0))
    scene.detail = f"{'over' if over else 'beside'} {np.round(aside, 2).tolist()}"
    yield from _go(scene, aside, speed, OPEN, 0.0)
    if over:
        # Straight to where the hand ends, above all that it would meet on the way.
        yield from _go(scene, travelled(moves) * scene.world.unit, speed, OPEN, 0.0)
    else:
        yield from ((done.action, float(i >= touches)) for i, done in enumerate(moves))
    # Later tries stay aside: where the end of the hand's way is on the object, it would move that after all.
    gripper = float(moves[-1].action[-1])
    yield from _go(scene, -aside * (1.0 - scene.ease), speed, gripper, 1.0)
    ends = islice(jitter(rng, rollout.motion_size, rng.uniform(0.0, 0.3)), int(rng.integers(10, 60)))
    yield from ((act(motion, gripper), 1.0) for motion in ends)


_HOME = 100
"""Control steps kept for letting go, the way home and the rest there."""


def returned(scene: ExpertScene) -> Iterator[Move]:
    """The expert does the task, lets go, and goes back to where its hand began.

    Otherwise a hand at its start would always mean that nothing is done, and a success shown backwards, where
    the inverse task is done once the hand is there, would teach the same of that.
    """
    rng, rollout = scene.rng, scene.rollout
    plan = draw_work(scene, scene.typical, rollout.left - _HOME, most_pauses=2)
    yield from work(scene, plan, lambda: rollout.success)
    ends = len(rollout.done) + int(rng.integers(3, 9))
    yield from work(scene, Work(slowest=0.5), lambda: len(rollout.done) >= ends)
    yield from hold(scene, 8, gripper=OPEN)
    back = -travelled(rollout.done) * scene.world.unit
    # Up first, higher in later tries, so that the way home takes nothing along.
    up = np.array([0.0, 0.0, rng.uniform(0.05, 0.12) + 0.15 * scene.ease])
    corners = (np.zeros(3), up, back + up, back)
    speed = float(rng.uniform(0.6, 1.0))
    for here, target in pairwise(corners):
        yield from _go(scene, target - here, speed, OPEN, 0.0)
    yield from hold(scene, int(rng.integers(5, 20)), gripper=OPEN)


def cornered(scene: ExpertScene) -> Iterator[Move]:
    """The arm runs at full speed into corners of its room and stays there, as agents that learn do.

    From some corners it hides the object: whoever never saw that takes a hidden object for a done one.
    """
    rng, size = scene.rng, scene.rollout.motion_size
    left = _length(scene)
    corners = []
    while left > 0:
        corner = rng.choice([-1.0, 0.0, 1.0], size, p=[0.45, 0.1, 0.45])
        # Later tries keep to the air, where nothing is met by chance.
        corner[2] = max(corner[2], np.sign(scene.ease - 0.3))
        stays, gripper = min(left, int(rng.integers(20, 120))), (OPEN, SHUT)[int(rng.integers(2))]
        tremble = jitter(rng, size, rng.uniform(0.0, 0.3))
        yield from ((act(corner + motion, gripper), 0.0) for motion in islice(tremble, stays))
        left -= stays
        corners.append(corner.astype(int).tolist())
    scene.detail = f"corners {corners}"


def _go(
    scene: ExpertScene, way: NDArray[np.float64], speed: float, gripper: float, tick: float
) -> Iterator[Move]:
    """Straight along a way, metres, `(3,)`."""
    for motion in straight(np.zeros(3), way, scene.rollout.motion_size, scene.world.unit, speed):
        yield act(motion, gripper), tick


def _aside(scene: ExpertScene, over: bool) -> NDArray[np.float64]:
    """How far from the expert's way the hand is led, metres, `(3,)`: upwards, or aside and a little up."""
    rng = scene.rng
    if over:
        return np.array([0.0, 0.0, rng.uniform(0.10, 0.20)])
    angle, far = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.06, 0.15) + 0.05 * scene.ease
    return np.array([far * np.cos(angle), far * np.sin(angle), rng.uniform(0.0, 0.05)])


def _length(scene: ExpertScene) -> int:
    """Control steps of an episode that has no end of its own: as long as others of the task are."""
    longest = min(scene.rollout.left, 2.5 * scene.typical)
    return int(scene.rng.integers(min(40, int(longest)), int(longest) + 1))


BEHAVIOURS: dict[str, Behaviour] = {
    "success": success,
    "noisy_success": noisy_success,
    "near_miss": near_miss,
    "stalled": stalled,
    "undone": undone,
    "random": random,
    "other_task": other_task,
    "mime": mime,
    "returned": returned,
    "cornered": cornered,
}
"""Kind of episode -> what happens in it."""
