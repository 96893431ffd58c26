from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.experiments.sweep import file_sync as sweep_files
from robometer_rl.experiments.sweep.file_sync import Changes, FileSender, receive, snapshot


def put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def listed(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_folder_follows_another(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    sender = FileSender(there, {"config.json": b"{}"})
    receive(here, sender.changes())
    assert listed(here) == {}, "what was sent there does not come back"
    put(there, "curve.csv", b"1")
    put(there, "checkpoint/0001/agent.zip", b"a")
    put(there, "checkpoint/0001/state.json", b"b")
    put(there, "log.txt", b"one\n")
    receive(here, sender.changes())
    put(there, "curve.csv", b"12")
    put(there, "checkpoint/0002/agent.zip", b"c")
    (there / "checkpoint/0001/agent.zip").unlink()
    (there / "checkpoint/0001/state.json").unlink()
    put(there, "log.txt", b"one\ntwo\n")
    receive(here, sender.changes())
    assert listed(here) == {
        "curve.csv": b"12",
        "checkpoint/0002/agent.zip": b"c",
        "log.txt": b"one\ntwo\n",
    }
    assert not (here / "checkpoint/0001").exists()
    assert sender.changes() == Changes()
    (there / "checkpoint/0002/agent.zip").unlink()
    receive(here, sender.changes())
    assert not (here / "checkpoint").exists()


def test_what_is_being_written_is_not_sent(tmp_path: Path) -> None:
    put(tmp_path, "checkpoint/part/agent.zip", b"a")
    put(tmp_path, "result.json.part", b"{")
    put(tmp_path, ".lock", b"1")
    put(tmp_path, "log.txt", b"1")
    put(tmp_path, "best_model.zip", b"m")
    assert snapshot(tmp_path) == {"best_model.zip": b"m"}
    assert snapshot(tmp_path / "none") == {}


def test_a_checkpoint_that_changes_while_it_is_read_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of the folder vanished: none of it is sent, the files beside it are."""
    put(tmp_path, "checkpoint/0001/agent.zip", b"a")
    put(tmp_path, "checkpoint/0001/state.json", b"b")
    put(tmp_path, "curve.csv", b"1")
    sender = FileSender(tmp_path)
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "state.json":
            path.unlink()
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read)
        assert sender.changes().written == {"curve.csv": b"1"}
    put(tmp_path, "checkpoint/0001/state.json", b"c")
    assert sender.changes().written == {"checkpoint/0001/agent.zip": b"a", "checkpoint/0001/state.json": b"c"}


def test_the_mark_of_a_run_that_is_done_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = sweep_files.os.replace

    def note(source: Path, target: Path) -> None:
        order.append(target.name)
        replace(source, target)

    monkeypatch.setattr(sweep_files.os, "replace", note)
    files = {"result.json": b"{}", "best_model.zip": b"m", "videos/best.mp4": b"v", "videos/wrong.mp4": b"w"}
    receive(tmp_path, Changes(files))
    assert order == ["videos", "best_model.zip", "result.json"]
