"""Scripted expert for robosuite Door: grip the handle, turn it down, pull the door open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .osc import OscExpert, wrist_rotation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .osc import Matrix, Vector

LEVER = 0.12
"""Distance along the handle bar, in metres, from the axis it turns about to where it is gripped."""
BAR = 0.10
"""Distance of the bar from the middle of the door panel, in metres."""
STAND_OFF = 0.10
"""Metres in front of the bar at which the hand takes up its orientation."""
FREE = 1.3
"""Handle angle in radians from which pulling pays: below 1.2 the latch holds the door within 0.1 rad."""
AHEAD_TURN = 0.45
AHEAD_PULL = 0.30
"""How far in front of the live angle, in radians, the hand is sent while turning and pulling."""


def _about(axis: Vector, angle: float) -> Matrix:
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(axis * angle).as_matrix())


class DoorExpert(OscExpert):
    """Grips the bar from the front, a finger over and one under it; the hand turns with the handle."""

    def reset(self) -> None:
        """Start a new episode: draw how far to pull (0.36 to 0.39 rad) and where to grip (11 to 13 cm)."""
        self._closing = False
        self._open_to = self._rng.uniform(0.36, 0.39)
        self._lever = LEVER + self._rng.uniform(-0.01, 0.01)

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Next action, from the live state of the simulator.

        Args:
            obs: the observation, unused.

        Returns:
            Action, float32, shape (7,), in [-1, 1].
        """
        world = self._env.world
        latch = world.object_body_ids["latch"]
        pivot = np.array(world.sim.data.body_xpos[latch])
        frame = np.array(world.sim.data.body_xmat[latch]).reshape(3, 3)
        grip = pivot + frame @ np.array([self._lever, -BAR, 0.0])
        outward = -frame[:, 1]
        rotation = self._wrist(outward, frame)
        self._decide(grip, outward, rotation)
        if not self._closing:
            return self._arm.towards(self._approach(grip, outward, rotation), rotation, False)
        if not self._arm.grasps(["Door_handle"]):
            return self._arm.towards(grip, rotation, True)
        ahead = self._motion(pivot, -outward)
        return self._arm.towards(*ahead(grip, rotation), True)

    def _wrist(self, outward: Vector, frame: Matrix) -> Matrix:
        """Orientation to turn to next: roll, tilt, roll, so that the last joint is mid-range at the handle.

        Turning straight from pointing down to the bar would leave that joint 0.9 rad; the handle needs 1.5.
        """
        level = np.cross(outward, np.array([0.0, 0.0, 1.0]))  # along the closed bar, away from its axis
        if np.dot(self._arm.rotation[:, 2], -outward) > 0.8:
            return wrist_rotation(-outward, frame[:, 2])
        if np.dot(self._arm.rotation[:, 0], -level) > 0.8:
            return wrist_rotation(-outward, -level)
        return wrist_rotation(np.array([0.0, 0.0, -1.0]), -level)

    def _decide(self, grip: Vector, outward: Vector, rotation: Matrix) -> None:
        offset = grip - self._arm.position
        if self._closing:
            # shut on nothing or slipped off: open and come again from the front
            self._closing = float(np.linalg.norm(offset)) < 0.05 and self._arm.width > 0.02
            return
        depth = float(np.dot(offset, outward))
        across = float(np.linalg.norm(offset - depth * outward))
        turned = float(np.trace(rotation.T @ self._arm.rotation)) > 2.9
        self._closing = self._arm.is_open and turned and across < 0.012 and abs(depth) < 0.012

    def _approach(self, grip: Vector, outward: Vector, rotation: Matrix) -> Vector:
        """A funnel: the better the hand is placed and turned, the closer to the bar it may go."""
        offset = grip - self._arm.position
        across = float(np.linalg.norm(offset - np.dot(offset, outward) * outward))
        misturn = 2.95 - float(np.trace(rotation.T @ self._arm.rotation))
        misfit = max(0.0, across - 0.01) * 6.0 + max(0.0, misturn)
        if not self._arm.is_open:
            misfit = STAND_OFF
        return grip + outward * min(STAND_OFF, misfit)

    def _motion(self, pivot: Vector, axis: Vector) -> Callable[[Vector, Matrix], tuple[Vector, Matrix]]:
        """Where the gripped point and the hand go next: around the handle's axis, then around the hinge."""
        world = self._env.world
        angle = float(world.sim.data.qpos[world.handle_qpos_addr])
        opened = float(world.sim.data.qpos[world.hinge_qpos_addr])
        turn = _about(axis, float(np.clip(1.56 - angle, 0.0, AHEAD_TURN)))
        pull = np.eye(3)
        hinge_joint = world.sim.model.joint_name2id(world.door.joints[0])
        hinge = np.array(world.sim.data.xanchor[hinge_joint])
        if angle > FREE or opened > 0.08:
            pull = _about(np.array([0.0, 0.0, 1.0]), float(np.clip(self._open_to - opened, 0.0, AHEAD_PULL)))

        def ahead(point: Vector, rotation: Matrix) -> tuple[Vector, Matrix]:
            turned = pivot + turn @ (point - pivot)
            return hinge + pull @ (turned - hinge), pull @ turn @ rotation

        return ahead
