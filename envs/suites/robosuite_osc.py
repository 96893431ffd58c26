"""robosuite's operational space controller at a fraction of its cost, for an arm on a fixed base.

robosuite computes the arm's torques anew at each of the 25 simulated steps of a control step, and most of the
time goes into Python around the arithmetic. Here the first of the 25 asks robosuite's controllers, which take
the action over; the other 24 call robosuite's numba functions on the same numbers, and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["QuickControl"]


class QuickControl:
    """Stands in for `_pre_action` of a robosuite environment: the same torques, bit for bit.

    It is for what `RobosuiteEnv` builds: one arm on a fixed base, OSC_POSE with fixed gains, position and
    orientation decoupled, no interpolation, `lite_physics`. The robot's own record of its last steps
    (`recent_*`) is not kept.
    """

    def __init__(self, world: Any) -> None:
        """Looks up what stays the same over the environment's life.

        Args:
            world: robosuite's environment.
        """
        import mujoco
        from robosuite.utils import control_utils

        self._mujoco, self._maths = mujoco, control_utils
        self._robot = world.robots[0]
        self._model, self._data = world.sim.model._model, world.sim.data._data
        self._angles, self._velocities = self._data.qpos, self._data.qvel
        self._bias, self._control = self._data.qfrc_bias, self._data.ctrl
        self._jacobian = np.zeros((6, self._model.nv))
        self._all_mass = np.zeros((self._model.nv, self._model.nv))
        # The arm comes first in the model: one slice is its joints, degrees of freedom and actuators.
        self._joints = slice(0, self._robot.part_controllers["right"].joint_dim)
        self._low, self._high = self._model.actuator_ctrlrange[self._joints].T

    def __call__(self, action: NDArray[np.float64], policy_step: bool = False) -> None:
        """Sets the torques of the next simulated step.

        Args:
            action: Seven numbers in [-1, 1]; read where `policy_step` is true.
            policy_step: Whether this is the first simulated step of a control step.
        """
        if policy_step:
            self._take_over(action)
        else:  # the gripper's set point stays through a control step
            self._control[self._joints] = self._torques().clip(self._low, self._high)

    def _take_over(self, action: NDArray[np.float64]) -> None:
        """Has robosuite's controllers, which are new after each reset, make goals of the action."""
        robot = self._robot
        robot.composite_controller.update_state()
        robot.composite_controller.set_goal(action)
        for part, value in robot.composite_controller.run_controller(robot._enabled_parts).items():
            actuators = robot._ref_actuators_indexes_dict[part]
            low, high = self._model.actuator_ctrlrange[actuators].T
            self._control[actuators] = np.clip(value, low, high)
        arm = robot.part_controllers["right"]
        self._site = self._model.site(arm.ref_name).id
        self._place = self._data.site_xpos[self._site]
        self._turn = self._data.site_xmat[self._site].reshape(3, 3)
        self._goal_pos = arm.origin_pos + np.dot(arm.origin_ori, arm.goal_pos)
        self._goal_ori = np.dot(arm.origin_ori, arm.goal_ori)
        self._kp, self._kd, self._rest = arm.kp, arm.kd, arm.initial_joint

    def _torques(self) -> NDArray[np.float64]:
        """Torques of the arm's joints: `OperationalSpaceController.run_controller` of robosuite 1.5."""
        data, jacobian, joints, maths = self._data, self._jacobian, self._joints, self._maths
        self._mujoco.mj_jacSite(self._model, data, jacobian[:3], jacobian[3:], self._site)
        self._mujoco.mj_fullM(self._model, self._all_mass, data.qM)
        # Fortran order as in robosuite: the order decides how BLAS rounds.
        mass = self._all_mass[joints, joints].copy(order="F")
        own = jacobian[:, joints].copy()
        # The base does not move, so the hand's velocity is its velocity relative to the base.
        speed, spin = np.dot(jacobian[:3], self._velocities), np.dot(jacobian[3:], self._velocities)
        error = maths.orientation_error(self._goal_ori, self._turn)
        force = (self._goal_pos - self._place) * self._kp[:3] - speed * self._kd[:3]
        torque = error * self._kp[3:] - spin * self._kd[3:]
        _, mass_pos, mass_ori, nullspace = maths.opspace_matrices(mass, own, own[:3], own[3:])
        wrench = np.concatenate([np.dot(mass_pos, force), np.dot(mass_ori, torque)])
        hold = maths.nullspace_torques(
            mass, nullspace, self._rest, self._angles[joints], self._velocities[joints]
        )
        return np.dot(own.T, wrench) + self._bias[joints] + hold
