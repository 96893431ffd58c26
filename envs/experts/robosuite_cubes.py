"""Scripted experts for robosuite Lift and Stack: pick a cube up, and put it on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .osc import OscExpert, wrist_rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .osc import Matrix, OscArm, Vector

DOWN = np.array([0.0, 0.0, -1.0])
HOVER = 0.09
"""Metres above the cube at which the gripper travels."""
LEVEL = 0.012
"""Largest horizontal and vertical error, in metres, at which the gripper closes."""
CLEAR_WIDTH = 0.065
"""Finger distance in metres at which the red cube, 4 cm wide, has room between the fingers."""
LOST = 0.04
"""Distance between cube and grip site, in metres, from which a grasp counts as lost."""


def _horizontal(vector: Vector) -> float:
    return float(np.linalg.norm(vector[:2]))


class CubeGrasp:
    """Approach from above, close, and know whether the cube is held.

    All decisions come from the state of the simulator. The only memory is whether the gripper is meant to be
    shut and which side of the cube was chosen, so a slow, paused or pushed robot does the right thing next.
    """

    def __init__(self, arm: OscArm) -> None:
        """Bind to an arm.

        Args:
            arm: the arm that grasps.
        """
        self._arm = arm
        self.closing = False
        self._yaw: float | None = None

    def rotation(self, cube_rotation: Matrix, away: Vector | None) -> Matrix:
        """Hand pointing down with the fingers along a side of the cube.

        Args:
            cube_rotation: orientation of the cube, shape (3, 3).
            away: direction to something the fingers must not touch, shape (3,), or None.

        Returns:
            Wanted grip site orientation, shape (3, 3).
        """
        fingers = self._arm.rotation[:, 0]
        now = float(np.arctan2(fingers[1], fingers[0])) if self._yaw is None else self._yaw
        side = float(np.arctan2(cube_rotation[1, 0], cube_rotation[0, 0]))
        quarter = np.pi / 2  # a cube looks the same after each
        yaw = now + (side - now + quarter / 2) % quarter - quarter / 2
        if away is not None and self._yaw is None:
            turned = yaw - quarter if yaw > quarter else yaw + quarter
            bearing = float(np.arctan2(away[1], away[0]))
            yaw = min(yaw, turned, key=lambda angle: abs(np.cos(angle - bearing)))
        self._yaw = yaw
        return wrist_rotation(DOWN, np.array([np.cos(yaw), np.sin(yaw), 0.0]))

    def held(self, cube: object) -> bool:
        """Whether the gripper is meant to be shut and has the cube between its pads.

        Args:
            cube: robosuite object model of the cube.

        Returns:
            True when the cube can be carried.
        """
        return self.closing and self._arm.grasps(cube)

    def target(self, cube: Vector, rotation: Matrix) -> Vector:
        """Next point on the way to the grasp; decides whether to close.

        Args:
            cube: centre of the cube, world frame, metres, shape (3,).
            rotation: wanted grip site orientation, shape (3, 3).

        Returns:
            Wanted grip site position, shape (3,).
        """
        offset = cube - self._arm.position
        turned = float(np.dot(rotation[:, 0], self._arm.rotation[:, 0]))
        if self.closing:
            # shut on nothing, or pushed away from the cube: open and come again from above
            self.closing = float(np.linalg.norm(offset)) < LOST and self._arm.width > 0.02
        elif self._arm.is_open and _horizontal(offset) < LEVEL and abs(offset[2]) < LEVEL and turned > 0.97:
            self.closing = True
        if self.closing:
            return cube
        # a funnel: the nearer above the cube, and the better turned, the lower
        misfit = max(0.0, _horizontal(offset) - LEVEL) * 4.0 + max(0.0, 0.97 - turned)
        if not self._arm.is_open:
            misfit = HOVER
        return cube + np.array([0.0, 0.0, min(HOVER, misfit)])


class LiftExpert(OscExpert):
    """Picks the cube of robosuite Lift up and holds it in the air."""

    def reset(self) -> None:
        """Start a new episode: draw how high the cube is carried (10 to 16 cm)."""
        self._grasp = CubeGrasp(self._arm)
        self._height = self._rng.uniform(0.10, 0.16)

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Next action, from the live state of the simulator.

        Args:
            obs: the observation, unused.

        Returns:
            Action, float32, shape (7,), in [-1, 1].
        """
        world = self._env.world
        cube = np.array(world.sim.data.body_xpos[world.cube_body_id])
        cube_rotation = np.array(world.sim.data.body_xmat[world.cube_body_id]).reshape(3, 3)
        rotation = self._grasp.rotation(cube_rotation, None)
        target = self._grasp.target(cube, rotation)
        if self._grasp.held(world.cube):
            table = world.model.mujoco_arena.table_offset[2]
            target = np.array([*self._arm.position[:2], table + self._height])
        return self._arm.towards(target, rotation, self._grasp.closing)


class StackExpert(OscExpert):
    """Puts the red cube of robosuite Stack on the green one and draws back."""

    def reset(self) -> None:
        """Start a new episode: draw how high the cube is carried (6 to 10 cm over its goal)."""
        self._grasp = CubeGrasp(self._arm)
        self._clearance = self._rng.uniform(0.06, 0.10)

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Next action, from the live state of the simulator.

        Args:
            obs: the observation, unused.

        Returns:
            Action, float32, shape (7,), in [-1, 1].
        """
        world = self._env.world
        cube = np.array(world.sim.data.body_xpos[world.cubeA_body_id])
        base = np.array(world.sim.data.body_xpos[world.cubeB_body_id])
        goal = base + np.array([0.0, 0.0, 0.046])  # half edges 0.020 and 0.025 m, and a millimetre of air
        near = base - cube if _horizontal(base - cube) < 0.11 else None
        cube_rotation = np.array(world.sim.data.body_xmat[world.cubeA_body_id]).reshape(3, 3)
        rotation = self._grasp.rotation(cube_rotation, near)
        # let go only where it is well placed, but leave it alone wherever it stays
        room = 0.015 if self._grasp.closing else 0.03
        if _horizontal(goal - cube) < room and abs(goal[2] - cube[2]) < 0.004:
            return self._let_go(cube, rotation)
        target = self._grasp.target(cube, rotation)
        if self._grasp.held(world.cubeA):
            target = self._arm.position + self._carry(cube, goal)
        return self._arm.towards(target, rotation, self._grasp.closing)

    def _carry(self, cube: Vector, goal: Vector) -> Vector:
        """Displacement of the held cube: up first, then across, then down."""
        offset = goal - cube
        across = _horizontal(offset)
        if across < 0.01:
            return offset
        height = goal[2] + min(self._clearance, 4.0 * (across - 0.01) + 0.005)
        rise = height - cube[2]
        # no sideways motion before the cube is clear of the other one
        share = float(np.clip(1.0 - rise / 0.03, 0.0, 1.0))
        return np.array([offset[0] * share, offset[1] * share, rise])

    def _let_go(self, cube: Vector, rotation: Matrix) -> NDArray[np.float32]:
        """Open where the cube rests, centred so that no finger pushes it, then rise straight above it."""
        self._grasp.closing = False
        here = self._arm.position
        height = cube[2] + 0.12
        if here[2] < cube[2] + 0.05:  # the fingers are still beside the cube: wait for room, then rise gently
            height = cube[2] if self._arm.width < CLEAR_WIDTH else here[2] + 0.006
        return self._arm.towards(np.array([cube[0], cube[1], height]), rotation, False)
