"""Wipe of robosuite: a scripted expert, and failures as a person would record them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.rendering.fast_camera import FastCamera, Pose
from robometer_rl.envs.rendering.gl_backend import import_suite

from .world import Actions, Behaviour, Env, OwnWorld

__all__ = ["ROBOSUITE_WIPE", "WipeEnv", "dirt_left", "expert", "robosuite_wipe", "table_is_clean"]

SIZE = 128  # pixels
HORIZON = 300  # steps, at 20 a second
CONTROL_HZ = 20
PHYSICS_HZ = 200  # robosuite's own 500 takes 2.3 times as long and changes nothing that an expert does
COVERAGE = 0.45  # of the table; with robosuite's own 0.6 some dirt lies outside of agentview's picture
MARKERS = 60  # pieces of dirt, 5 mm apart; robosuite's own 100 are a line of half a metre that lies in knots

# While an expert wipes the arm hides 11 % of the dirt that is left, from agentview 42 %.
SIDE = Pose(lookat=(0.13, 0.0, 0.9), distance=0.75, azimuth=270.0, elevation=-40.0)
_COLLISION_GROUP = 0  # of geoms that robosuite draws beside the visible ones

_METRES_PER_ACTION, _RADIANS_PER_ACTION = 0.05, 0.5  # robosuite's OSC_POSE
_PRESS, _ABOVE = -0.004, 0.09  # m over the table

Vector: TypeAlias = NDArray[np.float64]


class WipeEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Wipe as a plain Gymnasium environment: a Panda with a wiper, moved by OSC_POSE at 20 Hz.

    The observation is robosuite's own robot and object state. `render` draws with `FastCamera`: without
    shadows a picture takes a sixteenth of the time of robosuite's own.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}  # type: ignore[misc]
    render_mode = "rgb_array"

    def __init__(
        self, camera: str = "agentview", hold_orientation: bool = False, tell_quality: bool = False
    ) -> None:
        """Build the simulation.

        Args:
            camera: "side", or the name of a camera of robosuite, such as "agentview".
            hold_orientation: The wiper keeps its orientation, and an action is a displacement alone: 3
                numbers and not 6.
            tell_quality: `info["quality"]` is the share of the dirt that is wiped.

        Raises:
            ValueError: There is no such camera.
        """
        suite = import_suite("robosuite", draws=True)
        wipe = suite.environments.manipulation.wipe
        controller = suite.load_composite_controller_config(controller="BASIC", robot="Panda")
        controller["body_parts"] = {"right": controller["body_parts"]["right"]}
        self.suite_env = suite.make(
            "Wipe",
            robots="Panda",
            controller_configs=controller,
            control_freq=CONTROL_HZ,
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            renderer="mujoco",  # the default would prepare a window
            hard_reset=False,
            ignore_done=True,
            seed=0,
            task_config={
                **wipe.DEFAULT_WIPE_CONFIG,
                "coverage_factor": COVERAGE,
                "num_markers": MARKERS,
                "early_terminations": False,
            },
        )
        sim = self.suite_env.sim
        # They are read once a step, and a soft reset does not set them again.
        self.suite_env.model_timestep = sim.model._model.opt.timestep = 1.0 / PHYSICS_HZ
        self._tells_quality = tell_quality
        self._camera = FastCamera(
            sim.model._model,
            sim.data._data,
            SIDE if camera == "side" else camera,
            (SIZE, SIZE),
            hidden_groups=(_COLLISION_GROUP,),
        )
        low, high = self.suite_env.action_spec
        if hold_orientation:
            low, high = low[:3], high[:3]
        self.action_space = gym.spaces.Box(low.astype(np.float32), high.astype(np.float32))
        size = self._flat(self.suite_env.reset()).size
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self._steps = 0

    @staticmethod
    def _flat(observation: dict[str, Any]) -> NDArray[np.float32]:
        parts = (observation["robot0_proprio-state"], observation["object-state"])
        return np.concatenate(parts).astype(np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a new line of dirt and put the arm back."""
        super().reset(seed=seed)
        # The joints' noise is drawn from the one, the line of dirt from the other.
        self.suite_env.rng = self.suite_env.model.mujoco_arena.rng = self.np_random
        self._steps = 0
        return self._flat(self.suite_env.reset()), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One control step."""
        turns = np.zeros(6 - len(action))
        observation, reward, _, _ = self.suite_env.step(np.append(np.asarray(action, np.float64), turns))
        self._steps += 1
        return self._flat(observation), float(reward), False, self._steps >= HORIZON, self._info()

    def _info(self) -> dict[str, Any]:
        told: dict[str, Any] = {"is_success": bool(self.suite_env._check_success())}
        if self._tells_quality:
            told["quality"] = 1.0 - len(self.dirt) / MARKERS
        return told

    def render(self) -> NDArray[np.uint8]:
        """The camera's picture, uint8 (128, 128, 3) RGB."""
        return self._camera.render()

    def close(self) -> None:
        """Release the simulation."""
        self._camera.close()
        self.suite_env.close()

    @property
    def dirt(self) -> Vector:
        """Positions of the dirt that is left, (n, 3) in metres."""
        suite_env = self.suite_env
        left = [m for m in suite_env.model.mujoco_arena.markers if m not in suite_env.wiped_markers]
        ids = [suite_env.sim.model.body_name2id(marker.root_body) for marker in left]
        return np.array(suite_env.sim.data.body_xpos[ids]).reshape(-1, 3)

    @property
    def wiper(self) -> tuple[Vector, Vector]:
        """Centre (3,) in metres of the wiper's face and its corners (4, 3), in robosuite's order."""
        sim = self.suite_env.sim
        names = self.suite_env.robots[0].gripper["right"].important_geoms["corners"]
        corners = np.array([sim.data.geom_xpos[sim.model.geom_name2id(name)] for name in names])
        return corners.mean(axis=0), corners


def robosuite_wipe(
    camera: str = "agentview", hold_orientation: bool = False, tell_quality: bool = False
) -> Env:
    """Wipe with a shorter line of dirt, all of it in the picture.

    Args:
        camera: "side", or the name of a camera of robosuite, such as "agentview", from where the arm hides
            what it wipes.
        hold_orientation: The wiper keeps its orientation, and an action is a displacement alone.
        tell_quality: `info["quality"]` is the share of the dirt that is wiped.

    Returns:
        The environment.
    """
    return WipeEnv(camera, hold_orientation, tell_quality)


def _inner(env: Env) -> WipeEnv:
    """The simulation below any wrappers."""
    inner = env.unwrapped
    assert isinstance(inner, WipeEnv)
    return inner


def dirt_left(env: Env) -> float:
    """Share of the dirt that is left, in [0, 1]."""
    return len(_inner(env).dirt) / MARKERS


def table_is_clean(env: Env, info: Mapping[str, Any]) -> bool:
    """Whether all dirt is wiped, robosuite's own rule."""
    return bool(_inner(env).suite_env._check_success())


def _tilt(wiper: WipeEnv) -> Vector:
    """Rotation vector (3,) in radians that would lay the wiper's face flat on the table."""
    first, second, _, fourth = wiper.wiper[1]
    normal = np.cross(first - second, fourth - second)
    normal *= np.sign(normal[2]) / np.linalg.norm(normal)
    return np.cross(normal, [0.0, 0.0, 1.0])


def _towards(wiper: WipeEnv, point: Vector, rng: np.random.Generator, speed: float) -> NDArray[np.float32]:
    """Action that moves the wiper's centre towards a point (3,), at most `speed` of the action's range."""
    centre, _ = wiper.wiper
    move = 2.0 * (point - centre) / _METRES_PER_ACTION
    move *= speed / max(speed, float(np.abs(move[:2]).max()))
    turn = 2.0 * _tilt(wiper) / _RADIANS_PER_ACTION
    noise = rng.normal(scale=[0.05] * 3 + [0.02] * 3)
    return np.clip(np.concatenate([move, turn]) + noise, -1.0, 1.0).astype(np.float32)


def _go(
    wiper: WipeEnv, point: Vector, rng: np.random.Generator, speed: float = 0.8, steps: int = 40
) -> Actions:
    """Move the wiper's centre to a point (3,) in metres."""
    for _ in range(steps):
        if np.linalg.norm(point - wiper.wiper[0]) < 0.015:
            break
        yield _towards(wiper, point, rng, speed)


def _table(wiper: WipeEnv) -> float:
    """Height of the table in metres."""
    return float(wiper.suite_env.table_offset[2])


def _wipe(wiper: WipeEnv, rng: np.random.Generator, leave: int) -> Actions:
    """Come down at one end of the dirt and follow it until no more than `leave` pieces are left."""
    press = _table(wiper) + _PRESS
    start = wiper.dirt[0 if rng.uniform() < 0.5 else -1]
    yield from _go(wiper, np.append(start[:2], _table(wiper) + _ABOVE), rng)
    yield from _go(wiper, np.append(start[:2], press), rng, steps=15)
    while len(dirt := wiper.dirt) > leave:
        centre, _ = wiper.wiper
        nearest = dirt[np.argmin(np.linalg.norm(dirt[:, :2] - centre[:2], axis=1))]
        yield _towards(wiper, np.append(nearest[:2], press), rng, 0.35)


def _lift(wiper: WipeEnv, rng: np.random.Generator) -> Actions:
    """Take the wiper off the table, back towards the robot, and stay there for a moment."""
    back = np.array([-0.05, rng.uniform(-0.1, 0.1), _table(wiper) + rng.uniform(0.15, 0.22)])
    yield from _go(wiper, back, rng, steps=20)
    for _ in range(int(rng.integers(5, 25))):
        yield _towards(wiper, back, rng, 0.2)


def expert(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """Follow the dirt with the wiper pressed on the table, then lift it."""
    yield from _wipe(_inner(env), rng, leave=0)
    yield from _lift(_inner(env), rng)


def _leave(low: float, high: float) -> Behaviour:
    """A behaviour that stops wiping when a share of the dirt between `low` and `high` is left."""

    def behaviour(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
        yield from _wipe(_inner(env), rng, leave=round(rng.uniform(low, high) * MARKERS))
        yield from _lift(_inner(env), rng)

    return behaviour


def _shifted(choose_shift: Callable[[Vector, np.random.Generator], Vector]) -> Behaviour:
    """A behaviour that makes the motion of wiping in the wrong place.

    Args:
        choose_shift: Gives the shift (3,) in metres from the dirt's middle (3,).

    Returns:
        The behaviour.
    """

    def behaviour(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
        wiper = _inner(env)
        dirt = wiper.dirt[:: rng.choice([-1, 1])]
        path = dirt + choose_shift(dirt.mean(axis=0), rng) + np.array([0.0, 0.0, _PRESS])
        yield from _go(wiper, path[0] + np.array([0.0, 0.0, _ABOVE]), rng)
        yield from _go(wiper, path[0], rng, steps=15)
        for point in path[::8]:
            yield from _go(wiper, point, rng, speed=0.35, steps=10)
        yield from _lift(wiper, rng)

    return behaviour


def _above(middle: Vector, rng: np.random.Generator) -> Vector:
    """Over the dirt, without touching the table."""
    return np.array([0.0, 0.0, rng.uniform(0.035, 0.07)])


def _beside(middle: Vector, rng: np.random.Generator) -> Vector:
    """On the clean part of the table, towards its other half."""
    return np.array([0.0, -np.sign(middle[1]) * rng.uniform(0.17, 0.23), 0.0])


def _hover(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The wiper goes over the dirt and stays there."""
    wiper = _inner(env)
    point = wiper.dirt.mean(axis=0) + np.array([0.0, 0.0, rng.uniform(0.06, 0.12)])
    yield from _go(wiper, point, rng)
    for _ in range(int(rng.integers(40, 80))):
        yield _towards(wiper, point, rng, 0.2)


def _stall(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The wiper comes down on one end of the dirt and stays there."""
    wiper = _inner(env)
    point = wiper.dirt[rng.choice([0, -1])] + np.array([0.0, 0.0, _PRESS])
    yield from _go(wiper, point + np.array([0.0, 0.0, _ABOVE]), rng)
    for _ in range(int(rng.integers(40, 80))):
        yield _towards(wiper, point, rng, 0.35)


def _retreat(env: Env, observation: Any, rng: np.random.Generator) -> Actions:
    """The wiper goes halfway to the dirt and back."""
    wiper = _inner(env)
    point = (wiper.wiper[0] + wiper.dirt.mean(axis=0)) / 2
    yield from _go(wiper, point, rng, speed=0.4)
    yield from _lift(wiper, rng)


ROBOSUITE_WIPE = OwnWorld(
    name="robosuite_wipe",
    task="wipe the dirt off the table",
    make=robosuite_wipe,
    succeeded=table_is_clean,
    distance=dirt_left,
    expert=expert,
    failures={
        "almost": _leave(0.08, 0.2),
        "half": _leave(0.35, 0.6),
        "above": _shifted(_above),
        "beside": _shifted(_beside),
        "hover": _hover,
        "stall": _stall,
        "retreat": _retreat,
    },
    min_distance=0.5,
    frame_every=4,
)
