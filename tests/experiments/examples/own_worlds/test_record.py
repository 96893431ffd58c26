from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robometer_rl.datasets.episodes import read_episode
from robometer_rl.experiments.examples.own_worlds import FETCH_PUSH, WORLDS
from robometer_rl.experiments.examples.own_worlds import record as record_module
from robometer_rl.experiments.examples.own_worlds.record import RecordConfig, main, record


def test_it_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "push"
    counts = ("--successes", "2", "--failures", "3", "--aimless", "1")
    main(["--world", "fetch_push", "--out", str(out), *counts])
    told = capsys.readouterr().out.split()
    assert told == ["expert", "2", "near", "1", "halfway", "1", "past", "1", "aimless", "1"]
    episodes = [read_episode(path) for path in sorted((out / "own/fetch_push").glob("*.h5"))]
    kinds = sorted(episode.kind for episode in episodes)
    assert kinds == ["failure"] * 3 + ["random"] + ["success"] * 2
    for episode in episodes:
        assert episode.frames.shape[1:] == (96, 96, 3)
        assert len(episode.frames) > 10
        success = episode.known_success
        assert not success[0]
        assert success[-1] == success.any() == (episode.kind == "success")
        # A success is seen for a while.
        assert success.sum() >= 4 or episode.kind != "success"
    assert FETCH_PUSH.task in json.dumps(json.loads((out / "tasks.json").read_text("utf-8")))


def test_the_same_seed_records_the_same_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        record(RecordConfig("fetch_push", tmp_path / name, successes=1, failures=0, seed=seed))
    a, b, c = (read_episode(next((tmp_path / name).rglob("*.h5"))) for name in "abc")
    np.testing.assert_array_equal(a.frames, b.frames)
    assert not np.array_equal(a.frames[0], c.frames[0])


def test_pictures_come_every_so_many_steps_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RecordConfig("fetch_push", tmp_path / "every", successes=1, failures=0)
    record(config)
    monkeypatch.setitem(WORLDS, "fetch_push", replace(FETCH_PUSH, frame_every=4))
    record(replace(config, out=tmp_path / "fourth"))
    all_of_them, some = (read_episode(next((tmp_path / name).rglob("*.h5"))) for name in ("every", "fourth"))
    assert some.frame_every == 4
    np.testing.assert_array_equal(some.frames[:-1], all_of_them.frames[:-1:4])
    np.testing.assert_array_equal(some.frames[-1], all_of_them.frames[-1])


def test_an_expert_that_never_succeeds_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hover = replace(FETCH_PUSH, expert=FETCH_PUSH.failures["hover"])
    monkeypatch.setitem(WORLDS, "fetch_push", hover)
    monkeypatch.setattr(record_module, "_TRIES", 3)
    with pytest.raises(RuntimeError, match="none of 3 episodes of 'expert' from seed 0"):
        record(RecordConfig("fetch_push", tmp_path, successes=1, failures=0))
    assert not list(tmp_path.rglob("*.h5"))


def test_starts_that_are_nearly_solved_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORLDS, "fetch_push", replace(FETCH_PUSH, min_distance=10.0))
    monkeypatch.setattr(record_module, "_TRIES", 3)
    with pytest.raises(RuntimeError, match="none of 3 episodes"):
        record(RecordConfig("fetch_push", tmp_path, successes=1, failures=0))


@pytest.mark.parametrize("name", ["successes", "failures", "aimless", "seed"])
def test_a_negative_number_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{name}=-1 must be at least 0"):
        RecordConfig("fetch_push", tmp_path, **{name: -1})


def test_the_command_offers_every_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--world", "nowhere", "--out", str(tmp_path)])
    told = capsys.readouterr()
    for name in WORLDS:
        assert name in told.out + told.err
