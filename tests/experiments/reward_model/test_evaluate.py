"""Measures of models whose answers are known by hand, on episodes small enough for a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_episodes import LENGTH, TASKS, long_tokenizer

from robometer_rl.envs.tasks import get_task
from robometer_rl.errors import InputError
from robometer_rl.experiments.episodes import list_episodes, read_episode
from robometer_rl.experiments.reward_model import evaluate as evaluating
from robometer_rl.experiments.reward_model.evaluate import KEYS, EvaluateConfig, evaluate, load_by_task
from robometer_rl.experiments.reward_model.evaluate import main as evaluate_main
from robometer_rl.experiments.reward_model.fit import FitConfig
from robometer_rl.experiments.reward_model.readme_tables import TablesConfig
from robometer_rl.experiments.reward_model.readme_tables import main as write_tables
from robometer_rl.rewards import Scores
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.runtime import CompactReward

IDLE = ("mime_progress", "random_progress")


class Oracle:
    """Reads progress off the brightness: what a perfect model would score."""

    success_threshold = 0.9
    trained_worlds = TASKS

    def score(self, frames, task):  # type: ignore[no-untyped-def]
        right = ("door" in task or "safe" in task or "cabinet" in task) == (frames[0, 0, 0, 0] == 0)
        bright = frames[:, 8:].astype(float).mean(axis=(1, 2, 3)) - 4.5
        progress = (np.clip(bright / 200, 0, 1) * right).astype(np.float32)
        return Scores(progress, np.float32(progress > 0.95) * progress)

    def prefer(self, a, b, task):  # type: ignore[no-untyped-def]
        return float(self.score(a, task).progress[-1] > self.score(b, task).progress[-1])

    def stream(self, n: int):  # type: ignore[no-untyped-def]
        raise NotImplementedError("evaluate reads whole videos")


def test_a_perfect_model_gets_perfect_measures(data: Path) -> None:
    table = evaluate(Oracle(), load_by_task(data, TASKS, 2), seed=0)
    mean = table["mean"]
    assert set(mean) == set(KEYS)
    for key in (
        "voc",
        "kendall_tau",
        "preference_task",
        "success_auc",
        "success_auprc",
        "rewind_r",
        "success_tpr",
    ):
        assert mean[key] == pytest.approx(1.0, abs=0.01), key
    for key in ("success_fpr", "stall_drift", "still_progress", "wrong_task_progress", *IDLE):
        assert mean[key] == pytest.approx(0.0, abs=0.01), key
    # undone and random both end where they began: this model cannot tell them apart
    assert mean["preference_quality"] > 0.85


def test_a_clock_gets_bad_measures(data: Path) -> None:
    class Clock:
        """Progress is the share of the video: deaf to the sentence, blind to what is seen."""

        success_threshold = 0.5
        trained_worlds = TASKS

        def score(self, frames, task):  # type: ignore[no-untyped-def]
            progress = (np.arange(len(frames)) / len(frames)).astype(np.float32)
            return Scores(progress, progress)

        def prefer(self, a, b, task):  # type: ignore[no-untyped-def]
            return 0.5

    mean = evaluate(Clock(), load_by_task(data, TASKS, 2), seed=0)["mean"]
    assert mean["voc"] == pytest.approx(1.0)
    assert mean["still_progress"] == pytest.approx(59 / 60)
    for key in ("wrong_task_progress", *IDLE):
        assert mean[key] == pytest.approx((LENGTH - 1) / LENGTH), key
    assert 20 / (LENGTH + 20) <= mean["stall_drift"] <= 20 / 22
    for key in ("rewind_r", "kendall_tau", "preference_quality", "preference_task"):
        assert mean[key] == pytest.approx(0.0, abs=1e-6), key
    assert mean["success_fpr"] == mean["success_tpr"] == 1.0
    assert mean["success_auc"] == 0.5


def test_what_has_no_other_task_is_left_out(data: Path) -> None:
    table = evaluate(Oracle(), load_by_task(data, TASKS[:1], 2), seed=0)
    for row in ("mean", "worst", TASKS[0]):
        unknown = {key for key in KEYS if np.isnan(table[row][key])}
        assert unknown == {"preference_task", "wrong_task_progress"}


def test_the_compact_path_equals_the_protocol(data: Path, checkpoint: Checkpoint) -> None:
    long_tokenizer(checkpoint)
    model = CompactReward(replace(checkpoint, tokenizer=long_tokenizer(checkpoint)))
    episodes = load_by_task(data, TASKS, 1)

    class Plain:
        """The same model without its shortcut."""

        success_threshold, trained_worlds = model.success_threshold, model.trained_worlds
        score, prefer, stream = model.score, model.prefer, model.stream

    quick, plain = evaluate(model, episodes, seed=1), evaluate(Plain(), episodes, seed=1)
    for key in KEYS:
        np.testing.assert_allclose(quick["mean"][key], plain["mean"][key], atol=1e-4, err_msg=key)


def test_missing_episodes_are_named(data: Path) -> None:
    with pytest.raises(ValueError, match=r"button-press-v3.*collect"):
        load_by_task(data, ("metaworld/button-press-v3",), 1)


def test_the_command_writes_json(
    config: FitConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluating, "list_tasks", lambda split: [get_task(task) for task in TASKS])
    monkeypatch.setenv("COLUMNS", "300")
    path = tmp_path / "reports" / "table.json"
    words = ["--data", str(config.data), "--model", str(config.start), "--episodes", "1", "--json", str(path)]
    evaluate_main(words)
    record = json.loads(path.read_text(), parse_constant=pytest.fail)
    told = {key: record[key] for key in ("model", "split", "episodes", "seed")}
    assert told == {"model": str(config.start), "split": "seen", "episodes": 1, "seed": 0}
    assert set(record["table"]) == {*TASKS, "mean", "worst"}
    assert all(set(row) == set(KEYS) for row in record["table"].values())
    mean = np.mean([record["table"][task]["voc"] for task in TASKS])
    assert record["table"]["mean"]["voc"] == pytest.approx(mean)
    shown = capsys.readouterr().out
    assert "worst task" in shown
    assert all(key in shown for key in KEYS)


def evaluated(
    config: FitConfig, folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[Any, str]:
    """The JSON that the command writes, and what it says."""
    path = folder / "table.json"
    data = ["--data", str(config.data), "--model", str(config.start), "--episodes", "1", "--json", str(path)]
    evaluate_main([*data, *words])
    return json.loads(path.read_text()), capsys.readouterr().out


def test_only_the_tasks_that_are_named_are_evaluated(
    config: FitConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, said = evaluated(config, tmp_path, ["--tasks", TASKS[1]], capsys)
    assert set(record["table"]) == {TASKS[1], "mean", "worst"}
    assert (record["tasks"], record["left_out"]) == ([TASKS[1]], [])
    assert "left out" not in said


def test_a_task_without_episodes_is_named_and_the_rest_is_evaluated(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    for path in list_episodes(config.data, TASKS[1]):
        if read_episode(path).success.any():
            path.unlink()
    missing = "metaworld/button-press-v3"
    record, said = evaluated(config, tmp_path, ["--tasks", *TASKS, missing], capsys)
    assert set(record["table"]) == {TASKS[0], "mean", "worst"}
    assert record["left_out"] == [TASKS[1], missing]
    assert f"left out, for lack of successes or failures in {config.data}: {TASKS[1]}, {missing}" in said


def test_without_an_episode_of_any_task_there_is_nothing_to_evaluate(config: FitConfig) -> None:
    words = ["--data", str(config.data), "--model", str(config.start), "--tasks", "metaworld/button-press-v3"]
    with pytest.raises(InputError, match=r"successes and failures of none of .*button-press-v3.*collect"):
        evaluate_main(words)
    with pytest.raises(InputError, match="unknown task 'metaworld/button-pres'"):
        evaluate_main([*words[:-1], "metaworld/button-pres"])


def test_the_tables_of_the_readme_need_every_task(
    config: FitConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(config, tmp_path, ["--tasks", *TASKS], capsys)
    (tmp_path / "README.md").write_text("<!-- summary -->\n<!-- end -->\n")
    tables = TablesConfig(json=tmp_path / "table.json", files=(tmp_path / "README.md",))
    with pytest.raises(ValueError, match=r"table\.json lacks 21 of the 23 tasks .*metaworld/button-press-v3"):
        write_tables(tables)
    assert (tmp_path / "README.md").read_text() == "<!-- summary -->\n<!-- end -->\n"


@pytest.mark.parametrize(("name", "value"), [("episodes", 0), ("seed", -1)])
def test_numbers_that_make_no_evaluation_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} should be at least"):
        EvaluateConfig(**{name: value})  # type: ignore[arg-type]
