"""The environments of a training run: those that the agent learns in, and the one that judges it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.wrappers import TransformAction, TransformReward

from robometer_rl import (
    RewardConfig,
    RobometerReward,
    ShapingConfig,
    ShareFrames,
    VecRobometerReward,
)
from robometer_rl.envs.extras import naming_extras
from robometer_rl.envs.tasks import get_task
from robometer_rl.scoring.options import RewardOptions

from ..common.environment import make_environment
from ..common.seeds import TRAINING, training_seed
from .algorithms import hyperparameters, restore_normaliser, split_normalize
from .environment_checks import EnvironmentFacts, check_environment
from .recorder import JUDGED, LEARNING, Record
from .run import RunConfig

with naming_extras():
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import (
        DummyVecEnv,
        SubprocVecEnv,
        VecEnv,
        VecMonitor,
        unwrap_vec_wrapper,
    )

__all__ = ["evaluation_env", "ground_truth", "reward_options", "training_envs"]

_DENSE_AT_MOST = {"metaworld": 10.0, "robosuite": 1.0}
"""What a suite's hand-written reward pays at most in one control step."""


def _world(
    config: RunConfig, facts: EnvironmentFacts, seed: int | None = None, *, learns: bool, films: bool = False
) -> gym.Env[Any, Any]:
    """The environment as a run sees it, with the reward of a baseline.

    Args:
        config: The run.
        facts: What is known of its environment.
        seed: Of the first reset.
        learns: Whether an agent learns in it. Where one is judged, an environment that is not in the table
            pays its own reward: its return is what runs are compared by.
        films: Whether its pictures are recorded.
    """
    in_table = config.environment.in_table
    sparse = config.reward != "dense" if in_table else config.reward == "sparse" and learns
    env = make_environment(
        config.environment,
        seed,
        reward="sparse" if sparse else "dense",
        horizon=config.horizon or None,
        action_repeat=config.action_repeat,
        render=in_table or films or config.reward == "robometer",
        success_known=facts.success_known,
    )
    if config.hold_orientation:
        # robosuite's action is three numbers of position, three of orientation, one of the gripper.
        env = TransformAction(env, lambda action: np.insert(action, 3, (0, 0, 0)), Box(-1.0, 1.0, (4,)))
    if config.action_scale != 1.0:
        env = TransformAction(env, lambda action: action * np.float32(config.action_scale), env.action_space)
    return env


def _paid(config: RunConfig, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment with what the agent learns from: a baseline's reward, or frames for the learned one.

    The dense reward is divided by what a decision pays at most: between 0 and 1 it lies on the others' scale.
    On Meta-World's own, 50 a decision, SAC had drawer-open at 0.15 at best in 50,000 steps; divided, at 0.55.
    Outside of the table nobody knows what it pays at most, and it stays as it is.
    """
    if config.reward == "robometer":
        return ShareFrames(env)
    if config.reward == "none":
        return TransformReward(env, lambda reward: 0.0)
    if config.reward == "dense" and config.environment.in_table:
        most = _DENSE_AT_MOST[get_task(config.env).suite] * config.action_repeat
        return TransformReward(env, lambda reward: float(reward) / most)
    return env


def _recorder(
    config: RunConfig, facts: EnvironmentFacts, env: gym.Env[Any, Any], folder: Path, number: int, every: int,
    detail: str,
) -> Record:  # fmt: skip
    sentence = None if config.environment.in_table else config.environment.sentence
    return Record(
        env, folder, facts.task_id, number, config.action_repeat, every, config.frames, sentence, detail
    )


def _makers(
    config: RunConfig, session: int, record: Path | None, facts: EnvironmentFacts
) -> list[Callable[[], gym.Env[Any, Any]]]:
    def maker(row: int) -> Callable[[], gym.Env[Any, Any]]:
        def make() -> gym.Env[Any, Any]:
            seed, films = training_seed(config.seed, session, row), record is not None
            env = _world(config, facts, seed, learns=True, films=films)
            if record is not None:
                # Its own, for each seed, session and row: runs may record into one folder at a time.
                number = seed - TRAINING.start
                env = _recorder(config, facts, env, record, number, 2, LEARNING)
            return _paid(config, env)

        return make

    return [maker(row) for row in range(config.n_envs)]


def training_envs(
    config: RunConfig,
    session: int = 0,
    normaliser: Path | None = None,
    record: Path | None = None,
    facts: EnvironmentFacts | None = None,
) -> VecEnv:
    """Makes the environments that the agent learns in.

    Args:
        config: The run; with several environments they run in worker processes.
        session: How often the run was started before.
        normaliser: A `VecNormalize` of a checkpoint, where the learner uses one.
        record: Folder to which the agent's episodes are written; none are without one.
        facts: What `check_environment` found; it is asked where this is None.

    Returns:
        `VecNormalize(VecMonitor(VecRobometerReward(...)))`, without what the run does not use.
    """
    facts = check_environment(config) if facts is None else facts
    makers = _makers(config, session, record, facts)
    venv: VecEnv = DummyVecEnv(makers) if config.n_envs == 1 else SubprocVecEnv(makers)
    _, normalize = split_normalize(hyperparameters(config))
    if config.reward == "robometer":
        options = reward_options(config, facts)
        venv = VecRobometerReward(venv, config.environment.sentence, config.reward_model, **options)
    venv = VecMonitor(venv, info_keywords=("is_success",) if facts.success_known else ())
    return venv if normalize is None else restore_normaliser(normaliser, venv, normalize)


def reward_options(config: RunConfig, facts: EnvironmentFacts) -> RewardOptions:
    """Options of the wrapper by which a run pays: the same where the agent learns and where it is judged.

    Args:
        config: The run.
        facts: What is known of its environment.

    Returns:
        Keyword arguments of `RobometerReward` and `VecRobometerReward`.
    """
    values = hyperparameters(config)
    options: RewardOptions = {
        "shaping": config.shaping,
        "gamma": float(values["gamma"]),
        "score_every": config.score_every,
    }
    if not config.environment.in_table:
        options |= {"frames": config.frames, "world": facts.task_id}
    return options


def evaluation_env(
    config: RunConfig, facts: EnvironmentFacts | None = None, record: Path | None = None
) -> gym.Env[Any, Any]:
    """Makes the separate environment in which agents are judged.

    Where the run learns from the reward model, this environment pays the same reward, for the record; it
    decides nothing.

    Args:
        config: The run.
        facts: What `check_environment` found; it is asked where this is None.
        record: Folder to which its episodes are written; none are without one.

    Returns:
        The environment; its `info["is_success"]` is the truth, where success is known.
    """
    facts = check_environment(config) if facts is None else facts
    env = _world(config, facts, learns=False, films=record is not None)
    if record is not None:  # numbers above those of all training environments
        env = _recorder(config, facts, env, record, len(TRAINING) + config.seed, 1, JUDGED)
    if config.reward != "robometer":
        return env
    options = reward_options(config, facts)
    return RobometerReward(env, config.environment.sentence, config.reward_model, **options)


def ground_truth(config: RunConfig, agent: BaseAlgorithm) -> dict[str, float | bool]:
    """Every way by which ground truth entered reward or termination of a run; all 0 or False without any.

    Args:
        config: The run.
        agent: Its agent, with the environments that it learned in.

    Returns:
        What the wrapper around these environments says of itself; for a baseline, which has no wrapper, the
        weight of the environment's own reward.
    """
    if config.reward != "robometer":
        plain = RewardConfig(ShapingConfig(env_weight=0.0 if config.reward == "none" else 1.0))
        return plain.ground_truth
    venv = agent.get_env()
    wrapper = None if venv is None else unwrap_vec_wrapper(venv, VecRobometerReward)
    if wrapper is None:
        raise RuntimeError(f"the agent of reward={config.reward!r} does not learn in a VecRobometerReward")
    return wrapper.ground_truth
