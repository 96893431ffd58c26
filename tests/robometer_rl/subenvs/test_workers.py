"""A worker that dies is named, nothing hangs, nobody is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv
from stable_baselines3.common.vec_env import SubprocVecEnv

from robometer_rl import RobometerVectorReward, ShareFrames, WorkerDiedError
from robometer_rl.subenvs.workers import Workers
from robometer_rl.wrappers.sb3 import VecRobometerReward


@pytest.fixture(autouse=True)
def _spawned_workers_know_the_fakes() -> Iterator[None]:
    modules = [sys.modules["robometer_test_fakes"], sys.modules[__name__]]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


class Fragile(FakeEnv):
    """Raises an error of its own at the fifth step."""

    def step(self, action: Any) -> Any:
        if self.steps == 4:
            raise ZeroDivisionError("the gripper fell off")
        return super().step(action)


def make() -> Any:
    return ShareFrames(FakeEnv(horizon=3, pace=10))


KINDS = ["async-fork", "async-spawn", "subproc-fork", "subproc-forkserver"]


def vector(kind: str, envs: int = 3) -> Any:
    api, start = kind.split("-")
    if api == "async":
        inner = AsyncVectorEnv([make] * envs, context=start)
        return RobometerVectorReward(inner, SENTENCE, MODEL, shaping="progress")
    return VecRobometerReward(
        SubprocVecEnv([make] * envs, start_method=start), SENTENCE, MODEL, shaping="progress"
    )


def step(envs: Any, times: int = 1) -> Any:
    """Steps all environments so many times; returns what the last step gave."""
    return [envs.step(np.tile(ACTION, (envs.num_envs, 1))) for _ in range(times)][-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("during", ["step", "reset"])
def test_a_killed_worker_is_named_and_all_are_gone(kind: str, during: str) -> None:
    envs = vector(kind)
    processes = list(envs.unwrapped.processes)
    envs.reset()
    assert step(envs)[1] == pytest.approx([0.1, 0.1, 0.1])
    os.kill(processes[1].pid, signal.SIGKILL)
    processes[1].join()
    start = time.monotonic()
    with pytest.raises(
        WorkerDiedError, match=rf"worker 1 of 3 \(pid {processes[1].pid}\) was killed by SIGKILL"
    ):
        step(envs) if during == "step" else envs.reset()
    assert time.monotonic() - start < 15
    for process in processes:
        assert process.exitcode is not None
        with pytest.raises(ProcessLookupError):  # reaped: no zombie keeps the number
            os.kill(process.pid, 0)
    envs.close()
    envs.close()


@pytest.mark.parametrize("kind", ["async-fork", "subproc-fork", "subproc-forkserver"])
def test_a_worker_killed_while_it_steps_does_not_hang(kind: str) -> None:
    envs = vector(kind)
    processes = list(envs.unwrapped.processes)
    envs.reset()
    os.kill(processes[2].pid, signal.SIGSTOP)  # it takes the action and never answers
    if kind.startswith("async"):
        os.kill(processes[2].pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="worker 2 of 3"):
            step(envs)
    else:
        envs.step_async(np.tile(ACTION, (3, 1)))
        os.kill(processes[2].pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="worker 2 of 3"):
            envs.step_wait()
    assert all(process.exitcode is not None for process in processes)


def test_an_error_inside_a_worker_of_gymnasium_arrives_as_it_is() -> None:
    inner = AsyncVectorEnv([make, lambda: ShareFrames(Fragile(horizon=9))])
    envs = RobometerVectorReward(inner, SENTENCE, MODEL)
    envs.reset()
    logged = pytest.warns(UserWarning, match="Worker-1|fell off|Raising the last")
    with logged, pytest.raises(ZeroDivisionError, match="the gripper fell off"):
        step(envs, times=5)
    envs.close()


def test_an_error_inside_a_worker_of_sb3_names_the_worker(capfd: pytest.CaptureFixture[str]) -> None:
    inner = SubprocVecEnv([make, lambda: ShareFrames(Fragile(horizon=9))], start_method="fork")
    envs = VecRobometerReward(inner, SENTENCE, MODEL)
    envs.reset()
    with pytest.raises(WorkerDiedError, match=r"worker 1 of 2 .* ended with exit code 1; what it printed"):
        step(envs, times=5)
    assert "the gripper fell off" in capfd.readouterr().err


def test_an_error_of_an_environment_in_process_is_its_own() -> None:
    class NoWorkers:
        closed = False

    with pytest.raises(ConnectionError, match="camera"), Workers(NoWorkers()).watched():
        raise ConnectionError("the camera's own")


@pytest.mark.parametrize("kind", KINDS)
def test_the_shared_file_has_no_name_once_it_is_open(kind: str) -> None:
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    envs = vector(kind, 2)
    envs.reset()
    after = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    assert not [name for name in after - before if name.startswith("robometer-")]
    envs.close()
