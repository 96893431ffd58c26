"""`robometer-rl calibrate`, from a folder of episodes to a checkpoint that a wrapper reads."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from robometer_test_episodes import TASKS, make_episode
from robometer_test_fakes import FakeEnv

from robometer_rl import RobometerReward
from robometer_rl.cli import main as cli
from robometer_rl.envs.tasks import get_task
from robometer_rl.errors import InputError
from robometer_rl.experiments.episodes import list_episodes, write_episode
from robometer_rl.experiments.reward_model import calibrate
from robometer_rl.experiments.reward_model.calibrate import (
    COLUMNS,
    CalibrateConfig,
    calibrate_tasks,
    compare,
)
from robometer_rl.experiments.reward_model.fit import FitConfig
from robometer_rl.experiments.reward_model.task_thresholds import EpisodePeak
from robometer_rl.rewards import weights_id
from robometer_rl.rewards.compact.checkpoint import load_checkpoint


@pytest.fixture
def chosen(config: FitConfig, data: Path, tmp_path: Path) -> CalibrateConfig:
    """The tiny model, on episodes of two tasks of the table."""
    assert config.start is not None
    return CalibrateConfig(config.start, data, tmp_path / "calibrated")


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that follow the kind of the episode: successes 0.9, near misses 0.3, all else 0.1."""

    def score(_model: Any, paths: list[Path], *_others: Any) -> list[EpisodePeak]:
        known = {"success": 0.9, "noisy_success": 0.9, "returned": 0.9, "near_miss": 0.3}
        rows = []
        for path in paths:
            peak = known.get(path.stem.rsplit("-", 1)[0], 0.1)
            rows.append(EpisodePeak("/".join(path.parts[-3:-1]), peak == 0.9, peak))
        return rows

    monkeypatch.setattr(calibrate, "score_peaks", score)


def run(config: CalibrateConfig) -> tuple[Path, str]:
    lines = io.StringIO()
    folder = calibrate_tasks(config, "robometer-rl calibrate x", Console(file=lines, width=200))
    return folder, lines.getvalue()


@pytest.mark.usefixtures("peaks")
def test_the_copy_holds_the_threshold_of_each_task(chosen: CalibrateConfig) -> None:
    folder, said = run(chosen)
    assert folder == chosen.out / "checkpoint"
    checkpoint = load_checkpoint(folder)
    assert weights_id(str(folder)) == weights_id(str(chosen.model))
    assert set(checkpoint.success_thresholds) == set(TASKS)
    for task in TASKS:
        found = checkpoint.success_thresholds[task]
        assert found.threshold == pytest.approx(0.6626, abs=1e-3)  # between 0.3 and 0.9, in logits
        assert (found.failures, found.successes, found.false_alarms) == (14, 6, 0)
        words = get_task(task)
        assert found.sentences == (words.sentence, *words.paraphrases)
    assert checkpoint.success_threshold == 0.7, "the general one stays"
    assert checkpoint.training["thresholds"] == {
        "command": "robometer-rl calibrate x",
        "episodes": 40,
        "false_alarms": 0.02,
        "labelled": True,
    }
    assert "0.663" in said
    assert "needs 50 failures of a task to be measured: 2 of 2 tasks have fewer" in said
    assert re.search(r"probability of at most 0\.193: it has 14\.", said)
    assert "of the episodes that the thresholds were set from: new ones do worse" in said


@pytest.mark.usefixtures("peaks")
def test_a_wrapper_reads_the_threshold_of_its_task_from_the_copy(chosen: CalibrateConfig) -> None:
    folder, _ = run(chosen)
    for sentence in (get_task(TASKS[0]).sentence, get_task(TASKS[0]).paraphrases[0].upper() + "!"):
        env = RobometerReward(
            FakeEnv(size=32), sentence, str(folder), success_threshold="auto", warn_unseen_world=False
        )
        assert env.robometer.success_threshold == pytest.approx(0.6626, abs=1e-3)


@pytest.mark.usefixtures("peaks")
def test_the_table_compares_on_other_episodes(chosen: CalibrateConfig, tmp_path: Path) -> None:
    for kind in ("success", "near_miss", "random"):
        write_episode(tmp_path / "test", make_episode(TASKS[1], kind, 7))
    config = replace(chosen, test=tmp_path / "test", json=tmp_path / "table.json", false_alarms=0.5)
    _, said = run(config)
    assert "on 3 episodes of " in said
    assert "set from: new ones" not in said
    assert "to be measured" not in said, "14 failures measure a rate of one half"
    table = json.loads((tmp_path / "table.json").read_text())
    assert list(table["tasks"]) == [TASKS[1]]
    told = table["tasks"][TASKS[1]]
    assert (told["successes"], told["failures"], told["set_from"]["failures"]) == (1, 2, 14)
    assert {name: told[name]["f1"] for name in COLUMNS} == dict.fromkeys(COLUMNS, 1.0)
    assert (table["measured_on"], table["patience"]) == (3, 1)


@pytest.mark.usefixtures("peaks")
def test_a_task_without_failures_keeps_the_general_threshold(chosen: CalibrateConfig) -> None:
    for path in list_episodes(chosen.data, TASKS[0]):
        if "success" not in path.stem and "returned" not in path.stem:
            path.unlink()
    folder, said = run(chosen)
    assert set(load_checkpoint(folder).success_thresholds) == {TASKS[1]}
    assert f"{TASKS[0]} keeps the model's general threshold: " in said


@pytest.mark.usefixtures("peaks")
def test_a_rate_of_zero_is_never_called_measured(chosen: CalibrateConfig) -> None:
    _, said = run(replace(chosen, false_alarms=0.0))
    assert "A false-alarm rate of 0 is more than any number of failures can show." in said


def test_each_column_has_its_threshold() -> None:
    rows = [EpisodePeak("a/a", done, peak) for done, peak in ((False, 0.3), (True, 0.4), (True, 0.9))]
    rows += [EpisodePeak("b/b", done, peak) for done, peak in ((False, 0.6), (True, 0.8))]
    measured = [EpisodePeak("a/a", done, peak) for done, peak in ((False, 0.7), (True, 0.8))]
    measured += [EpisodePeak("c/c", False, 0.1)]
    table = compare(rows, measured, {"a/a": 0.35}, 0.9)
    found = {name: {task: row.threshold for task, row in of.items()} for name, of in table.items()}
    assert [found["auto"], found["general"]] == [{"a/a": 0.35, "c/c": 0.9}, {"a/a": 0.9, "c/c": 0.9}]
    assert [found["0.5"]["a/a"], found["0.65"]["a/a"]] == [0.5, 0.65]
    assert 0.3 < found["best per task"]["a/a"] <= 0.4
    assert 0.6 < found["best for all"]["a/a"] <= 0.8, "a success of one for the other's failure"
    assert 0.7 < found["upper bound"]["a/a"] <= 0.8
    assert (found["best per task"]["c/c"], found["upper bound"]["c/c"]) == (0.9, 0.9), "no success of it"


def test_the_model_itself_scores_the_episodes(chosen: CalibrateConfig) -> None:
    folder, _ = run(replace(chosen, patience=2))
    for found in load_checkpoint(folder).success_thresholds.values():
        assert (found.failures, found.successes, found.patience) == (14, 6, 2)


def test_episodes_that_look_alike_are_refused_without_labels(chosen: CalibrateConfig) -> None:
    with pytest.raises(InputError, match=r"no threshold could be set: .*(one group|two groups)"):
        run(replace(chosen, unlabelled=True))
    assert not chosen.out.exists()


@pytest.mark.usefixtures("peaks")
def test_without_labels_the_groups_are_told_apart_by_their_scores(chosen: CalibrateConfig) -> None:
    folder, _ = run(replace(chosen, unlabelled=True))
    found = load_checkpoint(folder).success_thresholds[TASKS[0]]
    assert (found.labelled, found.successes, found.failures) == (False, 6, 14)


@pytest.mark.usefixtures("peaks")
def test_tasks_outside_the_table_bring_their_sentences(chosen: CalibrateConfig, tmp_path: Path) -> None:
    for kind in ("success", "stalled"):
        write_episode(tmp_path / "mine", replace(make_episode(TASKS[0], kind, 0), task="mine/press"))
    config = replace(chosen, data=tmp_path / "mine")
    with pytest.raises(InputError, match="needs its sentences in the file of --sentences"):
        run(config)
    (tmp_path / "sentences.json").write_text('{"mine/press": ["open the door", "push the door"]}')
    folder, _ = run(replace(config, sentences=tmp_path / "sentences.json"))
    found = load_checkpoint(folder).success_thresholds["mine/press"]
    assert found.sentences == ("open the door", "push the door")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"false_alarms": 1.0}, "false_alarms should be from 0 up to, but not, 1, got 1.0"),
        ({"false_alarms": 0.0, "unlabelled": True}, "false_alarms should be above 0 without labels"),
        ({"patience": 0}, "patience should be at least 1, got 0"),
    ],
)
def test_bad_options_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CalibrateConfig(**change)


def test_bad_folders_are_named_in_one_line(
    chosen: CalibrateConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    for words, told in (
        (["--data", str(tmp_path / "nowhere")], "is not a folder"),
        (["--data", str(tmp_path / "empty")], "holds no episodes"),
        (["--data", str(chosen.data), "--test", str(tmp_path / "empty")], "holds no episodes"),
    ):
        assert cli(["calibrate", "--model", str(chosen.model), *words]) == 2
        assert told in capsys.readouterr().err


def test_the_model_is_not_replaced(chosen: CalibrateConfig, tmp_path: Path) -> None:
    model = tmp_path / "fitted" / "checkpoint"
    model.parent.mkdir()
    chosen.model.rename(model)
    with pytest.raises(InputError, match="would replace the model"):
        run(replace(chosen, model=model, out=tmp_path / "fitted"))
