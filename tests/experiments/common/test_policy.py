from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from robometer_rl.experiments.common.policy import load_policy

REACH = "RobometerTest/Reach-v0"


def test_a_factory_is_called_with_the_environment_and_its_policy_with_the_observation(
    fakes: object,
) -> None:
    env = gym.make("robometer_test_envs:" + REACH)
    observation, _ = env.reset(seed=0)
    action = load_policy("robometer_test_envs:make_pusher", env)(observation)
    assert np.array_equal(action, np.ones(1, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("make_pusher", "policy='make_pusher' must be module:factory"),
        ("robometer_test_envs:make_pushr", "did you mean 'make_pusher'"),
        ("robometer_test_envs:press_right", "cannot be called with the environment"),
        ("robometer_test_envs:no_wrapper", r"returned a int; expected factory\(env\) -> policy"),
    ],
)
def test_a_name_that_is_no_policy_says_what_was_expected(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_policy(name, gym.make("robometer_test_envs:" + REACH))
