"""How scripted behaviours are run, and what holds for every world of `own_worlds`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from robometer_rl.experiments.common.environment import EnvironmentConfig, make_environment
from robometer_rl.experiments.examples import own_worlds
from robometer_rl.experiments.examples.own_worlds import WORLDS, robosuite_wipe
from robometer_rl.experiments.examples.own_worlds.robosuite_wipe import WipeEnv
from robometer_rl.experiments.examples.own_worlds.world import (
    AIMLESS,
    EXPERT,
    Env,
    OwnWorld,
    move_aimlessly,
    run_behaviour,
)
from robometer_rl.frames import FrameGrabber

PACKAGE = own_worlds.__name__
# FetchPush's start of seed 8 is solved already; these are not.
SEEDS = {"fetch_push": range(5), "robosuite_wipe": range(3), "push_t": range(5)}


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> OwnWorld:
    return WORLDS[request.param]


@pytest.fixture(scope="module")
def env(world: OwnWorld) -> Iterator[Env]:
    env = world.make()
    yield env
    env.close()


def picture(env: Env) -> NDArray[np.uint8]:
    """What an environment shows; a `FrameGrabber` makes the context of a MuJoCo renderer current."""
    (frame,) = FrameGrabber(env, "render").grab(None)
    return frame


def test_the_expert_solves_its_world_and_leaves_it_solved(world: OwnWorld, env: Env) -> None:
    rollouts = [run_behaviour(world, env, EXPERT, seed) for seed in SEEDS[world.name]]
    assert not any(rollout.success[0] for rollout in rollouts)
    assert all(rollout.success.any() for rollout in rollouts)
    # A hand that lets go may move the block once more: an episode in a hundred ends unsolved.
    assert sum(not rollout.success[-1] for rollout in rollouts) <= 1


def test_failures_and_aimless_motion_never_solve_it(world: OwnWorld, env: Env) -> None:
    for name in (*world.failures, AIMLESS):
        rollout = run_behaviour(world, env, name, 1)
        assert not rollout.success.any(), name
        assert len(rollout.success) == len(rollout.distance) == len(rollout.actions) + 1


def test_the_first_failure_of_a_world_ends_nearly_done(world: OwnWorld, env: Env) -> None:
    name = next(iter(world.failures))
    distances = [run_behaviour(world, env, name, seed).distance for seed in (0, 1, 2)]
    assert np.median([distance[-1] / distance[0] for distance in distances]) < 0.6


def test_a_seed_gives_the_same_episode_in_another_environment(world: OwnWorld, env: Env) -> None:
    env.reset(seed=7)
    env.step(env.action_space.sample())  # what came before must not matter
    mine = run_behaviour(world, env, EXPERT, 3)
    first = picture(env)
    other = world.make()
    theirs = run_behaviour(world, other, EXPERT, 3)
    np.testing.assert_array_equal(mine.actions, theirs.actions)
    np.testing.assert_array_equal(mine.success, theirs.success)
    np.testing.assert_array_equal(first, picture(other))
    env.reset(seed=3)
    other.reset(seed=3)
    np.testing.assert_array_equal(picture(env), picture(other))
    assert not np.array_equal(first, picture(env))
    other.close()


def test_pictures_are_not_flat_and_show_the_task(world: OwnWorld, env: Env) -> None:
    pictures = []
    for seed in (0, 1):
        env.reset(seed=seed)
        pictures.append(picture(env))
    assert pictures[0].shape == (128, 128, 3)
    assert pictures[0].dtype == np.uint8
    assert pictures[0].std() > 10
    # Another start looks different: at least a per cent of the pixels.
    changed = np.abs(pictures[0].astype(int) - pictures[1]).max(axis=-1) > 20
    assert changed.mean() > 0.01


def test_the_environment_of_every_command_can_be_one_of_them(world: OwnWorld) -> None:
    config = EnvironmentConfig(env=f"{PACKAGE}:{world.name}", task=world.task)
    env = make_environment(config, seed=0)
    env.reset()
    *_, terminated, truncated, info = env.step(env.action_space.sample())
    assert info["is_success"] is False
    assert not terminated
    assert not truncated
    env.close()


def test_wipe_can_be_looked_at_moved_and_rated_in_other_ways() -> None:
    plain, other = robosuite_wipe(), robosuite_wipe("side", hold_orientation=True, tell_quality=True)
    (_, told), (_, rated) = plain.reset(seed=0), other.reset(seed=0)
    assert told == {"is_success": False}
    assert rated == {"is_success": False, "quality": 0.0}
    assert (plain.action_space.shape, other.action_space.shape) == ((6,), (3,))
    assert np.abs(plain.render().astype(int) - other.render()).mean() > 10  # type: ignore[union-attr]
    *_, info = other.step(np.zeros(3, dtype=np.float32))
    assert info == rated
    plain.close()
    other.close()
    with pytest.raises(ValueError, match=r"no camera 'nowhere'; it has .*agentview"):
        robosuite_wipe("nowhere")


def test_a_step_of_wipe_is_a_twentieth_of_a_second_after_a_reset_too() -> None:
    env = robosuite_wipe()
    inner = env.unwrapped
    assert isinstance(inner, WipeEnv)
    for _ in range(2):
        env.reset(seed=0)
        before = inner.suite_env.sim.data.time
        env.step(np.zeros(6, np.float32))
        assert inner.suite_env.sim.data.time - before == pytest.approx(0.05)
    env.close()


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("fetch_push", "gymnasium_robotics", "examples"),
        ("push_t", "gym_pusht", "examples"),
        ("robosuite_wipe", "robosuite", "robosuite"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"pip install 'robometer-rl\[{extra}\]'"):
        WORLDS[name].make()


def test_an_unknown_behaviour_lists_the_known_ones(world: OwnWorld, env: Env) -> None:
    with pytest.raises(ValueError, match=r"behaviour='wave': .* has expert, .*, aimless"):
        run_behaviour(world, env, "wave", 0)


def test_aimless_motion_needs_a_box_of_actions() -> None:
    env: Env = gym.make("CartPole-v1")
    with pytest.raises(TypeError, match=r"Box of actions, got Discrete\(2\)"):
        next(move_aimlessly(env, None, np.random.default_rng(0)))
