"""A run as data: its id, and the command that makes it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from robometer_rl.experiments.agent.run import RunConfig, command_line, config_from_dict, train_options
from robometer_rl.experiments.agent.train import TrainCommand


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig("robosuite/Lift", "ppo", "none", 3, 500, "delta", "a b", n_envs=2, stop_when_solved=True),
        RunConfig(overrides='{"gamma": 0.99, "policy_kwargs": {"net_arch": [64, 64]}}'),
        RunConfig(
            "my_package:make",
            "tqc",
            task="put it there",
            env_kwargs='{"size": 3}',
            wrappers=("a:B", "c:D"),
            success="a:done",
            frames="pixels/top",
            action_repeat=2,
            horizon=40,
        ),
        RunConfig("CartPole-v1", "ppo", "dense", task="keep the pole up"),
    ],
)
def test_the_command_repeats_the_run_in_a_shell(config: RunConfig) -> None:
    words = shlex.split(command_line(config, Path("a folder"), "--device 'cuda:0'"))
    assert words[:2] == ["robometer-rl", "train"]
    assert tyro.cli(TrainCommand, args=words[2:]) == TrainCommand(config, Path("a folder"), device="cuda:0")
    assert shlex.split(command_line(config)) == [*words[:2], *train_options(config)]


def test_the_command_says_what_tells_the_runs_of_a_study_apart() -> None:
    words = "--env robosuite/Lift --algo sac --reward robometer --seed 0 --steps 100000 --hold-orientation"
    assert train_options(RunConfig("robosuite/Lift", hold_orientation=True)) == words.split()


RESULTS = Path(__file__).parents[3] / "experiments" / "results"
OWN: dict[str, Any] = {"env": "my_package:make", "task": "put it there"}


def test_the_ids_of_committed_runs_are_what_they_were() -> None:
    found = 0
    for path in RESULTS.glob("*/*/config.json"):
        config = config_from_dict(json.loads(path.read_text()))
        assert config.run_id == path.parent.name
        found += 1
    assert found > 100


def test_what_a_world_leaves_open_is_its_own() -> None:
    table, own = RunConfig(), RunConfig(**OWN)
    assert (table.action_repeat, table.horizon) == (5, 150)
    assert (own.action_repeat, own.horizon) == (1, 0)
    assert RunConfig(action_repeat=5, horizon=150) == table
    assert replace(own, action_repeat=1).run_id == own.run_id
    assert len({own.run_id, replace(own, horizon=9).run_id, replace(own, action_repeat=5).run_id}) == 3


@pytest.mark.parametrize(
    ("env", "start"),
    [
        ("my_package:make", "make-sac-robometer-s0-"),
        ("my_package.worlds:Cup.make", "Cup.make-sac-robometer-s0-"),
        ("gymnasium_robotics:FetchPush-v4", "FetchPush-v4-sac-robometer-s0-"),
        ("my_package:mine/Cup-v0", "Cup-v0-sac-robometer-s0-"),
    ],
)
def test_an_environment_of_ones_own_gives_a_name_for_a_folder(env: str, start: str) -> None:
    run_id = RunConfig(**{**OWN, "env": env}).run_id
    assert run_id.startswith(start)
    assert len(run_id) == len(start) + 8


def test_a_run_is_read_back_from_its_json() -> None:
    config = RunConfig(**OWN, wrappers=("a:B",), env_kwargs='{"x": 1}', success="none", frames="pixels")
    assert config_from_dict(json.loads(json.dumps(config.__dict__))) == config
    with pytest.raises(ValueError, match="wrappers='a:B' must be a list"):
        config_from_dict({**OWN, "wrappers": "a:B"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": None}, '--task "'),
        ({"env": "CartPol-v1"}, "did you mean 'CartPole-v1'"),
        ({"env_kwargs": "[]"}, "env_kwargs='\\[\\]' must be a JSON object"),
        ({"reward": "sparse", "success": "none"}, "reward='sparse' needs success"),
        ({"stop_when_solved": True, "success": "none"}, "stop_when_solved=True needs success"),
        ({"horizon": -1}, "horizon=-1 must be a whole number of at least 0"),
        ({"hold_orientation": True}, "hold_orientation=True is for robosuite"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RunConfig(**{**OWN, **change})
