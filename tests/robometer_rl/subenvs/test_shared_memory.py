"""The memory between sub-environments and wrapper."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robometer_rl.scoring.step_reader import RESET, STEP, StepRecord
from robometer_rl.subenvs.shared_memory import NOTHING, SharedFrames

SHAPES = [(8, 9, 3), (10, 8, 3)]


def pictures(value: int) -> list[Any]:
    return [np.full(shape, value, dtype=np.uint8) for shape in SHAPES]


def test_a_row_holds_a_step_and_the_reset_after_it() -> None:
    board = SharedFrames(2, SHAPES)
    board.unlink()
    board.post(1, StepRecord(STEP, pictures(7), 2.5, terminated=True, true_success=True))
    board.post(1, StepRecord(RESET, pictures(9)))
    rows = board.read()
    assert rows["kind"].tolist() == [[NOTHING, NOTHING], [STEP, RESET]]
    assert rows["framed"][1].tolist() == [True, True]
    assert (rows["env_reward"][1], rows["terminated"][1], rows["truncated"][1]) == (2.5, True, False)
    assert rows["true_success"][1]
    assert [view[1, 0, 0, 0] for view in board.views(0)] == [7, 7]
    assert [view[1, 0, 0, 0] for view in board.views(1)] == [9, 9]
    assert [view.shape for view in board.views(0)] == [(2, 8, 9, 3), (2, 10, 8, 3)]


def test_a_look_takes_the_events_away() -> None:
    board = SharedFrames(1, SHAPES)
    board.unlink()
    board.post(0, StepRecord(RESET, pictures(1)))
    assert board.read()["kind"][0].tolist() == [RESET, NOTHING]
    assert board.read()["kind"][0].tolist() == [NOTHING, NOTHING]
    board.post(0, StepRecord(STEP, None))
    rows = board.read()
    assert rows["kind"][0].tolist() == [STEP, NOTHING]
    assert not rows["framed"][0, 0]


def test_a_third_event_without_a_look_is_refused() -> None:
    board = SharedFrames(1, SHAPES)
    board.unlink()
    for _ in range(2):
        board.post(0, StepRecord(STEP, None))
    with pytest.raises(RuntimeError, match="stepped or reset without its reward wrapper"):
        board.post(0, StepRecord(STEP, None))


def test_a_pickled_board_is_the_same_memory() -> None:
    board = SharedFrames(2, SHAPES)
    other = pickle.loads(pickle.dumps(board))
    board.unlink()
    other.post(0, StepRecord(RESET, pictures(5)))
    assert board.read()["kind"][0, 0] == RESET
    assert board.views(0)[0][0, 0, 0, 0] == 5
    board.over[1] = True
    assert other.over[1]


def test_neighbours_do_not_touch_each_other() -> None:
    board = SharedFrames(3, [(9, 9, 3)])
    board.unlink()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 3, 9, 9, 3), dtype=np.uint8)
    for row in range(3):
        for slot, kind in enumerate((STEP, RESET)):
            board.post(row, StepRecord(kind, [frames[slot, row]], float(row)))
    rows = board.read()
    assert rows["env_reward"].tolist() == [0.0, 1.0, 2.0]
    for slot in range(2):
        assert (board.views(slot)[0] == frames[slot]).all()


def test_too_little_room_is_an_error_and_not_a_crash_at_the_first_frame() -> None:
    """Without it the file is sparse, and the process dies by SIGBUS when a frame is written."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    before = set(folder.glob("robometer-*"))
    with pytest.raises(
        OSError, match=r"need [\d,]+ MiB.*has [\d,]+ MiB free.*(--shm-size|TMPDIR).*fewer environments"
    ) as caught:
        SharedFrames(4, [(1 << 19, 1 << 19, 3)])
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert set(folder.glob("robometer-*")) <= before, "nothing is left behind"


def test_memory_is_taken_when_the_file_is_made() -> None:
    board = SharedFrames(2, [(512, 512, 3)])
    path = board._layout.path
    status = os.stat(path)
    board.unlink()
    assert status.st_blocks * 512 >= status.st_size >= 2 * 2 * 512 * 512 * 3


def test_a_platform_without_posix_fallocate_checks_the_free_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    with pytest.raises(OSError, match="fewer environments"):
        SharedFrames(4, [(1 << 19, 1 << 19, 3)])
    board = SharedFrames(1, SHAPES)
    board.post(0, StepRecord(RESET, pictures(5)))
    assert board.views(0)[0][0, 0, 0, 0] == 5
    board.unlink()
