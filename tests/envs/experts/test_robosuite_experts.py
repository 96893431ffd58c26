"""The robosuite experts solve their tasks, also slowed down, disturbed or interrupted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from robometer_rl.envs.experts.osc import rotation_vector, wrist_rotation
from robometer_rl.envs.experts.robosuite import make_robosuite_expert
from robometer_rl.envs.suites.robosuite import RobosuiteEnv


def steps_to_success(
    env: RobosuiteEnv, seed: int, speed: float = 1.0, noise: float = 0.0, pause: range = range(0)
) -> int | None:
    """Control steps until the task is solved, or None; every action is checked against the space."""
    obs, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    expert = make_robosuite_expert(env, rng)
    expert.reset()
    done = False
    while not done:
        action = expert.action(obs)
        assert action in env.action_space
        action[:6] = np.clip(action[:6] * speed + noise * rng.standard_normal(6), -1, 1)
        if env.elapsed in pause:
            action[:6] = 0.0
        obs, _, terminated, truncated, info = env.step(action)
        if info["is_success"]:
            return env.elapsed
        done = terminated or truncated
    return None


LIMITS = {"Lift": 60, "Stack": 110, "Door": 180}


@pytest.fixture(scope="module", params=sorted(LIMITS))
def env(request: pytest.FixtureRequest) -> Iterator[RobosuiteEnv]:
    made = RobosuiteEnv(f"robosuite/{request.param}", horizon=450, render_mode=None)
    yield made
    made.close()


def test_expert_solves_its_task_and_one_seed_gives_one_episode(env: RobosuiteEnv) -> None:
    taken = steps_to_success(env, seed=100)
    assert taken is not None
    assert taken <= LIMITS[env.task.name]
    assert steps_to_success(env, seed=100) == taken


def test_slow_noisy_and_paused_robot_still_arrives(env: RobosuiteEnv) -> None:
    assert steps_to_success(env, seed=7, speed=0.5, noise=0.1, pause=range(15, 25)) is not None


def test_quality_rises_along_a_solved_episode() -> None:
    env = RobosuiteEnv("robosuite/Stack", horizon=150, render_mode=None)
    obs, info = env.reset(seed=1)
    expert = make_robosuite_expert(env, np.random.default_rng(1))
    qualities = [info["quality"]]
    while not info["is_success"] and env.elapsed < env.horizon:
        obs, _, _, _, info = env.step(expert.action(obs))
        qualities.append(info["quality"])
    env.close()
    assert qualities[0] == 0.0
    assert qualities[-1] == 1.0
    correlation = np.corrcoef(qualities, np.arange(len(qualities)))[0, 1]
    assert correlation > 0.9


def test_dropped_cube_is_picked_up_again() -> None:
    env = RobosuiteEnv("robosuite/Lift", horizon=150, render_mode=None)
    obs, info = env.reset(seed=3)
    expert = make_robosuite_expert(env, np.random.default_rng(0))
    dropping = 0
    lost = False
    while env.elapsed < env.horizon:
        action = expert.action(obs)
        dropping = 8 if info["is_success"] and not lost and not dropping else max(0, dropping - 1)
        if dropping:
            action = np.array([0, 0, 0, 0, 0, 0, -1], dtype=np.float32)
            lost = True
        obs, _, _, _, info = env.step(action)
        if lost and not dropping and info["is_success"]:
            break
    env.close()
    assert lost
    assert info["is_success"]


def test_wrist_rotation_is_a_right_handed_frame_with_the_given_directions() -> None:
    frame = wrist_rotation(np.array([0.0, 0.0, -2.0]), np.array([1.0, 1.0, 0.5]))
    assert frame.T @ frame == pytest.approx(np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(1.0)
    assert frame[:, 2] == pytest.approx([0.0, 0.0, -1.0])
    assert frame[:, 0] == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0.0])


def test_rotation_vector_of_a_quarter_turn() -> None:
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert rotation_vector(quarter) == pytest.approx([0.0, 0.0, np.pi / 2])


def test_expert_of_a_foreign_environment_is_refused() -> None:
    import gymnasium as gym

    with pytest.raises(ValueError, match="needs a RobosuiteEnv, got Pendulum"):
        make_robosuite_expert(gym.make("Pendulum-v1"), np.random.default_rng(0))
