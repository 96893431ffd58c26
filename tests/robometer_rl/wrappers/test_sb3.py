"""What `VecRobometerReward` does inside SB3: where it may stand, what agents store, what is logged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv
from stable_baselines3 import PPO, SAC, HerReplayBuffer
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from robometer_rl import RobometerReward
from robometer_rl.wrappers.sb3 import VecRobometerReward


def dummy(*envs: dict[str, Any], **options: Any) -> VecRobometerReward:
    """Wraps a FakeEnv per dict."""
    inner = DummyVecEnv([partial(FakeEnv, **env) for env in envs])
    return VecRobometerReward(inner, **{"tasks": SENTENCE, "model": MODEL, **options})


def step(venv: Any) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
    return venv.step(np.tile(ACTION, (venv.num_envs, 1)))


# Episodes' ends.


def test_the_terminal_frame_is_scored_and_sb3s_own_keys_stay() -> None:
    venv = dummy({"horizon": 2, "pace": 30}, {"terminate_at": 2, "pace": 10})
    venv.reset()
    step(venv)
    observations, rewards, dones, infos = step(venv)
    assert dones.tolist() == [True, True]
    assert rewards == pytest.approx([0.6 + 0.1, 0.2 + 0.1])
    assert rewards.dtype == np.float32
    assert [info["TimeLimit.truncated"] for info in infos] == [True, False]
    assert infos[0]["terminal_observation"][0] == pytest.approx(2 / 3)
    assert infos[0]["robometer/progress"] == pytest.approx(0.6)
    assert infos[0]["env_reward"] == 12.0
    assert observations[0][0] == 0.0
    assert venv.reset_infos[0]["robometer/progress"] == 0.0


def test_predicted_success_ends_the_episode_and_is_no_truncation() -> None:
    venv = dummy({"pace": 50, "horizon": 2}, {"pace": 50}, terminate_on_success=True, shift=-1.0)
    venv.reset()
    step(venv)
    observations, _, dones, infos = step(venv)
    assert dones.tolist() == [True, True]
    assert [info["TimeLimit.truncated"] for info in infos] == [False, False]
    assert [info["terminal_observation"][0] for info in infos] == pytest.approx([2 / 3, 2 / 3])
    assert observations[:, 0].tolist() == [0.0, 0.0]
    assert step(venv)[1] == pytest.approx([0.5 + 0.1 - 1, 0.5 + 0.1 - 1])


def test_a_reset_begins_anew_after_a_step_that_failed_in_one_environment() -> None:
    venv = dummy({}, {})
    venv.reset()
    failing = venv.unwrapped.envs[1].unwrapped  # type: ignore[attr-defined]
    failing.success_key = failing.success_at = ()  # neither a key nor a number: the step fails
    with pytest.raises(TypeError):
        step(venv)
    failing.success_key, failing.success_at = "is_success", None
    venv.reset()
    assert step(venv)[1] == pytest.approx([0.01 + 0.1] * 2)


def test_predicted_success_needs_the_base_environment_inside() -> None:
    inner = VecFrameStack(DummyVecEnv([partial(FakeEnv, images=False)]), 2)
    with pytest.raises(ValueError, match="VecFrameStack inside would not notice"):
        VecRobometerReward(inner, SENTENCE, MODEL, terminate_on_success=True, shift=-1.0)
    VecRobometerReward(inner, SENTENCE, MODEL)


def test_dict_observations_keep_their_terminal_observation() -> None:
    venv = dummy({"images": True, "pace": 50}, terminate_on_success=True, shift=-1.0, frames="front")
    venv.reset()
    step(venv)
    observations, _, _, infos = step(venv)
    assert infos[0]["terminal_observation"]["front"][0, 0, 0] == 100
    assert observations["front"][0, 0, 0, 0] == 0


# Where it stands.


def test_it_refuses_to_stand_around_vec_normalize() -> None:
    inner = VecNormalize(DummyVecEnv([FakeEnv]))
    with pytest.raises(ValueError, match=r"VecNormalize\(VecRobometerReward\(venv"):
        VecRobometerReward(inner, SENTENCE, MODEL)
    with pytest.raises(ValueError, match="inside VecNormalize"):
        VecRobometerReward(VecMonitor(inner), SENTENCE, MODEL, mode="off")


def test_sac_stores_the_learned_reward() -> None:
    venv = VecNormalize(dummy({"pace": 10}, {"pace": 20}, shaping="progress"), norm_reward=False)
    agent = SAC("MlpPolicy", venv, learning_starts=100, device="cpu", buffer_size=64)
    agent.learn(8)
    assert agent.replay_buffer is not None
    stored = agent.replay_buffer.rewards[:4]
    assert stored == pytest.approx(np.array([[0.1, 0.2], [0.2, 0.4], [0.3, 0.6], [0.4, 0.8]]), abs=1e-6)


class GoalEnv(FakeEnv):
    """Rewards of goals are 0 everywhere."""

    def __init__(self) -> None:
        super().__init__(horizon=3)
        box = self.observation_space
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(keys, box))

    def _observe(self) -> Any:
        return dict.fromkeys(self.observation_space.spaces, super()._observe())

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return np.zeros(len(achieved), dtype=np.float32)


def wrapped_goal() -> RobometerReward:
    return RobometerReward(GoalEnv(), SENTENCE, MODEL)


@pytest.mark.parametrize(
    "make",
    [
        wrapped_goal,
        lambda: DummyVecEnv([wrapped_goal]),
        lambda: VecRobometerReward(DummyVecEnv([GoalEnv]), SENTENCE, MODEL),
        lambda: VecNormalize(VecRobometerReward(DummyVecEnv([GoalEnv]), SENTENCE, MODEL), norm_obs=False),
    ],
)
def test_her_is_refused(make: Callable[[], Any]) -> None:
    agent = SAC(
        "MultiInputPolicy", make(), replay_buffer_class=HerReplayBuffer, learning_starts=4, device="cpu"
    )
    with pytest.raises(ValueError, match=r"HerReplayBuffer computes rewards.*Use another replay buffer, or"):
        agent.learn(8)


GOALS = (np.zeros((1, 2)), np.zeros((1, 2)), [{}])


def test_no_way_leads_to_the_environments_own_compute_reward() -> None:
    words = "HerReplayBuffer computes rewards"
    env = gym.wrappers.TimeLimit(wrapped_goal(), 5)
    venv = VecMonitor(VecRobometerReward(DummyVecEnv([GoalEnv]), SENTENCE, MODEL))
    syncs = SyncVectorEnv([wrapped_goal])
    for ask in (
        env.get_wrapper_attr("compute_reward"),
        partial(venv.env_method, "compute_reward"),
        venv.get_attr("compute_reward")[0],
        partial(syncs.call, "compute_reward"),
    ):
        with pytest.raises(ValueError, match=words):
            ask(*GOALS)


def test_an_environment_without_compute_reward_is_not_said_to_have_one() -> None:
    env = RobometerReward(FakeEnv(), SENTENCE, MODEL)
    assert not env.has_wrapper_attr("compute_reward")
    with pytest.raises(AttributeError, match="compute_reward"):
        env.get_wrapper_attr("compute_reward")
    assert not dummy({}).has_attr("compute_reward")


def test_mode_off_leaves_the_environments_compute_reward() -> None:
    venv = VecRobometerReward(DummyVecEnv([GoalEnv]), SENTENCE, MODEL, mode="off")
    assert venv.env_method("compute_reward", *GOALS)[0].tolist() == [0.0]
    assert venv.get_attr("compute_reward")[0](*GOALS).tolist() == [0.0]


def test_a_monitor_inside_logs_the_environments_return_and_a_vec_monitor_outside_the_learned() -> None:
    inner = DummyVecEnv([lambda: FakeEnv(horizon=2, pace=10)])
    venv = VecMonitor(VecRobometerReward(inner, SENTENCE, MODEL, shaping="progress"))
    venv.reset()
    step(venv)
    info = step(venv)[3][0]
    assert info["episode"]["r"] == pytest.approx(0.3)
    inner = DummyVecEnv([lambda: Monitor(FakeEnv(horizon=2, pace=10))])
    lone = VecRobometerReward(inner, SENTENCE, MODEL, shaping="progress")
    lone.reset()
    step(lone)
    assert step(lone)[3][0]["episode"]["r"] == pytest.approx(11.0 + 12.0)


def test_mode_off_gives_an_evaluation_environment_of_the_same_depth(tmp_path: Path) -> None:
    train = VecNormalize(dummy({"pace": 10, "horizon": 4}))
    plain = VecRobometerReward(
        DummyVecEnv([lambda: Monitor(FakeEnv(horizon=4))]), SENTENCE, "compact", mode="off"
    )
    judge = VecNormalize(plain, training=False, norm_reward=False)
    callback = EvalCallback(judge, eval_freq=8, n_eval_episodes=1, log_path=str(tmp_path), verbose=0)
    agent = PPO("MlpPolicy", train, n_steps=8, batch_size=8, n_epochs=1, device="cpu")
    agent.learn(8, callback=callback)
    assert callback.last_mean_reward == pytest.approx(11 + 12 + 13 + 14)


def test_mode_off_touches_nothing() -> None:
    venv = dummy({"horizon": 2}, mode="off")
    bare = DummyVecEnv([partial(FakeEnv, horizon=2)])
    venv.seed(3)
    bare.seed(3)
    assert (venv.reset() == bare.reset()).all()
    for _ in range(3):
        ours, theirs = step(venv), step(bare)
        assert (ours[0] == theirs[0]).all()
        assert (ours[1] == theirs[1]).all()
        assert [sorted(info) for info in ours[3]] == [sorted(info) for info in theirs[3]]
    with pytest.raises(RuntimeError, match="no reward model"):
        _ = venv.robometer.model


# Wrong environments.


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FakeEnv(), "single environment: use RobometerReward, or DummyVecEnv"),
        (lambda: SyncVectorEnv([FakeEnv]), "use RobometerVectorReward"),
        (lambda: "venv", "not a str"),
    ],
)
def test_the_wrong_kind_of_environment_is_named(make: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        VecRobometerReward(make(), SENTENCE, MODEL)


class Batched(VecEnv):
    """Steps all its worlds in one array program: there are no sub-environments to call."""

    def __init__(self) -> None:
        single = FakeEnv()
        self.num_envs, self.render_mode, self.reset_infos = 2, "rgb_array", [{}, {}]
        self.observation_space, self.action_space = single.observation_space, single.action_space

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "render_mode":
            return ["rgb_array"] * 2
        raise NotImplementedError

    env_is_wrapped = env_method = set_attr = reset = step_async = step_wait = close = get_attr  # type: ignore[assignment]


def test_a_vector_environment_without_sub_environments_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"Batched has no sub-environments.*DummyVecEnv.*relabel"):
        VecRobometerReward(Batched(), SENTENCE, MODEL)


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="mode='of' is unknown; choose one of on, off"):
        dummy({}, mode="of")
    with pytest.raises(TypeError, match="did you mean 'score_every'"):
        dummy({}, score_evry=2)


def test_workers_without_share_frames_are_refused() -> None:
    inner = SubprocVecEnv([FakeEnv], start_method="fork")
    with pytest.raises(ValueError, match="wrapper_class=ShareFrames"):
        VecRobometerReward(inner, SENTENCE, MODEL)
    inner.close()


# Scoring at the end.


def test_ppo_fails_at_once_on_rewards_that_are_not_known_yet() -> None:
    venv = dummy({"horizon": 4}, score="episode_end")
    agent = PPO("MlpPolicy", venv, n_steps=6, batch_size=6, n_epochs=1, device="cpu")
    with pytest.raises(ValueError, match=r"nan|invalid values"):
        agent.learn(12)
