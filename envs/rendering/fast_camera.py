"""A MuJoCo camera that costs a few milliseconds without a GPU, several of which live in one process."""

from __future__ import annotations

import atexit
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .gl_backend import ensure_gl_backend, gl_context, naming_the_backend, restoring_gl_context
from .mesh_decimation import decimated_copy

if TYPE_CHECKING:
    import mujoco

DEFAULT_FACES = 8000
"""Mesh faces that `FastCamera` keeps in a whole picture; `experiments/bench/camera.py` shows what it buys."""

_ROUNDNESS = (14, 8, 2)
"""Slices and stacks of a sphere, squares along the side of a box: half of MuJoCo's, enough for 128 pixels."""

_MAX_GEOMS = 2000


@dataclass(frozen=True)
class Pose:
    """A free camera that looks at a point.

    Attributes:
        lookat: The point in the middle of the picture, metres in the world's frame.
        distance: Of the camera from that point, metres.
        azimuth: Direction of view in the horizontal plane, degrees.
        elevation: Direction of view above it, degrees; negative looks down.
    """

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float


class FastCamera:
    """Draws one camera of a simulation with only what a reward model needs to see.

    No shadows, reflections or multisampling, and meshes with fewer faces: on a CPU these four are nearly all
    the time of a frame. Poses come from the simulation itself; only the meshes that are sent to OpenGL are a
    decimated copy, so nothing can fall out of step. The GL context that another renderer has made current is
    current again after each call.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: str | Pose,
        size: tuple[int, int] = (96, 96),
        rotate180: bool = False,
        decimate: int | None = DEFAULT_FACES,
        hidden_groups: tuple[int, ...] = (),
    ) -> None:
        """Checks the camera's name; GL starts at the first `render()`.

        Args:
            model: Of the simulation.
            data: Of the simulation, with positions up to date (`mj_forward`) when a frame is asked for.
            camera: Name of a camera of the model, or a pose.
            size: Height and width of the picture, pixels.
            rotate180: Turns the picture by half a turn, for a camera that is mounted upside down.
            decimate: Mesh faces to keep in all; None keeps every face.
            hidden_groups: Geom groups not to draw (robosuite draws its collision shapes as group 0).

        Raises:
            ValueError: The model has no camera of that name, or the size is not positive.
        """
        ensure_gl_backend()
        if min(size) < 1:
            raise ValueError(f"size must be two positive numbers of pixels (height, width), got {size}")
        self._model, self._data = model, data
        self._height, self._width = size
        self._rotate180 = rotate180
        self._decimate = decimate
        self._view = _viewpoint(model, camera)
        self._hidden_groups = hidden_groups
        self._gl: _Drawing | None = None

    def render(self) -> NDArray[np.uint8]:
        """Draws the simulation as it is now.

        Returns:
            RGB, uint8 `(height, width, 3)`, contiguous, row 0 at the top; the caller owns it.

        Raises:
            RuntimeError: The GL backend that `MUJOCO_GL` names cannot draw here, or the process was forked
                after its parent had drawn.
        """
        if self._gl is None:
            self._gl = _Drawing(self._model, (self._height, self._width), self._decimate, self._hidden_groups)
        rows_up = self._gl.draw(self._model, self._data, self._view)
        # OpenGL's row 0 is the lowest. A camera mounted upside down needs that flip and a half turn,
        # which together swap left and right.
        picture = rows_up[:, ::-1] if self._rotate180 else rows_up[::-1]
        return np.ascontiguousarray(picture)

    def close(self) -> None:
        """Frees the GL context; a later `render()` starts a new one."""
        if self._gl is not None:
            self._gl.free()
            self._gl = None


class _Drawing:
    """A GL context with one model's meshes and textures in it."""

    def __init__(
        self,
        model: mujoco.MjModel,
        size: tuple[int, int],
        faces: int | None,
        hidden_groups: tuple[int, ...],
    ) -> None:
        self._context: Any = None
        self._resources: Any = None
        self._process = os.getpid()
        import mujoco

        _refuse_after_fork()
        height, width = size
        visual = decimated_copy(model, faces, hidden_groups)
        visual.vis.global_.offwidth, visual.vis.global_.offheight = width, height
        visual.vis.quality.offsamples = 0
        visual.vis.quality.shadowsize = 0
        visual.vis.quality.numslices, visual.vis.quality.numstacks, visual.vis.quality.numquads = _ROUNDNESS
        with naming_the_backend(), restoring_gl_context():
            self._context = gl_context(width, height)
            try:
                self._context.make_current()
                self._resources = mujoco.MjrContext(visual, mujoco.mjtFontScale.mjFONTSCALE_50)
                mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._resources)
            except Exception:
                self.free()  # here, since freeing a context also takes away the one that is current
                raise
        self._scene = mujoco.MjvScene(model, _MAX_GEOMS)
        for flag in ("SHADOW", "REFLECTION", "FOG", "HAZE"):
            self._scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self._options = mujoco.MjvOption()
        for group in hidden_groups:
            self._options.geomgroup[group] = 0
        self._perturb = mujoco.MjvPerturb()
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), dtype=np.uint8)
        _free_at_exit(self)

    def draw(self, model: mujoco.MjModel, data: mujoco.MjData, view: mujoco.MjvCamera) -> NDArray[np.uint8]:
        """Returns the pixels, uint8 `(height, width, 3)`, lowest row first; overwritten by the next call."""
        import mujoco

        mujoco.mjv_updateScene(
            model, data, self._options, self._perturb, view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        with restoring_gl_context():
            # Another context may be current: GL calls would go to that one and draw its meshes.
            self._context.make_current()
            mujoco.mjr_render(self._rect, self._scene, self._resources)
            mujoco.mjr_readPixels(self._pixels, None, self._rect, self._resources)
        return self._pixels

    def free(self) -> None:
        """Frees the resources, then their context."""
        if self._context is None or self._process != os.getpid():
            return  # a forked process holds copies that are its parent's to free
        context, self._context = self._context, None
        with restoring_gl_context():
            context.make_current()
            if self._resources is not None:
                self._resources.free()
            context.free()

    def __del__(self) -> None:
        """Frees a drawing whose camera was dropped without `close`, in its own context and no other."""
        self.free()


_open: weakref.WeakSet[_Drawing] = weakref.WeakSet()

_started_in: list[int] = []
"""Id of the process in which this copy of the module first drew; a forked child inherits its parent's."""


def _refuse_after_fork() -> None:
    """Raises where a software driver would wait forever for threads that a fork did not copy.

    Raises:
        RuntimeError: A parent process drew before this one was forked off it.
    """
    if not _started_in:
        _started_in.append(os.getpid())
    if _started_in[0] != os.getpid():
        raise RuntimeError(
            "this process was forked after its parent had drawn a frame, and OpenGL does not survive a fork: "
            'start workers afresh, with AsyncVectorEnv(..., context="spawn") or '
            'SubprocVecEnv(..., start_method="spawn"), or create them before the first render()'
        )


def _free_at_exit(drawing: _Drawing) -> None:
    """Frees a drawing before MuJoCo's own exit hook ends the display, after which freeing prints errors."""
    # Exit hooks run last in, first out; MuJoCo's was put in when this drawing's context was made, or earlier.
    if not _open:
        atexit.unregister(_free_all)
        atexit.register(_free_all)
    _open.add(drawing)


def _free_all() -> None:
    for drawing in list(_open):
        drawing.free()


def _viewpoint(model: mujoco.MjModel, camera: str | Pose) -> Any:
    import mujoco

    view = mujoco.MjvCamera()
    if isinstance(camera, Pose):
        view.type = mujoco.mjtCamera.mjCAMERA_FREE
        view.lookat[:] = camera.lookat
        view.distance, view.azimuth, view.elevation = camera.distance, camera.azimuth, camera.elevation
        return view
    names = [model.camera(i).name for i in range(model.ncam)]
    if camera not in names:
        raise ValueError(f"the model has no camera {camera!r}; it has {names}")
    view.type = mujoco.mjtCamera.mjCAMERA_FIXED
    view.fixedcamid = names.index(camera)
    return view
