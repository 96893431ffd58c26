from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from robometer_rl.rewards import RewardModel, RewardStream, check_model_spec, load_reward_model, weights_id
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint

VALID = '"compact".*config.json.*package.module:Factory'


def test_an_entry_point_is_called_with_the_other_keys(fakes: ModuleType) -> None:
    model = load_reward_model({"name": fakes.MODEL, "memory": True, "success_threshold": 0.7})
    assert isinstance(model, fakes.FakeRewardModel)
    assert model.memory
    assert model.success_threshold == 0.7


def test_a_string_is_enough(fakes: ModuleType) -> None:
    model = load_reward_model(fakes.MODEL)
    assert isinstance(model, RewardModel)
    assert isinstance(model.stream(2), RewardStream)


def test_the_dict_of_the_caller_stays_as_it_is(fakes: ModuleType) -> None:
    spec = {"name": fakes.MODEL, "memory": True}
    load_reward_model(spec)
    assert spec == {"name": fakes.MODEL, "memory": True}


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("compcat", ValueError, f"'compcat'; choose {VALID}"),
        ("", ValueError, f"unknown reward model ''; choose {VALID}"),
        ("http://localhost:80", ValueError, "unknown reward model 'http://localhost:80'"),
        ({"memory": True}, ValueError, 'needs the key "name"'),
        ({"name": 3}, ValueError, 'needs the key "name"'),
        (sys, TypeError, "not a builtins.module"),
        (None, TypeError, "must be a string or a dict"),
        ({"name": "compact", "net": object()}, TypeError, "cannot be written as JSON"),
        ({"name": "compact", "size": np.float32(1)}, TypeError, "cannot be written as JSON"),
    ],
)
def test_bad_specs_are_refused_before_anything_is_loaded(
    spec: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check_model_spec(spec)
    with pytest.raises(error, match=words):
        load_reward_model(spec)


def test_a_model_object_is_refused(fakes: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"not a robometer_test_fakes\.FakeRewardModel"):
        check_model_spec(fakes.FakeRewardModel())


def test_a_folder_needs_a_config(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        check_model_spec(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert check_model_spec({"name": str(tmp_path), "device": "cpu"}) == (str(tmp_path), {"device": "cpu"})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_package:Factory", "No module named 'no_such_package'"),
        ("robometer_test_fakes:Nothing", "has no 'Nothing'"),
        ("robometer_test_fakes:SENTENCE", "has no 'SENTENCE' to call"),
    ],
)
def test_entry_points_that_lead_nowhere(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){words}.*choose {VALID}"):
        load_reward_model(name)


def test_what_an_entry_point_returns_must_be_a_model() -> None:
    with pytest.raises(TypeError, match="returned a FakeTask, which lacks score, prefer, stream"):
        load_reward_model("robometer_test_fakes:FakeTask")


def test_an_entry_point_needs_no_torch(tmp_path: Path) -> None:
    """In a fresh interpreter, since other tests import torch into this one."""
    module = tmp_path / "tiny_model.py"
    module.write_text(
        "class Tiny:\n    score = prefer = stream = print\n    success_threshold, trained_worlds = 0.5, ()\n"
    )
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from robometer_rl.rewards import load_reward_model\n"
        "load_reward_model('tiny_model:Tiny')\n"
        "sys.exit(', '.join({'torch', 'transformers', 'mujoco'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_a_dict_may_come_as_json(fakes: ModuleType) -> None:
    text = json.dumps({"name": fakes.MODEL, "memory": True})
    assert check_model_spec(text) == (fakes.MODEL, {"memory": True})
    model = load_reward_model(text)
    assert isinstance(model, fakes.FakeRewardModel)
    assert model.memory
    with pytest.raises(ValueError, match="begins like JSON and is none"):
        check_model_spec("{name: compact}")


def test_the_control_has_the_bundled_shape_and_knows_nothing() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    first, again, other = (load_reward_model({"name": "random", "seed": seed}) for seed in (0, 0, 1))
    bundled = load_reward_model("compact")
    scores = first.score(frames, "open the door")
    assert scores.progress.tolist() == again.score(frames, "open the door").progress.tolist()
    assert scores.progress.tolist() != other.score(frames, "open the door").progress.tolist()
    assert scores.progress.tolist() != bundled.score(frames, "open the door").progress.tolist()
    assert first.trained_worlds == ("*",)
    assert first.success_threshold == bundled.success_threshold
    with pytest.raises(ValueError, match=r"unknown option 'sead'.*valid ones: seed, device"):
        load_reward_model({"name": "random", "sead": 1})


def test_weights_are_told_apart(tmp_path: Path, fakes: ModuleType, checkpoint: Checkpoint) -> None:
    save_checkpoint(checkpoint, tmp_path / "fit")
    bundled, fitted = weights_id("compact"), weights_id(str(tmp_path / "fit"))
    assert len(bundled) == 12
    assert bundled != fitted
    assert fitted == weights_id({"name": "compact", "path": str(tmp_path / "fit")})
    assert bundled == weights_id({"name": "compact", "threads": 1})
    assert weights_id("random") == "random"
    assert weights_id(fakes.MODEL) == fakes.MODEL
