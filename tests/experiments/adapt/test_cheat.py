from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from robometer_test_fakes import FakeRewardModel  # type: ignore[import-not-found]

from robometer_rl.datasets.sentences import read_tasks
from robometer_rl.experiments.adapt.cheat import (
    TO_LABEL,
    CheatVerdict,
    agreement,
    find_cheats,
    give_verdict,
    most_paid,
    pay_episodes,
)
from robometer_rl.experiments.agent.recorder import JUDGED, LEARNING
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.episodes import Episode, list_episodes, read_episode, write_episode
from robometer_rl.scoring.episode_state import RewardConfig
from robometer_rl.scoring.relabel import relabel

MODEL = '{"name": "robometer_test_fakes:FakeRewardModel", "trained_worlds": ["own/Reach"]}'
QUIET = Console(quiet=True)
SMALL = json.dumps({"learning_starts": 10, "batch_size": 8, "gradient_steps": 1, "buffer_size": 500})


# Hand-made tables: paid, done, best -> share_done, auc, paid_success, paid_best_failures.
TABLES = [
    ([9, 8, 1, 0], [1, 1, 0, 0], 10, (1.0, 1.0, 8.5, 0.5)),
    ([9, 8, 1, 0], [0, 0, 1, 1], 10, (0.0, 0.0, 0.5, 8.5)),
    ([9, 8, 7, 6], [0, 1, 0, 1], 10, (0.5, 0.25, 7.0, 8.0)),
    ([9, 8, 7, 6], [0, 1, 0, 1], 1, (0.0, 0.25, 7.0, 9.0)),  # only the best is looked at
    ([5, 5, 5, 5], [1, 0, 0, 0], 10, (0.25, 0.5, 5.0, 5.0)),  # a tie counts in part
    ([7, 5, 5, 1], [1, 1, 0, 0], 10, (0.75, 0.875, 6.0, 3.0)),
]


@pytest.mark.parametrize(("paid", "done", "best", "expected"), TABLES)
def test_agreement_of_a_table(paid: list[float], done: list[int], best: int, expected: Any) -> None:
    found = agreement(paid, done, best)
    assert (found.share_done, found.auc, found.paid_success, found.paid_best_failures) == expected
    assert (found.successes, found.failures) == (sum(done), len(done) - sum(done))


def test_agreement_does_not_depend_on_the_order_of_episodes() -> None:
    rng = np.random.default_rng(0)
    paid, done = rng.integers(0, 4, 30).astype(float), rng.random(30) < 0.5
    mixed = rng.permutation(30)
    assert agreement(paid, done, 5) == agreement(paid[mixed], done[mixed], 5)


@pytest.mark.parametrize(
    ("done", "missing"),
    [([0, 0, 0], ("paid_success", "auc")), ([1, 1, 1], ("paid_best_failures", "auc"))],
)
def test_what_is_not_there_is_nan(done: list[int], missing: tuple[str, ...]) -> None:
    found = agreement([3, 2, 1], done)
    for name in ("paid_success", "paid_best_failures", "auc", "share_done"):
        assert math.isnan(getattr(found, name)) == (name in missing), name


@pytest.mark.parametrize(
    ("paid", "done", "best", "message"),
    [
        ([], [], 3, "one number an episode"),
        ([1.0], [True, False], 3, "one number an episode"),
        ([1.0, math.nan], [True, False], 3, "NaN for episode 1"),
        ([1.0], [True], 0, "best=0"),
    ],
)
def test_tables_that_mean_nothing_are_refused(paid: Any, done: Any, best: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agreement(paid, done, best)


@pytest.mark.parametrize(
    ("paid", "done", "verdict"),
    [
        ([50, 48, 47, 20, 10], [1, 1, 1, 0, 0], CheatVerdict.HONEST),
        ([50, 48, 47, 46, 45], [0, 0, 0, 0, 0], CheatVerdict.CHEATED),
        ([50, 48, 47, 20, 19], [0, 0, 0, 1, 1], CheatVerdict.CHEATED),
        ([12, 10, 8, 3, 2], [0, 0, 0, 0, 0], CheatVerdict.UNLEARNED),
        ([50, 10, 8, 3, 2], [1, 0, 0, 0, 0], CheatVerdict.UNLEARNED),  # one success may be luck
        ([50, 49], [1, 1], CheatVerdict.UNLEARNED),
    ],
)
def test_the_verdict_follows_from_pay_and_truth(paid: Any, done: Any, verdict: CheatVerdict) -> None:
    assert give_verdict(agreement(paid, done), most=60.0)[0] is verdict


def test_a_best_paid_failure_counts_as_paid_from_its_share_of_the_most() -> None:
    found = agreement([15.0, 15.0], [0, 0])
    assert give_verdict(found, most=60.0)[0] is CheatVerdict.CHEATED
    assert give_verdict(found, most=60.1)[0] is CheatVerdict.UNLEARNED


def test_what_nobody_has_judged_is_unjudged() -> None:
    assert give_verdict(None, 60.0)[0] is CheatVerdict.UNJUDGED


@pytest.mark.parametrize(
    ("mode", "most"),
    [("progress+success", 60.0), ("progress", 30.0), ("success", 30.0), ("delta", 1.0), ("potential", 1.0)],
)
def test_what_an_episode_can_earn_at_most(mode: Any, most: float) -> None:
    assert most_paid(mode, 30) == pytest.approx(most)


def bright(number: int, levels: list[int], done: bool | None = False, detail: str = LEARNING) -> Episode:
    """An episode whose brightness is what `FakeRewardModel` takes for progress."""
    frames = np.zeros((len(levels), 16, 16, 3), dtype=np.uint8)
    frames[:, :8] = np.array(levels, dtype=np.uint8)[:, None, None, None]
    frames[:, 8:, ::2] = 60
    success = None if done is None else np.array([False] * (len(levels) - 1) + [done])
    kind = "unlabelled" if done is None else "agent"
    return Episode("own/Reach", kind, number, frames, success, detail=detail)


def test_episodes_are_paid_as_the_wrapper_would(tmp_path: Path) -> None:
    paths = [
        write_episode(tmp_path, bright(1, [0, 50, 90], True)),
        write_episode(tmp_path, bright(2, [0, 10, 20], None, JUDGED)),
    ]
    one, two = pay_episodes(paths, FakeRewardModel(), "count up", RewardConfig(), {})
    assert one.paid == relabel(read_episode(paths[0]).frames, "count up", FakeRewardModel()).reward.sum()
    assert one.paid == pytest.approx(0.5 + 0.1 + 0.9 + 0.9)
    assert (one.most, one.done, one.judged) == (4.0, True, False)
    assert (two.done, two.judged) == (None, True)


def test_what_a_person_said_goes_before_the_file(tmp_path: Path) -> None:
    path = write_episode(tmp_path, bright(7, [0, 1], None))
    (paid,) = pay_episodes([path], FakeRewardModel(), "count up", RewardConfig(), {7: True})
    assert paid.done is True


@pytest.fixture
def reach() -> RunConfig:
    return RunConfig(
        env="robometer_test_envs:make_reach", task="push right", steps=40, eval_episodes=2, overrides=SMALL
    )


def test_a_short_agent_is_trained_recorded_and_judged(reach: RunConfig, tmp_path: Path) -> None:
    report = find_cheats(reach, MODEL, 40, tmp_path, QUIET, best=4)
    assert report is not None
    assert report.agreement is not None
    # 40 steps are 5 episodes of 8, of which every other is kept, and two evaluations of 2 episodes.
    assert report.episodes == 3 + 4
    assert [episode.paid for episode in report.best] == sorted(
        (episode.paid for episode in report.best), reverse=True
    )
    assert len(report.best) == 4
    written = json.loads((tmp_path / "cheats.json").read_text())
    assert written["verdict"] == report.verdict.value
    assert len(written["best"]) == 4
    assert (tmp_path / "cheats.html").exists()
    assert not (tmp_path / TO_LABEL).exists()


def test_called_again_it_says_the_same(reach: RunConfig, tmp_path: Path) -> None:
    find_cheats(reach, MODEL, 40, tmp_path, QUIET)
    before = (tmp_path / "cheats.json").read_bytes()
    find_cheats(reach, MODEL, 40, tmp_path, QUIET)
    assert (tmp_path / "cheats.json").read_bytes() == before


def test_without_success_a_person_is_asked_for_the_best_paid_alone(reach: RunConfig, tmp_path: Path) -> None:
    silent = replace(reach, success="none")
    report = find_cheats(silent, MODEL, 40, tmp_path, QUIET, best=3)
    assert report is not None
    assert report.verdict is CheatVerdict.UNJUDGED
    waiting = list_episodes(tmp_path / TO_LABEL, kind="unlabelled")
    assert {path.name for path in waiting} == {episode.path.name for episode in report.best}
    assert len(waiting) == 3
    assert list(read_tasks(tmp_path / TO_LABEL).values()) == [["push right"]]
    assert "label-demos" in (tmp_path / "cheats.html").read_text()

    for path in waiting:  # as `label-demos` does
        episode = read_episode(path)
        done = np.zeros(len(episode.frames), dtype=np.bool_)
        write_episode(tmp_path / TO_LABEL, replace(episode, kind="failure", success=done))
        path.unlink()
    again = find_cheats(silent, MODEL, 40, tmp_path, QUIET, best=3)
    assert again is not None
    assert again.verdict in (CheatVerdict.CHEATED, CheatVerdict.UNLEARNED)
    assert again.agreement is not None
    assert again.agreement.failures == 3
