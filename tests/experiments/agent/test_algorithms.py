"""What the hyperparameters make of a learner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecEnv

from robometer_rl.experiments.agent.algorithms import hyperparameters, make_learner
from robometer_rl.experiments.agent.environments import training_envs
from robometer_rl.experiments.agent.run import RunConfig

PLAIN = RunConfig(env="metaworld/door-open-v3", reward="sparse")


@pytest.fixture(scope="module")
def venv() -> Iterator[VecEnv]:
    """One world for all learners: the noise is no part of it."""
    made = training_envs(PLAIN)
    yield made
    made.close()


def with_noise(options: str) -> RunConfig:
    return replace(PLAIN, overrides=f'{{"action_noise": {options}}}')


def test_noise_on_top_lasts_for_some_decisions_and_is_nothing_by_default(venv: VecEnv) -> None:
    noise = make_learner(with_noise('{"sigma": 0.2, "theta": 0.15}'), venv, "cpu").action_noise
    assert noise is not None
    drawn = np.array([noise() for _ in range(4000)])
    assert drawn.shape == (4000, 4)
    assert np.std(drawn) == pytest.approx(0.2 / np.sqrt(1 - 0.85**2), rel=0.2)  # an AR(1) process of 0.85
    assert np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1] == pytest.approx(0.85, abs=0.05)
    assert make_learner(PLAIN, venv, "cpu").action_noise is None


def test_noise_of_one_action_leaves_the_others_alone(venv: VecEnv) -> None:
    gripper = with_noise('{"sigma": 0.5, "theta": 0.15, "actions": [-1]}')
    noise = make_learner(gripper, venv, "cpu").action_noise
    assert noise is not None
    drawn = np.array([noise() for _ in range(100)])
    assert np.all(drawn[:, :3] == 0.0)
    assert np.std(drawn[:, 3]) > 0.2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('{"sigma": 0.2, "tau": 1}', "'tau'.*must have the keys sigma and theta"),
        ("0.2", "action_noise=0.2 must have the keys"),
        ('{"sigma": 0.0, "theta": 0.15}', "sigma above 0"),
        ('{"sigma": 0.2, "theta": 1.5}', "theta above 0 and at most 1"),
        ('{"sigma": 0.2, "theta": 0.15, "actions": [4]}', "indices from -4 to 3"),
        ('{"sigma": 0.2, "theta": 0.15, "actions": [[1]]}', "indices from -4 to 3"),
        ('{"sigma": 0.2, "theta": 0.15, "actions": []}', "indices from -4 to 3"),
        ('{"sigma": 0.2, "theta": 0.15, "actions": -1}', "indices from -4 to 3"),
        ('{"sigma": [0.2], "theta": 0.15}', "must have numbers"),
        ('{"sigma": "wide", "theta": 0.15}', "must have numbers"),
        ('{"sigma": 0.2, "theta": null}', "must have numbers"),
    ],
)
def test_noise_with_other_options_is_refused(options: str, words: str, venv: VecEnv) -> None:
    with pytest.raises(ValueError, match=words):
        make_learner(with_noise(options), venv, "cpu")


def test_an_unknown_hyperparameter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'gama' is not in sac.yaml; choose from .*gamma"):
        hyperparameters(replace(PLAIN, overrides='{"gama": 0.9}'))


@pytest.mark.parametrize(
    ("algo", "overrides", "words"),
    [
        ("sac", {"batch_size": 64.0}, r"batch_size=64\.0 should be a whole number; sac\.yaml has 128"),
        ("sac", {"buffer_size": 1e6}, "buffer_size=1000000.0 should be a whole number"),
        ("sac", {"train_freq": True}, "train_freq=True should be a whole number"),
        ("sac", {"gamma": True}, "gamma=True should be a number"),
        ("sac", {"gamma": "high"}, "gamma='high' should be a number"),
        ("sac", {"gamma": None}, "gamma=None should be a number"),
        ("sac", {"tau": [0.1]}, r"tau=\[0\.1\] should be a number"),
        ("sac", {"ent_coef": False}, "ent_coef=False should be text or a number"),
        ("sac", {"policy_kwargs": 5}, "policy_kwargs=5 should be a mapping or null"),
        ("ppo", {"n_steps": 0.5}, "n_steps=0.5 should be a whole number.*ppo.yaml"),
    ],
)
def test_a_hyperparameter_of_another_type_is_refused(
    algo: Any, overrides: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        hyperparameters(replace(PLAIN, algo=algo, overrides=json.dumps(overrides)))


def test_hyperparameters_of_the_right_type_are_taken() -> None:
    wanted = {"gamma": 1, "ent_coef": 0.2, "target_entropy": "auto", "normalize": None, "batch_size": 64}
    assert hyperparameters(replace(PLAIN, overrides=json.dumps(wanted))).items() >= wanted.items()
