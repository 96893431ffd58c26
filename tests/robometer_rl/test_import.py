"""`import robometer_rl` is what everybody pays: it must be quick, light and silent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import robometer_rl

HEAVY = ("torch", "mujoco", "transformers", "metaworld", "robosuite", "stable_baselines3", "matplotlib")


def run(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, cwd=cwd, capture_output=True, text=True
    )
    return done.stdout.strip() + done.stderr.strip()


def test_it_loads_nothing_heavy_and_says_nothing(tmp_path: Path) -> None:
    code = f"import sys, robometer_rl; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run(code, tmp_path) == "[]"


def test_the_wrapper_loads_nothing_heavy_either(tmp_path: Path) -> None:
    code = (
        "import sys; from robometer_rl import RobometerReward, load_reward_model, make_env, ShapingConfig;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run(code, tmp_path) == "[]"


def test_it_takes_less_than_a_second(tmp_path: Path) -> None:
    """Processor time, interpreter start included: the wall clock would measure what else runs here."""
    code = "import time, robometer_rl; print(time.process_time())"
    seconds = [float(run(code, tmp_path)) for _ in range(3)]
    assert min(seconds) < 1.0, f"the import took {seconds} s of processor time"


def test_every_public_name_is_there_and_listed() -> None:
    for name in robometer_rl.__all__:
        assert getattr(robometer_rl, name) is not None
    assert set(robometer_rl.__all__) <= set(dir(robometer_rl))


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Robometer'; it offers .*RobometerReward"):
        robometer_rl.Robometer  # noqa: B018


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert robometer_rl.__version__ == version("robometer-rl")
