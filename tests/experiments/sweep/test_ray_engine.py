"""The Ray engine on a real cluster of this machine: a head without cores, and workers of one core each."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from robometer_rl.experiments.sweep import ray_engine as sweep_ray
from robometer_rl.experiments.sweep.sweep import SweepConfig, sweep

PROGRAM = ("python", str(Path(__file__).with_name("sweep_program.py")))
STORE = 80 * 2**20  # bytes, the least that Ray takes
QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # Ray's sockets lie in its folder, and the system allows their paths 107 characters.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/tmp") as short:
        patch.setenv("RAY_TMPDIR", short)
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "_system_config": QUICK_TO_NOTICE})
        try:
            for _ in range(2):
                cluster.add_node(wait=False, num_cpus=1, object_store_memory=STORE)
            cluster.wait_for_nodes(timeout=60)
            yield cluster
        finally:
            cluster.shutdown()


@pytest.fixture
def config(cluster: Any, tmp_path: Path) -> SweepConfig:
    """Three seeds of a run that takes 1.6 s."""
    file = tmp_path / "slow.yaml"
    file.write_text("seed: [0, 1, 2]\nsteps: 800\noverrides: {pause: 0.2}\n")
    return SweepConfig(file, tmp_path / "out", engine="ray", address=cluster.address, grace=20)


def manifest(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((out / "manifest.json").read_text())["runs"]
    return rows


def later(condition: Callable[[], object], then: Callable[[], object]) -> threading.Thread:
    """Does something in a thread once something is the case."""

    def wait() -> None:
        until = time.monotonic() + 40
        while not condition() and time.monotonic() < until:
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_run_that_fits_no_node_is_refused(config: SweepConfig) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="no node of the Ray cluster has room for a run, which needs 2 CPU"):
        sweep(replace(config, cpus=2), PROGRAM)


def test_ctrl_c_brings_the_checkpoints_home_and_a_shared_folder_needs_no_sending(
    config: SweepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.out is not None
    out = config.out
    with monkeypatch.context() as patch:
        patch.setattr(sweep_ray, "RayEngine", partial(sweep_ray.RayEngine, every=0.2, shared=False))
        thread = later(
            lambda: len(list(out.glob("*/curve.csv"))) == 2, lambda: os.kill(os.getpid(), signal.SIGINT)
        )
        with pytest.raises(KeyboardInterrupt):
            sweep(config, PROGRAM)
        thread.join()
    assert [row["state"] for row in manifest(out)] == ["waiting"] * 3
    assert len(list(out.glob("*/checkpoint/0*/state.json"))) == 2, "one each, the last"
    monkeypatch.setattr(sweep_ray, "RayEngine", partial(sweep_ray.RayEngine, every=0.2))
    monkeypatch.setattr(sweep_ray, "snapshot", lambda folder: pytest.fail("files were sent"))
    assert sweep(config, PROGRAM) == 0
    assert [(row["state"], row["attempts"]) for row in manifest(out)] == [
        ("done", 2),
        ("done", 2),
        ("done", 1),
    ]
    assert sum("going on from" in path.read_text() for path in out.glob("*/log.txt")) == 2
    assert not (out / ".token").exists()


def test_a_node_that_dies_costs_one_attempt(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, file, hold = tmp_path / "out", tmp_path / "held.yaml", tmp_path / "go on"
    file.write_text(f"seed: [0, 1]\nsteps: 800\noverrides: {{hold: '{hold}', pause: 0.1}}\n")
    monkeypatch.setattr(sweep_ray, "RayEngine", partial(sweep_ray.RayEngine, every=0.2, shared=False))
    killed = []

    def kill() -> None:
        (row,) = [row for row in manifest(out) if (out / row["id"] / "checkpoint").exists()][:1]
        (node,) = [node for node in cluster.worker_nodes if node.node_id[:8] == row["where"].split()[1]]
        os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        killed.append(row["id"])

    both = "*/checkpoint/000000002/state.json"
    killing = later(lambda: len(list(out.glob(both))) == 2, kill)
    noticing = later(lambda: killed and any(row["lost"] for row in manifest(out)), hold.touch)
    assert sweep(SweepConfig(file, out, engine="ray", address=cluster.address), PROGRAM) == 0
    killing.join()
    noticing.join()
    rows = manifest(out)
    assert [row["state"] for row in rows] == ["done"] * 2
    (lost,) = [row for row in rows if row["lost"]]
    assert (lost["id"], lost["lost"], lost["attempts"]) == (killed[0], 1, 2)
    assert "going on from" in (out / lost["id"] / "log.txt").read_text(), "by the checkpoint that came home"
    for row in rows:
        folder = out / row["id"]
        assert (folder / "best_model.zip").read_bytes() == bytes(range(256)) * 100
        assert (folder / "videos" / "best.mp4").read_bytes() == b"video"
        assert len((folder / "curve.csv").read_text().splitlines()) == 9
        assert json.loads((folder / "config.json").read_text()) == row["config"]
        assert not (folder / "checkpoint").exists()
    assert list(Path(os.environ.get("TMPDIR", "/tmp")).glob("robometer-rl-sweep-*")) == []


def test_no_cluster_at_the_address(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("seed: 0\n")
    with pytest.raises(ConnectionError, match="no Ray cluster at nonsense"):
        sweep(SweepConfig(file, tmp_path / "out", engine="ray", address="nonsense"), PROGRAM)
