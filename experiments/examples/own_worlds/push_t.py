"""PushT of gym-pusht: a scripted expert that plans pushes, and failures as a person would record them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.extras import require

from .world import Actions, Behaviour, Env, OwnWorld

if TYPE_CHECKING:
    from .push_planner import PushPlanner

__all__ = ["PUSH_T", "block_is_on_target", "corner_distance", "expert", "push_t"]

SIZE = 128  # pixels
_EDGE = 12.0  # the pusher's centre stays this far from the border of the world, which is 512 wide

Vector: TypeAlias = NDArray[np.float64]
ChooseGoal: TypeAlias = Callable[[Vector, Vector, np.random.Generator], Vector]


class _GoesOn(gym.Wrapper[Any, Any, Any, Any]):
    """Does not end the episode at success, so that the solved block is seen for a while."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        # gym-pusht 0.1.8 draws the last action as a cross, in the first picture that of the episode before.
        self.unwrapped._last_action = None  # type: ignore[attr-defined]
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, _, truncated, info = self.env.step(action)
        return observation, reward, False, truncated, info


def push_t() -> Env:
    """PushT with 128x128 pictures and its usual 300 steps, which goes on after success."""
    require("gym_pusht")  # it registers the environment
    return _GoesOn(
        gym.make(
            "gym_pusht/PushT-v0",
            obs_type="state",
            render_mode="rgb_array",
            visualization_width=SIZE,
            visualization_height=SIZE,
        )
    )


def block_is_on_target(env: Env, info: Mapping[str, Any]) -> bool:
    """Whether the block covers 95 % of the target, the environment's own rule."""
    inner: Any = env.unwrapped
    return bool(inner._get_coverage() > inner.success_threshold)


def corner_distance(env: Env) -> float:
    """Mean distance of the block's corners to the target's; the world is 512 wide."""
    from .push_planner import mean_distance, vertices

    inner: Any = env.unwrapped
    return mean_distance(vertices(inner.block.shapes), _pose(inner), inner.goal_pose)


def _parts(env: Env) -> tuple[Any, PushPlanner]:
    """The simulation below any wrappers, and a planner."""
    from .push_planner import PushPlanner

    return env.unwrapped, PushPlanner()


def _pose(inner: Any) -> Vector:
    """Position and angle of the block, (3,)."""
    return np.array([*inner.block.position, inner.block.angle])


def _follow(inner: Any, targets: Vector, rng: np.random.Generator, step: float = 45.0) -> Actions:
    """Go from corner to corner of a way, at most `step` an action."""
    place = np.array(inner.agent.position)
    for target in targets:
        while True:
            offset = target - place
            length = float(np.linalg.norm(offset))
            place = target if length <= step else place + offset * step / length
            yield (place + rng.normal(scale=0.3, size=2)).astype(np.float32)
            if length <= step:
                break


def _rest(inner: Any, rng: np.random.Generator, steps: int) -> Actions:
    """Stay where the pusher is."""
    place = np.array(inner.agent.position)
    for _ in range(steps):
        yield (place + rng.normal(scale=0.3, size=2)).astype(np.float32)


def _retreat(inner: Any, planner: PushPlanner, rng: np.random.Generator) -> Actions:
    """Leave the block and wait at some distance, a few steps or a few seconds."""
    pose, place = _pose(inner), np.array(inner.agent.position)
    away = place - np.array(planner.polygon(pose).centroid.coords[0])
    away = np.clip(place + rng.uniform(40, 110) * away / np.linalg.norm(away), _EDGE, 512 - _EDGE)
    yield from _follow(inner, planner.way(pose, place, away), rng, step=25.0)
    yield from _rest(inner, rng, int(rng.integers(8, 25)))


def _push_to(
    inner: Any,
    planner: PushPlanner,
    goal: Vector,
    rng: np.random.Generator,
    done: Callable[[], bool],
    pushes: int = 25,
) -> Actions:
    """Push the block towards a goal pose (3,) until `done` or until no push helps any more."""
    for _ in range(pushes):
        if done():
            break
        targets = planner.best_push(_pose(inner), goal, rng, tries=150)
        if targets is None:
            targets = planner.best_push(_pose(inner), goal, rng, tries=1500)
        if targets is None:
            break
        place = np.array(inner.agent.position)
        yield from _follow(inner, planner.way(_pose(inner), place, targets[0]), rng)
        yield from _follow(inner, np.repeat(targets[:1], 3, axis=0), rng)
        for target in targets[1:]:
            yield target.astype(np.float32)


def expert(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Plan push after push in a simulation until the block covers the target, then leave it."""
    inner, planner = _parts(env)
    yield from _push_to(inner, planner, inner.goal_pose, rng, lambda: block_is_on_target(env, {}))
    yield from _retreat(inner, planner, rng)


def _misplace(choose_goal: ChooseGoal, nearest: float) -> Behaviour:
    """A behaviour that pushes the block to a wrong pose.

    Args:
        choose_goal: Gives that pose (3,) from the block's and the target's, (3,) each.
        nearest: Stops when the corners are this near to the wrong pose's on average.

    Returns:
        The behaviour.
    """

    def behaviour(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
        inner, planner = _parts(env)
        goal = choose_goal(_pose(inner), inner.goal_pose, rng)

        def arrived() -> bool:
            return planner.distance(_pose(inner), goal) < nearest

        yield from _push_to(inner, planner, goal, rng, arrived, pushes=15)
        yield from _retreat(inner, planner, rng)

    return behaviour


def _near(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """A little beside the target and a little turned."""
    angle = rng.uniform(0, 2 * np.pi)
    shift = rng.uniform(14, 24) * np.array([np.cos(angle), np.sin(angle)])
    return target + np.append(shift, rng.uniform(-0.25, 0.25))


def _turned(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """On the target, turned the wrong way."""
    return target + np.array([0.0, 0.0, rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 2.5)])


def _elsewhere(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """The right way round, beside the target."""
    angle = rng.uniform(0, 2 * np.pi)
    return target + np.append(rng.uniform(70, 130) * np.array([np.cos(angle), np.sin(angle)]), 0.0)


def _astray(block: Vector, target: Vector, rng: np.random.Generator) -> Vector:
    """Further away from the target than before, where there is room."""
    away = block[:2] - target[:2]
    place = block[:2] + rng.uniform(60, 100) * away / max(float(np.linalg.norm(away)), 1.0)
    return np.append(np.clip(place, 110, 402), block[2] + rng.uniform(-1.0, 1.0))


def _halfway(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Push as the expert does and give up when part of the distance is gone."""
    inner, planner = _parts(env)
    enough = rng.uniform(0.4, 0.7) * corner_distance(env)
    yield from _push_to(inner, planner, inner.goal_pose, rng, lambda: corner_distance(env) < enough)
    yield from _retreat(inner, planner, rng)


def _pusher_only(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The pusher goes about on the target, without the block."""
    inner, planner = _parts(env)
    for _ in range(int(rng.integers(6, 11))):
        place = inner.goal_pose[:2] + rng.uniform(-45, 45, size=2)
        way = planner.way(_pose(inner), np.array(inner.agent.position), place)
        yield from _follow(inner, way, rng, step=15.0)
    yield from _rest(inner, rng, int(rng.integers(10, 30)))


def _miss(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The pusher passes by the block several times and never touches it."""
    inner, planner = _parts(env)
    for _ in range(int(rng.integers(4, 7))):
        pose, angle = _pose(inner), rng.uniform(0, 2 * np.pi)
        middle = np.array(planner.polygon(pose).centroid.coords[0])
        place = middle + rng.uniform(80, 120) * np.array([np.cos(angle), np.sin(angle)])
        way = planner.way(pose, np.array(inner.agent.position), np.clip(place, _EDGE, 512 - _EDGE))
        yield from _follow(inner, way, rng, step=15.0)
    yield from _rest(inner, rng, int(rng.integers(8, 20)))


PUSH_T = OwnWorld(
    name="push_t",
    task="push the grey T onto the green T",
    make=push_t,
    succeeded=block_is_on_target,
    distance=corner_distance,
    expert=expert,
    failures={
        "near": _misplace(_near, nearest=6.0),
        "halfway": _halfway,
        "turned": _misplace(_turned, nearest=10.0),
        "elsewhere": _misplace(_elsewhere, nearest=10.0),
        "miss": _miss,
        "pusher_only": _pusher_only,
        "astray": _misplace(_astray, nearest=20.0),
    },
    min_distance=60.0,
    frame_every=5,
)
