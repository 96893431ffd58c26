"""Several processes that write into one folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from robometer_rl.datasets.locks import claimed_number, locked

TASK = "own/task"


def test_a_number_that_is_claimed_is_not_given_again(tmp_path: Path) -> None:
    with claimed_number(tmp_path, TASK) as first, claimed_number(tmp_path, TASK) as second:
        assert (first, second) == (0, 1)
    with claimed_number(tmp_path, TASK) as third:
        assert third == 0, "nothing was written under it"


def test_numbers_follow_the_largest_of_any_kind(tmp_path: Path) -> None:
    folder = tmp_path / TASK
    folder.mkdir(parents=True)
    for name in ("success-00007.h5", "near_miss-00100.h5", "labels.csv", ".success-00200.h5.part"):
        (folder / name).touch()
    with claimed_number(tmp_path, TASK) as number:
        assert number == 101


def test_a_claim_whose_process_died_costs_a_number_only(tmp_path: Path) -> None:
    folder = tmp_path / TASK
    folder.mkdir(parents=True)
    (folder / ".00003.claim").touch()
    with claimed_number(tmp_path, TASK) as number:
        assert number == 4


def test_an_episode_that_was_written_after_the_look_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / TASK
    take = os.open

    def slow(path: Path, *rest: int) -> int:
        if path.name == ".00000.claim":  # meanwhile another process has written number 0 and is done
            (folder / "success-00000.h5").touch()
        return take(path, *rest)

    monkeypatch.setattr(os, "open", slow)
    with claimed_number(tmp_path, TASK) as number:
        assert number == 1
    assert [path.name for path in folder.iterdir()] == ["success-00000.h5"]


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    with locked(path), pytest.raises(TimeoutError, match=r"\.tasks\.json\.lock"), locked(path, patience=0.05):
        pass
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_that_died_is_broken(tmp_path: Path) -> None:
    lock = tmp_path / ".tasks.json.lock"
    lock.touch()
    old = time.time() - 3600
    os.utime(lock, (old, old))
    with locked(tmp_path / "tasks.json", patience=0.05):
        pass
    assert not lock.exists()
