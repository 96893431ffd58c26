"""The thresholds of a fit, by hand."""

from __future__ import annotations

import pytest

from robometer_rl.experiments.reward_model.calibration import calibrate
from robometer_rl.experiments.reward_model.task_thresholds import EpisodePeak
from robometer_rl.rewards.training.sampling import TaskText

TEXTS = {"mine/press": TaskText(("press it", "push it")), "mine/open": TaskText(("open it",))}


@pytest.mark.parametrize(("rate", "peak"), [(0.0, 0.8), (0.25, 0.6), (0.5, 0.4)])
def test_the_general_threshold_goes_by_all_failures(rate: float, peak: float) -> None:
    failed = [("mine/press", 0.2), ("mine/open", 0.8), ("mine/press", 0.6), ("mine/open", 0.4)]
    rows = [EpisodePeak("mine/press", True, 0.99), *(EpisodePeak(task, False, p) for task, p in failed)]
    found = calibrate(rows, TEXTS, rate)
    assert found.general is not None
    assert peak < found.general < peak + 1e-6, "a score counts as done when it reaches the threshold"


def test_each_task_goes_by_its_own_failures() -> None:
    rows = [EpisodePeak("mine/press", done, peak) for done, peak in ((False, 0.2), (True, 0.8))]
    found = calibrate([*rows, EpisodePeak("mine/open", True, 0.7)], TEXTS, 0.0)
    assert list(found.own) == ["mine/press"]
    assert found.own["mine/press"].threshold == pytest.approx(0.5)


def test_of_one_task_alone_the_general_threshold_is_its_own() -> None:
    rows = [EpisodePeak("mine/press", done, peak) for done, peak in ((False, 0.2), (True, 0.8))]
    found = calibrate(rows, {"mine/press": TEXTS["mine/press"]}, 0.0)
    assert found.general == pytest.approx(0.5), "half way, and not just above the failure"


def test_without_a_failure_nothing_is_calibrated() -> None:
    assert calibrate([EpisodePeak("mine/open", True, 0.7)], TEXTS, 0.0) == (None, {})
    assert calibrate([EpisodePeak("mine/open", None, 0.7)], TEXTS, 0.0) == (None, {})
