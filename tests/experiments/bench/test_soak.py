"""The soak sees what it is there to see, and a small one runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from robometer_rl.experiments.bench import soak as module
from robometer_rl.experiments.bench.soak import Checker, SoakConfig, SoakError, left_behind, main
from robometer_rl.experiments.bench.soak_envs import Seen, SoakEnv, env_reward, picture

MODEL = "robometer_test_fakes:FakeRewardModel"
SIZE = 12


def frame(model: Any, code: int) -> tuple[int, float, float]:
    """A code with the scores that the fake model, which has no memory, gives its picture."""
    scores = model.score(picture(code, SIZE)[None], "a task")
    return code, float(scores.progress[0]), float(scores.success[0])


def seen(model: Any, codes: tuple[int, int], **changes: Any) -> Seen:
    """A correct step of two environments, and what is to be wrong with it."""
    _, progress, success = (
        np.array(column) for column in zip(*(frame(model, c) for c in codes), strict=True)
    )
    no = np.zeros(2, dtype=np.bool_)
    made = Seen(
        progress + success, no, no, np.array(codes), progress, success, env_reward(np.array(codes)), {}
    )
    return replace(made, **changes)


@pytest.fixture
def model(fakes: ModuleType) -> Any:
    return fakes.FakeRewardModel()


@pytest.fixture
def checker(model: Any) -> Checker:
    return Checker(model, SIZE, 1, {0: frame(model, 1), 1: frame(model, 2)})


def test_correct_steps_are_counted_and_episodes_rescored(model: Any, checker: Checker) -> None:
    checker.step(seen(model, (3, 4)))
    checker.step(seen(model, (5, 6), ended=np.array([True, False])))
    only = np.array([True, False])
    step = seen(model, (7, 8), reset_only=only, fresh={0: frame(model, 7)})
    checker.step(replace(step, rewards=np.where(only, 0.0, step.rewards)))
    assert (checker.steps, checker.reset_steps, checker.episodes, checker.rescored) == (5, 1, 1, 1)
    assert checker.largest_difference < 1e-6
    assert checker.lowest_reward > 0


YES = np.array([True, False])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.array([np.nan, 1.0])}, r"rows \[0.*\]: reward is not finite"),
        ({"rewards": np.array([7.0, 7.0])}, "reward is not progress"),
        ({"progress": np.array([1.5, 0.5])}, "progress is outside"),
        ({"success": np.array([np.nan, 0.5])}, "success is outside"),
        ({"env_rewards": np.array([0.0, 0.0])}, "env_reward is not"),
        ({"reset_only": YES}, r"rows \[0\]: reward of a reset is not exactly zero"),
        (dict.fromkeys(("rewards", "progress", "success"), np.zeros(2)), "reward of a step is zero"),
        ({"rewards": np.zeros(2), "reset_only": ~np.zeros(2, bool), "ended": YES}, "a reset ended"),
    ],
)  # fmt: skip
def test_wrong_steps_are_seen(model: Any, checker: Checker, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SoakError, match=message):
        checker.step(seen(model, (3, 4), **changes))


def test_scores_of_another_row_are_seen(model: Any, checker: Checker) -> None:
    right = seen(model, (3, 4))
    assert abs(right.rewards[0] - right.rewards[1]) > 0.01
    swapped = {name: getattr(right, name)[::-1] for name in ("rewards", "progress", "success")}
    with pytest.raises(SoakError, match="scored as a whole video, differs"):
        checker.step(replace(right, **swapped, ended=YES))


def test_the_environment_is_what_its_code_says() -> None:
    env, twin = SoakEnv(3, SIZE), SoakEnv(3, SIZE)
    ends = 0
    for e in (env, twin):
        e.reset()
    for _ in range(200):
        action = env.action_space.sample()
        _, reward, terminated, truncated, info = env.step(action)
        assert (reward, terminated, truncated, info) == twin.step(action)[1:]
        assert reward == env_reward(info["code"]) < 0
        assert np.array_equal(env.render(), picture(info["code"], SIZE))
        ends += terminated or truncated
    assert 1 <= ends <= 30


def test_zombies_and_runaways_are_seen() -> None:
    quick = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    slow = os.posix_spawn(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], {})
    os.waitid(os.P_PID, quick, os.WEXITED | os.WNOWAIT)
    assert left_behind([quick, slow]) == [f"{quick} is a zombie", f"{slow} still runs"]
    os.kill(slow, signal.SIGKILL)
    os.waitpid(slow, 0)
    assert left_behind([quick, slow]) == []


def test_a_hang_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(TimeoutError, match="waiting took more than 1 s"), module._alarm("waiting"):
        time.sleep(30)
    assert signal.alarm(0) == 0


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="envs=0 must be at least 1"):
        SoakConfig(envs=0)


@pytest.mark.parametrize("vector", ["gymnasium", "sb3"])
def test_a_small_soak(vector: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "soak.json"
    words = ["--steps", "120", "--envs", "2", "--vector", vector, "--model", MODEL, "--size", str(SIZE)]
    main([*words, "--rescore-every", "1", "--json", str(path)])
    made = json.loads(path.read_text())
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == made
    result = made["result"]
    assert result["steps"] >= 120
    assert result["episodes"] == result["rescored"] >= 1
    assert result["reset_steps"] == 0 if vector == "sb3" else result["reset_steps"] >= 1
    assert result["largest_difference"] < 1e-5
    assert "was killed by SIGKILL" in result["death"]
    assert result["seconds_to_notice"] < module.PATIENCE
