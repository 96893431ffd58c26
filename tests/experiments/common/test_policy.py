from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from robometer_rl.experiments.common.policy import begin_episode, load_policy

REACH = "RobometerTest/Reach-v0"


def test_a_factory_is_called_with_the_environment_and_its_policy_with_the_observation(
    fakes: object,
) -> None:
    env = gym.make("robometer_test_envs:" + REACH)
    observation, _ = env.reset(seed=0)
    action = load_policy("robometer_test_envs:go_right", env)(observation)
    assert np.allclose(action, np.clip(1.0 - observation["observation"], -1.0, 1.0))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("go_right", "policy='go_right' must be module:factory"),
        ("robometer_test_envs:go_rigt", "did you mean 'go_right'"),
        ("robometer_test_envs:press_right", "cannot be called with the environment"),
        ("robometer_test_envs:no_wrapper", r"returned 3; expected factory\(env\) -> policy"),
    ],
)
def test_a_name_that_is_no_policy_says_what_was_expected(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_policy(name, gym.make("robometer_test_envs:" + REACH))


def test_a_policy_with_a_reset_is_told_that_an_episode_begins() -> None:
    told = []

    class Counting:
        def reset(self) -> None:
            told.append(self)

    begin_episode(Counting())
    begin_episode(load_policy)
    assert len(told) == 1
