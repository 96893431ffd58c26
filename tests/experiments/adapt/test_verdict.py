"""What an adapted model is said to be good for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robometer_rl.experiments.adapt.traps import Trap, set_traps
from robometer_rl.experiments.adapt.verdict import Cheating, Findings, examine, judge
from robometer_rl.experiments.episodes import Episode
from robometer_rl.experiments.reward_model.evaluate import EncodedVideo
from robometer_rl.rewards.protocol import Scores

NAN = math.nan


class Bright:
    """A model that reads brightness: progress is the red channel, success the green one."""

    def score(self, frames: Any, task: str) -> Scores:
        means = frames.mean((1, 2), dtype=np.float32) / 255
        return Scores(means[:, 0].astype(np.float32), means[:, 1].astype(np.float32))


def episode(kind: str, progress: list[float], success: list[float], done: list[bool]) -> Episode:
    frames = np.zeros((len(done), 4, 4, 3), np.uint8)
    frames[..., 0] = np.round(np.array(progress) * 255)[:, None, None]
    frames[..., 1] = np.round(np.array(success) * 255)[:, None, None]
    return Episode("own/x", kind, 0, frames, np.array(done))


GOOD_SUCCESS = episode("success", [0, 0.4, 0.8, 1.0], [0, 0, 0, 1], [False, False, False, True])
BAD_SUCCESS = episode("success", [0.9, 0.6, 0.3, 0.2], [0, 0, 0, 0.2], [False, False, False, True])
FAILURE = episode("failure", [0, 0.2, 0.3, 0.2], [0, 0, 0.1, 0], [False] * 4)
NEAR = episode("failure", [0, 0.5, 0.8, 0.9], [0, 0, 0.6, 0.4], [False] * 4)


def test_what_is_measured_of_four_episodes() -> None:
    named = {"a": GOOD_SUCCESS, "b": BAD_SUCCESS, "c": FAILURE, "d": NEAR}
    found = examine(Bright(), named, "press", 0.5)  # type: ignore[arg-type]
    assert (found.successes, found.failures) == (2, 2)
    assert found.success_auc == 0.75  # 1 beats both, 0.2 beats 0.1 alone
    assert found.ranking == pytest.approx(0.625)  # 1.0 beats both; 0.2 ties with 0.2
    assert (found.false_alarms, found.found) == (0.5, 0.5)
    assert found.voc == pytest.approx(0.0, abs=0.1)
    assert found.worst_success.startswith("b (VOC -0.9")
    assert found.worst_failure == "d (success 0.60, progress 0.90)"


def test_without_failures_nothing_is_said_of_them() -> None:
    found = examine(Bright(), {"a": GOOD_SUCCESS}, "press", 0.5)  # type: ignore[arg-type]
    assert math.isnan(found.success_auc)
    assert math.isnan(found.false_alarms)
    assert found.as_dict()["success_auc"] is None
    assert "no failure was kept aside" in judge(found)
    assert "no success was kept aside" in judge(examine(Bright(), {"c": FAILURE}, "press", 0.5))  # type: ignore[arg-type]


FINE = Findings(
    4,
    8,
    voc=0.95,
    success_auc=1.0,
    ranking=1.0,
    false_alarms=0.0,
    found=1.0,
    worst_failure="f-3",
    worst_success="s-2",
)
AIMLESS = Trap("aimless_progress", "mean progress of aimless motion", 0.4, 0.15)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (FINE, "Ready for RL, as far as episodes tell; no agent has tried to cheat it yet."),
        (replace(FINE, cheating=Cheating("honest", "")), "Ready for RL."),
        (
            replace(FINE, cheating=Cheating("unlearned", "")),
            "Ready for RL, as far as episodes tell; the agent",
        ),
        (replace(FINE, cheating=Cheating("unjudged", "")), "Ready for RL, as far as episodes tell; look at"),
        (replace(FINE, cheating=Cheating("cheated", "")), "Not ready for RL: a short agent was paid"),
        (
            replace(FINE, voc=0.5),
            "Ready for ranking videos, not for RL: record 5 successes that begin like s-2",
        ),
        (replace(FINE, success_auc=0.5), "Not ready: record 5 failures that end like f-3, and 5 successes"),
        (replace(FINE, traps=(AIMLESS,)), "Ready for ranking videos, not for RL: mean progress of aimless"),
        (replace(FINE, voc=NAN), "Ready for ranking videos, not for RL"),
        (replace(FINE, successes=0), "Not known yet"),
    ],
)
def test_the_sentence(found: Findings, sentence: str) -> None:
    assert judge(found).startswith(sentence)


def test_a_trap_is_passed_failed_or_not_known() -> None:
    assert AIMLESS.passed is False
    assert replace(AIMLESS, value=0.15).passed is True
    assert replace(AIMLESS, value=NAN).passed is None
    assert Trap("rewind_r", "", 0.8, None, 0.7).passed is True
    assert Trap("rewind_r", "", 0.6, None, 0.7).passed is False


def test_traps_of_a_model_that_reads_brightness() -> None:
    aimless = episode("random", [0.4, 0.6], [0, 0], [False] * 2)
    shown = [(one, EncodedVideo(Bright(), one.frames)) for one in (GOOD_SUCCESS, aimless)]  # type: ignore[arg-type]
    found = {trap.name: trap.value for trap in set_traps(Bright(), shown, "press")}  # type: ignore[arg-type]
    assert found["aimless_progress"] == pytest.approx(0.5, abs=0.01)
    assert found["stall_drift"] == 0.0
    assert found["still_progress"] == pytest.approx((0.0 + 0.4) / 2, abs=0.01)
    assert found["rewind_r"] > 0.98
    assert found["flat_progress"] == pytest.approx(127 / 255, abs=0.01)
