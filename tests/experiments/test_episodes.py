from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robometer_rl.experiments.episodes import (
    RANKS,
    Episode,
    episode_path,
    first_moved,
    list_episodes,
    progress_labels,
    read_episode,
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
    for name in ("task", "kind", "seed", "rank", "frame_every", "detail"):
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
        ({"task": "drawer"}, "suite/name"),
        ({"frames": np.zeros((20, 8, 8, 3), np.float32)}, "uint8"),
        ({"clock": np.zeros(19, np.float32)}, r"clock should be float32 \(20,\)"),
        ({"success": np.zeros(20, np.int64)}, "success should be bool"),
        ({"quality": np.full(20, np.nan, np.float32)}, "finite"),
    ],
)
def test_a_bad_episode_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(an_episode(), **change)  # type: ignore[arg-type]


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


NAN = float("nan")


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
