"""gym-pusht's PushT: a scripted expert that plans pushes, and failures as a person would record them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from robometer_rl.envs.extras import naming_extras

from .world import Actions, Behaviour, Env, World

with naming_extras():
    import gym_pusht  # noqa: F401 (it registers the environment)
    import pymunk
    from gym_pusht.envs.pusht import PushTEnv
    from shapely import LineString, Point, Polygon

__all__ = ["PUSH_T", "push_t"]

SIZE = 128  # pixels
RADIUS = 15.0  # of the pusher, in the environment's own unit of length: the world is 512 wide
_CLEAR = RADIUS + 3.0  # a way this far from the block's outline does not touch it
_EDGE = 12.0  # the pusher's centre stays this far from the border
_STEP = 14.0  # length of one action of a push
_KP, _KV, _DT, _SUBSTEPS = 100.0, 20.0, 0.01, 10  # PushTEnv.step

Vector = npt.NDArray[np.float64]


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
    return _GoesOn(
        gym.make(
            "gym_pusht/PushT-v0",
            obs_type="state",
            render_mode="rgb_array",
            visualization_width=SIZE,
            visualization_height=SIZE,
        )
    )


def _inner(env: Env) -> PushTEnv:
    """The simulation below any wrappers."""
    inner = env.unwrapped
    assert isinstance(inner, PushTEnv)
    return inner


def _succeeded(env: Env) -> bool:
    """Whether the block covers 95 % of the target: the environment's own rule."""
    return bool(_inner(env)._get_coverage() > _inner(env).success_threshold)


def _distance(env: Env) -> float:
    """Mean distance of the block's corners to those of the target."""
    inner = _inner(env)
    return _Planner().corner_distance(_pose(inner), inner.goal_pose)


def _pose(inner: PushTEnv) -> Vector:
    """Position and angle of the block, (3,)."""
    return np.array([*inner.block.position, inner.block.angle])


class _Planner:
    """Predicts what a straight push does to the block, in a simulation of its own, and finds the best one."""

    def __init__(self) -> None:
        self.space = pymunk.Space()
        self.space.damping = 0.0
        corners = ((5, 506), (5, 5), (506, 5), (506, 506), (5, 506))
        for start, end in zip(corners, corners[1:], strict=False):
            self.space.add(PushTEnv.add_segment(self.space, start, end, 2))
        self.agent = PushTEnv.add_circle(self.space, (256, 400), RADIUS)
        self.block, shapes = PushTEnv.add_tee(self.space, (256, 300), 0)
        self.corners = np.array([vertex for shape in shapes for vertex in shape.get_vertices()])
        bar, stem = (Polygon(shape.get_vertices()) for shape in shapes)
        self.outline = np.array(bar.union(stem.buffer(0.01)).simplify(0.1).exterior.coords)[:, :2]

    @staticmethod
    def _place(points: Vector, pose: Vector) -> Vector:
        """Points (n, 2) of the block in the world."""
        cosine, sine = np.cos(pose[2]), np.sin(pose[2])
        return points @ np.array([[cosine, sine], [-sine, cosine]]) + pose[:2]

    def corner_distance(self, pose: Vector, goal: Vector) -> float:
        """Mean distance between the block's corners in two poses."""
        apart = self._place(self.corners, pose) - self._place(self.corners, goal)
        return float(np.linalg.norm(apart, axis=1).mean())

    def polygon(self, pose: Vector) -> Polygon:
        """Outline of the block in the world."""
        return Polygon(self._place(self.outline, pose))

    def predict(self, pose: Vector, targets: Vector) -> Vector:
        """The block's pose (3,) after the pusher, at rest at the first target, followed the others (n, 2)."""
        self.block.velocity, self.block.angular_velocity = (0.0, 0.0), 0.0
        self.block.angle = float(pose[2])  # about the centre of mass: the position comes after it
        self.block.position = float(pose[0]), float(pose[1])
        x, y = (float(value) for value in targets[0])
        speed_x = speed_y = 0.0
        self.agent.position = x, y
        for body in (self.agent, self.block):
            self.space.reindex_shapes_for_body(body)
        for target_x, target_y in targets[1:].tolist():
            for _ in range(_SUBSTEPS):
                speed_x += (_KP * (target_x - x) - _KV * speed_x) * _DT
                speed_y += (_KP * (target_y - y) - _KV * speed_y) * _DT
                self.agent.velocity = speed_x, speed_y
                self.space.step(_DT)
                x, y = self.agent.position
        return np.array([*self.block.position, self.block.angle])

    def best_push(self, pose: Vector, goal: Vector, rng: np.random.Generator, tries: int) -> Vector | None:
        """The push, (n, 2) targets, that brings the block nearest to a goal pose; None if none helps."""
        outline, shape = self._place(self.outline, pose), self.polygon(pose)
        sides = np.diff(outline, axis=0)
        lengths = np.linalg.norm(sides, axis=1)
        away = self.corner_distance(pose, goal)
        best, least = None, away
        for side in rng.choice(len(sides), size=tries, p=lengths / lengths.sum()):
            along = sides[side] / lengths[side]
            inward = np.array([-along[1], along[0]])
            contact = outline[side] + rng.uniform(0.05, 0.95) * sides[side]
            if not shape.contains(Point(contact + 0.5 * inward)):
                inward = -inward
            start = contact - (_CLEAR + 1.0) * inward
            direction = inward + rng.uniform(-0.7, 0.7) * along
            length = 4.0 + min(rng.exponential(away), 160.0)
            end = start + (length + 4.0) * direction / np.linalg.norm(direction)
            if shape.distance(Point(start)) < _CLEAR or not (
                (_EDGE <= np.stack([start, end])) & (np.stack([start, end]) <= 512 - _EDGE)
            ).all():
                continue
            moves = int(np.ceil((length + 4.0) / _STEP))
            # The pusher lags behind its target: the last one is held until it has come to rest.
            targets = np.vstack([np.linspace(start, end, moves + 1), np.repeat(end[None], 3, axis=0)])
            left = self.corner_distance(self.predict(pose, targets), goal)
            if left < least:
                best, least = targets, left
        return best

    def way(self, pose: Vector, start: Vector, end: Vector) -> Vector:
        """Corners (n, 2) of a short way from one point to another around the block; the last is the end."""
        shape = self.polygon(pose)
        middle = np.array(shape.centroid.coords[0])
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = middle + 125.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        nodes = np.clip(np.vstack([start, end, ring]), _EDGE, 512 - _EDGE)
        costs, before, queue = {0: 0.0}, {}, [(0.0, 0)]
        while queue:
            cost, node = heapq.heappop(queue)
            if node == 1 or cost > costs[node]:
                continue
            for other in range(1, len(nodes)):
                step = float(np.linalg.norm(nodes[other] - nodes[node]))
                if other == node or cost + step >= costs.get(other, np.inf):
                    continue
                # A pusher that still touches the block may leave it.
                line = LineString([nodes[node], nodes[other]])
                if shape.distance(line) < min(_CLEAR - 0.5, shape.distance(Point(nodes[node])) - 0.1):
                    continue
                costs[other], before[other] = cost + step, node
                heapq.heappush(queue, (cost + step, other))
        if 1 not in before:
            return end[None]
        path = [1]
        while before[path[-1]] != 0:
            path.append(before[path[-1]])
        return nodes[path[::-1]]


def _follow(inner: PushTEnv, targets: Vector, rng: np.random.Generator, step: float = 45.0) -> Actions:
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


def _rest(inner: PushTEnv, rng: np.random.Generator, steps: int) -> Actions:
    """Stay where the pusher is."""
    place = np.array(inner.agent.position)
    for _ in range(steps):
        yield (place + rng.normal(scale=0.3, size=2)).astype(np.float32)


def _retreat(inner: PushTEnv, planner: _Planner, rng: np.random.Generator) -> Actions:
    """Leave the block and wait at some distance, a few steps or a few seconds."""
    pose, place = _pose(inner), np.array(inner.agent.position)
    away = place - np.array(planner.polygon(pose).centroid.coords[0])
    away = np.clip(place + rng.uniform(40, 110) * away / np.linalg.norm(away), _EDGE, 512 - _EDGE)
    yield from _follow(inner, planner.way(pose, place, away), rng, step=25.0)
    yield from _rest(inner, rng, int(rng.integers(8, 25)))


def _push_to(
    inner: PushTEnv,
    planner: _Planner,
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
    inner, planner = _inner(env), _Planner()
    yield from _push_to(inner, planner, inner.goal_pose, rng, lambda: _succeeded(env))
    yield from _retreat(inner, planner, rng)


def _misplace(choose_goal: Callable[[Vector, Vector, np.random.Generator], Vector], nearest: float) -> Behaviour:
    """A behaviour that pushes the block to a wrong pose.

    Args:
        choose_goal: Gives that pose (3,) from the block's and the target's, (3,) each.
        nearest: Stops when the corners are this near to the wrong pose's on average.

    Returns:
        The behaviour.
    """

    def behaviour(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
        inner, planner = _inner(env), _Planner()
        goal = choose_goal(_pose(inner), inner.goal_pose, rng)
        arrived = lambda: planner.corner_distance(_pose(inner), goal) < nearest  # noqa: E731
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
    inner, planner = _inner(env), _Planner()
    enough = rng.uniform(0.4, 0.7) * _distance(env)
    yield from _push_to(inner, planner, inner.goal_pose, rng, lambda: _distance(env) < enough)
    yield from _retreat(inner, planner, rng)


def _pusher_only(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The pusher goes about on the target, without the block."""
    inner, planner = _inner(env), _Planner()
    for _ in range(int(rng.integers(6, 11))):
        place = inner.goal_pose[:2] + rng.uniform(-45, 45, size=2)
        way = planner.way(_pose(inner), np.array(inner.agent.position), place)
        yield from _follow(inner, way, rng, step=15.0)
    yield from _rest(inner, rng, int(rng.integers(10, 30)))


def _miss(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The pusher passes by the block several times and never touches it."""
    inner, planner = _inner(env), _Planner()
    for _ in range(int(rng.integers(4, 7))):
        pose, angle = _pose(inner), rng.uniform(0, 2 * np.pi)
        middle = np.array(planner.polygon(pose).centroid.coords[0])
        place = middle + rng.uniform(80, 120) * np.array([np.cos(angle), np.sin(angle)])
        way = planner.way(pose, np.array(inner.agent.position), np.clip(place, _EDGE, 512 - _EDGE))
        yield from _follow(inner, way, rng, step=15.0)
    yield from _rest(inner, rng, int(rng.integers(8, 20)))


PUSH_T = World(
    name="push_t",
    sentence="push the grey T onto the green T",
    make=push_t,
    succeeded=_succeeded,
    distance=_distance,
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
