"""Episodes that an adaptation learns from."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from rich.console import Console
from robometer_test_episodes import TASKS, make_episode

from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.errors import InputError
from robometer_rl.experiments.adapt.gather import (
    aimless_actions,
    record_aimless,
    record_policy,
    take_demonstrations,
)
from robometer_rl.experiments.common.environment import EnvironmentConfig
from robometer_rl.experiments.episodes import Episode, list_episodes, read_episode, write_episode

REACH = EnvironmentConfig("robometer_test_envs:make_reach", "move the bar to the right")
QUIET = Console(quiet=True)


def test_aimless_actions_are_held_and_their_seed_repeats_them() -> None:
    space = Box(-1.0, 1.0, (2,), np.float32)
    one, two = (
        np.array(list(islice(aimless_actions(space, np.random.default_rng(3)), 60))) for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)
    changes = (np.diff(one, axis=0) != 0).any(1).sum()
    assert 60 / 8 - 1 <= changes < 40
    assert set(islice(aimless_actions(Discrete(3), np.random.default_rng(0)), 90)) == {0, 1, 2}


def test_aimless_motion_is_recorded_once_and_chance_successes_are_not_kept(tmp_path: Path) -> None:
    for wanted in (3, 6):  # the second call goes on where the first stopped
        record_aimless(REACH, tmp_path, "own/reach", 32, wanted, 0, QUIET)
    found = [read_episode(path) for path in list_episodes(tmp_path, "own/reach", "random")]
    assert 1 <= len(found) <= 6
    assert not any(episode.known_success.any() for episode in found)
    assert found[0].frames.shape[1:] == (32, 32, 3)
    starts = {episode.frames[0].tobytes() for episode in found}
    assert len(starts) > 1, "episodes begin in different places"


def test_a_policy_gives_successes_and_rollouts_that_stop_on_the_way(tmp_path: Path) -> None:
    slow = replace(REACH, env_kwargs='{"pace": 0.15, "limit": 30}')
    policy = "robometer_test_envs:go_right"
    record_policy(slow, policy, tmp_path, "own/reach", 32, (3, 4), 0, QUIET)
    successes = list_episodes(tmp_path, "own/reach", "success")
    failures = list_episodes(tmp_path, "own/reach", "failure")
    assert len(successes) >= 3
    assert len(failures) >= 1
    assert len(successes) + len(failures) == 7


def demos(root: Path) -> Path:
    for kind in ("success", "stalled"):
        write_episode(root, replace(make_episode(TASKS[0], kind, 0), task="mine/press"))
    return root


def test_episodes_are_taken_with_their_sentences(tmp_path: Path) -> None:
    add_sentences(demos(tmp_path / "in"), "mine/press", ["press the button", "push the button"])
    for _ in range(2):
        tasks = take_demonstrations(tmp_path / "in", tmp_path / "out", None, QUIET)
        assert tasks == {"mine/press": ["press the button", "push the button"]}
    assert [path.name for path in list_episodes(tmp_path / "out")] == ["stalled-00000.h5", "success-00000.h5"]
    np.testing.assert_array_equal(
        read_episode(list_episodes(tmp_path / "out")[1]).frames,
        make_episode(TASKS[0], "success", 0).frames,
    )


def test_unlabelled_demonstrations_are_refused_with_the_way_out(tmp_path: Path) -> None:
    root = demos(tmp_path / "in")
    add_sentences(root, "mine/press", "press the button")
    write_episode(root, Episode("mine/press", "unlabelled", 0, np.full((3, 16, 16, 3), 9, np.uint8), None))
    with pytest.raises(InputError, match=r"1 of the demonstrations .* label-demos"):
        take_demonstrations(root, tmp_path / "out", None, QUIET)
