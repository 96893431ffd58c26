"""The options of all wrappers: spelled in one signature, read in one place, given back in plain values."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest
from robometer_test_fakes import make

from robometer_rl import RewardConfig, RobometerReward, ShapingConfig
from robometer_rl.scoring.options import RewardOptions, read_options


def test_the_signature_the_names_and_the_defaults_are_the_same_everywhere() -> None:
    parameters = inspect.signature(RobometerReward.__init__).parameters
    spelled = {name: item.default for name, item in parameters.items()}
    assert read_options("compact", {}).as_dict() == {
        name: spelled[name] for name in RewardOptions.__annotations__
    }


def test_options_come_back_as_plain_values() -> None:
    given = {"scale": np.float32(2), "score_every": np.int64(3), "success_threshold": np.float64(0.25)}
    given |= {"terminate_on_success": np.bool_(True), "shift": -2, "true_success_bonus": np.float32(0.5)}
    back = read_options("compact", given).as_dict()
    assert json.loads(json.dumps(back)) == back
    assert {name: back[name] for name in given} == given


def test_a_config_holds_plain_values() -> None:
    config = RewardConfig(ShapingConfig(gamma=np.float64(0.5)), score_every=np.int64(2))  # type: ignore[arg-type]
    assert [type(value) for value in (config.shaping.gamma, config.score_every)] == [float, int]


@pytest.mark.parametrize("frames", [None, 3.5])
def test_a_source_of_a_wrong_type_is_named(frames: Any) -> None:
    with pytest.raises(TypeError, match=f"frames={frames} must be a string, an index, a callable"):
        make(frames=frames)
