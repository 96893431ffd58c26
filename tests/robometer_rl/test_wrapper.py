"""Every number here can be added up on paper: progress is the counter / 100, success 0.9 above 80, else 0.1."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import warnings
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded

from robometer_rl import RobometerReward, scorer
from robometer_rl.scorer import UnseenWorldWarning

MODEL = "robometer_test_fakes:FakeRewardModel"
ACTION = np.zeros(2, dtype=np.float32)
Row = tuple[float, bool, bool, dict[str, Any]]


@pytest.fixture
def make(fakes: ModuleType) -> Any:
    """Wraps a FakeEnv; keyword arguments of the environment come as `env={...}`."""

    def wrap(env: dict[str, Any] | None = None, **options: Any) -> RobometerReward:
        return RobometerReward(
            fakes.FakeEnv(**(env or {})), **{"task": "count up", "model": MODEL, **options}
        )

    return wrap


def play(env: gym.Env[Any, Any], steps: int = 1000) -> list[Row]:
    """Steps until the episode ends, or the given number of times."""
    rows: list[Row] = []
    while len(rows) < steps and not (rows and (rows[-1][1] or rows[-1][2])):
        _, reward, terminated, truncated, info = env.step(ACTION)
        rows.append((float(reward), terminated, truncated, info))
    return rows


def rewards(env: gym.Env[Any, Any], steps: int = 1000) -> list[float]:
    env.reset(seed=0)
    return [row[0] for row in play(env, steps)]


# Rewards known by hand.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shaping": "progress"}, [0.1, 0.2, 0.3]),
        ({"shaping": "success"}, [0.1, 0.1, 0.1]),
        ({}, [0.2, 0.3, 0.4]),
        ({"shaping": "delta"}, [0.1, 0.1, 0.1]),
        ({"shaping": "potential", "gamma": 0.5}, [0.05, 0.0, -0.05]),
        ({"shaping": "progress", "scale": 10, "shift": -1}, [0.0, 1.0, 2.0]),
        ({"shaping": "progress", "env_weight": 1}, [11.1, 12.2, 13.3]),
    ],
)
def test_rewards_of_an_episode(make: Any, options: dict[str, Any], expected: list[float]) -> None:
    assert rewards(make({"horizon": 3, "pace": 10}, **options)) == pytest.approx(expected, abs=1e-6)


def test_success_bonus_is_paid_above_the_threshold(make: Any) -> None:
    env = make({"horizon": 3, "pace": 30}, shaping="progress", success_bonus=5.0)
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.9 + 5.0])
    env = make({"horizon": 3, "pace": 30}, shaping="progress", success_bonus=5.0, success_threshold=0.95)
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.9])


def test_potential_is_zero_on_termination_not_on_truncation(make: Any) -> None:
    options = {"shaping": "potential", "gamma": 1.0}
    assert rewards(make({"horizon": 2, "pace": 10}, **options)) == pytest.approx([0.1, 0.1])
    assert rewards(make({"terminate_at": 2, "pace": 10}, **options)) == pytest.approx([0.1, -0.1])


def test_types_and_info_of_every_step(make: Any) -> None:
    env = make({"horizon": 3, "pace": 10, "success_at": 3})
    _, info = env.reset(seed=0)
    assert info == pytest.approx({"is_success": False, "robometer/progress": 0.0, "robometer/success": 0.1})
    for number, (reward, terminated, truncated, info) in enumerate(play(env), start=1):
        assert [type(x) for x in (reward, terminated, truncated)] == [float, bool, bool]
        assert {key: type(value) for key, value in info.items()} == {
            "is_success": bool,
            "env_reward": float,
            "robometer/progress": float,
            "robometer/success": float,
        }
        assert info["env_reward"] == 10.0 + number
        assert info["robometer/progress"] == pytest.approx(number / 10)
        assert info["is_success"] == (number == 3)


def test_reward_is_a_python_float(make: Any) -> None:
    env = make()
    env.reset()
    assert type(env.step(ACTION)[1]) is float


def test_success_is_reported_as_is_success_too(make: Any) -> None:
    env = make({"success_key": "success", "success_at": 1})
    assert env.reset()[1]["is_success"] is False
    assert play(env, 1)[0][3]["is_success"] is True


# Scoring each k-th step.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shaping": "progress"}, [0.0, 0.0, 0.3, 0.3, 0.3, 0.6, 0.7]),
        ({"shaping": "progress", "fill": "zero"}, [0.0, 0.0, 0.3, 0.0, 0.0, 0.6, 0.7]),
        ({"shaping": "progress", "fill": "zero", "shift": -1.0}, [-1.0, -1.0, -0.7, -1.0, -1.0, -0.4, -0.3]),
        ({"shaping": "delta"}, [0.0, 0.0, 0.3, 0.0, 0.0, 0.3, 0.1]),
        ({"shaping": "delta", "fill": "zero"}, [0.0, 0.0, 0.3, 0.0, 0.0, 0.3, 0.1]),
        ({"shaping": "potential", "gamma": 0.5}, [0.0, 0.0, 0.15, -0.15, -0.15, 0.0, -0.25]),
        ({"shaping": "potential", "gamma": 0.5, "fill": "zero"}, [0.0, 0.0, 0.15, 0.0, 0.0, 0.0, -0.25]),
    ],
)
@pytest.mark.parametrize("end", ["horizon", "terminate_at"])
def test_score_every_third_and_the_last(
    make: Any, end: str, options: dict[str, Any], expected: list[float]
) -> None:
    env = make({end: 7, "pace": 10}, score_every=3, **options)
    if end == "terminate_at" and options["shaping"] == "potential":
        expected = [*expected[:-1], -0.6]
    assert rewards(env) == pytest.approx(expected, abs=1e-6)


def test_unscored_steps_report_the_last_score_and_take_no_frame(make: Any, fakes: ModuleType) -> None:
    taken: list[int] = []

    def camera(env: Any) -> Any:
        taken.append(env.unwrapped.steps)
        return env.render()

    env = make({"horizon": 7, "pace": 10}, score_every=3, frames=camera)
    env.reset()
    seen = [row[3]["robometer/progress"] for row in play(env)]
    assert seen == pytest.approx([0.0, 0.0, 0.3, 0.3, 0.3, 0.6, 0.7])
    assert taken == [0, 3, 6, 7]


# Episode boundaries.


@pytest.mark.parametrize("end", [{"horizon": 4}, {"terminate_at": 4}])
def test_two_episodes_equal_two_fresh_environments(make: Any, end: dict[str, int]) -> None:
    options: dict[str, Any] = {"model": {"name": MODEL, "memory": True}, "score_every": 3, "shaping": "delta"}
    env = make({**end, "pace": 30}, **options)
    fresh = [rewards(make({**end, "pace": 30}, **options)) for _ in range(2)]
    assert [rewards(env), rewards(env)] == fresh
    assert fresh[0] == pytest.approx([0.0, 0.0, 0.9, 0.1])


def test_a_reset_in_the_middle_forgets_too(make: Any) -> None:
    env = make({"pace": 30}, model={"name": MODEL, "memory": True}, shaping="delta")
    whole = rewards(env, 3)
    rewards(env, 2)
    assert rewards(env, 3) == whole


def test_stepping_before_reset_or_after_the_end_is_refused(make: Any) -> None:
    env = make({"horizon": 1})
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step(ACTION)
    for _ in range(2):
        env.reset()
        env.step(ACTION)
        with pytest.raises(ResetNeeded):
            env.step(ACTION)


def test_same_seed_same_everything(make: Any) -> None:
    first, second = ([env.reset(seed=7), *play(env)] for env in (make(), make()))
    assert json.dumps(first, default=np.ndarray.tolist) == json.dumps(second, default=np.ndarray.tolist)


# Ending on success, predicted or true.


@pytest.mark.parametrize(("patience", "length"), [(1, 9), (2, 10), (3, 11)])
def test_predicted_success_ends_the_episode_after_its_patience(make: Any, patience: int, length: int) -> None:
    env = make(
        {"horizon": 50, "pace": 10}, shaping="delta", terminate_on_success=True, success_patience=patience
    )
    env.reset()
    rows = play(env)
    assert len(rows) == length  # counter 90 is the first above 80
    assert rows[-1][1:3] == (True, False)
    with pytest.raises(ResetNeeded):
        env.step(ACTION)


def test_patience_counts_scores_not_steps(make: Any) -> None:
    env = make(
        {"horizon": 50, "pace": 10},
        shaping="delta",
        terminate_on_success=True,
        success_patience=2,
        score_every=4,
    )
    env.reset()
    assert len(play(env)) == 16  # scored at 120 and 160


def test_patience_starts_anew_with_each_episode(make: Any) -> None:
    env = make({"horizon": 9, "pace": 10}, shaping="delta", terminate_on_success=True, success_patience=2)
    for _ in range(3):
        env.reset()
        assert play(env)[-1][1:3] == (False, True)


def test_the_threshold_defaults_to_the_checkpoints(make: Any) -> None:
    strict = {"name": MODEL, "success_threshold": 0.95}
    options = {"shaping": "delta", "terminate_on_success": True}
    for model, threshold, length in (
        (strict, None, 20),
        (strict, 0.5, 9),
        (MODEL, None, 9),
        (MODEL, 0.9, 20),
    ):
        env = make({"horizon": 20, "pace": 10}, model=model, success_threshold=threshold, **options)
        env.reset()
        assert len(play(env)) == length


def test_potential_is_zero_where_predicted_success_ends(make: Any) -> None:
    env = make({"pace": 50}, shaping="potential", gamma=1.0, terminate_on_success=True)
    assert rewards(env) == pytest.approx([0.5, -0.5])


def test_absolute_shapings_with_early_end_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"pays for loitering.*shift=-1"):
        make(terminate_on_success=True)
    make(terminate_on_success=True, shift=-1.0)
    make(terminate_on_success=True, success_bonus=200.0)


def test_true_success_pays_and_ends_only_where_named(make: Any) -> None:
    world = {"horizon": 4, "pace": 10, "success_at": 2}
    plain = make(world, shaping="progress")
    assert rewards(plain) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert plain.ground_truth == {
        "env_weight": 0.0,
        "true_success_bonus": 0.0,
        "terminate_on_true_success": False,
    }
    told = make(world, shaping="progress", true_success_bonus=64.0)
    assert rewards(told) == pytest.approx([0.1, 64.2, 64.3, 64.4])
    assert told.ground_truth["true_success_bonus"] == 64.0
    ended = make(world, shaping="potential", gamma=1.0, terminate_on_true_success=True, score_every=3)
    assert rewards(ended) == pytest.approx([0.0, 0.0])  # scored at its end: potential 0, after 0
    assert ended.ground_truth["terminate_on_true_success"] is True


def test_ground_truth_options_need_an_environment_that_tells(make: Any) -> None:
    env = make({"success_key": None}, true_success_bonus=1.0)
    env.reset()
    with pytest.raises(RuntimeError, match='need info\\["is_success"\\]'):
        env.step(ACTION)


# Frames.


def test_cameras_are_averaged(make: Any) -> None:
    env = make({"images": True, "pace": 20, "horizon": 3}, frames=["front", "side"], shaping="progress")
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.8])  # (0.2 + 0.4) / 2, (0.4 + 0.8) / 2, (0.6 + 1.0) / 2


@pytest.mark.parametrize("options", [{"frame_format": "chw"}, {"frame_format": "float"}, {"size": 40}])
def test_frame_forms_change_no_score(make: Any, options: dict[str, Any]) -> None:
    assert rewards(make(options)) == rewards(make())


def test_no_frames_is_an_error_that_names_the_fix(make: Any) -> None:
    with pytest.raises(RuntimeError, match='render_mode="rgb_array"'):
        make({"render_mode": None}).reset()


@pytest.mark.parametrize(
    ("frame_format", "error"), [("gray", ValueError), ("nan", ValueError), ("none", TypeError)]
)
def test_bad_frames_fail_at_the_first_reset(make: Any, frame_format: str, error: type[Exception]) -> None:
    env = make({"frame_format": frame_format})
    with pytest.raises(error, match=r"env.render\(\) gave"):
        env.reset()
    with pytest.raises(ResetNeeded):
        env.step(ACTION)


# Arguments.


@pytest.mark.parametrize(
    ("task", "error"),
    [(3, TypeError), (None, TypeError), (["a"], TypeError), ("", ValueError), (" \n", ValueError)],
)
def test_the_task_is_checked_before_anything_else(task: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="say what the robot should do"):
        RobometerReward(None, task=task, model=object())  # type: ignore[arg-type]


def test_the_task_has_no_default(fakes: ModuleType) -> None:
    with pytest.raises(TypeError, match="task"):
        RobometerReward(fakes.FakeEnv())  # type: ignore[call-arg]


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
        ({"success_threshold": 1.0}, ValueError, "success_threshold=1.0"),
        ({"success_threshold": "high"}, ValueError, "success_threshold='high'"),
        ({"true_success_bonus": float("inf")}, ValueError, "true_success_bonus=inf"),
        ({"terminate_on_success": "yes"}, ValueError, "terminate_on_success='yes'"),
    ],
)
def test_bad_options_fail_at_construction(
    make: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make(**options)


@pytest.mark.parametrize("broken", [float("nan"), 1.5, -0.1])
def test_scores_outside_their_range_are_not_swallowed(make: Any, broken: float) -> None:
    with pytest.raises(ValueError, match=r"returned progress=.*not all in"):
        make(model={"name": MODEL, "broken": broken}).reset()


def test_a_reward_that_is_not_finite_is_refused(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(env_weight=1.0)
    env.reset()
    inner = env.env.step
    monkeypatch.setattr(env.env, "step", lambda action: (inner(action)[0], float("nan"), False, False, {}))
    with pytest.raises(ValueError, match="the reward is nan, from env_reward=nan"):
        env.step(ACTION)


# Specs, pickling, sharing.


def test_every_constructor_argument_is_recorded() -> None:
    """Compares the recorded names with the signature: a forgotten one makes another environment, silently."""
    signature = set(inspect.signature(RobometerReward.__init__).parameters) - {"self", "env"}
    tree = ast.parse(inspect.getsource(inspect.getmodule(RobometerReward)))  # type: ignore[arg-type]
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "RecordConstructorArgs.__init__"
    ]
    assert len(calls) == 1
    assert {word.arg for word in calls[0].keywords} - {"_disable_deepcopy"} == signature


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
    "terminate_on_success": True,
    "success_threshold": 0.4,
    "success_patience": 2,
    "true_success_bonus": 1.5,
    "terminate_on_true_success": True,
    "warn_unseen_world": False,
}


@pytest.mark.parametrize("through_json", [False, True])
def test_spec_round_trip_keeps_every_option_and_every_number(through_json: bool) -> None:
    first = RobometerReward(gym.make("RobometerTest/Count-v0", images=True, pace=20), **CHANGED)
    spec = first.spec
    assert spec is not None
    again = gym.make(EnvSpec.from_json(spec.to_json()) if through_json else spec)
    assert again.spec == spec
    assert again.get_wrapper_attr("config") == first.config
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


def test_pickles_before_first_use_and_loads_nothing(make: Any, fakes: ModuleType) -> None:
    before = fakes.FakeRewardModel.loads
    env = make({"pace": 10}, frames=["render", fakes.front_camera])
    copy = pickle.loads(pickle.dumps(env))
    assert fakes.FakeRewardModel.loads == before
    assert rewards(copy) == rewards(env)


def test_equal_specs_share_one_model_until_all_are_closed(make: Any, fakes: ModuleType) -> None:
    spec = {"name": MODEL, "success_threshold": 0.123}
    before = fakes.FakeRewardModel.loads
    envs = [make(model=spec) for _ in range(3)]
    for env in envs:
        env.reset()
    assert fakes.FakeRewardModel.loads == before + 1
    assert envs[0].reward_model is envs[1].reward_model
    assert make(model={**spec, "memory": True}).reward_model is not envs[0].reward_model
    for env in envs:
        env.close()
        env.close()
        assert env.unwrapped.closed
    make(model=spec).reset()
    assert fakes.FakeRewardModel.loads == before + 3


def test_environments_that_share_a_model_do_not_share_a_history(make: Any) -> None:
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


def test_a_closed_environment_can_be_reset_again(make: Any) -> None:
    env = make()
    first = rewards(env)
    env.close()
    assert rewards(env) == first


# Worlds that the checkpoint never saw.


@pytest.fixture
def _fresh_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "_warned", set())


@pytest.mark.usefixtures("_fresh_warnings")
def test_an_unseen_world_is_warned_about_once_with_the_way_out(make: Any) -> None:
    env = make({"world": "fake/other"})
    with pytest.warns(UnseenWorldWarning, match="'fake/other'.*robometer-rl fit.*larger model.*fake/count"):
        env.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.reset()
        make({"world": "fake/other"}).reset()
    with pytest.warns(UnseenWorldWarning, match="fake/third"):
        make({"world": "fake/third"}).reset()


@pytest.mark.usefixtures("_fresh_warnings")
def test_a_foreign_environment_is_named_by_id_or_class(make: Any) -> None:
    with pytest.warns(UnseenWorldWarning, match="'FakeEnv'"):
        make({"world": None}).reset()
    env = RobometerReward(gym.make("RobometerTest/Count-v0", world=None), "count up", MODEL)
    with pytest.warns(UnseenWorldWarning, match="'RobometerTest/Count-v0'"):
        env.reset()


@pytest.mark.usefixtures("_fresh_warnings")
def test_the_warning_can_be_silenced_and_general_models_give_none(make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make({"world": "fake/other"}, warn_unseen_world=False).reset()
        make({"world": "fake/other"}, model={"name": MODEL, "trained_worlds": ["*"]}).reset()
        make().reset()
