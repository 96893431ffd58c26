"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from robometer_rl.files import write_json, write_whole


def test_a_file_is_replaced_by_the_new_content(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_whole(path, b"old, and longer")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["scores.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scores.json"
    path.write_bytes(b"old")

    def half(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new content")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["scores.json"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    path, link = tmp_path / "scores.json", tmp_path / "latest.json"
    path.write_bytes(b"old")
    link.symlink_to(path)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """`--json /dev/stdout` must not put a file in the place of the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"scores")
    reader.join(timeout=10)
    assert read == [b"scores"]
    assert pipe.is_fifo()


def test_json_makes_its_folder_and_ends_with_a_line_break(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "scores.json", {"a": [1]})
    assert (tmp_path / "new" / "scores.json").read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
