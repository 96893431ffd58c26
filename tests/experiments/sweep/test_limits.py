"""What a run may have of its machine, and the options that say so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import tyro

from robometer_rl.experiments.sweep import local_engine as sweep_local
from robometer_rl.experiments.sweep import process as sweep_process
from robometer_rl.experiments.sweep.local_engine import cores_of_this_process, memory_of_this_process
from robometer_rl.experiments.sweep.sweep import SweepConfig, sweep

PROGRAM = ("python", str(Path(__file__).with_name("sweep_program.py")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two seeds of a run that does nothing but write its files."""
    path = tmp_path / "two.yaml"
    path.write_text("seed: [0, 1]\nsteps: 800\n")
    return path


def test_each_run_has_cores_of_its_own_and_no_more_threads(file: Path, tmp_path: Path) -> None:
    sweep(SweepConfig(file, tmp_path / "out", workers=2), PROGRAM)
    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").glob("*/result.json"))]
    assert [result["threads"] for result in results] == ["1", "1"]
    cores = cores_of_this_process()
    assert [result["cores"] for result in results] == [[cores[0]], [cores[1 % len(cores)]]]


def test_a_run_over_its_memory_is_ended_with_that_reason(tmp_path: Path) -> None:
    file, out = tmp_path / "acts.yaml", tmp_path / "out"
    file.write_text("overrides: [{act: eat}, {}]\n")
    assert sweep(SweepConfig(file, out, memory_gb=0.2, retries=0), PROGRAM) == 1
    eats, eats_not = json.loads((out / "manifest.json").read_text())["runs"]
    assert eats_not["state"] == "done"
    assert eats["state"] == "failed"
    assert "GB used, the limit is 0.2 GB (--memory-gb)" in eats["error"]
    assert not psutil.pid_exists(int((out / eats["id"] / "pids").read_text()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers should be at least 0"),
        ({"cpus": 0}, "cpus should be at least 1"),
        ({"memory_gb": 0.0}, "memory_gb should be a positive number"),
        ({"memory_gb": float("nan")}, "memory_gb should be a positive number"),
        ({"grace": float("nan")}, "grace should be at least 0, got nan"),
        ({"gpus": float("nan")}, "gpus should be at least 0, got nan"),
        ({"gpus": 1.0}, "--engine ray"),
        ({"address": "auto"}, "--engine ray"),
        ({"train": "--device cuda --seed 3"}, "--train has --seed, which is for the sweep file"),
        ({"train": "--no-stop-when-solved"}, "--train has --no-stop-when-solved"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SweepConfig(**options)


def test_more_memory_than_there_is_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--memory-gb 1e\\+06 is more than this machine's"):
        sweep(SweepConfig(file, tmp_path / "out", memory_gb=1e6), PROGRAM)


def test_a_container_has_fewer_cores_and_less_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_local, "CONTROL_GROUP", tmp_path)
    cores, memory = cores_of_this_process(), memory_of_this_process()
    assert set(cores) <= set(range(1024))
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (cores_of_this_process(), memory_of_this_process()) == (cores, memory)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    assert (cores_of_this_process(), memory_of_this_process()) == (cores[:1], 1_000_000)


def test_ray_that_is_missing_names_its_extra(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "robometer_rl.experiments.sweep.ray_engine", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'robometer-rl\[ray\]'"):
        sweep(SweepConfig(file, tmp_path / "out", engine="ray"), PROGRAM)


def test_the_command_line_reads_the_options() -> None:
    words = ["seen", "--workers", "2", "--memory-gb", "4", "--engine", "ray", "--address", "10.0.0.1:6379"]
    assert tyro.cli(SweepConfig, args=words) == SweepConfig(
        Path("seen"), workers=2, memory_gb=4.0, engine="ray", address="10.0.0.1:6379"
    )


def test_a_run_hears_ctrl_c_even_where_its_sweep_was_started_deaf(tmp_path: Path) -> None:
    """Shells start background work with SIGINT ignored, and Ray its workers; programs inherit that."""
    code = "import os, signal; print(signal.getsignal(signal.SIGINT).__name__, os.sched_getaffinity(0))"
    child = Path(sweep_process.__file__).with_name("child.py")
    core = cores_of_this_process()[-1]
    deaf = ["sh", "-c", 'trap "" INT; "$@"; exit $?', "sh", sys.executable, "-c"]
    words = [sys.executable, str(child), str(core), "PARENT", sys.executable, "-c", code]
    starter = f"import os, subprocess; words = {words!r}; words[3] = str(os.getpid()); subprocess.run(words)"
    done = subprocess.run([*deaf, starter], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.split(maxsplit=1) == ["default_int_handler", f"{{{core}}}\n"]
