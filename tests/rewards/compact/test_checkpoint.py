"""Checkpoints: the same output after a round trip, altered files refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robometer_rl.rewards.compact import load_compact
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def folder(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save_checkpoint(checkpoint, tmp_path / "model")
    return tmp_path / "model"


def test_round_trip_is_bitwise(model: CompactReward, folder: Path) -> None:
    loaded = load_compact(str(folder))
    assert (loaded.success_threshold, loaded.trained_worlds) == (0.7, ("metaworld/door-open-v3",))
    for saved, read in zip(
        model.score(FRAMES, "open the door"), loaded.score(FRAMES, "open the door"), strict=True
    ):
        np.testing.assert_array_equal(saved, read)


def test_transformers_reads_it_too(model: CompactReward, folder: Path) -> None:
    network = CompactRewardNetwork.from_pretrained(folder).eval()
    for name, tensor in model.network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), network.state_dict()[name].numpy(), err_msg=name)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_truncated_and_altered_files_are_refused(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        (folder / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{name} was truncated or altered"):
            load_checkpoint(folder)


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"", "not JSON"),
        (b'{"success_threshold": 0.7, "tra', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "success_threshold, trained_worlds, training, sha256 missing or of a wrong type"),
        (
            b'{"success_threshold": "high", "trained_worlds": [], "sha256": {}}',
            "altered: success_threshold, training missing or of a wrong type, "
            "expected an object with success_threshold, trained_worlds, training, sha256",
        ),
    ],
)
def test_a_damaged_card_is_named(folder: Path, damaged: bytes, words: str) -> None:
    (folder / "checkpoint.json").write_bytes(damaged)
    with pytest.raises(ValueError, match=f"model/checkpoint.json was .*{words}.*fit the model again"):
        load_checkpoint(folder)


def test_an_unknown_option_is_named(folder: Path) -> None:
    with pytest.raises(
        ValueError, match="unknown option 'divice' of a compact model; valid ones: path, device"
    ):
        load_compact(str(folder), divice="cpu")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "checkpoint.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_checkpoint(folder)


def test_another_kind_of_model_is_refused(checkpoint: Checkpoint, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "bert"
    (folder / "config.json").write_text(json.dumps(config))
    card = json.loads((folder / "checkpoint.json").read_text())
    import hashlib

    card["sha256"]["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="bert"):
        load_checkpoint(folder)
