"""Pictures of Gymnasium's own MuJoCo environments, several of which live in one process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gymnasium as gym
import numpy as np
from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend
from robometer_rl.frames import FrameGrabber
ensure_gl_backend()

def make(name):
    env = gym.make(name, render_mode="rgb_array", width=64, height=64)
    grabber = FrameGrabber(env, "render")
    observation, _ = env.reset(seed=0)
    return env, lambda: grabber.grab(observation)[0]

cheetah, take_cheetah = make("HalfCheetah-v5")
alone = take_cheetah()
ant, take_ant = make("Ant-v5")
before = take_ant()
assert (take_cheetah() == alone).all(), "drawn into the other's context"
assert (take_ant() == before).all()
cheetah.close()
after = take_ant()
assert (after == before).all(), f"mean {before.mean():.1f} -> {after.mean():.1f} when the other was closed"
ant.close()
"""


def test_a_renderer_goes_on_when_another_one_is_closed() -> None:
    """Gymnasium's viewer does not make its context current, and closing one takes the current one away."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
