"""Meta-World v3 tasks as clean Gymnasium environments."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ..base import Camera, RobotEnv
from ..extras import require
from ..rendering.fast_camera import Pose
from ..rendering.gl_backend import import_suite
from .metaworld_distance import distance, tolerance

CAMERAS = {
    "corner": True,
    "corner2": True,
    "corner3": True,
    "corner4": True,
    "topview": False,
    "behindGripper": False,
    "gripperPOV": False,
}
"""Cameras of the Meta-World scenes, and whether each is mounted upside down."""

CORNER2 = (0.75, 0.075, 0.7)
"""Where `corner2` stands, metres: nearer to the table than in the asset, as in LeRobot's Meta-World."""

CLOSE = Pose(lookat=(0.02, 0.63, 0.11), distance=1.08, azimuth=142.0, elevation=-32.0)
"""Where the camera `close` stands: `corner2`'s side, but the part of the table where things happen fills the
picture, so that a puck is several pixels wide at 96 pixels."""

_REACH_OF_OBJECTS = 2.0
"""Observed objects and goals are clipped to this distance per axis, metres: the room is smaller."""

ALMOST = 0.99
"""Quality of an object that is where it should be in a task not solved, as when it must also be held."""

_RESTORED = ("body_pos", "body_quat", "site_pos", "geom_pos", "geom_quat")
"""Parts of the model that resets write to, so that what an earlier episode wrote can be undone."""


class MetaWorldEnv(RobotEnv):
    """One Meta-World v3 task with its goal in sight, a 39-number observation and a 4-number action.

    Built from the suite's raw environment class rather than its `gym.make` stack, which ignores seeds, hides
    the goal and ends every episode at 500 steps with an error.
    """

    suite: ClassVar[str] = "metaworld"
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 80}  # type: ignore[misc]

    @classmethod
    def camera_names(cls) -> tuple[str, ...]:
        """Names of the cameras in every Meta-World scene, and `close`, our own."""
        return ("close", *CAMERAS)

    def _build(self) -> None:
        classes = import_suite("metaworld.env_dict", self.render_mode is not None).ENV_CLS_MAP
        self._mujoco = require("mujoco")
        sim = classes[self.task.name]()
        sim._set_task_called = True
        sim._partially_observable = False
        sim.seeded_rand_vec = True
        # The suite raises after this many steps; the horizon is ours to keep.
        sim.max_path_length = self.horizon + 1
        # Its own clipping uses bounds computed while the goal was still hidden, all zero.
        sim.__dict__.pop("sawyer_observation_space", None)
        sim.model.camera("corner2").pos[:] = CORNER2
        self._sim = sim
        self._pristine = {name: getattr(sim.model, name).copy() for name in _RESTORED}
        self._evaluation: dict[str, Any] = {}
        self._first_distance = 0.0

    @property
    def sim(self) -> Any:
        """The suite's own environment, for experts and studies that read its state."""
        assert self._built
        return self._sim

    def _make_spaces(self) -> tuple[Box, Box]:
        hand = self._sim._HAND_SPACE
        reach = np.full(3, _REACH_OF_OBJECTS)
        low = np.concatenate([hand.low, [0.0], np.full(14, -_REACH_OF_OBJECTS)])
        high = np.concatenate([hand.high, [1.0], np.full(14, _REACH_OF_OBJECTS)])
        observation = Box(
            np.concatenate([low, low, -reach]).astype(np.float32),
            np.concatenate([high, high, reach]).astype(np.float32),
            dtype=np.float32,
        )
        return observation, Box(-1.0, 1.0, (4,), dtype=np.float32)

    def _begin(self, rng: np.random.Generator) -> NDArray[Any]:
        sim = self._sim
        for name, value in self._pristine.items():
            getattr(sim.model, name)[:] = value
        self._mujoco.mj_resetData(sim.model, sim.data)
        self._mujoco.mj_forward(sim.model, sim.data)
        sim.np_random = rng
        # A reset moves the arm before it places the objects, so it runs twice, as the suite's own does: once
        # to draw where things stand, then with everything standing there from the beginning.
        sim._freeze_rand_vec = False
        sim.reset_model()
        sim._freeze_rand_vec = True
        self._mujoco.mj_resetData(sim.model, sim.data)
        self._mujoco.mj_forward(sim.model, sim.data)
        sim.curr_path_length = 0
        sim.reset_model()
        self._mujoco.mj_forward(sim.model, sim.data)
        sim._prev_obs = sim._get_curr_obs_combined_no_goal()
        raw = sim._get_obs()
        _, self._evaluation = sim.evaluate_state(raw, np.zeros(4, dtype=np.float32))
        self._first_distance = self._distance()
        return raw

    def _advance(self, action: NDArray[np.float32]) -> tuple[NDArray[Any], float]:
        raw, reward, _, _, self._evaluation = self._sim.step(action)
        return raw, float(reward)

    def _is_success(self) -> bool:
        return bool(self._evaluation["success"])

    def _quality(self) -> float:
        way = self._first_distance - tolerance(self.task.name)
        if way <= 0.0:
            # Near enough from the start: some other condition of the success test is what is missing.
            way = max(self._first_distance, 1e-6)
        return min((self._first_distance - self._distance()) / way, ALMOST)

    def _distance(self) -> float:
        return distance(self.task.name, self._sim, float(self._evaluation["obj_to_target"]))

    def _make_camera(self) -> Camera:
        from ..rendering.fast_camera import FastCamera

        size = (self.image_size, self.image_size)
        model, data = self._sim.model, self._sim.data
        if self.camera == "close":
            return FastCamera(model, data, CLOSE, size)
        return FastCamera(model, data, self.camera, size, rotate180=CAMERAS[self.camera])

    def _release(self) -> None:
        self._sim.close()
        del self._sim
