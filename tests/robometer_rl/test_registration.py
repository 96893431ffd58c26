from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from robometer_rl import RobometerReward, register_robot_envs
from robometer_rl.envs.tasks import TASKS
from robometer_rl.registration import gym_id, make_registered

FAKE = {"model": "robometer_test_fakes:FakeRewardModel", "warn_unseen_world": False}
DRAWER, LIFT = "robometer_rl:metaworld/drawer-open-v3", "robometer_rl:robosuite/Lift-v1"
SMALL: dict[str, Any] = {"horizon": 4, "image_size": 32}


@pytest.mark.parametrize(
    ("task_id", "expected"),
    [
        ("metaworld/drawer-open-v3", "metaworld/drawer-open-v3"),
        ("robosuite/Lift", "robosuite/Lift-v1"),
        ("robosuite/Move-vase", "robosuite/Move-vase-v1"),
    ],
)
def test_names_without_a_version_get_one(task_id: str, expected: str) -> None:
    assert gym_id(task_id) == expected


@pytest.mark.parametrize("task_id", sorted(TASKS))
def test_every_task_is_registered_under_its_own_id(task_id: str) -> None:
    spec = gym.spec(gym_id(task_id))
    assert spec.kwargs == {"task_id": task_id}
    assert (spec.namespace, spec.version) == (TASKS[task_id].suite, 3 if task_id.endswith("-v3") else 1)
    assert spec.entry_point == "robometer_rl.registration:make_registered"
    assert EnvSpec.from_json(spec.to_json()) == spec


def test_registering_twice_is_silent() -> None:
    before = dict(gym.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_robot_envs()
    assert dict(gym.registry) == before


def test_a_fresh_interpreter_needs_only_the_prefix(tmp_path: Path) -> None:
    code = (
        "import gymnasium as gym\n"
        f"for env_id in ({DRAWER!r}, {LIFT!r}):\n"
        "    print(gym.make(env_id, disable_env_checker=True).spec.id)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["metaworld/drawer-open-v3", "robosuite/Lift-v1"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reward": "learned"}, "reward='learned' is unknown; choose one of sparse, dense, robometer"),
        ({"reward": "sparse", "robometer": {}}, "belong to reward='robometer', not to reward='sparse'"),
        ({"reward": "dense", "env_reward": "dense"}, "belong to reward='robometer'"),
        ({"reward": "robometer", "terminate_on_success": True}, "terminate_on_true_success"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_registered("metaworld/drawer-open-v3", **options)


def test_what_the_refusal_of_true_termination_recommends_is_accepted() -> None:
    with pytest.raises(ValueError, match="terminate_on_success=True ends episodes") as refused:
        make_registered("metaworld/drawer-open-v3", reward="robometer", terminate_on_success=True)
    recommended = re.findall(r"robometer=({.*?})", str(refused.value))
    assert len(recommended) == 2
    for options in map(ast.literal_eval, recommended):
        env = make_registered(
            "metaworld/drawer-open-v3", reward="robometer", robometer={**FAKE, **options}, **SMALL
        )
        env.close()


@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_the_environments_own_rewards(reward: Any) -> None:
    env = gym.make(DRAWER, reward=reward, **SMALL)
    env.reset(seed=0)
    rows = [env.step(env.action_space.sample()) for _ in range(4)]
    env.close()
    assert [row[3] for row in rows] == [False, False, False, True]
    if reward == "sparse":
        assert [row[1] for row in rows] == [float(row[4]["is_success"]) for row in rows]
    else:
        assert sum(row[1] for row in rows) > 0.0


@pytest.mark.parametrize("env_id", [DRAWER, LIFT])
def test_the_learned_reward_by_one_option(env_id: str) -> None:
    env = gym.make(
        env_id, reward="robometer", robometer={**FAKE, "score_every": 3, "shaping": "progress"}, **SMALL
    )
    wrapper = env.env.env  # inside OrderEnforcing and PassiveEnvChecker
    assert isinstance(wrapper, RobometerReward)
    assert wrapper.robometer.tasks[0] == env.unwrapped.task.sentence
    assert wrapper.robometer.worlds[0] == env.unwrapped.task.id
    env.reset(seed=0)
    env.action_space.seed(0)
    rows = [env.step(env.action_space.sample()) for _ in range(4)]
    # The horizon lies inside the wrapper, so that the last step is scored though 3 does not divide 4.
    corner = int(env.render()[0, 0, 0])
    assert rows[-1][1] == pytest.approx(min(corner / 100, 1.0))
    assert rows[-1][3]
    assert {"env_reward", "is_success", "quality", "robometer/progress", "robometer/success"} <= set(
        rows[-1][4]
    )
    env.close()


def test_the_spec_of_the_learned_world_round_trips() -> None:
    env = gym.make(
        DRAWER, reward="robometer", robometer={**FAKE, "task": "pull it"}, env_reward="dense", **SMALL
    )
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec == env.spec
    traces = []
    for each in (env, again):
        each.reset(seed=3)
        rows = [each.step(np.full(4, 0.5, np.float32)) for _ in range(4)]
        traces.append([(row[1], row[4]["env_reward"]) for row in rows])
        each.close()
    assert traces[0] == traces[1]


def test_gymnasiums_checker_on_the_learned_world() -> None:
    env = gym.make(DRAWER, reward="robometer", robometer=FAKE, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(env)
    env.close()
