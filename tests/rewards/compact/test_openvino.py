"""Streams on OpenVINO: the scores of torch, from a cache of constant size."""

from __future__ import annotations

import copy
import importlib
import os
import pickle
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact import checkpoint as checkpoints
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.openvino_package import import_openvino
from robometer_rl.rewards.compact.runtime import CompactReward, CompactStream

# OpenVINO has no wheel for these; everywhere else constraints.txt brings it, and its absence is a failure.
if platform.machine() == "aarch64":
    pytest.skip("no openvino for this processor", allow_module_level=True)
import_openvino()

TASKS = ("open the drawer", "push the red cube", "close door", "push")
SPEC = {"name": "compact", "backend": "openvino"}


@pytest.fixture(scope="module")
def bundled() -> tuple[CompactReward, CompactReward]:
    """The bundled weights, on torch and on OpenVINO."""
    pair = load_reward_model("compact"), load_reward_model(SPEC)
    assert isinstance(pair[0], CompactReward)
    assert isinstance(pair[1], CompactReward)
    return pair[0], pair[1]


@pytest.fixture
def tiny(checkpoint: Checkpoint) -> tuple[CompactReward, CompactReward]:
    """Likewise the tiny network."""
    return CompactReward(checkpoint), CompactReward(checkpoint, backend="openvino")


def pictures(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    return rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def play(models: tuple[CompactReward, CompactReward], n: int, steps: int, seed: int) -> None:
    """The same resets and pushes under random masks on both; the last episodes also as whole videos."""
    rng = np.random.default_rng(seed)
    size = models[0].network.config.image_size
    streams = [model.stream(n) for model in models]
    tasks = [TASKS[0]] * n
    seen: list[list[np.ndarray]] = [[] for _ in range(n)]
    last: list[tuple[float, float]] = [(0.0, 0.0)] * n
    for step in range(steps):
        starting = rng.random(n) < 0.1 if step else np.ones(n, dtype=bool)
        for i in np.flatnonzero(starting):
            tasks[i], seen[i] = str(rng.choice(TASKS)), []
        mask = rng.random(n) < 0.8 if rng.random() < 0.5 else np.ones(n, dtype=bool)
        frames = pictures(rng, n, size)
        found = []
        for stream in streams:
            stream.reset(tasks, starting)
            found.append(np.stack(stream.push(frames, None if mask.all() else mask)))
        assert found[1].dtype == np.float32
        np.testing.assert_allclose(found[1], found[0], atol=1e-5)  # NaN in the same places
        for i in np.flatnonzero(mask):
            seen[i].append(frames[i])
            last[i] = (float(found[1][0, i]), float(found[1][1, i]))
    for task, episode, scored in zip(tasks, seen, last, strict=True):
        if episode:
            whole = np.stack(models[1].score(np.stack(episode), task))[:, -1]
            np.testing.assert_allclose(scored, whole, atol=1e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 6), steps=st.integers(1, 25), seed=st.integers(0, 999))
def test_it_scores_as_torch_does(
    tiny: tuple[CompactReward, CompactReward], n: int, steps: int, seed: int
) -> None:
    play(tiny, n, steps, seed)


@pytest.mark.parametrize("n", [17, 40])
def test_so_do_more_episodes_than_one_call_takes(tiny: tuple[CompactReward, CompactReward], n: int) -> None:
    play(tiny, n, steps=15, seed=n)


@pytest.mark.parametrize(("n", "steps"), [(1, 40), (5, 20), (18, 4)])
def test_so_do_the_bundled_weights(bundled: tuple[CompactReward, CompactReward], n: int, steps: int) -> None:
    play(bundled, n, steps, seed=n)


def test_the_size_of_the_batch_changes_no_score(bundled: tuple[CompactReward, CompactReward]) -> None:
    rng = np.random.default_rng(0)
    frames = pictures(rng, 4, 96)
    model = bundled[1]
    alone = model.stream(1)
    alone.reset([TASKS[0]])
    expected = np.array([alone.push(frame[None]) for frame in frames])[:, :, 0]
    for n in (2, 7, 16, 33, 64):
        stream = model.stream(n)
        stream.reset([TASKS[i % 4] for i in range(n - 1)] + [TASKS[0]])
        for t, frame in enumerate(frames):
            scores = stream.push(np.concatenate([pictures(rng, n - 1, 96), frame[None]]))
            np.testing.assert_allclose([scores.progress[-1], scores.success[-1]], expected[t], atol=1e-5)


def test_larger_mirrored_and_read_only_frames(tiny: tuple[CompactReward, CompactReward]) -> None:
    large = pictures(np.random.default_rng(0), 2, 48)
    still = pictures(np.random.default_rng(1), 2, 32)
    for frames in (large, large[:, :, ::-1], still[:, :, ::-1]):
        found = []
        for model in tiny:
            stream = model.stream(2)
            stream.reset([TASKS[0]] * 2)
            found.append(np.stack(stream.push(frames)))
        np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_scores_that_were_returned_stay(tiny: tuple[CompactReward, CompactReward]) -> None:
    """OpenVINO's outputs are memory that the next call overwrites."""
    rng = np.random.default_rng(0)
    stream = tiny[1].stream(2)
    stream.reset([TASKS[0]] * 2)
    first = stream.push(pictures(rng, 2, 32))
    kept = np.stack(first).copy()
    stream.push(pictures(rng, 2, 32))
    np.testing.assert_array_equal(np.stack(first), kept)


def test_a_cache_neither_grows_nor_moves(tiny: tuple[CompactReward, CompactReward]) -> None:
    model = tiny[1]
    stream = model.stream(3)
    assert isinstance(stream, CompactStream)
    stream.reset([TASKS[0]] * 3)
    cache = stream._cache

    def places() -> list[tuple[int, torch.Size]]:
        return [(tensor.data_ptr(), tensor.shape) for tensor in (*cache.layers, cache.mask)]

    before, graph = places(), vars(model._reader)["_compiled"]
    rng = np.random.default_rng(0)
    for step in range(4 * model.network.config.window):
        if step % 7 == 3:
            stream.reset([TASKS[1]] * 3, np.array([True, False, False]))
        mask = np.array([True, step % 2 == 0, True])  # adjacent episodes and others in turn
        stream.push(pictures(rng, 3, 32), None if step % 5 else mask)
        assert len(vars(cache)["arrays"]) == 4 + 2 * model.network.config.num_layers
    assert places() == before
    assert vars(model._reader)["_compiled"] is graph
    assert int(cache.readable[2].sum()) == 3 + 1 + model.network.config.window


def test_nothing_of_an_earlier_episode_is_kept(tiny: tuple[CompactReward, CompactReward]) -> None:
    rng = np.random.default_rng(0)
    model = tiny[1]
    stream = model.stream(2)
    assert isinstance(stream, CompactStream)
    stream.reset([TASKS[1]] * 2)
    for _ in range(6):
        stream.push(pictures(rng, 2, 32))
    stream.reset([TASKS[3]] * 2, np.array([False, True]))
    for layer in stream._cache.layers:
        layer[1][:, :, torch.from_numpy(~stream._cache.readable[1])] = 1e4
    frames = pictures(rng, 7, 32)
    pushed = [stream.push(frame[None].repeat(2, 0)).progress[1] for frame in frames]
    np.testing.assert_allclose(pushed, model.score(frames, TASKS[3]).progress, atol=1e-5)


def test_streams_do_not_disturb_each_other(tiny: tuple[CompactReward, CompactReward]) -> None:
    frames = pictures(np.random.default_rng(0), 5, 32)
    first, second = tiny[1].stream(1), tiny[1].stream(1)
    first.reset([TASKS[0]])
    second.reset([TASKS[1]])
    pushed = [(first.push(f[None]).progress[0], second.push(f[None]).progress[0]) for f in frames]
    for column, task in enumerate(TASKS[:2]):
        np.testing.assert_allclose(
            np.array(pushed)[:, column], tiny[0].score(frames, task).progress, atol=1e-5
        )


def test_bfloat16_moves_scores_little(bundled: tuple[CompactReward, CompactReward]) -> None:
    """Over 4372 frames of rendered episodes: mean 0.0003, at most 0.0084."""
    frames = np.linspace(40, 200, 12)[:, None, None, None] * np.ones((1, 96, 96, 3))
    frames[:, 30:60, 20:50] = (200, 40, 30)
    exact = bundled[0].score(frames.astype(np.uint8), TASKS[0])
    stream = load_reward_model({**SPEC, "precision": "bfloat16"}).stream(1)
    stream.reset([TASKS[0]])
    coarse = np.array([stream.push(frame[None]) for frame in frames.astype(np.uint8)])[:, :, 0].T
    difference = np.abs(coarse - np.stack(exact))
    assert 0 < difference.max() < 0.02


def test_bfloat16_works_at_other_sizes_too(checkpoint: Checkpoint) -> None:
    frames = pictures(np.random.default_rng(0), 3, 32)
    model = CompactReward(checkpoint, precision="bfloat16", backend="openvino")
    stream = model.stream(3)
    stream.reset([TASKS[0]] * 3)
    expected = [CompactReward(checkpoint).score(frame[None], TASKS[0]).progress[0] for frame in frames]
    np.testing.assert_allclose(stream.push(frames).progress, expected, atol=0.05)


def test_float32_is_float32_whatever_the_processor_offers(
    bundled: tuple[CompactReward, CompactReward],
) -> None:
    bundled[1].stream(1)
    compiled = vars(bundled[1]._reader)["_compiled"]
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


def test_threads_are_openvinos_too(checkpoint: Checkpoint) -> None:
    before = torch.get_num_threads()
    try:
        model = CompactReward(checkpoint, threads=1, backend="openvino")
        model.stream(1)
        assert vars(model._reader)["_compiled"].get_property("INFERENCE_NUM_THREADS") == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no processor affinity on this system")
def test_the_process_stays_on_its_processors(tiny: tuple[CompactReward, CompactReward]) -> None:
    before = os.sched_getaffinity(0)
    stream = tiny[1].stream(1)
    stream.reset([TASKS[0]])
    stream.push(pictures(np.random.default_rng(0), 1, 32))
    assert os.sched_getaffinity(0) == before


def test_a_model_can_be_copied_and_pickled(tiny: tuple[CompactReward, CompactReward]) -> None:
    frames = pictures(np.random.default_rng(0), 1, 32)

    def first(model: CompactReward) -> float:
        stream = model.stream(1)
        stream.reset([TASKS[0]])
        return float(stream.push(frames).progress[0])

    expected = first(tiny[1])
    for twin in (copy.deepcopy(tiny[1]), pickle.loads(pickle.dumps(tiny[1]))):
        assert first(twin) == pytest.approx(expected, abs=1e-6)


def test_weights_that_change_later_do_not_reach_it(checkpoint: Checkpoint) -> None:
    frames = pictures(np.random.default_rng(0), 3, 32)
    model = CompactReward(checkpoint, backend="openvino")
    expected = model.score(frames, TASKS[0]).progress
    with torch.no_grad():
        for part in (checkpoint.network.encoder, checkpoint.network.progress_head):
            for parameter in part.parameters():
                parameter.zero_()
    stream = model.stream(1)
    stream.reset([TASKS[0]])
    np.testing.assert_allclose([stream.push(f[None]).progress[0] for f in frames], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "onnx"}, "backend must be one of 'torch', 'openvino', got 'onnx'"),
        ({"backend": None}, "backend must be one of 'torch', 'openvino', got None"),
        ({"backend": "openvino", "device": "cuda"}, "runs on device 'cpu' only, got device 'cuda'; choose"),
        ({"backend": "openvino", "device": "mps"}, "runs on device 'cpu' only, got device 'mps'; choose"),
        ({"backend": "openvino", "device": "gpuu"}, "device must be"),
        ({"backend": "openvino", "precision": "float16"}, "precision must be one of"),
    ],
)
def test_a_wrong_option_is_named_before_weights_are_read(
    options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "load_checkpoint", lambda path: pytest.fail("read the weights"))
    with pytest.raises(ValueError, match=message):
        load_reward_model({"name": "compact", **options})


def test_a_missing_package_is_explained_when_the_model_is_loaded(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(checkpoints, "load_checkpoint", lambda path: pytest.fail("read the weights"))
    with pytest.raises(ImportError, match=r"pip install 'robometer-rl\[openvino\]'"):
        load_reward_model(SPEC)
    with pytest.raises(ImportError, match="needs the package openvino, 2025 or later"):
        CompactReward(checkpoint, backend="openvino")
    CompactReward(checkpoint)  # which does not need it


def test_the_reporter_of_usage_is_hidden_only_while_openvino_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "openvino_telemetry"
    monkeypatch.delitem(sys.modules, name, raising=False)
    hidden = []

    def spy(module: str) -> ModuleType:
        hidden.append(sys.modules.get(name, "importable"))
        return sys.modules[__name__]

    monkeypatch.setattr(importlib, "import_module", spy)
    import_openvino()
    assert hidden == [None, None]
    assert name not in sys.modules
    loaded_by_the_user = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, loaded_by_the_user)
    import_openvino()
    assert sys.modules[name] is loaded_by_the_user


def test_nothing_is_reported_where_the_reporter_is_installed(tmp_path: Path) -> None:
    """A stand-in for openvino-telemetry that ends the process when it is imported."""
    (tmp_path / "openvino_telemetry.py").write_text("import os\nos._exit(7)\n")
    code = (
        "from robometer_rl.rewards import load_reward_model\n"
        f"stream = load_reward_model({SPEC!r}).stream(1)\n"
        "import numpy, sys\n"
        "stream.reset(['open the door'])\n"
        "stream.push(numpy.zeros((1, 96, 96, 3), dtype=numpy.uint8))\n"
        "assert 'openvino' in sys.modules and 'openvino_telemetry' not in sys.modules\n"
    )
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert done.returncode == 0
