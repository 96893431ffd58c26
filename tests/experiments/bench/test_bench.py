"""The benchmark's arithmetic on numbers that can be done by hand, and everything once over."""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from robometer_rl.experiments.bench import cases as bench_cases
from robometer_rl.experiments.bench.bench import BenchConfig, bench, main
from robometer_rl.experiments.bench.cases import CASES, Found, throughput
from robometer_rl.experiments.bench.config import BenchSetup
from robometer_rl.experiments.bench.memory import PeakSampler, PictureEnv, leak
from robometer_rl.experiments.bench.subjects import BareLoop, ReferenceSide, Side, prefix_indices, take_turns
from robometer_rl.experiments.bench.table import (
    BenchReport,
    BenchRow,
    Goal,
    Part,
    Spread,
    fill,
    paired,
    single,
)
from robometer_rl.experiments.common.process_memory import MIB, memory_of


def report(*rows: BenchRow, parts: tuple[Part, ...] = ()) -> BenchReport:
    return BenchReport(
        {"CPU": "abacus", "cores": 2}, "robometer-rl bench", "today", {"size": 96}, rows, parts
    )


def test_a_spread_is_median_and_percentiles() -> None:
    assert Spread.of([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) == Spread(6.0, 2.0, 10.0, 11)
    assert Spread.of([3.5]) == Spread(3.5, 3.5, 3.5, 1)
    for nothing in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="all finite"):
            Spread.of(nothing)


def test_ratios_are_of_pairs() -> None:
    ours, against = [1.0, 2.0, 100.0], [10.0, 10.0, 300.0]
    faster = paired("a", "a", "ms", ours, against, "faster").ratio
    share = paired("a", "a", "ms", ours, against, "share").ratio
    assert faster is not None
    assert share is not None
    assert faster.median == 5.0, "of 10, 5 and 3"
    assert share.median == 0.2, "of 1/10, 1/5 and 1/3"
    with pytest.raises(ValueError, match="3 and 2 numbers"):
        paired("a", "a", "ms", ours, against[:2], "share")
    with pytest.raises(ValueError, match="positive pairs"):
        paired("a", "a", "ms", [0.0], [1.0], "share")


@pytest.mark.parametrize(
    ("sign", "value", "met"), [(">=", 5.0, True), (">=", 5.1, False), ("<=", 5.0, True), ("<=", 4.9, False)]
)
def test_a_goal_holds_at_its_bound(sign: str, value: float, met: bool) -> None:
    goal = Goal("ratio", sign, value, "so")  # type: ignore[arg-type]
    assert paired("a", "a", "ms", [1.0], [5.0], "faster", goal).met is met
    ours = Goal("ours", sign, value, "so")  # type: ignore[arg-type]
    assert single("a", "a", "MiB", 5.0, ours).met is met


def test_a_row_without_a_goal_or_without_its_figure() -> None:
    assert single("a", "a", "MiB", 5.0).met is None
    with pytest.raises(ValueError, match="about a ratio"):
        _ = single("a", "a", "MiB", 5.0, Goal("ratio", ">=", 1.0, "so")).met


ROWS = (
    paired("fast", "a step", "ms", [2.0, 4.0], [20.0, 20.0], "faster", Goal("ratio", ">=", 10, "10x"), "n"),
    single("big", "memory", "MiB", 2000.0, Goal("ours", "<=", 1536, "1.5 GiB")),
    BenchRow("cuda 4", "4 together", "frames/s", Spread.of([123.4]), gpu=True),
)  # fmt: skip
PARTS = (Part("w", "physics", Spread.of([0.5])),)


def test_json_holds_everything() -> None:
    made = report(*ROWS, parts=PARTS)
    written = json.loads(json.dumps(made.to_json()))
    assert [row["met"] for row in written["rows"]] == [False, False, None]
    assert written["rows"][0]["ratio"] == {"median": 7.5, "p10": 5.5, "p90": 9.5, "repetitions": 2}
    assert BenchReport.from_json(written) == made


def test_markdown_stands_between_its_markers() -> None:
    text = "a\n<!-- bench -->\nSTALE\n<!-- end -->\nb\n<!-- bench gpu -->\nSTALE\n<!-- end -->\n"
    text += "<!-- bench parts -->\n\n<!-- end -->\n<!-- bench run -->\n\n<!-- end -->\nc"
    made = report(*ROWS, parts=PARTS)
    filled = fill(text, made)
    table, rest = filled.split("\nb\n")
    assert table.splitlines() == [
        "a",
        "<!-- bench -->",
        "| measured | ours | against | ratio | goal | met |",
        "|---|---|---|---|---|---|",
        "| a step | 3.00 (2.20 to 3.80) ms | 20.0 (20.0 to 20.0) ms | 7.50 (5.50 to 9.50) | 10x | **no** |",
        "| memory | 2,000 MiB |  |  | 1.5 GiB | **no** |",
        "",
        "- a step: n.",
        "<!-- end -->",
    ]
    assert "| 4 together | 123 frames/s |  |  |  |  |" in rest
    assert "| w | physics | 0.50 |" in rest
    assert "`robometer-rl bench`, today: CPU abacus, cores 2." in rest
    assert fill(filled, made) == filled
    assert "Not measured." in fill("<!-- bench gpu -->\n\n<!-- end -->", report(*ROWS[:2]))
    with pytest.raises(ValueError, match="nowhere to put"):
        fill("a table", made)


def test_tables_for_the_console_keep_the_gpu_apart() -> None:
    cpu, gpu, parts = report(*ROWS, parts=PARTS).tables()
    assert (cpu.row_count, gpu.row_count, parts.row_count) == (2, 1, 1)
    assert "GPU" in str(gpu.title)
    assert report().tables() == []


def test_the_prefix_keeps_first_and_last() -> None:
    assert prefix_indices(31).tolist() == [0, 4, 9, 13, 18, 22, 27, 31]
    assert prefix_indices(7).tolist() == list(range(8))
    assert prefix_indices(3).tolist() == [0, 1, 2, 3]
    assert prefix_indices(0).tolist() == [0]


def test_sides_take_turns_in_blocks() -> None:
    calls: list[str] = []
    sides = {
        "a": Side(lambda: calls.append("a"), lambda: calls.append("ready")),
        "b": Side(lambda: calls.append("b")),
    }
    taken = take_turns(sides, repetitions=3, block=2)
    once = ["ready", "a", "a", "b", "b"]
    assert calls == once * 3, "two calls of each to warm up, then 3 calls rounded up to two blocks"
    assert [len(ms) for ms in taken.values()] == [4, 4]


def test_a_rate_is_of_several_steps() -> None:
    assert bench_cases._rates([10.0, 30.0, 5.0, 5.0], 2) == [50.0, 200.0]


def test_parts_add_up_to_the_step() -> None:
    inside = [{"physics": 99.0, "render": 99.0, "model": 99.0}, {"physics": 1.0, "render": 2.0, "model": 4.0}]
    parts = bench_cases._parts("w", [8.0], inside, [1.5])
    medians = {part.name.partition(":")[0].partition(",")[0]: part.ms.median for part in parts}
    assert medians == {
        "physics": 1.0, "render": 2.0, "model": 4.0, "of it the encoder": 1.5,
        "of it decoder and heads": 2.5, "the wrapper itself": 1.0, "the whole step": 8.0,
    }  # fmt: skip


def test_the_reference_shows_its_model_eight_frames_of_the_prefix(fakes: ModuleType) -> None:
    class Recorder(fakes.FakeRewardModel):  # type: ignore[name-defined,misc]
        def score(self, frames: np.ndarray, task: str) -> object:
            seen.append(frames.copy())
            return super().score(frames, task)

    seen: list[np.ndarray] = []
    side = ReferenceSide("metaworld/drawer-open-v3", Recorder(), 32)
    try:
        for _ in range(9):
            side.look()
        reward = side.step()
        assert [frames.shape for frames in seen] == [(8, 32, 32, 3)]
        assert np.array_equal(seen[0][0], side._frames[0])
        assert np.array_equal(seen[0][-1], side._frames[10])
        assert not np.array_equal(side._frames[0], side._frames[10]), "the arm moved"
        pixel = float(side._frames[10][0, 0, 0])
        assert reward == pytest.approx(min(pixel / 100, 1) + (0.9 if pixel > 80 else 0.1))
    finally:
        side.close()


def test_growth_is_last_less_first_and_a_slope() -> None:
    grown = leak([(100, 50.0), (200, 51.0), (300, 52.0)])
    assert (grown.before, grown.after, grown.grown) == (50.0, 52.0, 2.0)
    assert grown.slope == pytest.approx(100.0), "0.01 per episode"


def test_a_peak_that_is_over_is_remembered() -> None:
    before = memory_of().resident
    with PeakSampler(every=0.01) as peak:
        with mmap.mmap(-1, 64 * MIB) as pages:  # a map of its own: freed heap is never used again for it
            pages.write(b"x" * len(pages))
            wait_until(lambda: peak.resident > before + 60 * MIB)
        held = peak.resident
    assert peak.resident >= held
    assert memory_of().resident < held - 60 * MIB


def test_a_peak_holds_worker_processes() -> None:
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    child = context.Process(target=done.wait)
    child.start()
    try:
        with PeakSampler() as peak:
            own = memory_of().resident
            wait_until(lambda: peak.resident > own + 5 * MIB)
    finally:
        done.set()
        child.join()
        child.close()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_the_picture_env_shows_a_square_that_moves() -> None:
    env = PictureEnv(steps=2, size=32)
    env.reset(seed=0)
    first = env.render()
    *_, truncated, _ = env.step(env.action_space.sample())
    assert not truncated
    assert not np.array_equal(first, env.render())
    *_, truncated, _ = env.step(env.action_space.sample())
    assert truncated


def test_a_case_that_lacks_something_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(setup: BenchSetup) -> Found:
        raise ImportError("pip install 'robometer-rl[robosuite]'")

    monkeypatch.setitem(CASES, "lift", missing)
    made = bench(BenchConfig(only=("lift",)), "robometer-rl bench", Console(quiet=True))
    assert made.rows == ()
    assert "Not measured: lift (pip install 'robometer-rl[robosuite]')." in made.run()


def test_a_model_without_an_encoder_has_no_floor(fakes: ModuleType) -> None:
    with pytest.raises(NotImplementedError, match="FakeRewardModel has no encoder"):
        BareLoop(None, fakes.FakeRewardModel())  # type: ignore[arg-type]
    made = bench(
        BenchConfig(only=("floor",), quick=True, model=fakes.MODEL, size=32), "", Console(quiet=True)
    )
    assert list(made.skipped) == ["floor"]


def test_unknown_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown cases lfit; choose from step, model"):
        BenchConfig(only=("lfit",))


def test_throughput_is_counted_per_frame() -> None:
    row = throughput(BenchConfig(quick=True, size=32).setup, 4, "cpu")
    assert (row.key, row.unit, row.gpu, row.met) == ("cpu 4", "frames/s", True, None)
    assert row.ours.median > 4


def test_everything_once_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, page = tmp_path / "out" / "bench.json", tmp_path / "speed.md"
    main(["--quick", "--json", str(written)])
    made = json.loads(written.read_text())
    keys = [row["key"] for row in made["rows"] if not row["gpu"]]
    assert keys == [
        "step", "model", "flat", "flat model", "rate", "batch", "floor", "floor with physics",
        "floor in turn", "lift", "leak", "peak", "peak workers",
    ]  # fmt: skip
    assert made["skipped"] == {}
    assert made["command"] == f"robometer-rl bench --quick --json {written}"
    assert made["machine"]["cores"] == os.cpu_count()
    with_goal = [row for row in made["rows"] if row["goal"]]
    assert all(row["met"] in (True, False) for row in with_goal)
    medians = {row["key"]: row["ours"]["median"] for row in made["rows"]}
    assert medians["peak workers"] > medians["peak"] / 4
    step = {part["name"]: part["ms"]["median"] for part in made["parts"] if "drawer" in part["world"]}
    assert step["the whole step"] > step["model: one frame pushed"] > 0

    page.write_text("<!-- bench -->\n\n<!-- end -->")
    capsys.readouterr()
    main(["--read", str(written), "--markdown", str(page)])
    assert page.read_text().count("\n| ") == 1 + len(keys)
    assert "goal" in capsys.readouterr().out
