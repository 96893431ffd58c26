"""A machine or a setting without OpenGL: worlds without pictures run, the others say what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

METAWORLD, ROBOSUITE = "metaworld/drawer-open-v3", "robosuite/Lift"
STEPS = """
import sys
from robometer_rl.envs.make import make_env
env = make_env(sys.argv[1], seed=0, render_mode=sys.argv[2] if len(sys.argv) > 2 else None)
env.reset()
env.step(env.action_space.sample())
if env.render_mode:
    env.render()
env.close()
import os
print(os.environ.get("MUJOCO_GL"), os.environ.get("PYOPENGL_PLATFORM"))
"""


def run(backend: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "GL" not in name}
    if backend is not None:
        environment["MUJOCO_GL"] = backend
    # No display, whatever the machine has.
    environment.pop("DISPLAY", None)
    environment.pop("WAYLAND_DISPLAY", None)
    return subprocess.run(
        [sys.executable, "-c", STEPS, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("task", "backend"),
    [
        (METAWORLD, None),
        (METAWORLD, "no-such-backend"),
        (METAWORLD, "osmesa"),
        (ROBOSUITE, None),
        (ROBOSUITE, "no-such-backend"),
    ],
)
def test_a_world_without_pictures_needs_no_backend(task: str, backend: str | None) -> None:
    """MuJoCo refuses `no-such-backend` when it is imported, and `osmesa` where its library is missing."""
    done = run(backend, task)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(backend), "None"], "the user's variables are left as they were"


@pytest.mark.parametrize(
    ("task", "backend", "words"),
    [
        (METAWORLD, "no-such-backend", "MUJOCO_GL=no-such-backend is not an OpenGL backend: unset MUJOCO_GL"),
        (METAWORLD, "disabled", "MUJOCO_GL=disabled switches drawing off, and a picture is wanted: unset"),
        (METAWORLD, "glfw", "MUJOCO_GL=glfw cannot draw on this machine (FatalError: "),
        (ROBOSUITE, "glfw", "MUJOCO_GL=glfw cannot draw on this machine (FatalError: "),
    ],
)
def test_a_backend_that_cannot_draw_is_named_with_the_way_out(task: str, backend: str, words: str) -> None:
    done = run(backend, task, "rgb_array")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert words in last
    assert "render_mode=None" in last or "egl, osmesa" in last
