"""Labels of what did not succeed as planned, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from robometer_test_episodes import LENGTH, TASKS, make_episode

from robometer_rl.envs.suites.robosuite_scenes import SCENES
from robometer_rl.experiments.episodes import Episode
from robometer_rl.experiments.reward_model.labels import (
    BY_HAND,
    UNKNOWN_SCALE,
    QualityScale,
    episode_rank,
    first_moved,
    label_all,
    progress_labels,
    quality_scale,
    to_training_episode,
)
from robometer_rl.rewards.training.sampling import TaskText

HALF = QualityScale(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
NAN = np.float32(np.nan)


def agent(quality: list[float], success: list[int]) -> Episode:
    length = len(quality)
    return replace(
        make_episode(TASKS[0], "agent", 0),
        frames=np.zeros((length, 32, 32, 3), np.uint8),
        quality=np.array(quality, np.float32),
        success=np.array(success, bool),
        clock=np.zeros(length, np.float32),
    )


@pytest.mark.parametrize(
    ("quality", "success", "progress", "rank"),
    [
        ([0, 0.05, 0.1, 0.05], [0, 0, 0, 0], [0, 0, 0, 0], 1),
        ([0, 0.05, 0.4, 0.6], [0, 0, 0, 0], [0, NAN, 0.2, 0.3], 3),
        ([0, 0.05, 0.8, 0.05], [0, 0, 0, 0], [0, NAN, 0.4, 0], 1),
        ([0, 0.0, 0.8, 0.9], [0, 0, 0, 0], [0, NAN, 0.4, 0.45], 4),
        ([0, 0.0, 1.0, 1.0], [0, 0, 1, 1], [0, NAN, 1, 1], 5),
        ([0, 0.0, 1.0, 0.6], [0, 0, 1, 0], [0, NAN, 1, 0.3], 3),
        ([0.5, 0.5], [0, 0], [0.25, 0.25], 3),
    ],
    ids=["never moved", "on its way", "brought back", "nearly", "done", "lost again", "begins half done"],
)
def test_an_agent_is_labelled_by_its_object(
    quality: list[float], success: list[int], progress: list[float], rank: int
) -> None:
    episode = to_training_episode(agent(quality, success), 0.8, has_inverse=True, scale=HALF)
    np.testing.assert_allclose(episode.progress, np.array(progress, np.float32), atol=1e-6)
    np.testing.assert_array_equal(episode.success, success)
    assert episode.rank == rank


@pytest.mark.parametrize(
    ("task", "beside", "held"),
    [("robosuite/Lift", 0.2, 0.4), ("robosuite/Door", 0.13, 0.3), ("mylab/push", 0.09, 0.2)],
)
def test_a_hand_beside_the_object_has_done_nothing(task: str, beside: float, held: float) -> None:
    """Part of robosuite's quality is the hand's: an agent that stays beside the object is not paid for it."""
    there = replace(agent([0, beside / 2, beside, beside], [0] * 4), task=task)
    labelled = to_training_episode(there, 0.8, has_inverse=False, scale=HALF)
    np.testing.assert_array_equal(labelled.progress, np.zeros(4))
    assert labelled.rank == 1
    holds = replace(agent([0, beside, held, held], [0] * 4), task=task)
    labelled = to_training_episode(holds, 0.8, has_inverse=False, scale=HALF)
    np.testing.assert_allclose(labelled.progress, np.float32([0, NAN, held / 2, held / 2]), atol=1e-6)
    assert labelled.rank == 3


def test_what_the_hand_earns_is_what_the_scenes_pay_it() -> None:
    assert {f"robosuite/{name}": scene.by_hand for name, scene in SCENES.items()} == BY_HAND
    assert BY_HAND == {"robosuite/Door": 0.1, "robosuite/Lift": 0.2, "robosuite/Stack": 0.1}


@pytest.mark.parametrize("kind", ["near_miss", "stalled", "undone"])
def test_who_gives_up_is_worth_what_the_object_is(kind: str) -> None:
    recorded = make_episode(TASKS[0], kind, 0)
    progress = to_training_episode(recorded, 0.8, has_inverse=False, scale=HALF).progress
    moved = recorded.quality > 0.1
    np.testing.assert_allclose(progress[moved], recorded.quality[moved] / 2, atol=1e-6)
    assert progress[0] == 0
    assert np.isnan(progress[1:][~moved[1:]]).all(), "the way to the object may be an expert's"


def test_a_scale_is_what_successes_have() -> None:
    """In these successes progress is quality; the scale finds that, from frames that are not done yet."""
    successes = [make_episode(TASKS[0], "success", seed) for seed in range(24)]
    scale = quality_scale(successes)
    known = np.arange(1, 8, dtype=np.float32) / 8
    np.testing.assert_allclose(scale(known), known, atol=1e-6)
    assert np.isnan(scale(np.float32([0.05, 0.95]))).all(), "outside of what was seen nothing is known"
    failures = [make_episode(TASKS[0], "stalled", seed) for seed in range(24)]
    assert quality_scale(failures) is UNKNOWN_SCALE
    assert np.isnan(UNKNOWN_SCALE(known)).all()


def test_where_the_object_does_not_tell_there_is_no_label() -> None:
    """The object is half done at any time of the expert's way."""
    rng = np.random.default_rng(0)
    successes = []
    for seed in range(60):
        episode = make_episode(TASKS[0], "success", seed)
        quality = np.full(LENGTH, 0.55, dtype=np.float32) + rng.uniform(0, 0.02, LENGTH).astype(np.float32)
        successes.append(replace(episode, quality=quality))
    assert len(quality_scale(successes).quality) == 0


def test_a_scale_never_falls() -> None:
    falling = [
        replace(episode, quality=1 - episode.quality)
        for episode in (make_episode(TASKS[0], "success", seed) for seed in range(24))
    ]
    assert np.all(np.diff(quality_scale(falling).progress) >= 0)


def test_each_task_has_its_own_scale() -> None:
    fast = [
        replace(
            make_episode(TASKS[1], "success", seed), clock=np.linspace(0, 8, LENGTH, dtype=np.float32) ** 2
        )
        for seed in range(24)
    ]
    slow = [make_episode(TASKS[0], "success", seed) for seed in range(24)]
    stalled = [make_episode(task, "stalled", 0) for task in TASKS[:2]]
    texts = {task: TaskText(("open it",)) for task in TASKS[:2]}
    *_, one, two = label_all([*slow, *fast, *stalled], texts, 0.8)
    assert one.progress[-1] == pytest.approx(0.5, abs=1e-6)
    assert two.progress[-1] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    ("clock", "success", "labels"),
    [
        ([0, 1, 2, 3, 4], [0, 0, 0, 0, 1], [0, 0.25, 0.5, 0.75, 1]),
        ([0, 0, 1, 1, 2], [0, 0, 0, 0, 1], [0, 0, 0.5, 0.5, 1]),  # pauses do not count
        ([0, 1, 2, 5, 9], [0, 0, 1, 1, 1], [0, 0.5, 1, 1, 1]),  # what comes after the success does not count
        ([0, 1, 2, 3, 4], [0, 0, 1, 0, 1], [0, 0.5, 1, NAN, 1]),  # lost, and found again
        ([0, 1, 2], [0, 0, 0], [NAN, NAN, NAN]),
        ([0, 1], [1, 1], [1, 1]),
        ([0, 0, 0], [0, 0, 1], [NAN, NAN, 1]),  # came by itself
        ([0, 4, 3, 4, 2], [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]),  # never above 1
    ],
)
def test_progress_labels(clock: list[float], success: list[int], labels: list[float]) -> None:
    got = progress_labels(clock, np.array(success, bool))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, labels)


def test_progress_labels_want_one_shape() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        progress_labels([0, 1, 2], [0, 1])


def test_first_moved() -> None:
    assert first_moved([0, 0.04, 0.05, 0.06, 0.0]) == 3
    assert first_moved([0, 0.01]) is None
    assert first_moved([0, 0.2, 0.4], threshold=0.3) == 2


def _bare(kind: str, success: list[bool], **known: object) -> Episode:
    """An episode of which no more is known than is given."""
    frames = np.zeros((len(success), 8, 8, 3), np.uint8)
    return Episode("mylab/press-bell", kind, 0, frames, np.array(success), **known)  # type: ignore[arg-type]


def _labels(episode: Episode) -> tuple[list[float], list[float]]:
    labelled = to_training_episode(episode, 1.0, has_inverse=True)
    return labelled.progress.tolist(), labelled.success.tolist()


def test_a_success_without_a_clock_goes_at_an_even_pace() -> None:
    progress, success = _labels(_bare("success", [False] * 4 + [True] * 2))
    assert progress == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert success == [0, 0, 0, 0, 1, 1]


def test_given_progress_goes_before_the_clock() -> None:
    given = np.array([0, 0.1, np.nan, 0.5, 0.9, 0.9], np.float32)
    progress, _ = _labels(_bare("success", [False] * 4 + [True] * 2, progress=given))
    assert progress == pytest.approx([0, 0.1, float("nan"), 0.5, 1.0, 1.0], nan_ok=True)
    progress, success = _labels(_bare("failure", [False] * 6, progress=given))
    assert progress == pytest.approx(given.tolist(), nan_ok=True)
    assert success == [0] * 6


def test_a_failure_of_which_nothing_is_known_has_no_progress_label_after_its_first_frame() -> None:
    progress, success = _labels(_bare("failure", [False] * 3))
    assert progress == pytest.approx([0.0, float("nan"), float("nan")], nan_ok=True)
    assert success == [0, 0, 0]
    assert episode_rank(_bare("failure", [False] * 3)) < episode_rank(_bare("success", [False, True]))


def test_aimless_motion_has_made_no_progress_though_its_quality_is_unknown() -> None:
    assert _labels(_bare("random", [False] * 3))[0] == [0.0, 0.0, 0.0]


def test_an_agent_of_unknown_quality_is_told_by_its_success_alone() -> None:
    progress, success = _labels(_bare("agent", [False, False, True, False]))
    assert progress == pytest.approx([0.0, float("nan"), 1.0, float("nan")], nan_ok=True)
    assert success == [0, 0, 1, 0]
    assert episode_rank(_bare("agent", [False, True])) == 5
    assert episode_rank(_bare("agent", [True, False])) == 1


def test_a_frame_of_unknown_quality_is_no_frame_without_progress() -> None:
    quality = np.array([0.0, np.nan, 0.0, 0.0], np.float32)
    progress, _ = _labels(_bare("agent", [False] * 4, quality=quality))
    assert progress == pytest.approx([0.0, float("nan"), 0.0, 0.0], nan_ok=True)


def test_an_unlabelled_episode_is_not_trained_on() -> None:
    episode = Episode("mylab/press-bell", "unlabelled", 0, np.zeros((3, 8, 8, 3), np.uint8), None)
    with pytest.raises(ValueError, match="label-demos"):
        _labels(episode)
