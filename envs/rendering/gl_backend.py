"""Which OpenGL backend pictures are drawn with: EGL where it works, else OSMesa."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

BACKENDS = ("egl", "osmesa")
"""Backends that need no display, in the order they are tried."""

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
        RuntimeError: No backend draws; the message says what to install.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
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
    """
    backend = ensure_gl_backend()
    if backend == "egl":
        from mujoco.egl import GLContext
    elif backend == "osmesa":
        from mujoco.osmesa import GLContext
    else:
        from mujoco import GLContext
    return GLContext(width, height)
