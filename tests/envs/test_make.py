"""`make_env` finds the adapter, and every option is checked where it is given."""

from __future__ import annotations

from typing import Any

import pytest

from robometer_rl.envs import extras
from robometer_rl.envs.make import make_env
from robometer_rl.envs.suites.metaworld import MetaWorldEnv

REACH = "metaworld/reach-v3"


def test_each_suite_gets_its_adapter() -> None:
    assert type(make_env(REACH)) is MetaWorldEnv
    lift = make_env("robosuite/Lift")
    assert type(lift).__name__ == "RobosuiteEnv"
    assert lift.task.id == "robosuite/Lift"


def test_options_reach_the_environment() -> None:
    env = make_env(REACH, 3, "dense", 40, 5, True, "corner3", 64, None)
    assert (env.reward_mode, env.horizon, env.action_repeat) == ("dense", 40, 5)
    assert env.terminate_on_success is True
    assert (env.camera, env.image_size, env.render_mode) == ("corner3", 64, None)


def test_unknown_task_lists_near_ones() -> None:
    with pytest.raises(ValueError, match="reach"):
        make_env("metaworld/reech-v3")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("reward", "shaped", "'sparse', 'dense'"),
        ("horizon", 0, "at least 1"),
        ("action_repeat", 1.5, "whole number"),
        ("image_size", 8, "at least 16"),
        ("camera", "corner9", "corner2"),
        ("render_mode", "human", "rgb_array"),
    ],
)
def test_an_option_out_of_range_names_value_and_choices(option: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        make_env(REACH, **{option: value})
    assert option in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_task_of_another_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="suite"):
        MetaWorldEnv("robosuite/Lift")


def test_a_missing_suite_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="metaworld")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'robometer-rl\[metaworld\]'"):
        make_env(REACH).reset()
