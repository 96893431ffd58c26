"""Workers that are forked after the parent has scored: an error that names the way out, and no hang."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AsyncVectorEnv
from robometer_rl import RobometerReward, load_reward_model

torch.set_num_threads(2)

class Painted(gym.Env):
    observation_space = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(0, 256, (16, 16, 3), dtype=np.uint8), {}

def make():
    return RobometerReward(Painted(), "open the drawer", frames="observation", warn_unseen_world=False)

make().reset(seed=0)
envs = AsyncVectorEnv([make] * 2, context="fork")
try:
    envs.reset(seed=0)
except RuntimeError as error:
    print(error)
envs.close(terminate=True)
"""


def test_async_workers_that_were_forked_after_a_score_say_spawn() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert 'context="spawn"' in done.stdout, done.stderr
