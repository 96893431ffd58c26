"""The replay buffer that takes episodes when they are over: what it holds, what it refuses."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from robometer_test_fakes import MODEL, SENTENCE, FakeEnv
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from robometer_rl import RobometerDictReplayBuffer, RobometerReplayBuffer, RobometerReward
from robometer_rl.wrappers.sb3 import VecRobometerReward


def agent(venv: Any, buffer: Any = RobometerReplayBuffer, **options: Any) -> SAC:
    policy = "MultiInputPolicy" if buffer is RobometerDictReplayBuffer else "MlpPolicy"
    settings = {"learning_starts": 50, "buffer_size": 64, "device": "cpu", "seed": 0, **options}
    return SAC(policy, venv, replay_buffer_class=buffer, **settings)


def venv_of(*envs: dict[str, Any], **options: Any) -> VecRobometerReward:
    inner = DummyVecEnv([partial(FakeEnv, **env) for env in envs])
    return VecRobometerReward(inner, SENTENCE, MODEL, score="episode_end", shaping="progress", **options)


def held(sac: SAC) -> tuple[list[float], list[float]]:
    """Rewards and dones of the buffer, in order."""
    buffer = sac.replay_buffer
    assert buffer is not None
    return buffer.rewards[: buffer.size(), 0].tolist(), buffer.dones[: buffer.size(), 0].tolist()


def test_only_whole_episodes_are_in_it_and_with_their_rewards() -> None:
    sac = agent(venv_of({"horizon": 2, "pace": 10}, {"horizon": 3, "pace": 20}))
    sac.learn(10)  # 5 steps of each: two whole episodes of the first, one of the second
    rewards, dones = held(sac)
    assert rewards == pytest.approx([0.1, 0.2, 0.2, 0.4, 0.6, 0.1, 0.2])
    assert dones == [0, 1, 0, 0, 1, 0, 1]
    assert sac.replay_buffer is not None
    assert sac.replay_buffer.timeouts[: sac.replay_buffer.size(), 0].tolist() == dones
    after = sac.replay_buffer.next_observations[:5, 0, 0]
    assert after == pytest.approx([1 / 2, 2 / 3, 1 / 2, 2 / 3, 3 / 4])  # the terminal ones, not the reset's


def test_sac_learns_from_it_what_it_would_from_rewards_at_every_step() -> None:
    """With one environment and updates between episodes only, both runs make the same agent."""

    def trained(score: Any, buffer: Any) -> SAC:
        env = RobometerReward(FakeEnv(horizon=4, pace=10), SENTENCE, MODEL, score=score)
        options = {"learning_starts": 7, "train_freq": (1, "episode"), "gradient_steps": 2}
        sac = SAC(
            "MlpPolicy", env, replay_buffer_class=buffer, buffer_size=64, device="cpu", seed=0, **options
        )
        sac.learn(16)
        return sac

    at_end = trained("episode_end", RobometerReplayBuffer)
    at_step = trained("step", None)
    assert held(at_end) == held(at_step)
    for ours, theirs in zip(at_end.policy.parameters(), at_step.policy.parameters(), strict=True):
        assert ours.detach().numpy() == pytest.approx(theirs.detach().numpy(), abs=1e-6)
    assert np.isfinite([p.detach().numpy().sum() for p in at_end.policy.parameters()]).all()


def test_dict_observations() -> None:
    sac = agent(
        venv_of({"images": True, "pace": 10, "horizon": 2, "size": 36}, frames="front"),
        RobometerDictReplayBuffer,
    )
    sac.learn(4)
    assert held(sac)[0] == pytest.approx([0.1, 0.2, 0.1, 0.2])


def test_an_empty_buffer_says_what_to_set() -> None:
    sac = agent(venv_of({"horizon": 30}), learning_starts=5)
    with pytest.raises(ValueError, match="set learning_starts to more than"):
        sac.learn(10)


def test_normalised_rewards_are_refused() -> None:
    venv = VecNormalize(venv_of({"horizon": 2}), norm_reward=True)
    sac = agent(venv, learning_starts=3)
    with pytest.raises(ValueError, match="use norm_reward=False"):
        sac.learn(6)


def test_normalised_observations_are_fine() -> None:
    venv = VecNormalize(venv_of({"horizon": 2, "pace": 10}), norm_reward=False)
    sac = agent(venv, learning_starts=3)
    sac.learn(6)
    assert held(sac)[0] == pytest.approx([0.1, 0.2] * 3)


def test_a_reward_of_every_step_does_not_belong_here() -> None:
    inner = DummyVecEnv([partial(FakeEnv, horizon=2)])
    sac = agent(VecRobometerReward(inner, SENTENCE, MODEL))
    with pytest.raises(ValueError, match=r"holds no \"robometer/rewards\".*score='episode_end'"):
        sac.learn(4)


# Episodes that are broken off: the environment is reset before they end.


def single(**options: Any) -> RobometerReward:
    env = FakeEnv(**{"horizon": 12, "pace": 2, **options})
    return RobometerReward(env, SENTENCE, MODEL, score="episode_end", shaping="progress")


WHOLE = [0.02 * step for step in range(1, 13)]


def test_learning_twice_drops_the_episode_that_the_first_time_left() -> None:
    sac = agent(single(), learning_starts=100)
    sac.learn(20)
    sac.learn(20)  # resets the environment: 8 steps of the first time never end
    rewards, dones = held(sac)
    assert rewards == pytest.approx(WHOLE * 2)
    assert np.flatnonzero(dones).tolist() == [11, 23]
    buffer = sac.replay_buffer
    assert buffer is not None
    before = buffer.observations[:24, 0, 0]
    assert before == pytest.approx([step / (step + 1) for step in range(12)] * 2), "no step of the broken one"


def test_going_on_keeps_the_running_episode() -> None:
    sac = agent(single(), learning_starts=100)
    sac.learn(20)
    sac.learn(4, reset_num_timesteps=False)
    assert held(sac)[0] == pytest.approx(WHOLE * 2)


def test_agent_and_buffer_are_saved_and_go_on_in_a_new_environment(tmp_path: Path) -> None:
    sac = agent(single(), learning_starts=13)
    sac.learn(20)
    sac.save(tmp_path / "agent")
    sac.save_replay_buffer(tmp_path / "buffer")
    again = SAC.load(tmp_path / "agent", env=single(), device="cpu")
    again.load_replay_buffer(tmp_path / "buffer")
    assert held(again) == held(sac)
    again.learn(12, reset_num_timesteps=False)
    assert held(again)[0] == pytest.approx(WHOLE * 2)


def test_the_running_episode_is_not_pickled() -> None:
    sac = agent(single(), learning_starts=100)
    sac.learn(4)
    few = len(pickle.dumps(sac.replay_buffer))
    sac.learn(7, reset_num_timesteps=False)
    assert len(pickle.dumps(sac.replay_buffer)) == few


def test_a_buffer_loaded_in_the_middle_of_an_episode_takes_its_last_steps(tmp_path: Path) -> None:
    sac = agent(single(), learning_starts=100)
    sac.learn(20)
    sac.save_replay_buffer(tmp_path / "buffer")
    sac.load_replay_buffer(tmp_path / "buffer")
    sac.learn(16, reset_num_timesteps=False)  # the environment goes on where it was
    assert held(sac)[0] == pytest.approx(WHOLE + WHOLE[8:] + WHOLE)


def test_another_environment_begins_anew() -> None:
    sac = agent(single(), learning_starts=100)
    sac.learn(20)
    sac.set_env(single(pace=4))
    sac.learn(14, reset_num_timesteps=False)
    assert held(sac)[0] == pytest.approx(WHOLE + [2 * reward for reward in WHOLE])


def test_a_step_that_the_buffer_did_not_see_is_still_refused() -> None:
    class Twice(gym.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            self.env.step(action)
            return self.env.step(action)

    sac = agent(Twice(single()), learning_starts=100)
    with pytest.raises(ValueError, match="6 stored steps came with 12 rewards: action repeat"):
        sac.learn(20)
