"""The sample of the bundled model's own tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from robometer_test_episodes import TASKS, make_episode

from robometer_rl.experiments.adapt import replay
from robometer_rl.experiments.adapt.replay import (
    SampleConfig,
    SampleCounts,
    decode_video,
    encode_video,
    make_sample,
    unpack_sample,
)
from robometer_rl.experiments.episodes import list_episodes, read_episode, write_episode
from robometer_rl.rewards.compact.checkpoint import BUNDLED, load_checkpoint

QUIET = Console(quiet=True)


def test_a_video_comes_back_nearly_as_it_was_and_always_the_same() -> None:
    frames = np.repeat(np.arange(0, 240, 4, dtype=np.uint8)[:, None], 64, 1)
    frames = np.stack([np.roll(np.stack([frames] * 3, -1)[:60], k, 0) for k in range(5)])
    file = encode_video(frames, 18)
    assert file == encode_video(frames, 18)
    back = decode_video(file)
    assert back.shape == frames.shape
    assert np.abs(back.astype(float) - frames).mean() < 4


def test_a_sample_unpacks_to_the_episodes_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("success", "mime"):
        write_episode(tmp_path / "data", make_episode(TASKS[0], kind, 3))
    counts = SampleCounts(success=1, noisy_success=0, near_miss=0, mime=1, random=0)
    config = SampleConfig(
        tmp_path / "data", tmp_path / "package" / "replay_sample", counts, every=3, quality=10
    )
    assert make_sample(config, QUIET) == 2
    monkeypatch.setattr(replay.resources, "files", lambda package: tmp_path / "package")
    for _ in range(2):
        unpack_sample(tmp_path / "out", QUIET)
    found = {path.stem: read_episode(path) for path in list_episodes(tmp_path / "out")}
    assert set(found) == {"success-00003", "mime-00003"}
    one, was = found["success-00003"], make_episode(TASKS[0], "success", 3)
    assert one.frame_every == 6
    kept = [0, 3, 6, 8]
    np.testing.assert_array_equal(one.known_success, was.known_success[kept])
    assert one.clock == pytest.approx(was.clock[kept])  # type: ignore[index]
    assert np.abs(one.frames.astype(float) - was.frames[kept]).mean() < 12


def test_a_sample_needs_the_episodes_that_it_counts(tmp_path: Path) -> None:
    write_episode(tmp_path, make_episode(TASKS[0], "success", 0))
    with pytest.raises(ValueError, match=rf"has 0 of 1 noisy_success episodes of {TASKS[0]}"):
        make_sample(SampleConfig(tmp_path, tmp_path / "out"), QUIET)


def test_the_sample_that_ships_has_every_task_of_the_bundled_model(tmp_path: Path) -> None:
    unpack_sample(tmp_path, QUIET)
    tasks = {path.parent.relative_to(tmp_path).as_posix() for path in list_episodes(tmp_path)}
    assert tasks == set(load_checkpoint(BUNDLED).trained_worlds)
    episode = read_episode(list_episodes(tmp_path, "robosuite/Lift", "success")[0])
    assert episode.known_success[-1]
    assert episode.frames.shape[1:] == (96, 96, 3)
    assert replace(episode, kind="success") == episode or episode.frame_every == 4
