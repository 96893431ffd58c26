"""robosuite's tasks as Gymnasium environments: seeds, spaces, horizon, rewards, pictures, silence."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env as check_with_gymnasium

from robometer_rl.envs.suites.robosuite import RobosuiteEnv

NAMES = ("Lift", "Door", "Stack")
STATE_SIZES = {"Lift": 34 + 10, "Door": 34 + 14, "Stack": 34 + 20}


@pytest.fixture(scope="module", params=NAMES)
def env(request: pytest.FixtureRequest) -> Iterator[RobosuiteEnv]:
    made = RobosuiteEnv(f"robosuite/{request.param}", reward="dense", horizon=40)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lift() -> Iterator[RobosuiteEnv]:
    made = RobosuiteEnv("robosuite/Lift", horizon=6)
    yield made
    made.close()


def rollout(env: RobosuiteEnv, seed: int, steps: int = 8) -> tuple[np.ndarray, list[float]]:
    obs, _ = env.reset(seed=seed)
    actions = np.random.default_rng(seed)
    observations, rewards = [obs], []
    for _ in range(steps):
        obs, reward, _, _, _ = env.step(actions.uniform(-1, 1, 7).astype(np.float32))
        observations.append(obs)
        rewards.append(reward)
    return np.array(observations), rewards


def test_one_seed_gives_one_episode_whatever_came_before(env: RobosuiteEnv) -> None:
    first, first_rewards = rollout(env, seed=5)
    other, _ = rollout(env, seed=6)
    again, again_rewards = rollout(env, seed=5)
    assert np.array_equal(first, again)
    assert first_rewards == again_rewards
    assert not np.array_equal(first[0], other[0])


def test_two_environments_agree_on_a_seed() -> None:
    one, two = (RobosuiteEnv("robosuite/Lift", seed=3), RobosuiteEnv("robosuite/Lift", seed=99))
    try:
        rollout(two, seed=1)
        assert np.array_equal(rollout(one, seed=4)[0], rollout(two, seed=4)[0])
    finally:
        one.close()
        two.close()


def test_reset_without_a_seed_continues_the_generator(env: RobosuiteEnv) -> None:
    starts = []
    for _ in range(2):
        env.reset(seed=11)
        starts.append([env.reset()[0], env.reset()[0]])
    assert np.array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0][0], starts[0][1])


def test_state_is_a_finite_float32_vector_inside_the_space(env: RobosuiteEnv) -> None:
    observations, _ = rollout(env, seed=0)
    assert observations.dtype == np.float32
    assert observations.shape[1:] == env.observation_space.shape == (STATE_SIZES[env.task.name],)
    assert all(obs in env.observation_space for obs in observations)
    assert env.action_space == gym.spaces.Box(-1.0, 1.0, (7,), dtype=np.float32)


def test_state_shows_the_step_that_was_just_made(lift: RobosuiteEnv) -> None:
    lift.reset(seed=0)
    obs, *_ = lift.step(np.array([0, 0, -1, 0, 0, 0, 0], dtype=np.float32))
    world = lift.world
    gripper = world.sim.data.site_xpos[world.robots[0].eef_site_id["right"]]
    assert obs[21:24] == pytest.approx(gripper, abs=1e-6)
    assert obs[-3:] == pytest.approx(world.sim.data.body_xpos[world.cube_body_id] - gripper, abs=1e-6)


def test_quality_starts_at_zero_and_success_is_false(env: RobosuiteEnv) -> None:
    for seed in range(5):
        _, info = env.reset(seed=seed)
        assert info == {"is_success": False, "quality": 0.0}


def test_horizon_truncates_and_the_suite_never_raises(lift: RobosuiteEnv) -> None:
    lift.reset(seed=0)
    ends = [lift.step(np.zeros(7, dtype=np.float32))[2:4] for _ in range(6)]
    assert ends == [(False, False)] * 5 + [(False, True)]
    with pytest.raises(ResetNeeded):
        lift.step(np.zeros(7, dtype=np.float32))


def test_sparse_reward_is_success_and_dense_is_the_suites_own(env: RobosuiteEnv, lift: RobosuiteEnv) -> None:
    _, rewards = rollout(env, seed=2)
    assert rewards[-1] == env.world.reward(None)
    assert 0.0 < rewards[-1] < 1.0
    assert rollout(lift, seed=2, steps=5)[1] == [0.0] * 5


def test_lifted_cube_is_a_success(lift: RobosuiteEnv) -> None:
    lift.reset(seed=0)
    world = lift.world
    joint = world.sim.model.get_joint_qpos_addr(world.cube.joints[0])[0]
    world.sim.data.qpos[joint + 2] += 0.2  # the cube falls, but not below the mark within one step
    _, reward, terminated, _, info = lift.step(np.zeros(7, dtype=np.float32))
    assert (reward, terminated) == (1.0, False)
    assert info == {"is_success": True, "quality": 1.0}


def test_quality_of_the_door_grows_with_handle_and_hinge() -> None:
    door = RobosuiteEnv("robosuite/Door")
    try:
        qualities = []
        for handle, hinge in ((0.0, 0.0), (0.7, 0.0), (1.4, 0.0), (1.4, 0.15), (0.0, 0.25), (0.0, 0.31)):
            door.reset(seed=0)
            qpos = door.world.sim.data.qpos
            qpos[door.world.handle_qpos_addr], qpos[door.world.hinge_qpos_addr] = handle, hinge
            door.world.sim.forward()
            qualities.append(door._info()["quality"])
        assert qualities == sorted(qualities)
        assert qualities[-1] == 1.0
        assert np.min(np.diff(qualities)) > 0.05
    finally:
        door.close()


def test_picture_is_upright_contiguous_and_shows_the_task(env: RobosuiteEnv) -> None:
    env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (96, 96, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    if env.task.name == "Door":
        return
    red = (picture[..., 0].astype(int) - picture[..., 1]) > 60
    assert red.sum() > 10  # the cube
    # The bright table top fills the lower half when the picture is upright.
    assert picture[60:].mean() > picture[:30].mean() + 20


def test_every_camera_draws(lift: RobosuiteEnv) -> None:
    lift.reset(seed=0)
    for name in RobosuiteEnv.camera_names():
        lift.camera = name
        lift._drop_camera()
        assert lift.render().std() > 5.0


def test_unused_environment_can_be_pickled(env: RobosuiteEnv) -> None:
    copy = pickle.loads(pickle.dumps(RobosuiteEnv(env.task.id, horizon=40, reward="dense")))
    try:
        assert np.array_equal(copy.reset(seed=8)[0], env.reset(seed=8)[0])
    finally:
        copy.close()


@pytest.mark.parametrize("name", NAMES)
def test_gymnasiums_and_sb3s_checkers_are_content(name: str) -> None:
    from stable_baselines3.common.env_checker import check_env as check_with_sb3

    env = RobosuiteEnv(f"robosuite/{name}", horizon=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The registered ids test the render modes, for which the checker needs a spec.
        check_with_gymnasium(env, skip_render_check=True)
        check_with_sb3(env)
    env.close()


def test_silent_from_import_to_exit() -> None:
    script = (
        "from robometer_rl.envs.suites.robosuite import RobosuiteEnv\n"
        "env = RobosuiteEnv('robosuite/Door', horizon=5)\n"
        "env.reset(seed=0); env.step(env.action_space.sample()); env.render(); env.reset(); env.close()\n"
        "left_open = RobosuiteEnv('robosuite/Door'); left_open.reset(seed=0); left_open.render()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout + done.stderr == ""


def test_missing_suite_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "robosuite"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.setattr(
        sys, "meta_path", [finder for finder in sys.meta_path if "editable" not in repr(finder)]
    )
    with pytest.raises(ImportError, match=r"pip install 'robometer-rl\[robosuite\]'"):
        RobosuiteEnv("robosuite/Lift").reset(seed=0)


def test_task_of_another_suite_is_refused() -> None:
    with pytest.raises(ValueError, match="not of the suite 'robosuite'"):
        RobosuiteEnv("metaworld/drawer-open-v3")
