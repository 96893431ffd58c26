"""Any environment by name: what is made of it, what it knows of success, and what is refused before."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from robometer_test_envs import Doubled, Halved, Reach

from robometer_rl.arguments import read_arguments
from robometer_rl.experiments.common.environment import (
    EnvironmentConfig,
    make_environment,
    success_source,
    time_limit,
)

TASK = "move the bar to the right"
REACH = "robometer_test_envs:RobometerTest/Reach-v0"
FACTORY = "robometer_test_envs:make_reach"
RIGHT = np.ones(1, dtype=np.float32)


def config(env: str = FACTORY, task: str | None = TASK, **options: Any) -> EnvironmentConfig:
    return EnvironmentConfig(env, task, **options)


def test_a_gymnasium_id_is_made_with_pictures() -> None:
    env = make_environment(config(REACH))
    env.reset(seed=0)
    assert isinstance(env.unwrapped, Reach)
    assert np.asarray(env.render()).shape == (40, 40, 3)


def test_a_factory_is_made_with_its_options_and_pictures() -> None:
    env = make_environment(config(env_kwargs='{"pace": 0.25}'))
    env.reset(seed=0)
    assert isinstance(env.unwrapped, Reach)
    assert env.unwrapped.pace == 0.25
    assert np.asarray(env.render()).shape == (40, 40, 3)


def test_an_id_takes_options_too() -> None:
    env = make_environment(config(REACH, env_kwargs='{"pace": 0.25, "max_episode_steps": 3}'))
    assert isinstance(env.unwrapped, Reach)
    assert env.unwrapped.pace == 0.25
    assert time_limit(env) == 3


def test_a_world_of_the_table_brings_its_sentence() -> None:
    world = EnvironmentConfig("metaworld/drawer-open-v3")
    assert world.sentence == "open the drawer"
    assert EnvironmentConfig("robosuite/Lift", "raise the red cube").sentence == "raise the red cube"
    env = make_environment(world, horizon=10, action_repeat=2)
    assert success_source(env) == "is_success"
    assert env.unwrapped.action_repeat == 2  # type: ignore[attr-defined]
    assert time_limit(env) == 10
    env.close()


def test_wrappers_are_put_on_innermost_first() -> None:
    env = make_environment(config(wrappers=("robometer_test_envs:Halved", "robometer_test_envs:Doubled")))
    order = []
    while isinstance(env, gym.Wrapper):
        order += [type(env)] if isinstance(env, Halved | Doubled) else []
        env = env.env
    assert order == [Doubled, Halved]


def test_a_number_as_success_is_reported_as_a_bool() -> None:
    env = make_environment(config())
    env.reset(seed=0)
    told = [env.step(RIGHT)[-1]["is_success"] for _ in range(2)]
    assert told == [False, True]
    assert all(isinstance(value, bool) for value in told)


def test_a_function_tells_success_after_every_step_and_a_reset_begins_without() -> None:
    env = make_environment(config(success="robometer_test_envs:is_right"))
    _, info = env.reset(seed=0)
    assert info["is_success"] is False
    assert env.step(-RIGHT)[-1]["is_success"] is False
    assert [env.step(RIGHT)[-1]["is_success"] for _ in range(2)][-1] is True


def test_success_none_hides_what_the_environment_says() -> None:
    env = make_environment(config(success="none"))
    env.reset(seed=0)
    assert "is_success" not in env.step(RIGHT)[-1]
    assert success_source(env) == "none"


def test_what_is_known_of_success_is_told_at_every_step_and_what_is_not_never() -> None:
    pixels = config("robometer_test_envs:Pixels", frames="observation")
    for known, expected in ((None, [None] * 5 + [True]), (True, [False] * 5 + [True]), (False, [None] * 6)):
        env = make_environment(pixels, success_known=known)
        _, info = env.reset(seed=0)
        assert info.get("is_success") == expected[0]
        infos = [env.step(1)[-1] for _ in range(6)]
        assert [info.get("is_success") for info in infos] == expected
        assert known is not False or all("success" not in info for info in infos)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"env": FACTORY}, "is_success"),
        ({"env": "robometer_test_envs:Pixels", "frames": "observation"}, "success"),
        ({"env": "robometer_test_envs:Buttons", "frames": "robometer_test_envs:side_view"}, "none"),
        ({"success": "robometer_test_envs:is_right"}, "robometer_test_envs:is_right"),
    ],
)
def test_the_source_of_success_is_known_before_training(options: dict[str, Any], found: str) -> None:
    assert success_source(make_environment(config(**options))) == found


def test_the_first_reset_takes_the_seed_and_later_ones_go_on() -> None:
    def starts() -> list[float]:
        env = make_environment(config(), seed=7)
        return [float(env.reset()[0]["observation"][0]) for _ in range(2)]

    assert starts() == starts()
    assert starts()[0] != starts()[1]
    env = make_environment(config(), seed=7)
    assert float(env.reset(seed=8)[0]["observation"][0]) != starts()[0]


def test_a_decision_repeats_its_action_and_adds_up_the_reward() -> None:
    single, repeated = (make_environment(config(), action_repeat=n) for n in (1, 3))
    single.reset(seed=0)
    repeated.reset(seed=0)
    gains = [float(single.step(RIGHT)[1]) for _ in range(3)]
    assert float(repeated.step(RIGHT)[1]) == pytest.approx(sum(gains))


def test_a_decision_ends_where_the_episode_ends() -> None:
    env = make_environment(config(), action_repeat=3)
    env.reset(seed=0)
    assert [env.step(RIGHT)[3] for _ in range(3)] == [False, False, True]  # eight steps in all


def test_the_sparse_reward_is_success() -> None:
    env = make_environment(config(), reward="sparse")
    env.reset(seed=0)
    assert [env.step(RIGHT)[1] for _ in range(2)] == [0.0, 1.0]


def test_a_horizon_limits_an_environment_without_a_limit() -> None:
    endless = config(env_kwargs='{"limit": null}')
    assert time_limit(make_environment(endless)) is None
    env = make_environment(endless, horizon=2)
    env.reset(seed=0)
    assert [env.step(RIGHT)[3] for _ in range(2)] == [False, True]
    assert time_limit(env) == 2


def test_the_smaller_of_two_limits_holds() -> None:
    assert time_limit(make_environment(config(), horizon=5)) == 5
    assert time_limit(make_environment(config(), horizon=50)) == 8


def test_an_environment_is_made_without_pictures_where_none_are_needed() -> None:
    buttons = config("robometer_test_envs:Buttons")
    make_environment(buttons, render=False).reset(seed=0)
    with pytest.raises(ValueError, match=r"cannot render.*render_modes.*--frames"):
        make_environment(buttons)


def test_frames_that_the_observation_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="frames='camera' is not a source"):
        make_environment(config(frames="camera"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": "CartPol-v1"}, r"unknown environment 'CartPol-v1': did you mean 'CartPole-v1'"),
        ({"env": "drawer-open"}, r"did you mean 'metaworld/drawer-open-v3'"),
        ({"env": "metaworld/drawer-opn-v3"}, r"unknown task 'metaworld/drawer-opn-v3'"),
        ({"env": ""}, r"env=''"),
        ({"task": None}, r'--task "'),
        ({"task": "  "}, r"task='  '"),
        ({"env_kwargs": "{pace: 1}"}, r"env_kwargs='\{pace: 1\}' is not JSON"),
        ({"env_kwargs": "[1]"}, r"env_kwargs='\[1\]' must be a JSON object"),
        ({"wrappers": ("Halved",)}, r"wrappers: 'Halved' must be module:name"),
        ({"success": "is_right"}, r"success='is_right' must be 'auto', 'none' or module:function"),
        ({"frames": ""}, r"frames=''"),
        ({"env": "robosuite/Lift", "success": "none"}, r"success='none'.*table"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": "no_such_module:make"}, r"module 'no_such_module' cannot be imported.*PYTHONPATH"),
        ({"env": "robometer_test_envs:make_rech"}, r"no 'make_rech'.*did you mean 'make_reach'"),
        ({"env": "robometer_test_envs:RobometerTest/Rech-v0"}, r"did you mean 'RobometerTest/Reach-v0'"),
        ({"env": "robometer_test_envs:make_nothing"}, r"returned a object.*gymnasium\.Env"),
        ({"env": "robometer_test_envs:picture"}, r"takes the argument.*position"),
        ({"env_kwargs": '{"speed": 1}'}, r"does not take 'speed'; choose from pace, limit, render_mode"),
        ({"env": REACH, "env_kwargs": '{"speed": 1}'}, r"does not take 'speed'"),
        ({"env_kwargs": '{"pace": -1}'}, r"could not be made.*pace must be above 0"),
        ({"env_kwargs": '{"render_mode": "human"}'}, r"render_mode='human'"),
        ({"wrappers": ("robometer_test_envs:no_wrapper",)}, r"no_wrapper.*gymnasium\.Wrapper"),
        ({"wrappers": ("robometer_test_envs:gone",)}, r"wrappers.*no 'gone'"),
        ({"success": "robometer_test_envs:gone"}, r"success.*no 'gone'"),
        ({"env": "robosuite/Lift", "env_kwargs": '{"size": 3}'}, r"does not take 'size'; choose from"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_reason(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_environment(config(**options))


def test_the_sparse_reward_needs_success() -> None:
    with pytest.raises(ValueError, match="success='none'"):
        make_environment(config(success="none"), reward="sparse")


def test_the_options_are_read_from_a_command_line() -> None:
    words = ["--env", FACTORY, "--task", TASK, "--env-kwargs", '{"pace": 1}']
    words += ["--wrappers", "robometer_test_envs:Halved", "robometer_test_envs:Doubled"]
    read = read_arguments(EnvironmentConfig, words, "train")
    assert read.wrappers == ("robometer_test_envs:Halved", "robometer_test_envs:Doubled")
    assert read.options == {"pace": 1}
