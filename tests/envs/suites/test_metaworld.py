"""Meta-World tasks keep every promise of a Gymnasium environment."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

from robometer_rl.envs.experts import make_expert
from robometer_rl.envs.experts.metaworld import MetaWorldExpert
from robometer_rl.envs.make import make_env
from robometer_rl.envs.suites.metaworld import MetaWorldEnv

DRAWER = "metaworld/drawer-open-v3"


@pytest.fixture
def drawer() -> Iterator[MetaWorldEnv]:
    env = make_env(DRAWER, seed=0, horizon=500)
    yield env
    env.close()


def _solve(env: MetaWorldEnv, seed: int, steps: int = 200) -> list[tuple[float, bool, bool, dict]]:
    """The expert's episode: reward, terminated, truncated and info of each step."""
    expert = make_expert(env, np.random.default_rng(0))
    obs, _ = env.reset(seed=seed)
    expert.reset()
    log = []
    for _ in range(steps):
        obs, *rest = env.step(expert.action(obs))
        log.append(tuple(rest))
        if rest[1] or rest[2] or rest[3]["is_success"]:
            break
    return log


@pytest.mark.parametrize("name", ["drawer-open-v3", "reach-v3", "stick-push-v3"])
@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_both_checkers_pass_without_a_warning(name: str, reward: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = make_env(f"metaworld/{name}", reward=reward, horizon=50)
        gymnasium_check(env, skip_render_check=True)
        env.close()
        env = make_env(f"metaworld/{name}", reward=reward, horizon=50)
        sb3_check(env)
        env.close()


def test_one_seed_gives_one_episode_and_another_gives_another(drawer: MetaWorldEnv) -> None:
    def episode(seed: int | None) -> np.ndarray:
        rows = [drawer.reset(seed=seed)[0]]
        moves = np.random.default_rng(0)
        rows += [drawer.step(moves.uniform(-1, 1, 4))[0] for _ in range(10)]
        return np.stack(rows)

    first, other, again = episode(1), episode(2), episode(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    follow_up = drawer.reset()[0]
    assert not np.array_equal(follow_up, first[0])
    drawer.reset(seed=1)
    np.testing.assert_array_equal(follow_up, drawer.reset()[0])


def test_the_constructors_seed_counts_for_the_first_reset_only() -> None:
    a, b = make_env(DRAWER, seed=5), make_env(DRAWER)
    first = a.reset()[0]
    np.testing.assert_array_equal(first, b.reset(seed=5)[0])
    assert not np.array_equal(first, a.reset()[0])
    a.close(), b.close()


def test_the_goal_is_in_the_observation(drawer: MetaWorldEnv) -> None:
    obs, _ = drawer.reset(seed=0)
    np.testing.assert_allclose(obs[-3:], drawer.sim._target_pos, atol=1e-6)
    assert np.any(obs[-3:] != 0)
    np.testing.assert_array_equal(obs[:18], obs[18:36])


@pytest.mark.parametrize(
    "name",
    ["drawer-open", "reach", "door-open", "hammer", "box-close", "assembly", "disassemble", "lever-pull"],
)
def test_quality_rises_from_zero_to_one_as_the_expert_solves_the_task(name: str) -> None:
    env = make_env(f"metaworld/{name}-v3", render_mode=None, horizon=300)
    log = _solve(env, seed=100)
    quality = np.array([info["quality"] for *_, info in log])
    assert env.reset(seed=100)[1] == {"is_success": False, "quality": 0.0}
    assert log[-1][-1] == {"is_success": True, "quality": 1.0}
    assert np.all((quality >= 0) & (quality <= 1))
    assert np.all(quality[:-1] < 1)
    assert np.ptp(quality[:-1]) > 0.5, "quality must be graded before success, not a copy of it"
    env.close()


def test_quality_is_a_plain_float_and_success_a_plain_bool(drawer: MetaWorldEnv) -> None:
    drawer.reset()
    _, reward, terminated, truncated, info = drawer.step(drawer.action_space.sample())
    kinds = [type(x) for x in (reward, terminated, truncated, info["is_success"], info["quality"])]
    assert kinds == [float, bool, bool, bool, float]


def test_sparse_reward_is_success_and_dense_is_the_suites_own() -> None:
    sparse, dense = make_env(DRAWER, render_mode=None), make_env(DRAWER, reward="dense", render_mode=None)
    paid, shaped = _solve(sparse, 3), _solve(dense, 3)
    assert [r for r, *_ in paid] == [0.0] * (len(paid) - 1) + [1.0]
    # The suite's scale is 0 to 10, and 10 means done.
    assert 0 < shaped[0][0] < 5 < shaped[-1][0] <= 10
    sparse.close(), dense.close()


def test_action_repeat_is_that_many_steps_with_one_action() -> None:
    one, five = make_env(DRAWER, reward="dense"), make_env(DRAWER, reward="dense", action_repeat=5)
    one.reset(seed=0), five.reset(seed=0)
    action = np.array([0.3, -0.2, 0.1, 1.0], dtype=np.float32)
    singles = [one.step(action) for _ in range(5)]
    obs, reward, *_ = five.step(action)
    np.testing.assert_array_equal(obs, singles[-1][0])
    assert reward == pytest.approx(sum(s[1] for s in singles))
    assert one.elapsed == five.elapsed == 5
    one.close(), five.close()


def test_the_horizon_truncates_in_control_steps_and_then_asks_for_a_reset() -> None:
    env = make_env(DRAWER, horizon=7, action_repeat=3)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(4))
    env.reset(seed=0)
    ends = [env.step(np.zeros(4))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    assert env.elapsed == 7
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(4))
    env.close()


def test_a_horizon_beyond_the_suites_own_limit_runs_through() -> None:
    env = make_env("metaworld/reach-v3", horizon=503, render_mode=None)
    env.reset(seed=0)
    ends = [env.step(np.zeros(4))[3] for _ in range(503)]
    assert ends == [False] * 502 + [True]
    env.close()


def test_success_ends_the_episode_only_when_asked() -> None:
    env = make_env(DRAWER, terminate_on_success=True, render_mode=None)
    *_, (reward, terminated, truncated, info) = _solve(env, 1)
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)
    env.close()
    env = make_env(DRAWER, render_mode=None)
    *_, (_, terminated, truncated, info) = _solve(env, 1)
    assert (terminated, truncated, info["is_success"]) == (False, False, True)
    env.close()


@pytest.mark.parametrize("action", [np.zeros(3), np.full(4, np.nan), np.zeros((1, 4))])
def test_a_bad_action_is_refused(drawer: MetaWorldEnv, action: np.ndarray) -> None:
    drawer.reset()
    with pytest.raises(ValueError, match="action must be"):
        drawer.step(action)


def test_unknown_reset_options_are_refused(drawer: MetaWorldEnv) -> None:
    with pytest.raises(ValueError, match="rand_vec"):
        drawer.reset(options={"rand_vec": 1})


def test_pickles_before_its_first_reset_and_refuses_after() -> None:
    env = make_env(DRAWER, seed=4, reward="dense", camera="corner3", horizon=33)
    _ = env.observation_space
    twin = pickle.loads(pickle.dumps(env))
    assert (twin.horizon, twin.camera, twin.reward_mode) == (33, "corner3", "dense")
    np.testing.assert_array_equal(env.reset()[0], twin.reset()[0])
    with pytest.raises(TypeError, match="before its first reset"):
        copy.deepcopy(env)
    env.close(), twin.close()


def test_several_workers_share_nothing() -> None:
    makers = [lambda s=s: make_env(DRAWER, seed=s, image_size=32) for s in (1, 2)]
    envs = gym.vector.AsyncVectorEnv(makers, context="spawn")
    obs, _ = envs.reset()
    assert not np.array_equal(obs[0], obs[1])
    frames = envs.render()
    assert len(frames) == 2
    assert frames[0].shape == (32, 32, 3)
    assert not np.array_equal(*frames)
    envs.close()


def test_expert_stays_in_the_box_and_solves_most_seeds() -> None:
    env = make_env("metaworld/door-close-v3", render_mode=None)
    expert = make_expert(env, np.random.default_rng(0))
    obs, _ = env.reset(seed=0)
    action = expert.action(obs)
    assert action.dtype == np.float32
    assert env.action_space.contains(action)
    solved = [_solve(env, seed)[-1][-1]["is_success"] for seed in range(5)]
    assert sum(solved) >= 4
    env.close()


def test_a_policy_of_another_name_acts_clipped_and_without_a_word(drawer: MetaWorldEnv) -> None:
    from metaworld.policies import ENV_POLICY_MAP

    obs, _ = drawer.reset(seed=0)
    expert, policy = MetaWorldExpert("button-press-v3"), ENV_POLICY_MAP["button-press-v3"]()
    beyond = 0
    for _ in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            action = expert.action(obs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = np.asarray(policy.get_action(obs.astype(np.float64)), dtype=np.float32)
        beyond += bool((np.abs(wanted) > 1).any())
        assert action.dtype == np.float32
        assert action.tobytes() == np.clip(wanted, -1.0, 1.0).tobytes()
        assert drawer.action_space.contains(action)
        obs, *_ = drawer.step(action)
    assert beyond, "clipping is under test"
    with pytest.raises(ValueError, match=r"no policy for 'button-press'; it has .*button-press-v3"):
        MetaWorldExpert("button-press")


def test_an_expert_needs_one_of_our_environments() -> None:
    with pytest.raises(ValueError, match="make_env"):
        make_expert(gym.make("CartPole-v1"), np.random.default_rng(0))


@pytest.mark.parametrize("ending", ["env.close()", "pass", "del env"])
def test_the_process_ends_without_a_word(ending: str) -> None:
    script = (
        "from robometer_rl.envs.make import make_env\n"
        f"env, other = make_env({DRAWER!r}), make_env({DRAWER!r})\n"
        "env.reset(); env.render(); other.reset(); other.render()\n"
        f"{ending}"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
