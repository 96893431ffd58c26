"""What the three robosuite tasks differ in: the objects in the observation, and how near they are to done."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rendering.fast_camera import Pose

Vector = NDArray[np.float64]

REACH = 5.0
"""Bound of an observed position or distance per axis, metres: the room is smaller."""

_TABLE = Pose(lookat=(0.0, 0.0, 0.89), distance=0.60, azimuth=150.0, elevation=-26.0)


def grip_site(world: Any) -> Vector:
    """Where the gripper's fingers meet.

    Args:
        world: robosuite's own environment.

    Returns:
        World frame, metres, shape (3,).
    """
    return np.array(world.sim.data.site_xpos[world.robots[0].eef_site_id["right"]])


def _orientation(world: Any, body: int) -> Vector:
    """Quaternion (w, x, y, z) of a body with w >= 0, so that one orientation has one observation."""
    quaternion = np.array(world.sim.data.body_xquat[body])
    return -quaternion if quaternion[0] < 0 else quaternion


def _fraction(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))


class Scene(abc.ABC):
    """The objects of one task, read from the live simulator."""

    bounds: Vector
    """Largest absolute value of each number in `state()`."""
    by_hand: float
    """Quality that the hand earns at the object, without doing anything to it."""
    close: Pose = _TABLE
    """Where the camera `close` stands: the objects fill the picture and the arm does not hide them."""

    def __init__(self, world: Any) -> None:
        """Bind to a simulation.

        Args:
            world: robosuite's own environment.
        """
        self.world = world
        self._first_gap = 1.0

    def begin(self) -> None:
        """Remember how far the gripper is from the object at the start of an episode."""
        self._first_gap = max(self._gap(), 1e-3)

    def _reach(self) -> float:
        """1 at the object, 0 as far away as at the start or farther."""
        return _fraction(1.0 - self._gap() / self._first_gap)

    def _gap(self) -> float:
        return float(np.linalg.norm(self.target() - grip_site(self.world)))

    def _position(self, body: int) -> Vector:
        return np.array(self.world.sim.data.body_xpos[body])

    def _holds(self, cube: Any) -> bool:
        return bool(self.world._check_grasp(gripper=self.world.robots[0].gripper, object_geoms=cube))

    @abc.abstractmethod
    def target(self) -> Vector:
        """What the gripper has to reach first, world frame, metres, shape (3,)."""

    @abc.abstractmethod
    def state(self) -> Vector:
        """Numbers that describe the objects, in metres, quaternions and radians."""

    @abc.abstractmethod
    def quality(self) -> float:
        """How near the task is to done, in [0, 1], 0 after reset."""


class LiftScene(Scene):
    """A cube that has to leave the table."""

    bounds = np.concatenate([np.full(3, REACH), np.ones(4), np.full(3, REACH)])
    by_hand = 0.2
    # Along the plane of the fingers, low: a cube that leaves the table shows against its edge.
    close = Pose(lookat=(0.0, 0.0, 0.90), distance=0.42, azimuth=178.0, elevation=-12.0)

    def target(self) -> Vector:
        """Centre of the cube."""
        return self._position(self.world.cube_body_id)

    def state(self) -> Vector:
        """Cube position, cube orientation, cube relative to the gripper: shape (10,)."""
        cube = self.target()
        orientation = _orientation(self.world, self.world.cube_body_id)
        return np.concatenate([cube, orientation, cube - grip_site(self.world)])

    def quality(self) -> float:
        """0.2 for reaching, 0.2 for holding, 0.6 for the share of the height that counts as success."""
        if not self._holds(self.world.cube):
            return self.by_hand * self._reach()
        table = float(self.world.model.mujoco_arena.table_offset[2])
        resting = table + float(self.world.cube.size[2])
        height = _fraction((float(self.target()[2]) - resting) / (table + 0.04 - resting))
        return self.by_hand * self._reach() + 0.2 + 0.6 * height


class StackScene(Scene):
    """A red cube that has to rest on a green one, let go of."""

    bounds = np.concatenate([np.full(3, REACH), np.ones(4)] * 2 + [np.full(6, REACH)])
    by_hand = 0.1

    def begin(self) -> None:
        """Remember also how far the red cube is from its place."""
        super().begin()
        self._first_way = max(self._way(), 1e-3)

    def _way(self) -> float:
        return float(np.linalg.norm(self._place() - self.target()))

    def _place(self) -> Vector:
        on_top = float(self.world.cubeA.size[2] + self.world.cubeB.size[2])
        return self._position(self.world.cubeB_body_id) + np.array([0.0, 0.0, on_top])

    def target(self) -> Vector:
        """Centre of the red cube."""
        return self._position(self.world.cubeA_body_id)

    def state(self) -> Vector:
        """Position and orientation of both cubes, green from red, red from the gripper: shape (20,)."""
        red, green = self.target(), self._position(self.world.cubeB_body_id)
        return np.concatenate(
            [
                red,
                _orientation(self.world, self.world.cubeA_body_id),
                green,
                _orientation(self.world, self.world.cubeB_body_id),
                green - red,
                red - grip_site(self.world),
            ]
        )

    def quality(self) -> float:
        """0.1 for reaching, 0.1 for holding, 0.2 for lifting, 0.5 for the lifted cube's way to its place."""
        if not self._holds(self.world.cubeA):
            return self.by_hand * self._reach()
        resting = float(self.world.table_offset[2] + self.world.cubeA.size[2])
        lifted = _fraction((float(self.target()[2]) - resting) / 0.04)
        way = _fraction(1.0 - self._way() / self._first_way)
        return self.by_hand * self._reach() + 0.1 + lifted * (0.2 + 0.5 * way)


class DoorScene(Scene):
    """A door that is latched: its handle has to be turned before it can be pulled open."""

    bounds = np.concatenate([np.full(12, REACH), np.full(2, np.pi)])
    by_hand = 0.1
    close = Pose(lookat=(-0.15, -0.2, 1.05), distance=0.95, azimuth=225.0, elevation=-20.0)
    opened = 0.3
    """Angle of the hinge in radians at which the suite calls the door open."""
    released = 1.4
    """Angle of the handle in radians at which the latch lets go of the frame."""

    def target(self) -> Vector:
        """Tip of the handle."""
        return np.array(self.world._handle_xpos)

    def _angles(self) -> tuple[float, float]:
        qpos = self.world.sim.data.qpos
        return float(qpos[self.world.hinge_qpos_addr]), float(qpos[self.world.handle_qpos_addr])

    def state(self) -> Vector:
        """Door and handle position, both relative to the gripper, hinge and handle angle: shape (14,)."""
        door, handle = self._position(self.world.object_body_ids["door"]), self.target()
        grip = grip_site(self.world)
        return np.concatenate([door, handle, door - grip, handle - grip, self._angles()])

    def quality(self) -> float:
        """0.1 for reaching, 0.3 for turning the handle (kept once the door is ajar), 0.6 for opening."""
        hinge, handle = self._angles()
        turned = max(_fraction(abs(handle) / self.released), _fraction(hinge / 0.1))
        return self.by_hand * self._reach() + 0.3 * turned + 0.6 * _fraction(hinge / self.opened)


SCENES: dict[str, type[Scene]] = {"Door": DoorScene, "Lift": LiftScene, "Stack": StackScene}
