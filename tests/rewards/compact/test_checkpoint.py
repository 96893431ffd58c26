"""Checkpoints: the same output after a round trip, altered files refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from robometer_rl.rewards import weights_id
from robometer_rl.rewards.compact import load_compact
from robometer_rl.rewards.compact.checkpoint import (
    Checkpoint,
    copy_with_thresholds,
    load_checkpoint,
    round_checkpoint,
    save_checkpoint,
)
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.protocol import TaskThreshold, ThresholdsPerTask

COUNTER = "encoder.stage1.1.num_batches_tracked"
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
    card["sha256"]["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="bert"):
        load_checkpoint(folder)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Changes the tensors of a checkpoint, and its card so that it verifies."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    card = json.loads((folder / "checkpoint.json").read_text())
    card["sha256"]["model.safetensors"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("split"), r"missing \['split'\], unknown none"),
        (lambda t: t.update(slit=t.pop("split")), r"missing \['split'\], unknown \['slit'\]"),
        (
            lambda t: t.update(split=t["split"][:3].clone()),
            r"split has the shape \(3,\), config.json asks for \(24,\)",
        ),
        (
            lambda t: t.update(split=t["split"].double()),
            "split has the dtype torch.float64, expected torch.float32 or torch.float16",
        ),
        (
            lambda t: t.update(word_table=t["word_table"].float()),
            "word_table has the dtype torch.float32, expected torch.float16",
        ),
        (
            lambda t: t.update({COUNTER: t[COUNTER].int()}),
            "num_batches_tracked has the dtype torch.int32, expected torch.int64",
        ),
    ],
)
def test_weights_of_another_network_are_refused(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], words: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(ValueError, match=f"model.safetensors.*{words}"):
        load_checkpoint(folder)


def test_weights_stored_as_float16_are_read_as_float32(folder: Path) -> None:
    rewrite(folder, lambda t: t.update({k: v.half() for k, v in t.items() if v.dtype == torch.float32}))
    network = load_checkpoint(folder).network
    for name, tensor in network.state_dict().items():
        kept = {"word_table": torch.float16}.get(name, torch.float32)
        assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else kept), name


def test_a_rounded_checkpoint_is_smaller_and_still_the_same_model(
    model: CompactReward, folder: Path, tmp_path: Path
) -> None:
    rounded = tmp_path / "rounded"
    round_checkpoint(folder, rounded)
    before, after = ((path / "model.safetensors").stat().st_size for path in (folder, rounded))
    assert after < 0.9 * before
    stored = load_file(rounded / "model.safetensors")
    assert stored["decoder.blocks.0.query.weight"].dtype == torch.float16
    assert stored["decoder.blocks.0.query.bias"].dtype == torch.float32
    loaded = load_compact(str(rounded))
    assert (loaded.success_threshold, loaded.trained_worlds) == (0.7, ("metaworld/door-open-v3",))
    for exact, close in zip(
        model.score(FRAMES, "open the door"), loaded.score(FRAMES, "open the door"), strict=True
    ):
        assert 0 < np.abs(exact - close).max() < 1e-3
    assert weights_id(str(rounded)) == weights_id(str(folder))


def test_transformers_reads_a_rounded_checkpoint_too(folder: Path, tmp_path: Path) -> None:
    round_checkpoint(folder, tmp_path / "rounded")
    network = CompactRewardNetwork.from_pretrained(tmp_path / "rounded").eval()
    for name, tensor in load_checkpoint(tmp_path / "rounded").network.state_dict().items():
        assert network.state_dict()[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensor.numpy(), network.state_dict()[name].numpy(), err_msg=name)


def test_a_rounded_checkpoint_is_not_rounded_over_itself_or_twice(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another folder"):
        round_checkpoint(folder, folder)
    round_checkpoint(folder, tmp_path / "rounded")
    with pytest.raises(ValueError, match="rounded already"):
        round_checkpoint(tmp_path / "rounded", tmp_path / "again")


def test_what_is_fitted_from_a_rounded_checkpoint_is_another_one(folder: Path, tmp_path: Path) -> None:
    round_checkpoint(folder, tmp_path / "rounded")
    save_checkpoint(load_checkpoint(tmp_path / "rounded"), tmp_path / "saved")
    assert weights_id(str(tmp_path / "saved")) != weights_id(str(folder))


def test_altered_weights_do_not_pass_for_those_they_were_rounded_from(folder: Path, tmp_path: Path) -> None:
    round_checkpoint(folder, tmp_path / "rounded")
    path = tmp_path / "rounded" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert weights_id(str(tmp_path / "rounded")) != weights_id(str(folder))


@pytest.mark.parametrize("wrong", [3, "e26e525a8d19", "x" * 64])
def test_a_card_that_names_no_weights_to_be_rounded_from_is_refused(folder: Path, wrong: object) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**card, "rounded_from": wrong}))
    for read in (load_checkpoint, lambda path: weights_id(str(path))):
        with pytest.raises(ValueError, match=r"checkpoint.json was altered: .*rounded_from"):
            read(folder)


def test_committed_runs_name_the_bundled_weights() -> None:
    """Runs were made with them in float32; a run goes on only with weights of the id in its files."""
    assert weights_id("compact") == "e26e525a8d19"


# Thresholds of single tasks.

DOOR = TaskThreshold(0.8, 0.02, 12, 29, 0, True, 2, ("open the door", "pull the door open"))
CUBE = TaskThreshold(0.6, 0.05, 9, 11, 1, False, 1, ("push the red cube",))
THRESHOLDS = {"metaworld/door-open-v3": DOOR, "mine/push": CUBE}


def test_thresholds_of_tasks_come_back_as_they_were_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(replace(checkpoint, success_thresholds=THRESHOLDS), tmp_path)
    assert load_checkpoint(tmp_path).success_thresholds == THRESHOLDS


def test_a_card_without_thresholds_of_tasks_loads_as_before(folder: Path) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    assert "success_thresholds" not in card, "a checkpoint without any is written as it always was"
    assert load_checkpoint(folder).success_thresholds == {}


def test_a_model_finds_the_threshold_of_a_task_by_its_sentence(
    checkpoint: Checkpoint, model: CompactReward
) -> None:
    calibrated = CompactReward(replace(checkpoint, success_thresholds=THRESHOLDS))
    assert isinstance(calibrated, ThresholdsPerTask)
    for sentence in ("open the door", "Open the door!", " pull the  DOOR open."):
        assert calibrated.task_threshold(sentence) == DOOR
    assert calibrated.task_threshold("push the red cube") == CUBE
    assert calibrated.task_threshold("close the door") is None
    assert model.task_threshold("open the door") is None, "nothing was calibrated"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 0.0}, "threshold should be a number above 0 and at most 1, got 0.0"),
        ({"threshold": True}, "threshold should be a number above 0 and at most 1, got True"),
        ({"threshold": "0.5"}, "threshold should be a number above 0"),
        ({"false_alarm_rate": 1}, "false_alarm_rate should be a number from 0 up to, but not, 1, got 1"),
        ({"failures": -1}, "failures should be a whole number of at least 0, got -1"),
        ({"successes": 1.5}, "successes should be a whole number of at least 0, got 1.5"),
        ({"false_alarms": 30}, "false_alarms should be at most the 29 failures, got 30"),
        ({"labelled": 1}, "labelled should be true or false, got 1"),
        ({"patience": 0}, "patience should be a whole number of at least 1, got 0"),
        ({"sentences": []}, "sentences should be a list of one sentence or more, got"),
        ({"sentences": "open"}, "sentences should be a list of one sentence or more, got 'open'"),
        ({"sentences": ["?"]}, "sentences should be a list of one sentence or more, got"),
        ({"colour": "red"}, "expected exactly threshold, .*, got .*colour"),
    ],
)
def test_a_threshold_of_a_task_that_is_none_is_named(
    checkpoint: Checkpoint, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    save_checkpoint(replace(checkpoint, success_thresholds=THRESHOLDS), tmp_path)
    card = json.loads((tmp_path / "checkpoint.json").read_text())
    card["success_thresholds"]["metaworld/door-open-v3"].update(change)
    (tmp_path / "checkpoint.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=f"success threshold of 'metaworld/door-open-v3': {words}"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("broken", [[], "high", {"metaworld/door-open-v3": 0.5}])
def test_thresholds_of_tasks_of_another_form_are_named(folder: Path, broken: object) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**card, "success_thresholds": broken}))
    with pytest.raises(ValueError, match=r"checkpoint.json was altered: .*should be an object"):
        load_checkpoint(folder)


def test_two_tasks_with_thresholds_do_not_share_a_sentence(checkpoint: Checkpoint, tmp_path: Path) -> None:
    twice = {**THRESHOLDS, "mine/door": replace(DOOR, sentences=("Open the door.",))}
    with pytest.raises(ValueError, match=r"'open the door' .* both 'metaworld/door-open-v3' and 'mine/door'"):
        CompactReward(replace(checkpoint, success_thresholds=twice))


def test_a_copy_differs_in_its_thresholds_alone(folder: Path, tmp_path: Path) -> None:
    round_checkpoint(folder, tmp_path / "half")
    copy_with_thresholds(tmp_path / "half", tmp_path / "copy", THRESHOLDS, {"command": "x"})
    before, after = (
        json.loads((tmp_path / name / "checkpoint.json").read_text()) for name in ("half", "copy")
    )
    assert set(after.pop("success_thresholds")) == set(THRESHOLDS)
    assert after.pop("training") == {**before.pop("training"), "thresholds": {"command": "x"}}
    assert after == before, "the hash before the rounding too"
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "half" / name).read_bytes()
    assert weights_id(str(tmp_path / "copy")) == weights_id(str(folder))
    assert load_checkpoint(tmp_path / "copy").success_thresholds == THRESHOLDS


def test_a_copy_goes_to_another_folder(folder: Path) -> None:
    with pytest.raises(ValueError, match="must go to another folder"):
        copy_with_thresholds(folder, folder / ".", THRESHOLDS, {})


def test_rounding_keeps_the_thresholds_of_tasks(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(replace(checkpoint, success_thresholds=THRESHOLDS), tmp_path / "whole")
    round_checkpoint(tmp_path / "whole", tmp_path / "half")
    assert load_checkpoint(tmp_path / "half").success_thresholds == THRESHOLDS
