"""The arguments of the wrapper, its spec, pickles, the model that wrappers share, and worlds it never saw."""

from __future__ import annotations

import inspect
import json
import pickle
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from robometer_test_fakes import ACTION, MODEL, FakeEnv, FakeRewardModel, front_camera, make, rewards

from robometer_rl import RobometerReward
from robometer_rl.scoring import unseen_world
from robometer_rl.scoring.unseen_world import UnseenWorldWarning


@pytest.mark.parametrize(
    ("task", "error"),
    [(3, TypeError), (None, TypeError), (["a"], TypeError), ("", ValueError), (" \n", ValueError)],
)
def test_the_task_is_checked_before_anything_else(task: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="say what the robot should do"):
        RobometerReward(None, task=task, model=object())  # type: ignore[arg-type]


def test_the_task_has_no_default() -> None:
    with pytest.raises(TypeError, match="task"):
        RobometerReward(FakeEnv())  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "compcat"}, ValueError, "unknown reward model 'compcat'; choose \"compact\""),
        ({"model": {"memory": True}}, ValueError, 'the key "name"'),
        ({"model": json}, TypeError, "not a builtins.module"),
        ({"frames": "front"}, ValueError, "not a source"),
        ({"shaping": "dense"}, ValueError, "shaping='dense'"),
        ({"scale": float("nan")}, ValueError, "scale=nan"),
        ({"score_every": 0}, ValueError, "score_every=0"),
        ({"score_every": 2.5}, ValueError, "score_every=2.5"),
        ({"fill": "spread"}, ValueError, "fill='spread'.*hold, zero"),
        ({"success_patience": 0}, ValueError, "success_patience=0"),
        ({"success_threshold": 0.0}, ValueError, "success_threshold=0.0"),
        ({"success_threshold": "high"}, ValueError, "success_threshold='high' .* or 'auto'"),
        ({"success_threshold": True}, ValueError, "success_threshold=True .* or 'auto'"),
        ({"true_success_bonus": float("inf")}, ValueError, "true_success_bonus=inf"),
        ({"terminate_on_success": "yes"}, ValueError, "terminate_on_success='yes'"),
        ({"world": 3}, TypeError, "world=3 must be a string, not int"),
        ({"world": " "}, ValueError, "world=' ' is empty"),
    ],
)
def test_bad_options_fail_at_construction(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make(**options)


@pytest.mark.parametrize("broken", [float("nan"), 1.5, -0.1])
def test_scores_outside_their_range_are_not_swallowed(broken: float) -> None:
    with pytest.raises(ValueError, match=r"returned progress=.*not all in"):
        make(model={"name": MODEL, "broken": broken}).reset()


def test_a_reward_that_is_not_finite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(env_weight=1.0)
    env.reset()
    inner = env.env.step
    monkeypatch.setattr(env.env, "step", lambda action: (inner(action)[0], float("nan"), False, False, {}))
    with pytest.raises(ValueError, match=r"reward nan, .*must be finite"):
        env.step(ACTION)


# Specs, pickling, sharing.


def test_every_constructor_argument_is_recorded() -> None:
    """A forgotten one makes another environment, silently."""
    signature = set(inspect.signature(RobometerReward.__init__).parameters) - {"self", "env"}
    assert set(make()._saved_kwargs) == signature


CHANGED: dict[str, Any] = {
    "task": "count up",
    "model": {"name": MODEL, "memory": True, "trained_worlds": ["fake/count"]},
    "frames": ["front", "side", "robometer_test_fakes:front_camera"],
    "shaping": "potential",
    "gamma": 0.9,
    "success_bonus": 2.0,
    "scale": 3.0,
    "shift": -1.0,
    "env_weight": 0.5,
    "score_every": 2,
    "fill": "zero",
    "score": "step",
    "terminate_on_success": True,
    "success_threshold": 0.4,
    "success_patience": 2,
    "true_success_bonus": 1.5,
    "terminate_on_true_success": True,
    "warn_unseen_world": False,
    "world": "mylab/count",
}


@pytest.mark.parametrize("through_json", [False, True])
def test_spec_round_trip_keeps_every_option_and_every_number(through_json: bool) -> None:
    first = RobometerReward(gym.make("RobometerTest/Count-v0", images=True, pace=20), **CHANGED)
    spec = first.spec
    assert spec is not None
    again = gym.make(EnvSpec.from_json(spec.to_json()) if through_json else spec)
    assert again.spec == spec
    assert again.get_wrapper_attr("robometer").config == first.robometer.config
    recorded = spec.additional_wrappers[-1].kwargs
    assert recorded == CHANGED
    assert rewards(again) == rewards(first)


def test_numpy_numbers_and_tuples_become_plain_in_the_spec() -> None:
    env = RobometerReward(
        gym.make("RobometerTest/Count-v0", images=True),
        "count up",
        MODEL,
        frames=("front", "side"),
        scale=np.float32(2),  # type: ignore[arg-type]
        score_every=np.int64(2),  # type: ignore[arg-type]
    )
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec == env.spec


def test_pickles_before_first_use_and_loads_nothing() -> None:
    before = FakeRewardModel.loads
    env = make({"pace": 10}, frames=["render", front_camera])
    copy = pickle.loads(pickle.dumps(env))
    assert FakeRewardModel.loads == before
    assert rewards(copy) == rewards(env)


def test_equal_specs_share_one_model_until_all_are_closed() -> None:
    spec = {"name": MODEL, "success_threshold": 0.123}
    before = FakeRewardModel.loads
    envs = [make(model=spec) for _ in range(3)]
    for env in envs:
        env.reset()
    assert FakeRewardModel.loads == before + 1
    assert envs[0].robometer.model is envs[1].robometer.model
    assert make(model={**spec, "memory": True}).robometer.model is not envs[0].robometer.model
    for env in envs:
        env.close()
        env.close()
        assert env.unwrapped.closed
    make(model=spec).reset()
    assert FakeRewardModel.loads == before + 3


def test_environments_that_share_a_model_do_not_share_a_history() -> None:
    spec = {"name": MODEL, "memory": True}
    alone = rewards(make({"pace": 10}, model=spec))
    one, other = make({"pace": 10}, model=spec), make({"pace": 99}, model=spec)
    one.reset(seed=0)
    other.reset(seed=0)
    got = []
    for _ in range(10):
        got.append(one.step(ACTION)[1])
        other.step(ACTION)
    assert got == alone


def test_a_closed_environment_can_be_reset_again() -> None:
    env = make()
    first = rewards(env)
    env.close()
    assert rewards(env) == first


# Worlds that the checkpoint never saw.


@pytest.fixture
def _fresh_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen_world, "_warned", set())


@pytest.mark.usefixtures("_fresh_warnings")
def test_an_unseen_world_is_warned_about_once_with_the_way_out() -> None:
    env = make({"world": "fake/other"})
    words = "'fake/other'.*robometer-rl adapt.*larger model.*world=.*fake/count"
    with pytest.warns(UnseenWorldWarning, match=words) as caught:
        env.reset()
    assert [warning.filename for warning in caught] == [__file__], "it points at who called reset()"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()
        make({"world": "fake/other"}).reset()
    with pytest.warns(UnseenWorldWarning, match="fake/third"):
        make({"world": "fake/third"}).reset()


@pytest.mark.usefixtures("_fresh_warnings")
def test_a_foreign_environment_is_named_by_id_or_class() -> None:
    with pytest.warns(UnseenWorldWarning, match="'FakeEnv'"):
        make({"world": None}).reset()
    env = RobometerReward(gym.make("RobometerTest/Count-v0", world=None), "count up", MODEL)
    with pytest.warns(UnseenWorldWarning, match="'RobometerTest/Count-v0'"):
        env.reset()


@pytest.mark.usefixtures("_fresh_warnings")
def test_a_world_can_be_known_by_another_id() -> None:
    fitted = {"name": MODEL, "trained_worlds": ["mylab/press-bell", "mylab/open-box"]}
    env = make({"world": "fake/other"}, model=fitted, world="mylab/press-bell")
    assert env.robometer.worlds == ("mylab/press-bell",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()
    with pytest.warns(UnseenWorldWarning, match="'mylab/ring-bell'.*knows: mylab/press-bell, mylab/open-box"):
        make(model=fitted, world="mylab/ring-bell").reset()


@pytest.mark.usefixtures("_fresh_warnings")
def test_the_warning_can_be_silenced_and_general_models_give_none() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make({"world": "fake/other"}, warn_unseen_world=False).reset()
        make({"world": "fake/other"}, model={"name": MODEL, "trained_worlds": ["*"]}).reset()
        make().reset()
