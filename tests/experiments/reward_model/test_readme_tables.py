"""Results page and model card say what was measured."""

from __future__ import annotations

import json
from pathlib import Path

from robometer_rl.experiments.reward_model.evaluate import KEYS
from robometer_rl.experiments.reward_model.readme_tables import MEANING, TablesConfig, fill, per_task, summary

ROOT = Path(__file__).resolve().parents[3]


def table(voc: float, worst: float) -> dict[str, dict[str, float]]:
    row = {**dict.fromkeys(KEYS, 0.5), "voc": worst}
    return {"metaworld/push-v3": row, "mean": {**row, "voc": voc}, "worst": row}


def test_a_goal_is_met_by_mean_and_worst() -> None:
    assert set(MEANING) == set(KEYS)
    line = "VOC: Pearson r of progress with the label, successes (`voc`) | 0.97 (worst 0.9) |"
    assert f"| {line} 0.980 | 0.910 (push) | yes |" in summary(table(0.98, 0.91))
    assert f"| {line} 0.980 | 0.890 (push) | **no** |" in summary(table(0.98, 0.89))
    assert f"| {line} 0.960 | 0.910 (push) | **no** |" in summary(table(0.96, 0.91))
    assert "(`success_fpr`) | 0.02 | 0.500 | 0.500 (push) | **no** |" in summary(table(1, 1))
    assert per_task(table(1, 0.3)).splitlines()[-1].startswith("| push | 0.30 | 0.50 |")


def test_what_could_not_be_measured_is_a_dash() -> None:
    row = {**dict.fromkeys(KEYS, 0.5), "mime_progress": None}
    assert "| - | - (none) |  |" in summary({"metaworld/push-v3": row, "mean": row, "worst": row})
    assert " - " in per_task({"metaworld/push-v3": row}).splitlines()[-1]


def test_only_what_stands_between_the_markers_changes() -> None:
    text = "a\n<!-- summary -->\nSTALE\n<!-- end -->\nb\n<!-- per task -->\nSTALE\n<!-- end -->\nc"
    filled = fill(text, table(1, 1))
    assert [filled.count(part) for part in ("STALE", "| measure |", "| task | voc")] == [0, 1, 1]
    assert fill(filled, table(1, 1)) == filled
    assert (filled[0], filled[-1]) == ("a", "c")


def test_the_committed_tables_are_those_of_the_committed_json() -> None:
    config = TablesConfig()
    measured = json.loads((ROOT / config.json).read_text(encoding="utf-8"))["table"]
    for path in config.files:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "<!-- summary -->" in text
        assert fill(text, measured) == text, f"run the module readme_tables for {path}"
