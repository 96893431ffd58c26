"""What a frame costs: the suites' own `render()` against `FastCamera`, side by side in one process.

`python -m robometer_rl.experiments.bench.camera` prints a table and can write the pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from robometer_rl.envs.rendering.fast_camera import DEFAULT_FACES, FastCamera, Pose
from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend

Draw = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class CameraBenchConfig:
    """Options of the bench."""

    tasks: tuple[str, ...] = ("drawer-open-v3", "door-close-v3", "coffee-pull-v3")
    """Meta-World tasks to draw."""
    camera: str = "close"
    """Camera to draw."""
    size: int = 128
    """Side of the picture in pixels."""
    repetitions: int = 30
    """Frames per renderer and task; the renderers take turns, so that a busy machine hits all of them."""
    picture: Path | None = None
    """Where to write the pictures side by side, as PNG."""
    picture_size: int = 320
    """Side of each of those in pixels."""


@dataclass(frozen=True)
class Timing:
    """What one renderer took for one task."""

    renderer: str
    """Its name."""
    median_ms: float
    """Median time of a frame, milliseconds."""
    fastest_ms: float
    """Shortest time of a frame, milliseconds."""


def main(config: CameraBenchConfig) -> None:
    """Prints the table, and writes the pictures where asked."""
    print(f"GL backend {ensure_gl_backend()}, {config.size}x{config.size}, {config.repetitions} frames each")
    print(f"{'task':<18}{'renderer':<26}{'median ms':>10}{'fastest ms':>12}{'times faster':>14}")
    rows = []
    for task in config.tasks:
        with CameraStage(task, config.camera, config.size) as stage:
            timings = measure(stage.renderers(), config.repetitions)
        for timing in timings:
            ratio = timings[0].median_ms / timing.median_ms
            print(
                f"{task:<18}{timing.renderer:<26}{timing.median_ms:>10.2f}{timing.fastest_ms:>12.2f}{ratio:>14.1f}"
            )
        if config.picture is not None:
            with CameraStage(task, config.camera, config.picture_size) as stage:
                default, *_, fast = (draw() for draw in stage.renderers().values())
                rows.append(np.concatenate([default, fast], axis=0))
    if config.picture is not None:
        from PIL import Image

        config.picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows, axis=1)).save(config.picture)
        print(f"wrote {config.picture}: above the suite's own render(), below FastCamera")


def measure(renderers: dict[str, Draw], repetitions: int) -> list[Timing]:
    """Times renderers in turns.

    Args:
        renderers: By name; each is called once before, since the first frame also starts GL.
        repetitions: Frames each.

    Returns:
        One timing per renderer, in order.
    """
    for draw in renderers.values():
        draw()
    taken: dict[str, list[float]] = {name: [] for name in renderers}
    for _ in range(repetitions):
        for name, draw in renderers.items():
            start = time.perf_counter()
            draw()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return [Timing(name, float(np.median(ms)), min(ms)) for name, ms in taken.items()]


class CameraStage:
    """One task, drawn by the suite's renderer and by `FastCamera` with and without decimation."""

    def __init__(self, task: str, camera: str, size: int) -> None:
        """Builds world and renderers.

        Args:
            task: Meta-World task, such as `"drawer-open-v3"`.
            camera: Camera to draw.
            size: Side of the picture in pixels.
        """
        from robometer_rl.envs.make import make_env
        from robometer_rl.envs.suites.metaworld import CAMERAS, CLOSE, MetaWorldEnv

        env = make_env(f"metaworld/{task}", seed=0, camera=camera, image_size=size)
        assert isinstance(env, MetaWorldEnv)
        env.reset()
        model, data = env.sim.model, env.sim.data
        self.env = env
        self._turned = CAMERAS.get(camera, False)
        where = camera if camera in CAMERAS else CLOSE
        self._own = _suites_renderer(model, data, where, size)
        self._cameras = {
            f"FastCamera, {'all' if faces is None else faces} faces": FastCamera(
                model, data, where, (size, size), self._turned, faces
            )
            for faces in (None, DEFAULT_FACES)
        }

    def renderers(self) -> dict[str, Draw]:
        """The renderers by name, the suite's own first."""
        return {
            "default render()": self._draw_default,
            **{name: camera.render for name, camera in self._cameras.items()},
        }

    def _draw_default(self) -> NDArray[np.uint8]:
        # It does not make its context current by itself, so it would draw into the cameras'.
        viewer = self._own._get_viewer("rgb_array")
        viewer.make_context_current()
        picture: NDArray[np.uint8] = self._own.render("rgb_array")
        return picture[::-1, ::-1] if self._turned else picture

    def __enter__(self) -> CameraStage:
        """Gives the stage."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes renderers and world."""
        for camera in self._cameras.values():
            camera.close()
        self._own.close()
        self.env.close()


def _suites_renderer(model: Any, data: Any, camera: str | Pose, size: int) -> Any:
    """The renderer behind `env.render()` of Meta-World, on the same simulation."""
    from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

    # As the suite does: its buffer is at least as large as the picture.
    model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
    model.vis.global_.offheight = max(model.vis.global_.offheight, size)
    if isinstance(camera, Pose):
        view = {**asdict(camera), "lookat": np.array(camera.lookat)}
        return MujocoRenderer(model, data, view, size, size, 1000, camera_id=-1)
    return MujocoRenderer(model, data, None, size, size, 1000, camera_name=camera)


if __name__ == "__main__":
    main(tyro.cli(CameraBenchConfig, description=__doc__))
