"""What `RobometerVectorReward` does besides paying what single wrappers pay (`test_equivalence.py`)."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from robometer_test_fakes import ACTION, MODEL, SENTENCE, FakeEnv, FakeStream
from stable_baselines3.common.vec_env import DummyVecEnv

from robometer_rl import RobometerReward, RobometerVectorReward, ShareFrames, UnseenWorldWarning
from robometer_rl.scoring import unseen_world


def sync(
    *envs: dict[str, Any], mode: AutoresetMode = AutoresetMode.NEXT_STEP, **options: Any
) -> RobometerVectorReward:
    """Wraps a FakeEnv per dict."""
    inner = SyncVectorEnv([partial(FakeEnv, **env) for env in envs], autoreset_mode=mode)
    return RobometerVectorReward(inner, **{"tasks": SENTENCE, "model": MODEL, **options})


def step(envs: RobometerVectorReward) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    return envs.step(np.tile(ACTION, (envs.num_envs, 1)))


# Autoreset modes.


def test_the_reset_step_of_next_step_pays_exactly_zero_and_begins_the_episode() -> None:
    envs = sync({"horizon": 1, "pace": 30}, {"horizon": 9, "pace": 10}, shift=5.0, env_weight=1.0)
    envs.reset(seed=0)
    step(envs)
    _, rewards, _, _, infos = step(envs)
    assert rewards[0] == 0.0
    assert rewards[1] == pytest.approx(0.2 + 0.1 + 5.0 + 12.0)
    assert infos["robometer/progress"][0] == 0.0  # the new episode's first frame
    assert infos["env_reward"].tolist() == [0.0, 12.0]


def test_same_step_scores_the_terminal_frame_and_says_so_in_final_info() -> None:
    envs = sync({"horizon": 2, "pace": 30}, {"horizon": 9, "pace": 10}, mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    step(envs)
    _, rewards, _, truncations, infos = step(envs)
    assert truncations.tolist() == [True, False]
    assert rewards == pytest.approx([0.6 + 0.1, 0.2 + 0.1])
    assert infos["final_info"]["robometer/progress"][0] == pytest.approx(0.6)
    assert infos["final_info"]["_robometer/progress"].tolist() == [True, False]
    assert infos["final_info"]["env_reward"][0] == 12.0
    assert infos["robometer/progress"] == pytest.approx([0.0, 0.2])


def test_a_partial_reset_leaves_the_others_alone_and_the_callers_dict_untouched() -> None:
    envs = sync({"horizon": 1}, {"horizon": 9, "pace": 10}, mode=AutoresetMode.DISABLED, shaping="delta")
    envs.reset(seed=0)
    step(envs)
    options = {"reset_mask": np.array([True, False])}
    _, infos = envs.reset(options=options)
    assert list(options) == ["reset_mask"]
    assert infos["_robometer/progress"].tolist() == [True, False]
    _, rewards, _, _, _ = step(envs)
    assert rewards[1] == pytest.approx(0.1)


def test_an_episode_that_is_over_must_be_reset_where_nobody_else_does() -> None:
    envs = sync({"horizon": 1}, {}, mode=AutoresetMode.DISABLED)
    with pytest.raises(ResetNeeded, match=r"environments \[0, 1\]"):
        step(envs)
    with pytest.raises(ResetNeeded, match="leave reset_mask out"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset()
    step(envs)
    with pytest.raises(ResetNeeded, match=r"environments \[0\]"):
        step(envs)


def test_an_env_without_autoreset_mode_is_refused() -> None:
    inner = SyncVectorEnv([FakeEnv])
    del inner.metadata["autoreset_mode"]
    with pytest.raises(ValueError, match=r"NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED"):
        RobometerVectorReward(inner, SENTENCE, MODEL)


def test_predicted_success_gives_the_terminal_observation_in_same_step() -> None:
    envs = sync(
        {"pace": 50}, {"pace": 1}, mode=AutoresetMode.SAME_STEP, terminate_on_success=True, shift=-1.0
    )
    envs.reset(seed=0)
    step(envs)
    observations, _, terminations, _, infos = step(envs)
    assert terminations.tolist() == [True, False]
    assert infos["final_obs"][0][0] == pytest.approx(2 / 3)  # two steps into the old episode
    assert observations[0][0] == 0.0
    assert infos["final_info"]["robometer/progress"][0] == pytest.approx(1.0)
    assert infos["robometer/progress"] == pytest.approx([0.0, 0.02])
    assert infos["_final_info"].tolist() == [True, False]


# One forward, different tasks.


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_one_forward_per_step(mode: AutoresetMode, monkeypatch: pytest.MonkeyPatch) -> None:
    pushes: list[Any] = []
    push = FakeStream.push

    def counted(self: FakeStream, frames: Any, mask: Any = None) -> Any:
        pushes.append(mask)
        return push(self, frames, mask)

    monkeypatch.setattr(FakeStream, "push", counted)
    envs = sync({"horizon": 2}, {"horizon": 9}, {"horizon": 9}, mode=mode)
    envs.reset()
    step(envs)
    step(envs)
    assert len(pushes) == 3
    if mode is AutoresetMode.NEXT_STEP:  # here one of three is reset while the others step
        step(envs)
        assert len(pushes) == 4
        assert pushes[-1] is None


def test_nothing_is_drawn_or_scored_between_the_kth_steps() -> None:
    envs = sync({"horizon": 7}, {"horizon": 9}, score_every=3, fill="zero", shaping="progress")
    drawn: list[int] = []
    for i, env in enumerate(envs.unwrapped.envs):  # type: ignore[attr-defined]
        inner = env.unwrapped
        inner.render = lambda inner=inner, i=i: drawn.append(i) or inner.picture(inner.count)
    envs.reset()
    paid = np.array([step(envs)[1] for _ in range(7)])
    assert paid[:, 0] == pytest.approx([0, 0, 0.03, 0, 0, 0.06, 0.07])
    assert drawn.count(0) == 4
    assert drawn.count(1) == 3


def test_each_environment_has_its_own_task() -> None:
    envs = sync({}, {}, tasks=["open the door", "close the door"])
    envs.reset()
    assert envs._scoring._pipeline._streams._streams[0].tasks == [  # type: ignore[attr-defined]
        "open the door",
        "close the door",
    ]


@pytest.mark.parametrize(
    ("tasks", "error", "words"),
    [
        (["a"], ValueError, "1 sentences for 2 environments"),
        (["a", ""], ValueError, "is empty"),
        (["a", 3], TypeError, "must be a sentence"),
        (3, TypeError, "must be a sentence"),
    ],
)
def test_tasks_are_checked(tasks: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sync({}, {}, tasks=tasks)


# Frames.


def test_cameras_are_averaged_and_need_not_be_rendered() -> None:
    envs = sync(
        {"images": True, "pace": 10},
        {"images": True, "pace": 20},
        frames=["front", "side"],
        shaping="progress",
    )
    envs.reset()
    assert step(envs)[1] == pytest.approx([0.15, 0.3])


def test_pictures_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in shape: .*12, 12, 3.*16, 16, 3"):
        sync({}, {"size": 16}).reset()


def test_a_picture_that_changes_its_size_is_refused() -> None:
    envs = sync({}, {})
    envs.reset()
    envs.unwrapped.envs[1].unwrapped.size = 20  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="camera 0 of sub-environment 1 gave a picture of shape"):
        step(envs)


class EndsEarly(gym.Wrapper[Any, Any, Any, Any]):
    """Ends every episode at its second step, by a rule of its own."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, _, info = self.env.step(action)
        return observation, reward, terminated, self.env.unwrapped.steps == 2, info  # type: ignore[attr-defined]


def test_an_end_outside_share_frames_is_refused_when_it_comes() -> None:
    inner = SyncVectorEnv([lambda: EndsEarly(ShareFrames(FakeEnv()))])
    envs = RobometerVectorReward(inner, SENTENCE, MODEL)
    envs.reset()
    step(envs)
    with pytest.raises(RuntimeError, match="outermost in each sub-environment, outside TimeLimit"):
        step(envs)


def test_a_step_behind_the_wrappers_back_is_refused() -> None:
    envs = sync({}, {})
    envs.reset()
    envs.env.step(np.tile(ACTION, (2, 1)))
    with pytest.raises(RuntimeError, match="did not do what this step asked"):
        step(envs)


class Fails(FakeEnv):
    """Fails once, at its second step."""

    failed = False

    def step(self, action: Any) -> Any:
        if self.steps == 1 and not self.failed:
            self.failed = True
            raise OSError("the simulator is unstable")
        return super().step(action)


@pytest.mark.parametrize("score", ["step", "episode_end"])
def test_a_reset_begins_anew_after_a_step_that_failed_in_one_environment(score: Any) -> None:
    inner = SyncVectorEnv([partial(FakeEnv, horizon=2), partial(Fails, horizon=2)])
    envs = RobometerVectorReward(inner, SENTENCE, MODEL, score=score)
    envs.reset()
    step(envs)
    with pytest.raises(OSError, match="unstable"):
        step(envs)
    envs.reset()
    step(envs)
    assert step(envs)[1] == pytest.approx([0.02 + 0.1] * 2)


def test_statistics_of_an_episode_survive_an_early_end_of_another() -> None:
    inner = SyncVectorEnv(
        [partial(FakeEnv, horizon=3, pace=1), partial(FakeEnv, horizon=50, pace=30)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    inner = gym.wrappers.vector.RecordEpisodeStatistics(inner)
    envs = RobometerVectorReward(inner, SENTENCE, MODEL, terminate_on_success=True, shift=-2.0)
    envs.reset(seed=0)
    for _ in range(3):
        _, _, terminations, truncations, infos = step(envs)
    assert terminations.tolist() == [False, True]
    assert truncations.tolist() == [True, False]
    assert infos["_episode"].tolist() == [True, False]
    assert infos["episode"]["l"][0] == 3
    assert infos["episode"]["r"][0] == 11.0 + 12.0 + 13.0


def test_share_frames_alone_does_nothing() -> None:
    env = ShareFrames(FakeEnv(success_key="success"))
    assert env.reset(seed=0)[1] == {"success": False}
    assert env.step(ACTION)[1:] == (11.0, False, False, {"success": False})


# Wrong environments and options.


class NotATap(gym.Wrapper[Any, Any, Any, Any]):
    """Any wrapper."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FakeEnv(), "single environment: use RobometerReward"),
        (lambda: DummyVecEnv([FakeEnv]), "use VecRobometerReward"),
        (lambda: 3, "not a int"),
    ],
)
def test_the_wrong_kind_of_environment_is_named(make: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        RobometerVectorReward(make(), SENTENCE, MODEL)


def test_an_unknown_option_names_the_valid_ones() -> None:
    with pytest.raises(
        TypeError, match=r"unknown option 'shapping'; choose from frames.*did you mean 'shaping'"
    ):
        sync({}, shapping="delta")


def test_workers_without_share_frames_are_refused() -> None:
    inner = AsyncVectorEnv([FakeEnv, FakeEnv])
    with pytest.raises(ValueError, match="must be wrapped by ShareFrames"):
        RobometerVectorReward(inner, SENTENCE, MODEL)
    inner.close()


def test_a_source_that_cannot_reach_a_worker_is_refused() -> None:
    inner = AsyncVectorEnv([lambda: ShareFrames(FakeEnv())])
    with pytest.raises(TypeError, match=r"cannot be sent to worker processes.*module:function"):
        RobometerVectorReward(inner, SENTENCE, MODEL, frames=lambda env: env.render())
    with pytest.raises(ValueError, match="frames='front' is not a source"):
        RobometerVectorReward(inner, SENTENCE, MODEL, frames="front")
    inner.close()


def test_true_success_that_is_not_told_is_an_error() -> None:
    envs = sync({"success_key": None}, true_success_bonus=1.0)
    envs.reset()
    with pytest.raises(RuntimeError, match="does not report"):
        step(envs)


def test_each_unseen_world_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen_world, "_warned", set())
    envs = sync({"world": "lab/a"}, {"world": "lab/b"}, {"world": "lab/a"})
    with pytest.warns(UnseenWorldWarning) as caught:
        envs.reset()
    assert [str(w.message).count("'lab/") for w in caught] == [1, 1]
    assert {w.filename for w in caught} == {__file__}


def test_every_option_of_the_single_wrapper_is_one_of_the_vector_wrapper() -> None:
    import inspect

    from robometer_rl.scoring.options import RewardOptions

    single = set(inspect.signature(RobometerReward.__init__).parameters) - {"self", "env", "task", "model"}
    assert single == set(RewardOptions.__annotations__)


# Scoring at the end.


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_episode_end_hands_out_whole_episodes(mode: AutoresetMode) -> None:
    envs = sync(
        {"horizon": 2, "pace": 10}, {"horizon": 3, "pace": 20},
        mode=mode, score="episode_end", shaping="progress",
    )  # fmt: skip
    _, infos = envs.reset()
    assert np.isnan(infos["robometer/progress"]).all()
    _, rewards, _, _, infos = step(envs)
    assert np.isnan(rewards).all()
    assert "robometer/rewards" not in infos
    _, rewards, _, _, infos = step(envs)
    home = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
    assert home["_robometer/rewards"].tolist() == [True, False]
    assert home["robometer/rewards"][0] == pytest.approx([0.1, 0.2])
    assert rewards[0] == pytest.approx(0.2)
    assert np.isnan(rewards[1])
    _, rewards, _, _, infos = step(envs)
    home = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
    assert home["robometer/rewards"][1] == pytest.approx([0.2, 0.4, 0.6])
    if mode is AutoresetMode.NEXT_STEP:
        assert rewards[0] == 0.0


def test_async_steps_other_vector_wrappers_too() -> None:
    inner: VectorEnv[Any, Any, Any] = AsyncVectorEnv([lambda: ShareFrames(FakeEnv(pace=10))] * 2)
    inner = gym.wrappers.vector.NormalizeObservation(inner)
    envs = RobometerVectorReward(inner, SENTENCE, MODEL, shaping="progress")
    envs.reset(seed=0)
    assert step(envs)[1] == pytest.approx([0.1, 0.1])
    envs.close()


class Batched(gym.vector.VectorEnv[Any, Any, Any]):
    """Steps all its worlds in one array program: there are no sub-environments to wrap."""

    num_envs = 2
    single_observation_space = observation_space = gym.spaces.Box(0, 1, (2,))
    single_action_space = action_space = gym.spaces.Box(0, 1, (2,))
    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012


def test_a_vector_environment_without_sub_environments_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"Batched has no sub-environments.*SyncVectorEnv.*relabel"):
        RobometerVectorReward(Batched(), SENTENCE, MODEL)
