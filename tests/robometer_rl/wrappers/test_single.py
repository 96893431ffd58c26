"""Every number here can be added up on paper: progress is counter / 100, success 0.9 above 80, else 0.1."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from robometer_test_fakes import ACTION, MODEL, make, play, rewards

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
def test_rewards_of_an_episode(options: dict[str, Any], expected: list[float]) -> None:
    assert rewards(make({"horizon": 3, "pace": 10}, **options)) == pytest.approx(expected, abs=1e-6)


def test_success_bonus_is_paid_above_the_threshold() -> None:
    env = make({"horizon": 3, "pace": 30}, shaping="progress", success_bonus=5.0)
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.9 + 5.0])
    env = make({"horizon": 3, "pace": 30}, shaping="progress", success_bonus=5.0, success_threshold=0.95)
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.9])


def test_potential_is_zero_on_termination_not_on_truncation() -> None:
    options = {"shaping": "potential", "gamma": 1.0}
    assert rewards(make({"horizon": 2, "pace": 10}, **options)) == pytest.approx([0.1, 0.1])
    assert rewards(make({"terminate_at": 2, "pace": 10}, **options)) == pytest.approx([0.1, -0.1])


def test_types_and_info_of_every_step() -> None:
    env = make({"horizon": 3, "pace": 10, "success_at": 3})
    _, info = env.reset(seed=0)
    assert info == pytest.approx(
        {"env_reward": 0.0, "is_success": False, "robometer/progress": 0.0, "robometer/success": 0.1}
    )
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


def test_reward_is_a_python_float() -> None:
    env = make()
    env.reset()
    assert type(env.step(ACTION)[1]) is float


def test_success_is_reported_as_is_success_too() -> None:
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
def test_score_every_third_and_the_last(end: str, options: dict[str, Any], expected: list[float]) -> None:
    env = make({end: 7, "pace": 10}, score_every=3, **options)
    if end == "terminate_at" and options["shaping"] == "potential":
        expected = [*expected[:-1], -0.6]
    assert rewards(env) == pytest.approx(expected, abs=1e-6)


def test_unscored_steps_report_the_last_score_and_take_no_frame() -> None:
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
def test_two_episodes_equal_two_fresh_environments(end: dict[str, int]) -> None:
    options: dict[str, Any] = {"model": {"name": MODEL, "memory": True}, "score_every": 3, "shaping": "delta"}
    env = make({**end, "pace": 30}, **options)
    fresh = [rewards(make({**end, "pace": 30}, **options)) for _ in range(2)]
    assert [rewards(env), rewards(env)] == fresh
    assert fresh[0] == pytest.approx([0.0, 0.0, 0.9, 0.1])


def test_a_reset_in_the_middle_forgets_too() -> None:
    env = make({"pace": 30}, model={"name": MODEL, "memory": True}, shaping="delta")
    whole = rewards(env, 3)
    rewards(env, 2)
    assert rewards(env, 3) == whole


def test_stepping_before_reset_or_after_the_end_is_refused() -> None:
    env = make({"horizon": 1})
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step(ACTION)
    for _ in range(2):
        env.reset()
        env.step(ACTION)
        with pytest.raises(ResetNeeded):
            env.step(ACTION)


def test_same_seed_same_everything() -> None:
    first, second = ([env.reset(seed=7), *play(env)] for env in (make(), make()))
    assert json.dumps(first, default=np.ndarray.tolist) == json.dumps(second, default=np.ndarray.tolist)


# Ending on success, predicted or true.


@pytest.mark.parametrize(("patience", "length"), [(1, 9), (2, 10), (3, 11)])
def test_predicted_success_ends_the_episode_after_its_patience(patience: int, length: int) -> None:
    env = make(
        {"horizon": 50, "pace": 10}, shaping="delta", terminate_on_success=True, success_patience=patience
    )
    env.reset()
    rows = play(env)
    assert len(rows) == length  # counter 90 is the first above 80
    assert rows[-1][1:3] == (True, False)
    with pytest.raises(ResetNeeded):
        env.step(ACTION)


def test_patience_counts_scores_not_steps() -> None:
    env = make(
        {"horizon": 50, "pace": 10},
        shaping="delta",
        terminate_on_success=True,
        success_patience=2,
        score_every=4,
    )
    env.reset()
    assert len(play(env)) == 16  # scored at 120 and 160


def test_patience_starts_anew_with_each_episode() -> None:
    env = make({"horizon": 1, "pace": 90}, shaping="delta", terminate_on_success=True, success_patience=2)
    for _ in range(3):
        env.reset()
        assert play(env)[-1][1:3] == (False, True)


def test_the_threshold_defaults_to_the_checkpoints() -> None:
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


def test_potential_is_zero_where_predicted_success_ends() -> None:
    env = make({"pace": 50}, shaping="potential", gamma=1.0, terminate_on_success=True)
    assert rewards(env) == pytest.approx([0.5, -0.5])


def test_absolute_shapings_with_early_end_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^terminate_on_success.*shift=-1 or less, or success_bonus=198 or"):
        make(terminate_on_success=True)
    make(terminate_on_success=True, shift=-1.0)
    make(terminate_on_success=True, success_bonus=200.0)
    words = r"^terminate_on_true_success.*shift=-1 or less, or true_success_bonus=198 or"
    with pytest.raises(ValueError, match=words):
        make(terminate_on_true_success=True)
    make(terminate_on_true_success=True, shift=-1.0)
    make(terminate_on_true_success=True, true_success_bonus=200.0)


def test_a_bonus_that_only_the_true_success_ends_is_income() -> None:
    """Predicted success pays at each step until the true one comes, unless it ends the episode itself."""
    options: dict[str, Any] = {"shaping": "delta", "terminate_on_true_success": True, "success_bonus": 2.0}
    words = "success_bonus=2 again and again.*Set shift=-2 or less, or true_success_bonus=198 or more.$"
    with pytest.raises(ValueError, match=words):
        make(**options)
    make(**options, shift=-2.0)
    make(**options, true_success_bonus=198.0)
    make(**options, terminate_on_success=True)
    with pytest.raises(ValueError, match=r"terminate_on_true_success.*Set shift=-3 or less"):
        make(**{**options, "shaping": "progress"}, shift=-1.0)


def test_hovering_within_the_patience_earns_no_bonus() -> None:
    options: dict[str, Any] = {"shaping": "delta", "success_bonus": 5.0, "success_patience": 3}
    ending = make({"pace": 90}, **options, terminate_on_success=True)
    assert rewards(ending) == pytest.approx([0.9, 0.1, 5.0]), "success is predicted from the first step on"
    short = make({"horizon": 2, "pace": 90}, **options, terminate_on_success=True)
    assert rewards(short) == pytest.approx([0.9, 0.1]), "truncated before the patience ran out"
    assert rewards(make({"horizon": 2, "pace": 90}, **options)) == pytest.approx([5.9, 5.1])


def test_true_success_pays_and_ends_only_where_named() -> None:
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


def test_ground_truth_options_need_an_environment_that_tells() -> None:
    env = make({"success_key": None}, true_success_bonus=1.0)
    env.reset()
    with pytest.raises(RuntimeError, match='need info\\["is_success"\\]'):
        env.step(ACTION)


# Frames.


def test_cameras_are_averaged() -> None:
    env = make({"images": True, "pace": 20, "horizon": 3}, frames=["front", "side"], shaping="progress")
    assert rewards(env) == pytest.approx([0.3, 0.6, 0.8])  # (0.2 + 0.4) / 2, (0.4 + 0.8) / 2, (0.6 + 1.0) / 2


@pytest.mark.parametrize("options", [{"frame_format": "chw"}, {"frame_format": "float"}, {"size": 40}])
def test_frame_forms_change_no_score(options: dict[str, Any]) -> None:
    assert rewards(make(options)) == rewards(make())


def test_no_frames_is_an_error_that_names_the_fix() -> None:
    with pytest.raises(RuntimeError, match='render_mode="rgb_array"'):
        make({"render_mode": None}).reset()


@pytest.mark.parametrize(
    ("frame_format", "error"), [("gray", ValueError), ("nan", ValueError), ("none", TypeError)]
)
def test_bad_frames_fail_at_the_first_reset(frame_format: str, error: type[Exception]) -> None:
    env = make({"frame_format": frame_format})
    with pytest.raises(error, match=r"env.render\(\) gave"):
        env.reset()
    with pytest.raises(ResetNeeded):
        env.step(ACTION)
