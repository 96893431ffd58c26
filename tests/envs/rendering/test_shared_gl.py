"""The fast camera beside renderers of others in one process: each keeps its pictures."""

from __future__ import annotations

import subprocess
import sys

BEGIN = """
import gymnasium as gym
from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend
ensure_gl_backend()
from robometer_rl.envs.make import make_env

def theirs(name="HalfCheetah-v5"):
    env = gym.make(name, render_mode="rgb_array", width=96, height=96)
    env.reset(seed=0)
    return env

def ours(name="drawer-open"):
    env = make_env(f"metaworld/{name}-v3", seed=0)
    env.reset()
    return env

def same(env, picture):
    again = env.render()
    assert (again == picture).all(), f"mean {picture.mean():.1f} -> {again.mean():.1f}"
"""


def run(program: str) -> None:
    """Runs in a process of its own: GL contexts of one test would be those of the next."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_renderer_that_was_there_first_keeps_its_picture() -> None:
    run("""
cheetah = theirs()
before = cheetah.render()
drawer = ours()
drawn = drawer.render()
same(cheetah, before)
same(drawer, drawn)
same(cheetah, before)
drawer.close()
same(cheetah, before)
cheetah.close()
""")


def test_a_renderer_that_came_later_keeps_its_picture() -> None:
    run("""
drawer = ours()
drawn = drawer.render()
cheetah = theirs()
before = cheetah.render()
same(drawer, drawn)
same(cheetah, before)
window = ours("window-close")
window.render()
window.close()
same(cheetah, before)
drawer.close()
same(cheetah, before)
cheetah.close()
""")


def test_ours_keep_their_pictures_when_another_renderer_is_deleted() -> None:
    run("""
import gc
cheetah = theirs()
cheetah.render()
drawer = ours()
drawn = drawer.render()
cheetah.close()
same(drawer, drawn)
del cheetah
gc.collect()
same(drawer, drawn)
drawer.close()
""")


def test_without_a_context_of_others_none_is_left_current() -> None:
    run("""
drawer = ours()
drawer.render()
from mujoco.egl import egl_ext
assert not egl_ext.eglGetCurrentContext()
drawer.close()
assert not egl_ext.eglGetCurrentContext()
""")


def test_a_camera_that_cannot_be_made_leaves_the_context_that_was_there() -> None:
    run("""
import mujoco
from robometer_rl.envs.rendering.fast_camera import FastCamera
cheetah = theirs()
before = cheetah.render()
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><camera name='c'/></worldbody></mujoco>")
camera = FastCamera(model, mujoco.MjData(model), "c", size=(64, 100_000))
try:
    camera.render()
except Exception as error:
    print(type(error))
else:
    raise SystemExit("so wide a picture was made")
same(cheetah, before)
""")


def test_one_that_is_dropped_without_close_takes_nothing_with_it() -> None:
    run("""
import gc
cheetah = theirs()
before = cheetah.render()
drawer = ours()
drawer.render()
del drawer
gc.collect()
same(cheetah, before)
""")
