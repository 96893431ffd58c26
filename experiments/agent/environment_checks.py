"""What a run needs of its environment, found out before a folder is made: success, spaces, limit, memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from robometer_rl.envs.extras import naming_extras
from robometer_rl.frames import FrameGrabber
from robometer_rl.world_ids import task_id_of, world_of

from ..common.environment import make_environment, success_source, time_limit
from .algorithms import hyperparameters
from .policies import choose_policy, fitting_algorithms
from .run import JudgedBy, RunConfig

with naming_extras():
    import psutil

__all__ = ["EnvironmentFacts", "check_environment"]


@dataclass(frozen=True)
class EnvironmentFacts:
    """What was found out about the environment of a run."""

    success_source: str
    """Key of the info that tells of success, the name of the function that does, or `"none"`."""
    task_id: str
    """Under which its episodes are recorded and fitted: the table's id, or `"own/NAME"`."""

    @property
    def success_known(self) -> bool:
        """Whether the environment tells of success."""
        return self.success_source != "none"

    @property
    def judged_by(self) -> JudgedBy:
        """What the run is judged by."""
        return "true_success" if self.success_known else "env_return"


def check_environment(config: RunConfig) -> EnvironmentFacts:
    """Makes the environment once and refuses a run that it does not fit.

    Args:
        config: The run.

    Returns:
        What was found out.

    Raises:
        ValueError: The environment cannot be made, has spaces that the learner does not take, does not end by
            itself, tells of no success where one is needed, or its observations do not fit into memory.
        RuntimeError: It gives no pictures where they are needed.
        ImportError: It needs a package that is not installed.
    """
    if config.environment.in_table and not config.wrappers:  # known, and building a simulator takes a while
        _check_actions(config, spaces.Box(-1.0, 1.0, (4,)))
        return EnvironmentFacts("is_success", config.env)
    learned = config.reward == "robometer"
    env = make_environment(config.environment, horizon=config.horizon or None, render=learned)
    try:
        _check_actions(config, env.action_space)
        choose_policy(env.observation_space, config.env)
        if time_limit(env) is None:
            raise ValueError(
                f"{config.env} has no time limit, and an episode that never ends is never judged: give the "
                "environment steps of an episode, --horizon 200"
            )
        _check_memory(config, env)
        task_id = config.env if config.environment.in_table else task_id_of(world_of(env))
        facts = EnvironmentFacts(success_source(env), task_id)
        _check_success(config, facts)
        if learned:
            observation, _ = env.reset(seed=0)
            FrameGrabber(env, config.frames).grab(observation)
    finally:
        env.close()
    return facts


def _check_actions(config: RunConfig, space: gym.Space[Any]) -> None:
    fitting = fitting_algorithms(space)
    continuous = isinstance(space, spaces.Box)
    shown = f"Box{space.shape}" if continuous else str(space)
    if not fitting:
        raise ValueError(f"{config.env} has {shown} actions, which no learner here takes")
    if config.algo not in fitting:
        bounded = " without bounds" if continuous and fitting == ("ppo",) else ""
        raise ValueError(
            f"{config.env} has {shown} actions{bounded}: choose algo={' or '.join(fitting)}, got "
            f"algo={config.algo}"
        )
    if config.action_scale != 1.0 and not continuous:
        raise ValueError(f"action_scale={config.action_scale:g} is for Box actions; {config.env} has {shown}")


def _check_success(config: RunConfig, facts: EnvironmentFacts) -> None:
    if facts.success_known:
        return
    needs = {"reward=sparse": config.reward == "sparse", "stop_when_solved": config.stop_when_solved}
    for name in (name for name, needed in needs.items() if needed):
        raise ValueError(
            f'{name} needs success, and {config.env} tells of none: neither info["is_success"] nor '
            'info["success"] was there in an episode of random actions. Name a function that tells: '
            "--success my_package:is_done, called as is_done(env, info) after every step"
        )


def _check_memory(config: RunConfig, env: gym.Env[Any, Any]) -> None:
    """Refuses a replay buffer that does not fit: each decision keeps two observations."""
    buffer_size = hyperparameters(config).get("buffer_size")
    if buffer_size is None:
        return
    decisions = min(buffer_size, math.ceil(config.steps / config.action_repeat))
    each = 2 * _bytes_of(env.observation_space)
    needed, free = decisions * each, psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"buffer_size={buffer_size:,} is too much: the observations of {decisions:,} decisions in "
            f"{config.env} take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free. "
            f"--overrides '{{\"buffer_size\": {max(free // each // 2, 1)}}}' takes half of these"
        )


def _bytes_of(space: gym.Space[Any]) -> int:
    """Memory of one observation as a replay buffer keeps it."""
    if isinstance(space, spaces.Dict):
        return sum(map(_bytes_of, space.spaces.values()))
    assert space.shape is not None
    return math.prod(space.shape) * np.dtype(space.dtype).itemsize if space.shape else 8
