"""robosuite's Lift, Door and Stack with a Panda arm as clean Gymnasium environments."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ..base import Camera, RobotEnv
from ..rendering.gl_backend import import_suite
from .robosuite_osc import QuickControl
from .robosuite_scenes import REACH, SCENES, grip_site

CAMERAS = (
    "close",
    "frontview",
    "birdview",
    "agentview",
    "sideview",
    "robot0_robotview",
    "robot0_eye_in_hand",
)
"""Cameras of every robosuite scene with one arm; `close` is ours: the others lose the hand or are far off."""

_COLLISION_GROUP = 0
"""Geom group of the shapes that collide; what one should see is group 1."""

_CONTROL_HZ = 20

_ARM_BOUNDS = np.concatenate(
    [np.ones(14), np.full(7, 10.0), np.full(3, REACH), np.ones(6), np.full(2, 0.05), np.full(2, 1.0)]
)
"""Largest absolute value of each number that describes the arm, in the order of `RobosuiteEnv._arm_state`."""


class RobosuiteEnv(RobotEnv):
    """One robosuite task: Panda, OSC_POSE at 20 Hz, low-dimensional state, 7-number action.

    The action moves the gripper by up to 5 cm and turns it by up to 0.5 rad in the world's axes; the last
    number closes (positive) or opens it. The state is read from the simulator after each step, because
    robosuite's own observations are taken at the beginning of a control step and so lag one behind.
    """

    suite: ClassVar[str] = "robosuite"
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": _CONTROL_HZ}  # type: ignore[misc]

    @classmethod
    def camera_names(cls) -> tuple[str, ...]:
        """Names of the cameras in every scene."""
        return CAMERAS

    @property
    def world(self) -> Any:
        """The suite's own environment, for experts and studies that read its state."""
        assert self._built
        return self._world

    def _build(self) -> None:
        if self.task.name not in SCENES:
            raise ValueError(f"robosuite task must be one of {sorted(SCENES)}, got {self.task.name!r}")
        with _quiet():
            suite = import_suite("robosuite", self.render_mode is not None)
            controller = suite.load_composite_controller_config(controller="BASIC", robot="Panda")
            # The stock file also configures the limbs of other robots, each with a warning.
            controller["body_parts"] = {"right": controller["body_parts"]["right"]}
            self._world = suite.make(
                self.task.name,
                robots="Panda",
                controller_configs=controller,
                control_freq=_CONTROL_HZ,
                reward_shaping=True,
                has_renderer=False,
                has_offscreen_renderer=False,
                use_camera_obs=False,
                use_object_obs=False,
                renderer="mujoco",  # the default would prepare a window
                hard_reset=False,  # 3 ms a reset instead of 0.9 s
                ignore_done=True,  # the horizon is ours: the suite's ends in an exception
                seed=0,  # the size of Lift's cube is drawn here, and the same in every environment
            )
        for name in list(self._world.observation_names):  # they lag, see above, and cost time
            self._world.modify_observable(name, "enabled", False)
        self._world._pre_action = QuickControl(self._world)
        self._scene = SCENES[self.task.name](self._world)

    def _make_spaces(self) -> tuple[Box, Box]:
        high = np.concatenate([_ARM_BOUNDS, self._scene.bounds]).astype(np.float32)
        return Box(-high, high, dtype=np.float32), Box(-1.0, 1.0, (7,), dtype=np.float32)

    def _begin(self, rng: np.random.Generator) -> NDArray[Any]:
        # Joint noise is drawn from the one, places of objects from the other.
        self._world.rng = rng
        self._world.placement_initializer.rng = rng
        with _quiet():
            self._world.reset()
        self._scene.begin()
        return self._state()

    def _advance(self, action: NDArray[np.float32]) -> tuple[NDArray[Any], float]:
        _, reward, _, _ = self._world.step(action.astype(np.float64))
        return self._state(), float(reward)

    def _state(self) -> NDArray[Any]:
        return np.concatenate([self._arm_state(), self._scene.state()])

    def _arm_state(self) -> NDArray[Any]:
        """Cosines, sines and speeds of 7 joints, gripper position and two axes, fingers and speeds: (34,)."""
        robot, data = self._world.robots[0], self._world.sim.data
        angles = data.qpos[robot._ref_joint_pos_indexes]
        frame = np.array(data.site_xmat[robot.eef_site_id["right"]]).reshape(3, 3)
        return np.concatenate(
            [
                np.cos(angles),
                np.sin(angles),
                data.qvel[robot._ref_joint_vel_indexes],
                grip_site(self._world),
                frame[:, 0],
                frame[:, 2],
                data.qpos[robot._ref_gripper_joint_pos_indexes["right"]],
                data.qvel[robot._ref_gripper_joint_vel_indexes["right"]],
            ]
        )

    def _is_success(self) -> bool:
        return bool(self._world._check_success())

    def _quality(self) -> float:
        return self._scene.quality()

    def _make_camera(self) -> Camera:
        from ..rendering.fast_camera import FastCamera

        sim = self._world.sim
        size = (self.image_size, self.image_size)
        camera = self._scene.close if self.camera == "close" else self.camera
        return FastCamera(sim.model._model, sim.data._data, camera, size, hidden_groups=(_COLLISION_GROUP,))

    def _release(self) -> None:
        self._world.close()
        del self._world, self._scene


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps robosuite's advice on optional files and robots off the console; its errors still show."""
    logger = logging.getLogger("robosuite_logs")
    # A filter, because importing robosuite sets the logger's level.
    logger.addFilter(_is_error)
    try:
        yield
    finally:
        logger.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
