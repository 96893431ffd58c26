"""Thresholds of single tasks from scored episodes, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robometer_test_episodes import TASKS, make_episode

from robometer_rl.experiments.episodes import UNLABELLED, Episode, list_episodes, write_episode
from robometer_rl.experiments.reward_model.task_thresholds import (
    EpisodePeak,
    best_threshold,
    detections,
    score_peaks,
    set_thresholds,
)
from robometer_rl.rewards import Scores
from robometer_rl.rewards.training.sampling import TaskText

TEXTS = {"a/a": TaskText(("do it", "go on")), "b/b": TaskText(("push it",)), "c/c": TaskText(("pull it",))}


def rows(
    task: str, failed: Sequence[float], succeeded: Sequence[float], unknown: Sequence[float] = ()
) -> list[EpisodePeak]:
    peaks = {False: failed, True: succeeded, None: unknown}
    return [EpisodePeak(task, done, peak) for done, found in peaks.items() for peak in found]


def test_each_task_has_a_threshold_of_its_own_or_a_reason() -> None:
    scored = [*rows("a/a", [0.1, 0.2], [0.8]), *rows("b/b", [0.6], [0.9]), *rows("c/c", [], [0.9])]
    found, refused = set_thresholds(scored, TEXTS, 0.02, patience=2)
    assert found["a/a"].threshold == pytest.approx(0.5)
    assert (found["a/a"].failures, found["a/a"].successes, found["a/a"].patience) == (2, 1, 2)
    assert found["a/a"].sentences == ("do it", "go on")
    assert 0.6 < found["b/b"].threshold < 0.9
    assert list(refused) == ["c/c"]
    assert "got 1 successes and no failure" in refused["c/c"]


def test_labels_are_not_read_where_they_are_not_to_be() -> None:
    low, high = list(np.linspace(0.01, 0.1, 20)), list(np.linspace(0.9, 0.99, 20))
    wrong = rows("a/a", high, low)
    found, _ = set_thresholds(wrong, TEXTS, 0.02, labelled=False)
    assert 0.1 < found["a/a"].threshold < 0.9
    assert not found["a/a"].labelled


def test_episodes_that_nobody_labelled_count_without_labels_only() -> None:
    unknown = [*np.linspace(0.01, 0.1, 10), *np.linspace(0.9, 0.99, 10)]
    scored = rows("a/a", [0.2], [0.4], unknown)
    assert set_thresholds(scored, TEXTS, 0.02)[0]["a/a"].failures == 1
    found = set_thresholds(scored, TEXTS, 0.02, labelled=False)[0]["a/a"]
    assert found.failures + found.successes == 22


def test_detections_by_hand() -> None:
    scored = [*rows("a/a", [0.1, 0.2, 0.6, 0.5], [0.4, 0.8], [0.9]), *rows("b/b", [], [0.9])]
    found = detections(scored, {"a/a": 0.5, "b/b": 0.95})
    assert found["a/a"] == (0.5, pytest.approx(2 / 5), 0.5)  # one of two successes, two of four failures
    assert found["b/b"][:2] == (0.95, 0.0)
    assert math.isnan(found["b/b"].false_alarms)
    assert math.isnan(detections(rows("a/a", [0.1], []), {"a/a": 0.5})["a/a"].f1)
    assert detections(scored, {}) == {}


def test_the_best_threshold_by_hand() -> None:
    assert 0.3 < best_threshold(rows("a/a", [0.1, 0.3], [0.8, 0.9])) <= 0.8
    # 0.2 against a success of the one task or a failure of the other: the mean of F1 decides.
    scored = [*rows("a/a", [0.1], [0.3]), *rows("b/b", [0.5] * 4, [0.9])]
    assert detections(scored, dict.fromkeys(("a/a", "b/b"), best_threshold(scored)))["a/a"].f1 == 1.0
    assert math.isnan(best_threshold(rows("a/a", [0.1], [], [0.9])))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a/a", "b/b"]), st.booleans(), st.floats(0, 1, width=32)),
        min_size=1,
        max_size=12,
    ),
    st.floats(0.001, 1.0),
)
def test_no_other_threshold_is_better(episodes: list[tuple[str, bool, float]], other: float) -> None:
    scored = [EpisodePeak(*episode) for episode in episodes]

    def mean(threshold: float) -> float:
        found = detections(scored, dict.fromkeys(("a/a", "b/b"), threshold))
        return float(np.mean([row.f1 for row in found.values() if not math.isnan(row.f1)]))

    if any(row.done for row in scored):
        assert mean(best_threshold(scored)) >= mean(other) - 1e-9


class Bright:
    """Success is the brightness; only the canonical sentence is asked for."""

    def score(self, frames, task):  # type: ignore[no-untyped-def]
        assert task == "do it"
        bright = (frames[:, 10:].mean(axis=(1, 2, 3)) / 255).astype(np.float32)
        return Scores(bright, bright)


def test_episodes_are_scored_as_the_wrapper_would(tmp_path: Path) -> None:
    for kind in ("success", "stalled"):
        write_episode(tmp_path, make_episode(TASKS[0], kind, 0))
    plain = make_episode(TASKS[0], "stalled", 0)
    write_episode(tmp_path, Episode(TASKS[0], UNLABELLED, 1, plain.frames[::-1].copy(), None))
    texts = {TASKS[0]: TaskText(("do it",))}
    scored = {
        patience: score_peaks(Bright(), list_episodes(tmp_path), texts, patience)  # type: ignore[arg-type]
        for patience in (1, 3)
    }
    assert [row.done for row in scored[1]] == [False, True, None]
    first, last, falling = scored[1]
    assert falling.peak < first.peak, "the frame of the reset, its brightest, is not compared"
    assert first.peak < last.peak
    assert all(three.peak < one.peak for one, three in zip(scored[1], scored[3], strict=True))
