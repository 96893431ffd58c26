"""Whether a fit is called good, by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from robometer_test_episodes import TASKS, make_episode

from robometer_rl.experiments.episodes import write_episode
from robometer_rl.experiments.reward_model.verdict import (
    EpisodeScore,
    hold_aside,
    measures,
    score_episodes,
    validation_error,
    verdict,
)
from robometer_rl.rewards import Scores
from robometer_rl.rewards.training.sampling import TaskText


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_every_fifth_success_and_failure_is_held_aside(tmp_path: Path) -> None:
    for seed in range(11):
        write_episode(tmp_path, make_episode(TASKS[0], "success", seed))
    for seed in range(5):
        write_episode(tmp_path, make_episode(TASKS[0], "stalled", seed))
    for seed in range(4):
        write_episode(tmp_path, make_episode(TASKS[1], "success", seed))
    training, aside = hold_aside(tmp_path, tmp_path / "none")
    assert names(aside) == ["stalled-00004", "success-00004", "success-00009"]
    assert len(training) == 20 - 3
    assert not set(training) & set(aside)


def test_nothing_is_held_aside_of_a_task_that_validation_has(tmp_path: Path) -> None:
    for task in TASKS:
        for seed in range(5):
            write_episode(tmp_path / "data", make_episode(task, "success", seed))
        write_episode(tmp_path / "validation", make_episode(task, "success", 9))
    write_episode(tmp_path / "validation", make_episode(TASKS[0], "stalled", 9))
    _, aside = hold_aside(tmp_path / "data", tmp_path / "validation")
    assert [path.parent.name for path in aside] == [TASKS[1].partition("/")[2]], "it lacks a failure of that"


def row(task: str, succeeded: bool, voc: float, peak: float) -> EpisodeScore:
    return EpisodeScore(task, succeeded, voc if succeeded else math.nan, peak)


def test_measures_are_means_over_tasks() -> None:
    rows = [row("a", True, 1.0, 0.9), row("a", True, 0.8, 0.2), row("a", False, 0, 0.5)]
    assert measures(rows) == pytest.approx({"voc": 0.9, "success_auc": 0.5})
    rows += [row("b", True, 0.5, 0.9), row("b", False, 0, 0.1), row("c", False, 0, 1.0)]
    assert measures(rows) == pytest.approx({"voc": 0.7, "success_auc": 0.75})
    assert all(math.isnan(value) for value in measures([]).values())
    lone = measures([row("a", False, 0, 0.1), row("b", True, 0.4, 0.3)])
    assert lone["voc"] == pytest.approx(0.4)
    assert math.isnan(lone["success_auc"]), "peaks of different tasks are not compared"


@pytest.mark.parametrize(
    ("overpaid", "error"),
    [
        ((), 0.3),  # (1 - 0.9 + 1 - 0.5) / 2
        ((0.0, 0.6), 0.3),  # (0.1 + 0.5 + 0.3) / 3
        ((0.0,), 0.2),
        ((math.nan,), 0.3),
    ],
)
def test_a_fit_stops_by_what_failures_are_overpaid_too(overpaid: tuple[float, ...], error: float) -> None:
    rows = [row("a", True, 1.0, 0.9), row("a", True, 0.8, 0.2), row("a", False, 0, 0.5)]
    rows += [row("b", False, 0, 0.1)._replace(overpaid=value) for value in overpaid]
    assert validation_error(measures(rows), rows) == pytest.approx(error)


def test_an_episode_is_overpaid_where_more_is_scored_than_was_given() -> None:
    class Half:
        """Half of the progress at every frame."""

        def score(self, frames, task):  # type: ignore[no-untyped-def]
            half = np.full(len(frames), 0.5, dtype=np.float32)
            return Scores(half, half)

    failed = make_episode(TASKS[0], "stalled", 0)
    told = np.full(len(failed.frames), np.nan, dtype=np.float32)
    told[:3] = 0.1, 0.4, 0.9  # 0.4 and 0.1 too much, and too little
    texts = {TASKS[0]: TaskText(("open it",))}
    won = make_episode(TASKS[0], "success", 0)
    given = np.full(len(won.frames), 0.1, dtype=np.float32)
    episodes = [failed, replace(failed, progress=told), replace(won, progress=given)]
    rows = score_episodes(Half(), episodes, texts)  # type: ignore[arg-type]
    assert [row.overpaid for row in rows] == pytest.approx([math.nan, 0.5 / 3, math.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("voc", "auc", "beginning"),
    [
        (0.95, 0.97, "The fit is good: VOC 0.95, success AUC 0.97 on 3 videos (good: VOC from 0.90, "),
        (0.90, 0.90, "The fit is good: "),
        (0.89, 0.97, "The fit is not good: VOC 0.89, "),
        (0.95, 0.5, "The fit is not good: "),
        (0.95, math.nan, "Whether the fit is good is not known, "),
        (0.2, math.nan, "The fit is not good: VOC 0.20, success AUC not measured on"),
        (math.nan, math.nan, "Whether the fit is good is not known, "),
    ],
)
def test_the_verdict_follows_the_thresholds(voc: float, auc: float, beginning: str) -> None:
    assert verdict({"voc": voc, "success_auc": auc}, "3 videos").startswith(beginning)


def test_episodes_are_scored_under_their_canonical_sentence() -> None:
    class Bright:
        """Progress and success are the brightness of the lower part, under one sentence alone."""

        def score(self, frames, task):  # type: ignore[no-untyped-def]
            assert task == "open it"
            bright = (frames[:, 8:].mean(axis=(1, 2, 3)) / 255).astype(np.float32)
            return Scores(bright, bright)

    success = make_episode(TASKS[0], "success", 0)
    failed = replace(make_episode(TASKS[0], "stalled", 0), task="mylab/open")
    texts = {task: TaskText(("open it", "open")) for task in (TASKS[0], "mylab/open")}
    good, bad = score_episodes(Bright(), iter([success, failed]), texts)  # type: ignore[arg-type]
    assert (good.task, good.succeeded) == (TASKS[0], True)
    assert good.voc == pytest.approx(1.0, abs=1e-3)
    assert (bad.task, bad.succeeded) == ("mylab/open", False)
    assert math.isnan(bad.voc)
    assert bad.peak == pytest.approx(25 * 4 / 255, abs=0.03)
