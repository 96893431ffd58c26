from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from robometer_rl.cli import main
from robometer_rl.errors import InputError
from robometer_rl.experiments.agent.run import RunConfig, RunFolder
from robometer_rl.experiments.common.files import write_json
from robometer_rl.experiments.sweep.manifest import Manifest
from robometer_rl.experiments.sweep.sweep import SweepConfig, sweep

PROGRAM = ("python", str(Path(__file__).with_name("sweep_program.py")))
DRIVER = f"""
import sys, tyro
from robometer_rl.experiments.sweep.sweep import SweepConfig, sweep
try:
    sys.exit(sweep(tyro.cli(SweepConfig), program={PROGRAM!r}))
except KeyboardInterrupt:
    sys.exit(130)
"""


def manifest(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((out / "manifest.json").read_text())["runs"]
    return rows


def by_act(out: Path) -> dict[str, dict[str, Any]]:
    return {json.loads(row["config"]["overrides"]).get("act", ""): row for row in manifest(out)}


def pids(out: Path) -> list[int]:
    return [int(line) for path in out.glob("*/pids") for line in path.read_text().split()]


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def logs(out: Path) -> list[str]:
    return [path.read_text() for path in sorted(out.glob("*/log.txt"))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two seeds of a run that does nothing but write its files."""
    path = tmp_path / "two.yaml"
    path.write_text("seed: [0, 1]\nsteps: 800\n")
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Two seeds of a run that takes 1.6 s, with a checkpoint every 0.2 s."""
    path = tmp_path / "slow.yaml"
    path.write_text("seed: [0, 1]\nsteps: 800\noverrides: {pause: 0.2}\n")
    return path


def acting(tmp_path: Path, *acts: str) -> Path:
    path = tmp_path / "acts.yaml"
    path.write_text("overrides:\n" + "".join(f"- {{act: '{act}'}}\n" for act in acts))
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a sweep as a process of its own, into `tmp_path/out`."""
    started = []

    def go(file: Path, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(file), "--out", str(tmp_path / "out"), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.communicate()


def test_runs_all_and_skips_what_is_done(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = SweepConfig(file, tmp_path / "out")
    assert sweep(config, PROGRAM) == 0
    rows = manifest(tmp_path / "out")
    assert [(row["config"]["seed"], row["state"], row["attempts"], row["exit_status"]) for row in rows] == [
        (0, "done", 1, 0),
        (1, "done", 1, 0),
    ]
    assert all(row["started"] <= row["finished"] for row in rows)
    printed = capsys.readouterr().out
    commands = [row["command"] for row in rows]
    assert commands[1].startswith("robometer-rl train --env metaworld/drawer-open-v3 --algo sac --reward")
    assert printed.index(commands[0]) < printed.index(commands[1]) < printed.index("running")
    assert printed.count("done drawer-open-v3-sac-robometer-s") == 2
    assert "true success 1.00, 800 steps, 8.0 min" in printed
    before = pids(tmp_path / "out")
    assert sweep(config, PROGRAM) == 0
    assert pids(tmp_path / "out") == before, "nothing ran again"
    assert "2 of 2 runs done" in capsys.readouterr().out


def test_failures_are_tried_again_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = acting(tmp_path, "fail", "fail once", "wrong", "nothing")
    assert sweep(SweepConfig(file, tmp_path / "out", retries=2), PROGRAM) == 1
    rows = by_act(tmp_path / "out")
    told = {
        act: (row["state"], row["attempts"], row["exit_status"], row["error"]) for act, row in rows.items()
    }
    assert told == {
        "fail": ("failed", 3, 1, "RuntimeError: the simulator broke"),
        "fail once": ("done", 2, 0, ""),
        "wrong": ("failed", 1, 2, "robometer-rl train: overrides names 'gama'"),
        "nothing": ("failed", 3, 0, "exit status 0, but no result.json; last line: "),
    }
    printed = capsys.readouterr().out
    assert "1 of 4 done, 3 failed" in printed
    line = f"FAILED {rows['fail']['id']} (attempts: 3, exit status 1): RuntimeError: the simulator broke"
    assert line in printed
    log = (tmp_path / "out" / rows["fail"]["id"] / "log.txt").read_text()
    assert log.count("Traceback") == 3, "attempts follow each other in the log"

    again = SweepConfig(
        acting(tmp_path, "fail", "fail once", "wrong", "nothing"), tmp_path / "out", retries=0
    )
    assert sweep(again, PROGRAM) == 1
    assert {act: row["attempts"] for act, row in by_act(tmp_path / "out").items()} == {
        "fail": 4,
        "fail once": 2,
        "wrong": 2,
        "nothing": 4,
    }


def test_a_program_that_is_not_there_fails_the_run(file: Path, tmp_path: Path) -> None:
    assert sweep(SweepConfig(file, tmp_path / "out", retries=0), ("/no/such/program",)) == 1
    assert "No such file or directory" in manifest(tmp_path / "out")[0]["error"]


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(
    slow: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out"
    sweeping = start(slow, "--workers", "2")
    wait_for(lambda: len(list(out.glob("*/curve.csv"))) == 2)
    sweeping.send_signal(signal.SIGINT)
    printed, _ = sweeping.communicate(timeout=20)
    assert sweeping.returncode == 130
    assert "stopped: 0 of 2 done, 2 waiting; the same command goes on from here" in printed
    assert [row["state"] for row in manifest(out)] == ["waiting", "waiting"]
    assert all("stopped" in log for log in logs(out)), "the runs had time for a checkpoint"
    assert not any(lives(pid) for pid in pids(out))
    assert len(list(out.glob("*/checkpoint/0*"))) == 2

    assert sweep(SweepConfig(slow, out, workers=2), PROGRAM) == 0
    assert [(row["state"], row["attempts"]) for row in manifest(out)] == [("done", 2)] * 2
    assert all("going on from" in log for log in logs(out))


def test_what_does_not_stop_is_killed_after_its_grace(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out"
    sweeping = start(acting(tmp_path, "stubborn"), "--grace", "0.5")
    wait_for(lambda: any("ready" in log for log in logs(out)))
    sweeping.send_signal(signal.SIGTERM)
    assert sweeping.wait(timeout=20) == 130
    assert [row["state"] for row in manifest(out)] == ["waiting"]
    assert not any(lives(pid) for pid in pids(out))


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    out = tmp_path / "out"
    sweeping = start(acting(tmp_path, "stubborn"), "--grace", "50")
    wait_for(lambda: any("ready" in log for log in logs(out)))
    sweeping.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert sweeping.poll() is None, "it waits for the run"
    sweeping.send_signal(signal.SIGINT)
    assert sweeping.wait(timeout=20) == 130
    assert not any(lives(pid) for pid in pids(out))


def test_a_killed_sweep_takes_its_runs_along_and_goes_on(
    slow: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out"
    sweeping = start(slow, "--workers", "1")
    wait_for(lambda: list(out.glob("*/curve.csv")))
    sweeping.kill()
    sweeping.wait()
    assert [row["state"] for row in manifest(out)] == ["running", "waiting"]
    assert sweep(SweepConfig(slow, out, workers=2), PROGRAM) == 0
    assert [(row["state"], row["attempts"]) for row in manifest(out)] == [("done", 2), ("done", 1)]
    first = (out / manifest(out)[0]["id"] / "log.txt").read_text()
    assert first.index("stopped") < first.rindex("ready"), "the new process waited for the old one's end"
    assert "going on from" in first


def test_a_run_that_outlives_its_sweep_is_ended_before_it_starts_again(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sweeping = start(acting(tmp_path, "stubborn"))
    wait_for(lambda: any("ready" in log for log in logs(out)))
    sweeping.kill()
    sweeping.wait()
    (pid,) = pids(out)
    assert lives(pid), "it ignores the signal that its sweep's end sends"
    assert sweep(SweepConfig(acting(tmp_path, "stubborn"), out, grace=0.5), ("python", "-c", "1/0")) == 1
    assert not lives(pid)
    assert "is in use by another process" in capsys.readouterr().out
    assert "ZeroDivisionError" in manifest(out)[0]["error"]


def test_one_sweep_per_folder_and_its_status_from_elsewhere(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "out", tmp_path / "slow.yaml"
    file.write_text("seed: [0, 1]\nsteps: 800\noverrides: {pause: 1}\n")
    sweeping = start(file, "--workers", "1")
    wait_for(lambda: list(out.glob("*/curve.csv")))
    assert main(["sweep", "--status", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "0 of 2 done, 1 running, 1 waiting; about" in printed
    with pytest.raises(InputError, match=f"a sweep is running in .*process {sweeping.pid}.*--status"):
        sweep(SweepConfig(file, out), PROGRAM)
    sweeping.kill()
    sweeping.wait()
    assert main(["sweep", str(file), "--status", "--out", str(out)]) == 0
    assert "0 of 2 done, 2 waiting" in capsys.readouterr().out


def test_status_without_a_file_shows_all_sweeps(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--status"]) == 2
    assert "no sweep in" in capsys.readouterr().err
    sweep(SweepConfig(file), PROGRAM)
    assert (tmp_path / "runs" / "two" / "manifest.json").exists()
    capsys.readouterr()
    assert main(["sweep", "--status"]) == 0
    printed = capsys.readouterr().out
    assert "two in runs/two" in printed
    assert "800/800" in printed


def test_a_dry_run_prints_and_writes_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", str(file), "--out", str(tmp_path / "out"), "--cpus", "2", "--train=--device cuda"]
    assert main([*words, "--dry-run"]) == 0
    command = "robometer-rl train --env metaworld/drawer-open-v3 --algo sac --reward robometer --seed 1 "
    command += f"--steps 800 --threads 2 --device cuda --out {tmp_path / 'out'}\n"
    assert command in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_wider_sweep_goes_on_and_another_one_is_refused(file: Path, tmp_path: Path) -> None:
    config = SweepConfig(file, tmp_path / "out")
    sweep(config, PROGRAM)
    file.write_text("seed: [2, 0, 1]\nsteps: 800\n")
    assert sweep(config, PROGRAM) == 0
    assert [(row["config"]["seed"], row["attempts"]) for row in manifest(tmp_path / "out")] == [
        (2, 1),
        (0, 1),
        (1, 1),
    ]
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    file.write_text("seed: [0, 1, 2]\nsteps: 900\n")
    with pytest.raises(ValueError, match=r"another sweep: 3 of its 3 runs .*steps is 800 there and 900 here"):
        sweep(config, PROGRAM)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before


def test_a_run_folder_of_another_configuration_is_refused(file: Path, tmp_path: Path) -> None:
    config = RunConfig(seed=0, steps=800)
    folder = RunFolder(tmp_path / "out" / config.run_id)
    write_json(folder.config, replace(config, horizon=99).__dict__)
    with pytest.raises(ValueError, match="another configuration: horizon is 99 and not 150"):
        sweep(SweepConfig(file, tmp_path / "out"), PROGRAM)
    folder.config.write_text("{")
    with pytest.raises(ValueError, match="describes no run"):
        sweep(SweepConfig(file, tmp_path / "out"), PROGRAM)
    assert pids(tmp_path / "out") == []


def test_a_broken_manifest_is_named(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text('{"runs": []}')
    with pytest.raises(ValueError, match=r"manifest\.json is no manifest of a sweep"):
        sweep(SweepConfig(file, out), PROGRAM)


def test_mistakes_in_a_file_are_one_line_and_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("rewrad: sparse\n")
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    assert f"robometer-rl sweep: {path}: unknown key 'rewrad'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["sweep"]) == 2


def test_a_file_where_the_folder_should_be_is_wrong_input(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(file), "--out", str(file)]) == 2
    assert "File exists" in capsys.readouterr().err


def test_a_full_disk_does_not_cost_the_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, save = tmp_path / "out", Manifest.save

    def fill(manifest: Manifest) -> None:
        if any(log.exists() for log in out.glob("*/checkpoint/0*")):
            raise OSError(28, "No space left on device")
        save(manifest)

    file = tmp_path / "two.yaml"
    file.write_text("overrides: [{pause: 0.1}, {pause: 0.5}]\n")
    monkeypatch.setattr(Manifest, "save", fill)
    with pytest.raises(OSError, match="No space left"):
        sweep(SweepConfig(file, out, workers=2), PROGRAM)
    assert sum("stopped" in log for log in logs(out)) == 1
    assert not any(lives(pid) for pid in pids(out))
    monkeypatch.undo()
    assert sweep(SweepConfig(file, out, workers=2), PROGRAM) == 0
