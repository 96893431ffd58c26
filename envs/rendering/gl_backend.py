"""Which OpenGL backend pictures are drawn with: EGL where it works, else OSMesa."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..extras import MissingExtraError, require

BACKENDS = ("egl", "osmesa")
"""Backends that need no display, in the order they are tried."""

_OFF = ("disable", "disabled", "off", "false", "0")
_KNOWN = (*BACKENDS, "glfw", "glx", "wgl", "cgl", "enable", "enabled", "on", "true", "1")
"""Values of `MUJOCO_GL` with which MuJoCo draws, on one system or another."""

_VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM")

_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom type='sphere' size='.5'/></worldbody></mujoco>"
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(data)
picture = renderer.render()
renderer.close()
raise SystemExit(0 if picture.max() > 0 else 1)
"""

_HELP = (
    "no OpenGL backend can draw a frame on this machine: tried {tried}. "
    "On Debian or Ubuntu run `apt-get install -y libegl1 libgl1 libosmesa6`, or set MUJOCO_GL.\n{errors}"
)


def ensure_gl_backend() -> str:
    """Chooses the GL backend for this process and its children by drawing one frame with it.

    Sets `MUJOCO_GL` and `PYOPENGL_PLATFORM`, which MuJoCo reads when it is imported, so call this before.
    A value of `MUJOCO_GL` that is already set is kept untried; so is the platform's own backend off Linux.

    Returns:
        `"egl"`, `"osmesa"`, the value that was set, or `"native"` off Linux.

    Raises:
        RuntimeError: No backend draws, or `MUJOCO_GL` is unknown or switches drawing off; the message says
            what to do.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if chosen in _OFF:
        raise RuntimeError(
            f"MUJOCO_GL={chosen} switches drawing off, and a picture is wanted: unset MUJOCO_GL, or make the "
            "environment with render_mode=None"
        )
    if chosen and chosen not in _KNOWN:
        raise RuntimeError(
            f"MUJOCO_GL={chosen} is not an OpenGL backend: unset MUJOCO_GL, and one that draws is chosen, or "
            f"set it to one of {', '.join(BACKENDS)}, glfw"
        )
    if not chosen:
        if not sys.platform.startswith("linux"):
            return "native"
        chosen = _first_that_draws()
        os.environ["MUJOCO_GL"] = chosen
    if chosen in BACKENDS:
        os.environ.setdefault("PYOPENGL_PLATFORM", chosen)
    return chosen


def _first_that_draws() -> str:
    errors = []
    for backend in BACKENDS:
        error = probe(backend)
        if error is None:
            return backend
        errors.append(f"{backend}: {error}")
    raise RuntimeError(_HELP.format(tried=", ".join(BACKENDS), errors="\n".join(errors)))


def probe(backend: str) -> str | None:
    """Draws one frame with a backend in a process of its own: a failed try cannot be undone in this one.

    Args:
        backend: A value of `MUJOCO_GL`.

    Returns:
        None when it draws, else the last line of the error.
    """
    environment = {**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "no frame within 120 s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def gl_context(width: int, height: int) -> Any:
    """Makes an off-screen GL context of the chosen backend, even where MuJoCo was imported before the choice.

    Args:
        width: Of the buffer, pixels.
        height: Of the buffer, pixels.

    Returns:
        An object with `make_current()` and `free()`.

    Raises:
        RuntimeError: `MUJOCO_GL` is unknown or switches drawing off.
    """
    backend = ensure_gl_backend()
    if backend == "egl":
        from mujoco.egl import GLContext
    elif backend == "osmesa":
        from mujoco.osmesa import GLContext
    elif sys.platform.startswith("linux"):
        from mujoco.glfw import GLContext
    else:
        from mujoco import GLContext
    return GLContext(width, height)


@contextmanager
def naming_the_backend() -> Iterator[None]:
    """Around the first GL calls: says of an error which backend raised it, and how to have another.

    Where a driver or a display is missing, libraries raise whatever comes (`AttributeError` for a missing
    libOSMesa), so every exception but that of a missing extra is taken
    for the backend's.

    Raises:
        RuntimeError: In place of the exception.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:
        backend = os.environ.get("MUJOCO_GL", "").strip().lower() or "native"
        display = "" if backend in BACKENDS else f"{backend} needs a display. "
        raise RuntimeError(
            f"MUJOCO_GL={backend} cannot draw on this machine ({type(error).__name__}: {error}). {display}"
            f"Unset MUJOCO_GL, and a backend that draws is chosen, or set it to {' or '.join(BACKENDS)}, "
            "which need no display. Where no pictures are needed, make the environment with render_mode=None"
        ) from error


def import_suite(module: str, draws: bool) -> Any:
    """Imports a suite on MuJoCo: with a backend if pictures will be drawn, without the need of one if not.

    Args:
        module: The suite's module, dotted.
        draws: Whether pictures will be drawn.

    Returns:
        The module.

    Raises:
        MissingExtraError: The suite is not installed; the message is the command that installs it.
        RuntimeError: Pictures will be drawn, and no backend draws or the one that `MUJOCO_GL` names cannot be
            loaded.
    """
    if all(importlib.util.find_spec(name) for name in (module.partition(".")[0], "mujoco")):
        if draws:
            ensure_gl_backend()
            with naming_the_backend():
                require("mujoco")
        else:
            _import_mujoco_alone()
    with _keeping_variables():  # robosuite writes another backend into them
        return require(module)


def _import_mujoco_alone() -> None:
    """Imports MuJoCo although the backend that `MUJOCO_GL` names may be missing."""
    with _keeping_variables():
        try:
            require("mujoco")
        except Exception:
            # MuJoCo loads the backend when it is imported, and raises whatever that raises where its name is
            # unknown or its library is missing. Without pictures nothing of it is needed.
            os.environ["MUJOCO_GL"] = "disabled"
            require("mujoco")


@contextmanager
def _keeping_variables() -> Iterator[None]:
    """Around imports: puts the environment variables that choose a backend back as they were."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def restoring_gl_context() -> Iterator[None]:
    """Around GL calls with a context of our own: afterwards the one that was current before, or none, is.

    Other renderers of the process may count on theirs: Gymnasium's makes its context current once, when it is
    made, and draws into whichever is current from then on.
    """
    give_back = _give_back(ensure_gl_backend())
    try:
        yield
    finally:
        give_back()


def _give_back(backend: str) -> Callable[[], Any]:
    """A function that makes the context current which is current now, or none."""
    if backend == "egl":
        return _give_back_egl()
    if backend == "osmesa":
        return _give_back_osmesa()
    if sys.platform == "darwin":
        return _nothing  # MuJoCo's binding of CGL cannot ask for the current context
    import glfw

    glfw.init()
    return partial(glfw.make_context_current, glfw.get_current_context())


def _give_back_egl() -> Callable[[], Any]:
    from mujoco import egl
    from mujoco.egl import egl_ext as calls

    context = calls.eglGetCurrentContext()
    if context:
        display = calls.eglGetCurrentDisplay()
        draw, read = (calls.eglGetCurrentSurface(which) for which in (calls.EGL_DRAW, calls.EGL_READ))
        return partial(calls.eglMakeCurrent, display, draw, read, context)

    def release() -> None:
        if egl.EGL_DISPLAY is not None:  # made with the first context
            none = calls.EGL_NO_SURFACE
            calls.eglMakeCurrent(egl.EGL_DISPLAY, none, none, calls.EGL_NO_CONTEXT)

    return release


def _give_back_osmesa() -> Callable[[], Any]:
    from OpenGL import GL, osmesa

    context = osmesa.OSMesaGetCurrentContext()
    if not context:
        return partial(osmesa.OSMesaMakeCurrent, None, None, GL.GL_FLOAT, 0, 0)
    width, height, _, pixels = osmesa.OSMesaGetColorBuffer(context)
    kind = osmesa.OSMesaGetIntegerv(osmesa.OSMESA_TYPE)
    return partial(osmesa.OSMesaMakeCurrent, context, pixels, kind, width, height)


def _nothing() -> None:
    """Does nothing."""
