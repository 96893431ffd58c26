"""A forked process whose parent had started torch's threads says so and does not hang."""

from __future__ import annotations

import os
import subprocess
import sys

BEGIN = """
import os, sys, time
import numpy as np
import torch
from robometer_rl.rewards import load_reward_model

torch.set_num_threads(2)
FRAMES = np.zeros((2, 96, 96, 3), np.uint8)

def score(model=None):
    (model or load_reward_model("compact")).score(FRAMES, "open the drawer")

def forked(function):
    worker = os.fork()
    if worker == 0:
        try:
            function()
            print("scored", flush=True)
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    end = time.monotonic() + 60
    while not os.waitpid(worker, os.WNOHANG)[0]:
        assert time.monotonic() < end or os.kill(worker, 9), "the worker hangs"
        time.sleep(0.01)
"""


def run(program: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", BEGIN + program],
        env={**os.environ, "OMP_NUM_THREADS": "2", **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_fork_after_a_score_is_refused_with_the_way_out() -> None:
    fresh, held, inner, _ = run("""
model = load_reward_model("compact")
score(model)
forked(score)
forked(lambda: score(model))
forked(lambda: forked(score))
""")
    assert "forked after its parent had computed with torch" in fresh
    assert 'context="spawn"' in fresh
    assert held == inner == fresh


def test_a_fork_after_other_use_of_torch_is_refused_too() -> None:
    """Nothing tells that the pool has been started, so one operation is tried."""
    (said,) = run("""
from robometer_rl.rewards import forking
forking.PATIENCE = 2.0
torch.ones(1 << 22).add_(1)
forked(score)
""")
    assert 'context="spawn"' in said


def test_a_fork_before_torch_has_computed_is_fine() -> None:
    first, inner, outer = run("""
forked(score)
forked(lambda: (score(), forked(score)))
score()
""")
    assert first == outer == "scored"
    assert 'context="spawn"' in inner, "a worker that has scored is a parent like any other"


def test_one_thread_survives_every_fork() -> None:
    assert run("""
torch.set_num_threads(1)
score()
forked(score)
forked(lambda: forked(score))
""") == ["scored", "scored", "scored"]
