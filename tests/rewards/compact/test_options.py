from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robometer_rl.envs import make_env
from robometer_rl.envs.experts import make_expert
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact import checkpoint as checkpoints
from robometer_rl.rewards.compact import load_compact
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint
from robometer_rl.rewards.compact.options import check_device
from robometer_rl.rewards.compact.runtime import CompactReward


@pytest.fixture
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


WRONG = [
    ({"device": "gpuu"}, r"device must be \"cpu\", \"cuda\".*got 'gpuu'; available here: cpu"),
    ({"device": "meta"}, "device must be.*got 'meta'"),
    ({"device": ""}, "device must be.*got ''"),
    ({"device": 0}, "device must be.*got 0"),
    ({"device": None}, "device must be.*got None"),
    ({"device": "cpu:3"}, "'cpu:3' is not available.*available here: cpu"),
    ({"precision": "float16"}, "precision must be one of 'float32', 'bfloat16', got 'float16'"),
    ({"precision": 32}, "precision must be one of 'float32', 'bfloat16', got 32"),
    ({"precision": ["bfloat16"]}, "precision must be one of"),
    ({"threads": 0}, "threads must be an integer of at least 1, or None.*got 0"),
    ({"threads": -2}, "threads.*got -2"),
    ({"threads": True}, "threads.*got True"),
    ({"threads": 1.0}, r"threads.*got 1\.0"),
    ({"threads": "1"}, "threads.*got '1'"),
    ({"backend": "openvino"}, "backend 'openvino' was removed.*torch.*device, precision, threads"),
    ({"backend": "onnx"}, "backend must be left out or 'torch', got 'onnx'"),
    ({"backend": None}, "backend must be left out or 'torch', got None"),
    ({"speed": "high"}, "unknown option 'speed'.*valid ones: path, device, precision, threads"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_option_is_named_before_weights_are_read(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "load_checkpoint", lambda path: pytest.fail("read the weights"))
    with pytest.raises(ValueError, match=message):
        load_reward_model({"name": "compact", **options})


@pytest.mark.parametrize(("options", "message"), WRONG[:-4])
def test_the_class_itself_checks_too(options: dict[str, Any], message: str, checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match=message):
        CompactReward(checkpoint, **options)


def test_files_that_name_the_only_backend_still_work(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(checkpoint, tmp_path)
    model = load_reward_model({"name": str(tmp_path), "backend": "torch"})
    assert isinstance(model, CompactReward)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_here_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    kind = device.split(":")[0]
    with pytest.raises(ValueError, match=f"'{device}' is not available: torch .* finds 0 {kind} devices"):
        load_compact(device=device)


def test_a_gpu_number_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert check_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(
        ValueError, match=r"'cuda:2'.*finds 2 cuda devices.*available here: cpu, cuda:0, cuda:1"
    ):
        check_device("cuda:2")


@pytest.mark.usefixtures("_threads_as_before")
@pytest.mark.parametrize(("threads", "inside"), [(None, 2), (1, 1), (2, 2), (3, 3)])
def test_threads_are_those_of_the_model_while_it_runs_and_of_the_process_afterwards(
    threads: int | None, inside: int, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(2)
    model = CompactReward(checkpoint, threads=threads)
    assert torch.get_num_threads() == 2
    seen: list[int] = []

    def spy(of: object, name: str) -> None:
        original = getattr(of, name)

        def spied(*args: Any) -> Any:
            seen.append(torch.get_num_threads())
            return original(*args)

        monkeypatch.setattr(of, name, spied)

    for of, name in [
        (model, "_encoder"),
        (model._reader, "_encoder"),
        (model.network, "read_videos"),
        (model.network, "read_pairs"),
        (model._reader, "start"),
    ]:
        spy(of, name)
    frames = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    stream = model.stream(2)
    for forward, count in [
        (lambda: model.score(frames, "push"), 2),
        (lambda: model.prefer(frames, frames, "push"), 4),
        (lambda: stream.reset(["push", "push"]), 1),
        (lambda: stream.push(frames), 1),
        (lambda: stream.push(frames, np.array([True, False])), 1),
    ]:
        seen.clear()
        forward()
        assert seen == [inside] * count
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("_threads_as_before")
def test_threads_are_put_back_where_a_forward_fails(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(2)
    model = CompactReward(checkpoint, threads=1)
    monkeypatch.setattr(model.network, "read_videos", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.score(np.zeros((2, 32, 32, 3), dtype=np.uint8), "push")
    assert torch.get_num_threads() == 2


def _an_episode(length: int) -> np.ndarray:
    """Frames of an expert in a world that the model knows."""
    env = make_env("metaworld/door-open-v3", image_size=96)
    expert = make_expert(env, np.random.default_rng(0))
    expert.reset()
    obs, _ = env.reset(seed=0)
    frames = []
    for _ in range(length):
        frames.append(env.render())
        for _ in range(3):
            obs, *_ = env.step(expert.action(obs))
    env.close()
    return np.stack(frames)


def test_bfloat16_moves_scores_little() -> None:
    """Over 5,652 frames of held-out episodes: mean 0.0002, at most 0.008."""
    frames = _an_episode(20)
    exact = load_reward_model("compact").score(frames, "open the door")
    model = load_reward_model({"name": "compact", "precision": "bfloat16"})
    coarse = model.score(frames, "open the door")
    for a, b in zip(exact, coarse, strict=True):
        assert b.dtype == np.float32
        assert 0 < np.abs(a - b).max() < 0.01
        assert np.abs(a - b).mean() < 0.002
    stream = model.stream(1)
    stream.reset(["open the door"])
    pushed = [stream.push(frame[None]).progress[0] for frame in frames]
    np.testing.assert_allclose(pushed, coarse.progress, atol=5e-3)
