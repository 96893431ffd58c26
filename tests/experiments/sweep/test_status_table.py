from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from robometer_rl.experiments.agent.run import CURVE_COLUMNS, RunConfig
from robometer_rl.experiments.common.files import write_json
from robometer_rl.experiments.sweep.manifest import Entry, Manifest, State
from robometer_rl.experiments.sweep.status_table import LiveView, Progress, progress, summary, table


def entry(seed: int, state: State, minutes: float = 0.0, error: str = "") -> Entry:
    config = RunConfig(seed=seed, steps=1000)
    began = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    return Entry(config.run_id, config, "", state, started=began.isoformat(), error=error)


def curve(manifest: Manifest, one: Entry, *rows: tuple[float, ...], end: str = "\n") -> None:
    folder = manifest.folder(one)
    folder.path.mkdir(parents=True, exist_ok=True)
    lines = [",".join(CURVE_COLUMNS)]
    for row in rows:
        given = dict(zip(("env_steps", "wall_s", "true_success", "env_return"), row, strict=False))
        lines.append(",".join(str(given.get(name, 0)) for name in CURVE_COLUMNS))
    folder.curve.write_text("\n".join(lines) + end)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Twenty runs: 0 is done, 1 runs, 2 failed, the others wait."""
    states: list[State] = ["done", "running", "failed", *["waiting"] * 17]  # type: ignore[list-item]
    entries = [entry(seed, state, 30.0) for seed, state in enumerate(states)]
    entries[2].error, entries[2].attempts = "MemoryError: [too] much", 2
    manifest = Manifest(tmp_path, "mine", entries)
    write_json(manifest.folder(entries[0]).result, {"env_steps": 500, "wall_s": 3000})
    curve(manifest, entries[0], (500, 2900, 0.9), (1000, 2900, 1.0))
    curve(manifest, entries[1], (200, 600, 0.1), (400, 1200, 0.25))
    return manifest


def test_progress_comes_from_the_files(manifest: Manifest) -> None:
    done, running, failed, waiting = manifest.entries[:4]
    assert progress(manifest, done) == Progress(500, 1.0, 50.0, None)
    seen = progress(manifest, running)
    assert (seen.env_steps, seen.true_success) == (400, 0.25)
    assert seen.minutes == pytest.approx(30.0, abs=0.1)
    assert seen.minutes_left == pytest.approx(30.0)  # 600 of 1000 steps at 1200 s for 400
    assert progress(manifest, failed) == progress(manifest, waiting) == Progress()


def test_where_success_is_unknown_the_return_is_shown(manifest: Manifest) -> None:
    running = manifest.entries[1]
    curve(manifest, running, (200, 600, float("nan"), -12.34))
    seen = progress(manifest, running)
    assert (seen.env_steps, seen.true_success, seen.env_return) == (200, None, -12.34)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table(manifest))
    assert "return -12.3" in console.export_text()


def test_a_row_that_is_being_written_does_not_count(manifest: Manifest) -> None:
    running = manifest.entries[1]
    curve(manifest, running, (200, 600, 0.1), end="\n400,12")
    assert progress(manifest, running).env_steps == 200
    manifest.folder(running).curve.write_text("")
    assert progress(manifest, running).true_success is None


def test_the_summary_counts_and_guesses(manifest: Manifest) -> None:
    # 17 waiting at 50 min, and 30 min of the one that runs, one at a time
    assert summary(manifest) == "1 of 20 done, 1 running, 17 waiting, 1 failed; about 14.7 h left"
    manifest.entries[1].state = "waiting"
    assert summary(manifest) == "1 of 20 done, 18 waiting, 1 failed"


def shown(manifest: Manifest, most: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(table(manifest, most))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_shows_every_run(manifest: Manifest) -> None:
    text = shown(manifest)
    assert all(one.id in text for one in manifest.entries)
    assert "500/1k" in text
    assert "attempt 2, MemoryError: [too] much" in text


def test_a_small_terminal_gets_what_matters(manifest: Manifest) -> None:
    text = shown(manifest, most=5)
    assert [one.id in text for one in manifest.entries] == [True] * 5 + [False] * 15


def test_the_live_table_fits_its_terminal(manifest: Manifest) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=140, height=12)
    with Live(console=console, auto_refresh=False) as live:
        board = LiveView(live, manifest)
        board.changed(manifest.entries[2], "is tried again")
        board.refresh()
    text = file.getvalue()
    assert "is tried again, MemoryError: [too] much" in text
    assert "about 14.7 h left" in text
    assert text.count(manifest.entries[3].id) >= 1
    assert text.count(manifest.entries[19].id) == 0
