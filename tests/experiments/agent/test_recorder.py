"""What an agent did while it learned, kept as episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from robometer_test_fakes import ACTION, WORLD, FakeEnv

from robometer_rl.experiments.agent.recorder import Record
from robometer_rl.experiments.episodes import list_episodes, read_episode
from robometer_rl.experiments.reward_model.labels import episode_rank


class Quality(gym.Wrapper[Any, Any, Any, Any]):
    """The fake world, and how near it is to its end."""

    def reset(self, **options: Any) -> Any:
        obs, info = self.env.reset(**options)
        return obs, {**info, "quality": 0.0}

    def step(self, action: Any) -> Any:
        *rest, info = self.env.step(action)
        return (*rest, {**info, "quality": self.unwrapped.count / 10})  # type: ignore[attr-defined]


def recording(out: Path, every: int = 1, number: int = 0, **options: Any) -> Record:
    env = Quality(FakeEnv(horizon=6, success_at=5, size=16, **options))
    return Record(env, out, WORLD, number, frame_every=5, every=every)


def play(env: gym.Env[Any, Any], episodes: int) -> None:
    for _ in range(episodes):
        env.reset()
        done = False
        while not done:
            *_, terminated, truncated, _ = env.step(ACTION)
            done = terminated or truncated


def test_an_episode_holds_what_was_seen_and_the_truth(tmp_path: Path) -> None:
    play(recording(tmp_path), 1)
    episode = read_episode(*list_episodes(tmp_path))
    assert (episode.task, episode.kind, episode.seed, episode.frame_every) == (WORLD, "agent", 0, 5)
    assert episode.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6], "the reset's frame first"
    assert episode.success.tolist() == [False] * 5 + [True] * 2
    np.testing.assert_allclose(episode.quality, np.arange(7) / 10)
    assert episode.clock is None, "an agent has no plan whose time could be told"
    assert episode_rank(episode) == 5


def test_every_other_episode_is_kept_and_environments_do_not_collide(tmp_path: Path) -> None:
    for number in (0, 7):
        play(recording(tmp_path, every=2, number=number), 5)
    kept = [int(path.stem.split("-")[1]) for path in list_episodes(tmp_path)]
    assert sorted(kept) == [0, 2, 4, 700_000, 700_002, 700_004]


def test_a_second_recording_adds_to_the_first(tmp_path: Path) -> None:
    play(recording(tmp_path, number=7), 2)
    before = [path.read_bytes() for path in list_episodes(tmp_path)]
    play(recording(tmp_path, number=0), 1)
    play(recording(tmp_path, number=7), 3)
    kept = [int(path.stem.split("-")[1]) for path in list_episodes(tmp_path)]
    assert sorted(kept) == [0, *range(700_000, 700_005)]
    assert [path.read_bytes() for path in list_episodes(tmp_path) if "-70000" in path.name][:2] == before


def test_an_unfinished_episode_is_dropped(tmp_path: Path) -> None:
    env = recording(tmp_path)
    env.reset()
    env.step(ACTION)
    play(env, 1)
    assert [len(read_episode(path).frames) for path in list_episodes(tmp_path)] == [7]


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_both_ends_of_an_episode_write_it(tmp_path: Path, end: str) -> None:
    play(recording(tmp_path, episodes=[(3, end)]), 2)
    assert [len(read_episode(path).frames) for path in list_episodes(tmp_path)] == [4, 4]


def test_a_wrong_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 5 and 0"):
        recording(tmp_path, every=0)
