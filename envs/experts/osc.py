"""Proportional control of robosuite's OSC_POSE arm towards a world pose, from live simulator state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .base import Expert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..suites.robosuite import RobosuiteEnv

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

POSITION_SCALE = 0.05
"""Metres that one unit of a translation action asks for (OSC_POSE default)."""
ROTATION_SCALE = 0.5
"""Radians that one unit of a rotation action asks for (OSC_POSE default)."""
OPEN_WIDTH = 0.07
"""Finger distance in metres from which the gripper counts as open (it opens to 0.08)."""
POSITION_GAIN = 3.0
ROTATION_GAIN = 2.0


def rotation_vector(rotation: Matrix) -> Vector:
    """Axis times angle of a rotation matrix.

    Args:
        rotation: rotation matrix, shape (3, 3).

    Returns:
        Rotation vector in radians, shape (3,), of length at most pi.
    """
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_matrix(rotation).as_rotvec())


def wrist_rotation(approach: Vector, fingers: Vector) -> Matrix:
    """Orientation of the grip site from the two directions a grasp is about.

    Args:
        approach: where the hand points, world frame, shape (3,).
        fingers: the line along which the fingers open, world frame, shape (3,); made orthogonal to
            `approach`.

    Returns:
        Rotation matrix of the grip site, shape (3, 3).
    """
    z = approach / np.linalg.norm(approach)
    x = fingers - z * np.dot(fingers, z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


class OscArm:
    """The Panda arm of a `RobosuiteEnv`: where its gripper is, and the action that moves it."""

    def __init__(self, env: RobosuiteEnv) -> None:
        """Bind to an environment.

        Args:
            env: the unwrapped robosuite environment.
        """
        self._env = env

    @property
    def position(self) -> Vector:
        """Grip site in the world frame, metres, shape (3,)."""
        world = self._env.world
        return np.array(world.sim.data.site_xpos[world.robots[0].eef_site_id["right"]])

    @property
    def rotation(self) -> Matrix:
        """Grip site orientation in the world frame, shape (3, 3): columns fingers, side, approach."""
        world = self._env.world
        return np.array(world.sim.data.site_xmat[world.robots[0].eef_site_id["right"]]).reshape(3, 3)

    @property
    def width(self) -> float:
        """Distance between the fingers in metres, 0 when shut and 0.08 when open."""
        world = self._env.world
        left, right = world.sim.data.qpos[world.robots[0]._ref_gripper_joint_pos_indexes["right"]]
        return float(left - right)

    @property
    def is_open(self) -> bool:
        """Whether the fingers are far enough apart to pass around an object."""
        return self.width > OPEN_WIDTH

    def grasps(self, geoms: object) -> bool:
        """Whether both finger pads touch an object.

        Args:
            geoms: a robosuite object model or a list of geom names.

        Returns:
            True when both pads are in contact with it.
        """
        world = self._env.world
        return bool(world._check_grasp(gripper=world.robots[0].gripper, object_geoms=geoms))

    def towards(self, position: Vector, rotation: Matrix, close: bool) -> NDArray[np.float32]:
        """One OSC_POSE action that reduces the distance to a pose.

        Args:
            position: wanted grip site position, world frame, metres, shape (3,).
            rotation: wanted grip site orientation, world frame, shape (3, 3).
            close: whether to close the gripper, otherwise it opens.

        Returns:
            Action, float32, shape (7,), in [-1, 1]. The robot base is aligned with the world.
        """
        move = POSITION_GAIN * (position - self.position) / POSITION_SCALE
        move /= max(1.0, float(np.abs(move).max()))  # scaled as a whole: a straight line, not a bend
        turn = ROTATION_GAIN * rotation_vector(rotation @ self.rotation.T) / ROTATION_SCALE
        turn /= max(1.0, float(np.abs(turn).max()))
        return np.concatenate([move, turn, [1.0 if close else -1.0]]).astype(np.float32)


class OscExpert(Expert):
    """An expert that moves a Panda with OSC_POSE and reads the state of the simulator."""

    def __init__(self, env: RobosuiteEnv, rng: np.random.Generator) -> None:
        """Bind to an environment.

        Args:
            env: the unwrapped environment of the expert's task.
            rng: source of the small differences between episodes.
        """
        self._env = env
        self._rng = rng
        self._arm = OscArm(env)
        self.reset()
