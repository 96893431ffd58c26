"""The command that makes a run."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import tyro

from robometer_rl.experiments.agent.run import RunConfig, command_line, train_options
from robometer_rl.experiments.agent.train import TrainCommand


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig("robosuite/Lift", "ppo", "none", 3, 500, "delta", "a b", n_envs=2, stop_when_solved=True),
        RunConfig(overrides='{"gamma": 0.99, "policy_kwargs": {"net_arch": [64, 64]}}'),
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
