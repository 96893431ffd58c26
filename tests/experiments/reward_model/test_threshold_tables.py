"""The tables of the page about thresholds are those of the committed JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robometer_rl.experiments.reward_model.calibrate import COLUMNS
from robometer_rl.experiments.reward_model.threshold_tables import (
    ThresholdTablesConfig,
    differences,
    fill_page,
    main,
    per_task,
)

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = ThresholdTablesConfig()


def record(auto: tuple[float, float], refused: str | None = None) -> dict[str, Any]:
    tasks = {}
    for task, f1 in zip(("metaworld/door-open-v3", "robosuite/Lift"), auto, strict=True):
        rows = {name: {"threshold": 0.5, "f1": 1.0, "false_alarms": 0.25} for name in COLUMNS}
        rows["auto"] = {"threshold": 0.9, "f1": f1, "false_alarms": 0.0}
        tasks[task] = {"refused": refused if task == "robosuite/Lift" else None, **rows}
    return {"tasks": tasks}


def test_tables_by_hand() -> None:
    both = record((0.98, 0.90)), record((1.0, 0.5), "one group")
    lines = per_task(*both).splitlines()
    assert lines[2].startswith("| door-open | 0.900 | 0.98 / 0.00 | 1.00 / 0.00 | 1.00 / 0.25 |")
    assert lines[3].startswith("| Lift | 0.900 | 0.90 / 0.00 | 0.50 / 0.00 * | 1.00 / 0.25 |")
    assert lines[4].startswith("| **mean** | | 0.94 / 0.00 | 0.75 / 0.00 | 1.00 / 0.25 |")
    row = "| -0.060 | -0.10 (Lift) | 1 of 2 | -0.250 | -0.50 (Lift) | 1 of 2 |"
    assert next(line for line in differences(*both).splitlines() if line.endswith(row)).startswith("| 0.5 |")


def test_the_page_is_filled_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- thresholds -->\nstale\n<!-- end -->\nb\n<!-- differences -->\n<!-- end -->\n")
    for name in ("x", "y"):
        (tmp_path / name).write_text(json.dumps(record((1.0, 1.0))))
    main(["--page", str(page), "--labelled", str(tmp_path / "x"), "--unlabelled", str(tmp_path / "y")])
    text = page.read_text()
    assert "stale" not in text
    assert text.count("door-open") == 13
    assert fill_page(text, record((1.0, 1.0)), record((1.0, 1.0))) == text
    with pytest.raises(ValueError, match="one place for each of thresholds, differences, found 0"):
        fill_page("nothing", record((1.0, 1.0)), record((1.0, 1.0)))


def test_the_page_has_the_tables_of_the_committed_results() -> None:
    records = [json.loads((ROOT / path).read_text()) for path in (COMMITTED.labelled, COMMITTED.unlabelled)]
    text = (ROOT / COMMITTED.page).read_text()
    command = "python -m robometer_rl.experiments.reward_model.threshold_tables"
    assert fill_page(text, *records) == text, command
