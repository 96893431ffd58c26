from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro

from robometer_rl.errors import InputError
from robometer_rl.experiments.collect import collect as module
from robometer_rl.experiments.collect.collect import (
    CollectConfig,
    EpisodeCounts,
    Order,
    collect,
    main,
    orders,
    task_ids,
)
from robometer_rl.experiments.episodes import RANKS, Episode, list_episodes, read_episode, write_episode

KINDS = ("success", "stalled", "other_task")
ONE_EACH = EpisodeCounts(**{kind: int(kind in KINDS) for kind in RANKS})
TASK = "metaworld/handle-press-v3"


def written(config: CollectConfig, kind: str, seed: int, size: int = 96, every: int = 2) -> Path:
    """An episode of the task in the folder, with frames of this size."""
    zeros = np.zeros(3, dtype=np.float32)
    frames = np.zeros((3, size, size, 3), dtype=np.uint8)
    return write_episode(config.out, Episode(TASK, kind, seed, frames, zeros > 0, zeros, zeros, every))


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    assert collect(CollectConfig(out=root, tasks=(TASK,), counts=ONE_EACH, workers=1, seed_start=7)) == []
    return root


def test_one_episode_of_each_kind(collected: Path) -> None:
    episodes = [read_episode(path) for path in list_episodes(collected)]
    assert {episode.kind for episode in episodes} == set(KINDS)
    for episode in episodes:
        assert episode.task == TASK
        assert episode.seed == 7
        assert episode.frames.shape[1:] == (96, 96, 3)
        assert episode.frames[0].std() > 10, "the first frame shows a scene"
        assert episode.success[-1] == (RANKS[episode.kind] == 5)
    manifest = json.loads((collected / "manifest.json").read_text())
    assert manifest["not_made"] == []
    assert manifest["made"] == {f"{TASK} {kind}": 1 for kind in KINDS}


def test_same_seed_same_bytes_and_a_stopped_run_goes_on(collected: Path, tmp_path: Path) -> None:
    """Other numbers of workers, other chunks, and a run in two parts: the same bytes in every file."""
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=ONE_EACH, workers=2, chunk=1, seed_start=7)
    kept = tmp_path / TASK / "stalled-00007.h5"
    kept.parent.mkdir(parents=True)
    kept.write_bytes((collected / TASK / "stalled-00007.h5").read_bytes())
    before = kept.stat().st_mtime_ns
    assert collect(config) == []
    assert kept.stat().st_mtime_ns == before, "what exists is not made again"
    assert files(tmp_path) == files(collected)


def test_nothing_is_left_to_do(collected: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(collected)
    collect(CollectConfig(out=collected, tasks=(TASK,), counts=ONE_EACH, seed_start=7))
    assert "3 exist" in capsys.readouterr().out
    assert files(collected) == before


def test_what_could_not_be_made_is_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = Order(TASK, "undone", 0)
    report = module.CollectReport(order, ("succeeded", "ended at quality 0.90"), False, 0, 1.0)
    monkeypatch.setattr(module, "_fulfil", lambda config, missing: [report])
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 1, 0, 0, 0, 0, 0))
    assert collect(config) == [order]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["not_made"] == [
        {"kind": "undone", "refusals": ["succeeded", "ended at quality 0.90"], "seed": 0, "task": TASK}
    ]
    assert (
        "NOT MADE: 1 of metaworld/handle-press-v3 undone; the last try: ended at quality 0.90"
        in capsys.readouterr().out
    )


def test_the_manifest_tells_of_every_run_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Order(TASK, "undone", 0), Order(TASK, "undone", 1)
    made: list[Order] = []

    def fulfil(config: CollectConfig, missing: list[Order]) -> list[module.CollectReport]:
        for order in set(missing) & set(made):
            written(config, order.kind, order.seed)
        return [module.CollectReport(order, ("no",), order in made, 1, 1.0) for order in missing]

    monkeypatch.setattr(module, "_fulfil", fulfil)
    one = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 1, 0, 0, 0, 0, 0))
    two = replace(one, seed_start=1)
    assert collect(one) == [first]
    assert collect(two) == [second]
    made.append(first)
    assert collect(one) == []
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [run["seed_start"] for run in manifest["runs"]] == [0, 1]
    assert [entry["seed"] for entry in manifest["not_made"]] == [1]
    assert manifest["made"] == {f"{TASK} undone": 1}


@pytest.mark.parametrize(("name", "other"), [("frame_every", 3), ("image_size", 64), ("max_steps", 100)])
def test_a_folder_holds_frames_of_one_kind(
    name: str, other: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(TASK, "undone", 0)
    report = module.CollectReport(order, ("no",), False, 0, 1.0)
    monkeypatch.setattr(module, "_fulfil", lambda config, missing: [report])
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 1, 0, 0, 0, 0, 0))
    collect(config)
    written(config, "undone", 1)
    with pytest.raises(InputError, match=rf"{name} {getattr(config, name)}, now {name} is {other}: .*--out"):
        collect(replace(config, **{name: other}))
    assert collect(replace(config, tries=2, seed_start=5)) == [order]


class Interrupted(Exception):
    """Stands for Ctrl-C, which would end the tests too."""


@pytest.mark.parametrize(("name", "other"), [("frame_every", 3), ("image_size", 64), ("max_steps", 100)])
def test_a_folder_that_was_interrupted_holds_frames_of_one_kind(
    name: str, other: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run ends before its summary: what it was asked for is known all the same."""

    def interrupted(config: CollectConfig, missing: object) -> list[module.CollectReport]:
        written(config, "undone", 0)
        raise Interrupted

    monkeypatch.setattr(module, "_fulfil", interrupted)
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 2, 0, 0, 0, 0, 0))
    with pytest.raises(Interrupted):
        collect(config)
    with pytest.raises(InputError, match=rf"{name} {getattr(config, name)}, now {name} is {other}: .*--out"):
        collect(replace(config, **{name: other}))
    with pytest.raises(Interrupted):
        collect(config)


@pytest.mark.parametrize(("name", "other"), [("frame_every", 3), ("image_size", 64)])
def test_episodes_without_a_manifest_tell_of_their_frames(name: str, other: int, tmp_path: Path) -> None:
    config = CollectConfig(out=tmp_path, tasks=(TASK,))
    written(config, "undone", 0)
    with pytest.raises(InputError, match=rf"{name} {getattr(config, name)}, now {name} is {other}: .*--out"):
        collect(replace(config, **{name: other}))


def test_what_an_agent_left_in_the_folder_may_have_other_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_fulfil", lambda config, missing: [])
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 1, 0, 0, 0, 0, 0))
    written(config, "agent", 0, size=64, every=5)
    collect(config)


def test_a_run_that_made_nothing_leaves_the_choice_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_fulfil", lambda config, missing: [])
    config = CollectConfig(out=tmp_path, tasks=(TASK,), counts=EpisodeCounts(0, 0, 0, 0, 1, 0, 0, 0, 0, 0))
    collect(config)
    other = replace(config, image_size=64)
    collect(other)
    written(other, "undone", 0, size=64)
    collect(other)
    assert [run["image_size"] for run in json.loads((tmp_path / "manifest.json").read_text())["runs"]] == [64]


@pytest.mark.parametrize("content", ["{", "[]", '{"runs": 3}', '{"runs": [], "not_made": [{"task": 1}]}'])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest of `collect`.*remove it"):
        collect(CollectConfig(out=tmp_path, tasks=(TASK,)))


@pytest.mark.parametrize(
    ("made", "status", "words"),
    [
        ((("success", 0), ("stalled", 0)), 0, "NOT MADE: 1 of"),
        ((("success", 0), ("success", 1)), 1, f"{TASK} has no failed episode"),
        ((("stalled", 0), ("stalled", 1)), 1, f"{TASK} has no successful episode"),
        ((("success", 0), ("success", 1), ("stalled", 0), ("stalled", 1)), 0, "made 4 episodes"),
    ],
    ids=["some could not be made", "no failure", "no success", "all made"],
)
def test_the_status_tells_whether_the_data_set_can_be_used(
    made: tuple[tuple[str, int], ...],
    status: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What no try made will not be made by another start either: a script must be able to go on."""

    def fulfil(config: CollectConfig, missing: list[Order]) -> list[module.CollectReport]:
        for order in missing:
            if (order.kind, order.seed) in made:
                written(config, order.kind, order.seed)
        return [
            module.CollectReport(order, ("no",), (order.kind, order.seed) in made, 3, 1.0)
            for order in missing
        ]

    monkeypatch.setattr(module, "_fulfil", fulfil)
    counts = [f"--counts.{kind.replace('_', '-')}" for kind in RANKS if kind not in ("success", "stalled")]
    zeros = [word for count in counts for word in (count, "0")]
    words_of = ["--out", str(tmp_path), "--tasks", TASK, *zeros]
    assert main([*words_of, "--counts.success", "2", "--counts.stalled", "2"]) == status
    assert words in capsys.readouterr().out


def test_a_task_named_twice_is_collected_once() -> None:
    assert task_ids(CollectConfig(tasks=(TASK, TASK))) == [TASK]


def _breaks(config: CollectConfig, job: tuple[Order, ...]) -> list[module.CollectReport]:
    """A job that fails at once, or takes a tenth of a second and leaves a file."""
    if job[0].seed == 0:
        raise RuntimeError("the simulator broke")
    time.sleep(0.1)
    (config.out / str(job[0].seed)).touch()
    return [module.CollectReport(job[0], (), True, 1, 0.1)]


def test_a_broken_job_stops_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run_job", _breaks)
    monkeypatch.setattr(
        module, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers)
    )
    missing = [Order("a/b", "random", seed) for seed in range(50)]
    with pytest.raises(RuntimeError, match="the simulator broke"):
        module._fulfil(CollectConfig(out=tmp_path, workers=1, chunk=1), missing)
    assert len(list(tmp_path.iterdir())) < 10


def test_orders_keep_tasks_together_and_scale() -> None:
    config = CollectConfig(counts=EpisodeCounts(4, 2, 1, 0, 0, 0, 0, 0, 0, 0), scale=0.5, seed_start=100)
    listed = orders(config, ["a/b", "a/c"])
    assert [(order.task, order.kind, order.seed) for order in listed[:4]] == [
        ("a/b", "success", 100),
        ("a/b", "success", 101),
        ("a/b", "noisy_success", 100),
        ("a/b", "near_miss", 100),
    ]
    assert [order.task for order in listed] == ["a/b"] * 4 + ["a/c"] * 4
    assert [len(job) for job in module._chunks(listed, 3)] == [3, 1, 3, 1]


def test_the_training_split_is_the_default() -> None:
    names = task_ids(CollectConfig())
    assert len(names) == 23
    assert [name.split("/")[0] for name in names[:4]] == ["robosuite"] * 3 + ["metaworld"]
    listed = orders(CollectConfig(), names)
    assert len(listed) == 23 * (40 + 20 + 16 + 24 + 12 + 16 + 20 + 24 + 24) + 19 * 12
    homeward = {order.task for order in listed if order.kind == "returned"}
    assert set(names) - homeward == {
        "robosuite/Lift",
        "metaworld/reach-v3",
        "metaworld/door-open-v3",
        "metaworld/stick-push-v3",
    }, "what is done there does not last when the hand leaves"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "scale should be a positive"),
        ({"frame_every": 0}, "frame_every should be at least 1"),
        ({"seed_start": -1}, "seed_start should be at least 0"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CollectConfig(**options)  # type: ignore[arg-type]


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="drawer-open-v3"):
        collect(CollectConfig(out=tmp_path, tasks=("metaworld/drawer-opne-v3",)))


def test_the_command_line_reads_the_options() -> None:
    words = [
        "--out",
        "d",
        "--tasks",
        "a/b",
        "c/d",
        "--counts.success",
        "3",
        "--seed-start",
        "100000",
        "--workers",
        "2",
    ]
    config = tyro.cli(CollectConfig, args=words)
    assert config == CollectConfig(
        out=Path("d"), tasks=("a/b", "c/d"), counts=EpisodeCounts(success=3), seed_start=100000, workers=2
    )
