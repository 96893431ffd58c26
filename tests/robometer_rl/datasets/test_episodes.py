from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from robometer_rl.datasets.episodes import (
    RANKS,
    Episode,
    episode_path,
    list_episodes,
    read_episode,
    read_outcome,
    write_episode,
)


def an_episode(kind: str = "success", seed: int = 3, length: int = 20) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        task="metaworld/drawer-open-v3",
        kind=kind,
        seed=seed,
        frames=rng.integers(0, 256, (length, 24, 24, 3), dtype=np.uint8),
        success=np.arange(length) >= length - 4,
        quality=np.linspace(0.0, 1.0, length, dtype=np.float32),
        clock=np.arange(length, dtype=np.float32),
        detail="as drawn",
    )


def test_an_episode_survives_the_disk(tmp_path: Path) -> None:
    episode = an_episode()
    path = write_episode(tmp_path, episode)
    assert path == tmp_path / "metaworld" / "drawer-open-v3" / "success-00003.h5"
    again = read_episode(path)
    for name in ("task", "kind", "seed", "frame_every", "detail"):
        assert getattr(again, name) == getattr(episode, name)
    for name in ("frames", "success", "quality", "clock"):
        assert getattr(again, name).dtype == getattr(episode, name).dtype
        np.testing.assert_array_equal(getattr(again, name), getattr(episode, name))


def test_the_same_episode_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_episode(tmp_path / "a", an_episode())
    write_episode(tmp_path / "b", an_episode(seed=4))
    two = write_episode(tmp_path / "b", an_episode())
    assert one.read_bytes() == two.read_bytes()


def test_a_half_written_file_is_no_episode(tmp_path: Path) -> None:
    path = write_episode(tmp_path, an_episode())
    (path.parent / ".success-00009.h5.part").write_bytes(b"half")
    assert list_episodes(tmp_path) == [path]
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == [".success-00009.h5.part"]


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    path = write_episode(tmp_path, an_episode())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"success-00003\.h5 is not a whole episode"):
        read_episode(path)
    with pytest.raises(FileNotFoundError):
        read_episode(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "good"}, "valid kinds: success"),
        ({"kind": None}, "kind None is unknown"),
        ({"task": "drawer"}, "suite/name"),
        ({"task": 3}, "suite/name"),
        ({"task": "../evil"}, "task '../evil' should read 'suite/name'"),
        ({"task": "mine/.."}, "suite/name"),
        ({"task": "/evil"}, "suite/name"),
        ({"task": "mine/"}, "suite/name"),
        ({"task": "mine/a/b"}, "suite/name"),
        ({"task": "mine\\a/b"}, "suite/name"),
        ({"task": "mine/.hidden"}, "suite/name"),
        ({"task": "mine/*"}, "suite/name"),
        ({"task": "mine/a\nb"}, "suite/name"),
        ({"task": "mine/a\0"}, "suite/name"),
        ({"task": "C:/evil"}, "suite/name"),
        ({"seed": -1}, "seed should be a whole number from 0 to .*, got -1"),
        ({"seed": 1.5}, "seed should be a whole number from 0 to .*, got 1.5"),
        ({"seed": True}, "seed should be a whole number from 0 to .*, got True"),
        ({"seed": "3"}, "seed should be a whole number from 0 to .*, got '3'"),
        ({"seed": 2**63}, "seed should be a whole number from 0 to"),
        ({"frame_every": 0}, "frame_every should be a whole number from 1 to .*, got 0"),
        ({"frame_every": float("nan")}, "frame_every should be a whole number from 1 to .*, got nan"),
        ({"detail": None}, "detail should be text, .*got None"),
        ({"detail": "a\0b"}, "detail should be text, without a zero byte"),
        ({"frames": np.zeros((20, 8, 8, 3), np.float32)}, "frames should be uint8"),
        ({"frames": np.zeros((20, 8, 8, 4), np.uint8)}, r"frames should be uint8 \(T, H, W, 3\)"),
        ({"frames": np.zeros((0, 8, 8, 3), np.uint8)}, r"frames should be .*got uint8 \(0, 8, 8, 3\)"),
        ({"frames": np.zeros((20, 0, 8, 3), np.uint8)}, r"frames should be .*got uint8 \(20, 0, 8, 3\)"),
        ({"frames": [[0]]}, "frames should be .*got list"),
        ({"clock": np.zeros(19, np.float32)}, r"clock should be float32 \(20,\)"),
        ({"success": np.zeros(20, np.int64)}, "success should be bool"),
        ({"success": [False] * 20}, r"success should be bool \(20,\), got list"),
        ({"quality": 5}, r"quality should be float32 \(20,\), got int"),
        (
            {"quality": np.full(20, 5, np.float32)},
            r"quality of .* should be from 0 to 1, or NaN where unknown, got 5",
        ),
        ({"quality": np.full(20, -0.5, np.float32)}, r"quality of .* should be from 0 to 1, .*, got -0.5"),
        ({"quality": np.full(20, np.inf, np.float32)}, "quality .* from 0 to 1.* got inf"),
        ({"clock": np.full(20, np.inf, np.float32)}, "finite"),
    ],
)
def test_a_bad_episode_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(an_episode(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["mylab/press bell", "a/b", "robosuite/Lift", "Röntgen/öffne-die_Tür.v2"])
def test_names_of_other_labs_are_fine(task: str, tmp_path: Path) -> None:
    path = write_episode(tmp_path, replace(an_episode(), task=task, seed=np.int64(7)))
    assert list_episodes(tmp_path, task) == list_episodes(tmp_path) == [path]
    assert read_episode(path).task == task
    assert type(read_episode(path).seed) is int


@pytest.mark.parametrize(
    ("task", "kind", "seed"), [("../evil", "success", 0), ("a/b", "../success", 0), ("a/b", "success", -1)]
)
def test_a_path_never_leaves_the_root(task: str, kind: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"task|kind|seed"):
        episode_path(tmp_path, task, kind, seed)
    with pytest.raises(ValueError, match="suite/name"):
        list_episodes(tmp_path, "../*")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "three"),
        ("seed", 1.5),
        ("seed", float("nan")),
        ("seed", np.arange(2)),
        ("frame_every", -2),
        ("task", "../evil"),
        ("task", 4),
        ("kind", b"good"),
        ("detail", 1.0),
    ],
)
def test_a_foreign_file_with_a_bad_attribute_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = write_episode(tmp_path, an_episode())
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(ValueError, match=rf"success-00003\.h5 is not a whole episode file: .*{name}"):
        read_episode(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", np.zeros((20, 4), np.uint8)),
        ("frames", np.zeros((20, 4, 4, 3), np.float32)),
        ("success", np.zeros(20, np.uint8)),
        ("quality", np.full(20, 7, np.float32)),
        ("quality", np.float32(0.5)),
        ("quality", h5py.Empty("f4")),
        ("clock", np.zeros(4, np.float32)),
        ("clock", None),
    ],
)
def test_a_foreign_file_with_a_bad_dataset_is_named(tmp_path: Path, name: str, value: object) -> None:
    """A wrong shape, a wrong type, a scalar, an empty dataset, a group of that name."""
    path = write_episode(tmp_path, an_episode())
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is None:
            file.create_group(name)
        else:
            file[name] = value
    with pytest.raises(ValueError, match=rf"success-00003\.h5 is not a whole episode file: .*{name}"):
        read_episode(path)


def test_the_text_of_a_foreign_file_may_be_bytes(tmp_path: Path) -> None:
    """Other HDF5 writers store fixed-length text, which h5py hands out as bytes."""
    path = write_episode(tmp_path, an_episode())
    with h5py.File(path, "r+") as file:
        for name in ("task", "kind", "detail"):
            file.attrs[name] = np.bytes_(file.attrs[name])
    again = read_episode(path)
    assert (again.task, again.kind, again.detail) == ("metaworld/drawer-open-v3", "success", "as drawn")


def test_the_format_needs_no_simulator() -> None:
    """Who writes episodes of a robot of his own has neither suite installed."""
    code = "import sys, robometer_rl.experiments.episodes; print([m for m in sys.modules if 'suites' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listing_is_sorted_and_filtered(tmp_path: Path) -> None:
    made = [
        write_episode(tmp_path, an_episode(kind, seed))
        for kind in ("success", "noisy_success")
        for seed in (5, 1)
    ]
    assert list_episodes(tmp_path) == sorted(made)
    assert list_episodes(tmp_path, kind="success") == sorted(made[:2])
    assert list_episodes(tmp_path, task="metaworld/other-v3") == []
    with pytest.raises(ValueError, match="valid kinds"):
        list_episodes(tmp_path, kind="great")
    with pytest.raises(ValueError, match="not a folder"):
        list_episodes(tmp_path / "absent")


def test_ranks_order_the_kinds() -> None:
    order = ["success", "near_miss", "stalled", "undone", "random"]
    assert [RANKS[kind] for kind in order] == [5, 4, 3, 2, 1]
    assert episode_path(Path("d"), "a/b", "random", 100007) == Path("d/a/b/random-100007.h5")


def test_what_is_unknown_stays_unknown_on_the_disk(tmp_path: Path) -> None:
    known = an_episode()
    episode = Episode(known.task, "failure", 0, known.frames, np.zeros(20, np.bool_))
    with h5py.File(write_episode(tmp_path, episode)) as file:
        assert set(file) == {"frames", "success"}
    again = read_episode(episode_path(tmp_path, known.task, "failure", 0))
    assert (again.quality, again.clock, again.progress) == (None, None, None)
    assert not again.known_success.any()


def test_progress_of_some_frames_survives_the_disk(tmp_path: Path) -> None:
    progress = np.full(20, np.nan, np.float32)
    progress[[0, 10]] = 0.0, 0.5
    episode = replace(an_episode(), progress=progress)
    np.testing.assert_array_equal(read_episode(write_episode(tmp_path, episode)).progress, progress)


def test_an_unlabelled_episode_tells_no_success(tmp_path: Path) -> None:
    known = an_episode()
    episode = Episode(known.task, "unlabelled", 0, known.frames, None)
    path = write_episode(tmp_path, episode)
    assert read_episode(path).success is None
    with pytest.raises(ValueError, match="nobody has said whether it succeeds"):
        read_episode(path).known_success  # noqa: B018
    with pytest.raises(ValueError, match="unlabelled"):
        read_outcome(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"success": None}, "go together"),
        ({"kind": "unlabelled"}, "go together"),
        ({"kind": "failure"}, "succeeds nowhere, got success at frame 16"),
        (
            {"progress": np.full(20, 1.5, np.float32)},
            "progress .* from 0 to 1, or NaN where unknown, got 1.5",
        ),
        ({"progress": np.zeros(20)}, "progress should be float32"),
        ({"clock": np.full(20, np.nan, np.float32)}, "clock .* finite; None says that it is unknown"),
    ],
)
def test_what_contradicts_itself_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(an_episode(), **changed)  # type: ignore[arg-type]


def test_experiments_import_episodes_under_their_old_name() -> None:
    from robometer_rl.experiments import episodes

    assert episodes.Episode is Episode
    assert episodes.read_episode is read_episode
