"""What the benchmark times: our side and the other, made so that they can take turns."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl import RobometerReward, make_env
from robometer_rl.envs.tasks import get_task
from robometer_rl.rewards import RewardModel

from .camera import CameraStage
from .timers import Clock, ClockedEnv, ClockedModel

__all__ = [
    "KEPT",
    "BareLoop",
    "BareSide",
    "Clocked",
    "ReferenceSide",
    "Side",
    "SuiteLift",
    "WrappedSide",
    "prefix_indices",
    "take_turns",
]

KEPT = 8
"""Frames that the reference pattern keeps of a prefix."""
FOREVER = 1_000_000
"""Horizon of the environments here: none ends an episode while it is timed."""
_ACTIONS = 4096  # drawn before anything is timed, and repeated


def prefix_indices(last: int, kept: int = KEPT) -> NDArray[np.int64]:
    """Frames of a prefix that the published wrapper shows its model.

    Args:
        last: Index of the newest frame.
        kept: Frames to keep at most.

    Returns:
        Evenly spaced indices from 0 to `last`, both kept; all of them where there are fewer.

    Examples:
        >>> prefix_indices(31).tolist()
        [0, 4, 9, 13, 18, 22, 27, 31]
    """
    return np.unique(np.rint(np.linspace(0, last, kept)).astype(np.int64))


@dataclass(frozen=True)
class Side:
    """One of the things that take turns."""

    call: Callable[[], object]
    """What is timed."""
    prepare: Callable[[], object] = lambda: None
    """Called before each block, untimed."""


def take_turns(sides: Mapping[str, Side], repetitions: int, block: int) -> dict[str, list[float]]:
    """Times sides in turns, so that a busy machine hits all alike.

    Args:
        sides: By name; each is called twice before.
        repetitions: Calls of each, rounded up to whole blocks.
        block: Calls of one side before the next has its turn: caches warm up, as where it runs alone.

    Returns:
        Per side the milliseconds of each call; the i-th of two sides were taken in one round.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side.prepare()
        side.call()
        side.call()
    for _ in range(-(-repetitions // block)):
        for name, side in sides.items():
            side.prepare()
            for _ in range(block):
                start = time.perf_counter()
                side.call()
                taken[name].append(1e3 * (time.perf_counter() - start))
    return taken


class Actions:
    """The same random actions for every side."""

    def __init__(self, space: gym.spaces.Box) -> None:
        """Draws them.

        Args:
            space: Of the actions.
        """
        rng = np.random.default_rng(0)
        self._actions = rng.uniform(space.low, space.high, (_ACTIONS, *space.shape)).astype(np.float32)
        self._next = 0

    def rewind(self) -> None:
        """Begins again."""
        self._next = 0

    def draw(self) -> NDArray[np.float32]:
        """The next action."""
        self._next += 1
        return self._actions[self._next % _ACTIONS]


class WrappedSide:
    """A world of ours behind `RobometerReward`; each `step()` is one wrapped step."""

    def __init__(
        self, task: str, model: str, size: int, score_every: int = 1, clock: Clock | None = None
    ) -> None:
        """Makes the environment and loads the model.

        Args:
            task: Id of the task.
            model: A reward model.
            size: Side of the picture, pixels.
            score_every: Of the wrapper.
            clock: Gets the times of the parts of each step; None times nothing inside.
        """
        bare = make_env(task, horizon=FOREVER, image_size=size)
        self.env = RobometerReward(
            bare if clock is None else ClockedEnv(bare, clock),
            get_task(task).sentence,
            model if clock is None else {"name": f"{ClockedModel.__module__}:ClockedModel", "spec": model},
            score_every=score_every,
            warn_unseen_world=False,  # only the time is of interest
        )
        self.model = self.env.robometer.model
        """The model that scores here."""
        if clock is not None:
            assert isinstance(self.model, ClockedModel)
            self.model.clock = clock
            self.model = self.model.inner
        self._actions = Actions(bare.action_space)
        self.restart(0)

    def restart(self, seed: int) -> None:
        """Begins an episode."""
        self._actions.rewind()
        self.env.reset(seed=seed)

    def step(self) -> None:
        """One wrapped step."""
        self.env.step(self._actions.draw())

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()


class Clocked(WrappedSide):
    """A wrapped side that also times the parts of each step."""

    def __init__(self, task: str, model: str, size: int) -> None:
        """Makes it, as `WrappedSide`."""
        self._clock = Clock()
        self.parts: list[dict[str, float]] = []
        """Milliseconds of `physics`, `render` and `model` in each step so far."""
        super().__init__(task, model, size, clock=self._clock)

    def step(self) -> None:
        """One wrapped step."""
        self._clock.take()  # what a reset left
        super().step()
        self.parts.append(self._clock.take())


class BareSide:
    """The same world unwrapped and without pictures."""

    def __init__(self, task: str, size: int) -> None:
        """Makes the environment.

        Args:
            task: Id of the task.
            size: Side of the picture, pixels.
        """
        self.env = make_env(task, horizon=FOREVER, image_size=size)
        self._actions = Actions(self.env.action_space)
        self.env.reset(seed=0)

    def step(self) -> None:
        """One step of the environment."""
        self.env.step(self._actions.draw())

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()


class BareLoop:
    """What cannot be left out of a wrapped step: physics, a fast render, one frame through the encoder."""

    def __init__(self, bare: BareSide, model: RewardModel) -> None:
        """Takes its parts.

        Args:
            bare: The world.
            model: Whose encoder.

        Raises:
            NotImplementedError: The model has no `encode`, which is not part of the protocol.
        """
        if not hasattr(model, "encode"):
            raise NotImplementedError(f"{type(model).__name__} has no encoder that can be timed alone")
        self.encode: Callable[[NDArray[np.uint8]], object] = model.encode
        """Frames uint8 `(T, H, W, 3)` to tokens."""
        self._bare, self._clock = bare, Clock()
        self.parts: list[dict[str, float]] = []
        """Milliseconds of `physics`, `render` and `encode` in each turn so far."""

    def step(self) -> None:
        """One turn."""
        self._clock.call("physics", self._bare.step)
        frame = self._clock.call("render", self._bare.env.render)
        self._clock.call("encode", self.encode, frame[None])
        self.parts.append(self._clock.take())


class ReferenceSide:
    """The published pattern: the suite's own picture at every step, the whole prefix read again for each."""

    def __init__(self, task: str, model: RewardModel, size: int) -> None:
        """Makes world and renderer.

        Args:
            task: Id of a Meta-World task.
            model: Reads the prefixes.
            size: Side of the picture, pixels.
        """
        self._stage = CameraStage(task.partition("/")[2], "close", size)
        self._draw = self._stage.renderers()["default render()"]
        self._model, self._sentence = model, get_task(task).sentence
        self._actions = Actions(self._stage.env.action_space)
        self._frames: list[NDArray[np.uint8]] = []
        self.restart(0)

    def restart(self, seed: int) -> None:
        """Begins an episode."""
        self._actions.rewind()
        self._stage.env.reset(seed=seed)
        self._frames = [self._draw()]

    def look(self) -> None:
        """A step and its picture without reading the prefix, to get to a later step sooner."""
        self._stage.env.step(self._actions.draw())
        self._frames.append(self._draw())

    def step(self) -> float:
        """One step of the pattern.

        Returns:
            The reward, progress + success of the newest frame.
        """
        self.look()
        kept = np.stack([self._frames[i] for i in prefix_indices(len(self._frames) - 1)])
        scores = self._model.score(kept, self._sentence)
        return float(scores.progress[-1] + scores.success[-1])

    def close(self) -> None:
        """Closes renderer and world."""
        self._stage.__exit__()


class SuiteLift:
    """robosuite's own Lift with its default camera observation."""

    def __init__(self, size: int) -> None:
        """Makes it as a user does, but for the size of the picture; after a world of ours, which quiets it.

        Args:
            size: Side of the picture of `agentview`, pixels.
        """
        from robometer_rl.envs.extras import require
        from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend

        ensure_gl_backend()
        suite = require("robosuite")
        logging.getLogger("robosuite_logs").setLevel(logging.ERROR)  # advice on optional files
        self._world = suite.make(
            "Lift",
            robots="Panda",
            has_renderer=False,
            has_offscreen_renderer=True,
            use_camera_obs=True,
            camera_heights=size,
            camera_widths=size,
            control_freq=20,
            ignore_done=True,
            hard_reset=False,  # only steps are timed, and it spares a second building of the world
            seed=0,
            renderer="mujoco",  # the default would prepare a window
        )
        self._world.reset()
        low, high = self._world.action_spec
        self._actions = Actions(gym.spaces.Box(low.astype(np.float32), high.astype(np.float32)))

    def prepare(self) -> None:
        """Makes its GL context current, which it does not do by itself: it would draw into the other's."""
        self._world.sim._render_context_offscreen.gl_ctx.make_current()

    def step(self) -> NDArray[np.uint8]:
        """One step of the suite's own environment.

        Returns:
            Its picture, uint8 `(H, W, 3)`, upside down as the suite gives it.
        """
        observation, *_ = self._world.step(self._actions.draw())
        picture: NDArray[np.uint8] = observation["agentview_image"]
        return picture

    def close(self) -> None:
        """Closes the world."""
        self.prepare()
        self._world.close()
