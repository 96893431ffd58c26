"""Plans straight pushes of PushT's block in a simulation of its own."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.extras import naming_extras

with naming_extras():
    import pymunk
    from gym_pusht.envs.pusht import PushTEnv
    from shapely import LineString, Point, Polygon

__all__ = ["EDGE", "PushPlanner", "mean_distance", "vertices"]

RADIUS = 15.0
"""Of the pusher, in the environment's own unit of length: the world is 512 wide."""
EDGE = 12.0
"""The pusher's centre stays this far from the border."""
_CLEAR = RADIUS + 3.0  # a way this far from the block's outline does not touch it
_STEP = 14.0  # length of one action of a push
_KP, _KV, _DT, _SUBSTEPS = 100.0, 20.0, 0.01, 10  # as in PushTEnv.step

Vector: TypeAlias = NDArray[np.float64]


def placed(points: Vector, pose: Vector) -> Vector:
    """Points (n, 2) of a body in the world, where the body has a pose (x, y, angle)."""
    cosine, sine = np.cos(pose[2]), np.sin(pose[2])
    return points @ np.array([[cosine, sine], [-sine, cosine]]) + pose[:2]


def mean_distance(corners: Vector, pose: Vector, goal: Vector) -> float:
    """Mean distance between the corners (n, 2) of a body in two poses (x, y, angle)."""
    return float(np.linalg.norm(placed(corners, pose) - placed(corners, goal), axis=1).mean())


def vertices(shapes: Sequence[Any]) -> Vector:
    """Corners (n, 2) of a body of several shapes, in its own frame."""
    return np.array([vertex for shape in shapes for vertex in shape.get_vertices()])


class PushPlanner:
    """Predicts what a straight push does to the block, in a simulation of its own, and finds the best one."""

    def __init__(self) -> None:
        """Builds the simulation."""
        self._space = pymunk.Space()
        self._space.damping = 0.0
        corners = ((5, 506), (5, 5), (506, 5), (506, 506), (5, 506))
        for start, end in pairwise(corners):
            self._space.add(PushTEnv.add_segment(self._space, start, end, 2))
        self._agent = PushTEnv.add_circle(self._space, (256, 400), RADIUS)
        self._block, shapes = PushTEnv.add_tee(self._space, (256, 300), 0)
        self._corners = vertices(shapes)
        bar, stem = (Polygon(shape.get_vertices()) for shape in shapes)
        self._outline = np.array(bar.union(stem.buffer(0.01)).simplify(0.1).exterior.coords)[:, :2]

    def distance(self, pose: Vector, goal: Vector) -> float:
        """Mean distance between the block's corners in two poses."""
        return mean_distance(self._corners, pose, goal)

    def polygon(self, pose: Vector) -> Polygon:
        """Outline of the block in the world."""
        return Polygon(placed(self._outline, pose))

    def predict(self, pose: Vector, targets: Vector) -> Vector:
        """The block's pose (3,) after the pusher, at rest at the first target, followed the others (n, 2)."""
        self._block.velocity, self._block.angular_velocity = (0.0, 0.0), 0.0
        self._block.angle = float(pose[2])  # about the centre of mass: the position comes after it
        self._block.position = float(pose[0]), float(pose[1])
        x, y = (float(value) for value in targets[0])
        speed_x = speed_y = 0.0
        self._agent.position = x, y
        for body in (self._agent, self._block):
            self._space.reindex_shapes_for_body(body)
        for target_x, target_y in targets[1:].tolist():
            for _ in range(_SUBSTEPS):
                speed_x += (_KP * (target_x - x) - _KV * speed_x) * _DT
                speed_y += (_KP * (target_y - y) - _KV * speed_y) * _DT
                self._agent.velocity = speed_x, speed_y
                self._space.step(_DT)
                x, y = self._agent.position
        return np.array([*self._block.position, self._block.angle])

    def best_push(self, pose: Vector, goal: Vector, rng: np.random.Generator, tries: int) -> Vector | None:
        """The push, (n, 2) targets, that brings the block nearest to a goal pose; None if none helps."""
        outline, shape = placed(self._outline, pose), self.polygon(pose)
        sides = np.diff(outline, axis=0)
        lengths = np.linalg.norm(sides, axis=1)
        away = self.distance(pose, goal)
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
            inside = np.abs(np.stack([start, end]) - 256.0).max() <= 256.0 - EDGE
            if not inside or shape.distance(Point(start)) < _CLEAR:
                continue
            moves = int(np.ceil((length + 4.0) / _STEP))
            # The pusher lags behind its target: the last one is held until it has come to rest.
            targets = np.vstack([np.linspace(start, end, moves + 1), np.repeat(end[None], 3, axis=0)])
            left = self.distance(self.predict(pose, targets), goal)
            if left < least:
                best, least = targets, left
        return best

    def way(self, pose: Vector, start: Vector, end: Vector) -> Vector:
        """Corners (n, 2) of a short way from one point to another around the block; the last is the end."""
        shape = self.polygon(pose)
        middle = np.array(shape.centroid.coords[0])
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = middle + 125.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        nodes = np.clip(np.vstack([start, end, ring]), EDGE, 512 - EDGE)
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
