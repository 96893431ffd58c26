"""`RecordEpisodes`: what is written, when, and as what."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from robometer_test_fakes import ACTION, WORLD, FakeEnv, play

from robometer_rl import DeadFrameWarning, RecordEpisodes
from robometer_rl.datasets.episodes import Episode, list_episodes, read_episode, write_episode


def recorded(folder: Path) -> list[Episode]:
    return [read_episode(path) for path in list_episodes(folder)]


def one(folder: Path) -> Episode:
    (episode,) = recorded(folder)
    return episode


def shown(episode: Episode) -> list[int]:
    """The counter that each frame shows."""
    return [int(value) for value in episode.frames[:, 0, 0, 0]]


def success_of(episode: Episode) -> list[int]:
    assert episode.success is not None
    return [int(value) for value in episode.success]


class Keys:
    """Keys of a person: what is pressed before each call."""

    def __init__(self, *pressed: str) -> None:
        self.pressed = list(pressed)

    def __call__(self) -> str:
        return self.pressed.pop(0) if self.pressed else ""


def test_a_success_is_written_at_its_end_from_the_reset_on(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=4, success_at=3), tmp_path, image_size=None)
    env.reset(seed=0)
    play(env)
    episode = one(tmp_path)
    assert (episode.task, episode.kind, episode.seed) == (WORLD, "success", 0)
    assert shown(episode) == [0, 1, 2, 3, 4]
    assert success_of(episode) == [0, 0, 0, 1, 1]
    assert episode.quality is None
    assert episode.clock is None
    assert episode.frame_every == 1


class Rated(gym.Wrapper[Any, Any, Any, Any]):
    """Says how near to done it is, with given values."""

    def __init__(self, env: gym.Env[Any, Any], *values: object) -> None:
        super().__init__(env)
        self.values = list(values)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        return observation, {**info, "quality": self.values.pop(0)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        *rest, info = self.env.step(action)
        return *rest, {**info, "quality": self.values.pop(0)}  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ((0.0, 0.25, np.float32(0.5), 1), [0.0, 0.25, 0.5, 1.0]),
        ((0.0, None, 0.5, 1.0), None),  # unknown at one frame
        ((0.0, 7.5, 0.5, 1.0), None),  # something else that goes by this name
        ((True, True, True, True), None),
        (("low", 0.1, 0.2, 0.3), None),
        ((0.0, float("nan"), 0.5, 1.0), None),
    ],
)
def test_quality_is_kept_where_info_tells_it_at_every_frame(
    tmp_path: Path, values: tuple[object, ...], kept: list[float] | None
) -> None:
    env = RecordEpisodes(Rated(FakeEnv(horizon=3), *values), tmp_path)
    env.reset(seed=0)
    play(env)
    quality = one(tmp_path).quality
    assert (None if quality is None else quality.tolist()) == kept


def test_what_the_agent_sees_is_untouched(tmp_path: Path) -> None:
    env, plain = RecordEpisodes(FakeEnv(horizon=3), tmp_path), FakeEnv(horizon=3)
    got, expected = env.reset(seed=0), plain.reset(seed=0)
    np.testing.assert_array_equal(got[0], expected[0])
    assert got[1] == expected[1]
    for _ in range(3):
        got_step, expected_step = env.step(ACTION), plain.step(ACTION)
        np.testing.assert_array_equal(got_step[0], expected_step[0])
        assert got_step[1:] == expected_step[1:]


@pytest.mark.parametrize("key", ["is_success", "success"])
def test_without_a_success_it_is_a_failure(tmp_path: Path, key: str) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_key=key), tmp_path)
    env.reset()
    play(env)
    assert one(tmp_path).kind == "failure"
    assert success_of(one(tmp_path)) == [0, 0, 0]


@pytest.mark.parametrize("leave", [lambda env: env.reset(), lambda env: env.close()])
def test_an_episode_that_is_left_is_written_whole(
    tmp_path: Path, leave: Callable[[gym.Env[Any, Any]], Any]
) -> None:
    env = RecordEpisodes(FakeEnv(success_at=5), tmp_path, frame_every=3)
    env.reset()
    play(env, 5)
    leave(env)
    episode = one(tmp_path)
    assert shown(episode) == [0, 3, 5], "the last step is there though no frame was due"
    assert success_of(episode) == [0, 0, 1]
    assert episode.detail == "reset before its end"
    env.close()
    assert len(recorded(tmp_path)) == 1


def test_a_reset_without_a_step_leaves_nothing(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(), tmp_path)
    for _ in range(3):
        env.reset()
    env.close()
    assert list_episodes(tmp_path) == []


def test_an_episode_whose_step_failed_keeps_what_was_seen_before(tmp_path: Path) -> None:
    class Fragile(FakeEnv):
        def step(self, action: Any) -> Any:
            if self.steps == 2:
                raise RuntimeError("the robot stopped")
            return super().step(action)

    env = RecordEpisodes(Fragile(), tmp_path)
    env.reset()
    with pytest.raises(RuntimeError, match="the robot stopped"):
        play(env)
    env.close()
    assert shown(one(tmp_path)) == [0, 1, 2]


def test_frames_are_thinned_and_the_last_one_kept(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=5), tmp_path, frame_every=2)
    env.reset()
    play(env)
    assert shown(one(tmp_path)) == [0, 2, 4, 5]
    assert one(tmp_path).frame_every == 2


def test_each_so_many_th_episode_is_kept_and_the_numbers_have_no_gap(tmp_path: Path) -> None:
    env = RecordEpisodes(
        FakeEnv(episodes=[(1, "truncated"), (2, "truncated"), (3, "truncated")]), tmp_path, every=2
    )
    for _ in range(4):
        env.reset()
        play(env)
    assert [(episode.seed, len(episode.frames)) for episode in recorded(tmp_path)] == [(0, 2), (1, 4)]


def test_frames_arrive_small_and_the_buffer_of_a_renderer_is_copied(tmp_path: Path) -> None:
    class Reuses(FakeEnv):
        buffer = np.zeros((40, 60, 3), np.uint8)

        def render(self) -> Any:
            self.buffer[:] = self.picture(self.count)[:1, :1]
            self.buffer[:20, :30] = 255
            return self.buffer

    for size, shape in ((None, (40, 60, 3)), (16, (16, 16, 3))):
        folder = tmp_path / str(size)
        env = RecordEpisodes(Reuses(horizon=2), folder, image_size=size)
        env.reset()
        play(env)
        episode = one(folder)
        assert episode.frames.shape[1:] == shape
        assert episode.frames[:, -1, -1, 0].tolist() == [0, 1, 2]


def test_frames_of_an_observation(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=4, images=True), tmp_path, frames="side", frame_every=3)
    env.reset()
    play(env, 2)
    env.close()
    assert shown(one(tmp_path)) == [0, 4], "the last observation, though it was left before a frame was due"


@pytest.mark.parametrize(
    ("pressed", "kind", "success"),
    [
        (["", "", "s"], "success", [0, 0, 1, 1]),
        (["", "", "", "", "s"], "success", [0, 0, 0, 1]),  # pressed after the end, before the reset
        (["", "s", "f"], "failure", [0, 0, 0, 0]),
        (["", "f", "", "s"], "success", [0, 0, 0, 1]),
        (["", "", "F"], "failure", [0, 0, 0, 0]),
        (["x"], "unlabelled", None),
    ],
)
def test_keys_say_what_was_done(tmp_path: Path, pressed: list[str], kind: str, success: Any) -> None:
    env = RecordEpisodes(FakeEnv(horizon=3, success_key=None), tmp_path, success="key", keys=Keys(*pressed))
    env.reset()
    play(env)
    assert not tmp_path.joinpath(WORLD).exists(), "the person may still press a key"
    env.reset()
    episode = one(tmp_path)
    assert episode.kind == kind
    assert (None if success is None else success_of(episode)) == success


def test_keys_of_one_episode_say_nothing_of_the_next(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_key=None), tmp_path, success="key", keys=Keys("", "s"))
    for _ in range(2):
        env.reset()
        play(env)
    env.close()
    assert sorted(episode.kind for episode in recorded(tmp_path)) == ["success", "unlabelled"]


def test_later_is_unlabelled_whatever_the_environment_says(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=3, success_at=1), tmp_path, success="later")
    env.reset()
    play(env)
    assert one(tmp_path).kind == "unlabelled"
    assert one(tmp_path).success is None


def test_a_function_says_what_was_done(tmp_path: Path) -> None:
    def far(env: gym.Env[Any, Any], info: Any) -> bool:
        return env.unwrapped.count >= 2  # type: ignore[attr-defined]

    env = RecordEpisodes(FakeEnv(horizon=3), tmp_path, success=far)
    env.reset()
    play(env)
    assert success_of(one(tmp_path)) == [0, 0, 1, 1]


def test_an_environment_that_tells_nothing_gives_unlabelled_episodes_and_one_warning(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_key=None), tmp_path)
    env.reset()
    with pytest.warns(UserWarning, match=r"says nothing about success.*label-demos.*success='key'"):
        play(env)
    env.reset()
    play(env)  # a second warning would be an error
    assert [episode.kind for episode in recorded(tmp_path)] == ["unlabelled"] * 2


def test_success_that_is_told_at_the_end_alone_is_enough(tmp_path: Path) -> None:
    class Late(FakeEnv):
        def _info(self) -> dict[str, Any]:
            return {"is_success": True} if self.steps >= self.horizon else {}

    env = RecordEpisodes(Late(horizon=2), tmp_path)
    env.reset()
    play(env)
    assert success_of(one(tmp_path)) == [0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "success"), [("random", [0, 0, 0]), ("agent", [0, 0, 0]), ("success", [0, 0, 1])]
)
def test_a_kind_can_be_named_where_nothing_is_told(tmp_path: Path, kind: str, success: list[int]) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_key=None), tmp_path, kind=kind)
    env.reset()
    play(env)
    assert one(tmp_path).kind == kind
    assert success_of(one(tmp_path)) == success


def test_a_kind_that_is_named_keeps_the_true_success(tmp_path: Path) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_at=2), tmp_path, kind="random")
    env.reset()
    play(env)
    assert one(tmp_path).kind == "random"
    assert success_of(one(tmp_path)) == [0, 0, 1]


@pytest.mark.parametrize(
    ("asked", "at", "written"), [("success", None, "failure"), ("failure", 1, "success")]
)
def test_a_kind_against_the_truth_is_written_as_it_is(
    tmp_path: Path, asked: str, at: int | None, written: str
) -> None:
    env = RecordEpisodes(FakeEnv(horizon=2, success_at=at), tmp_path, kind=asked)
    env.reset()
    with pytest.warns(UserWarning, match=f"was to be of kind '{asked}', and its success says '{written}'"):
        play(env)
    assert one(tmp_path).kind == written


def test_flat_pictures_are_written_and_warned_of(tmp_path: Path) -> None:
    class Black(FakeEnv):
        def render(self) -> Any:
            return np.zeros((16, 16, 3), np.uint8)

    env = RecordEpisodes(Black(horizon=2), tmp_path)
    env.reset()
    with pytest.warns(DeadFrameWarning, match="all 3 pictures of failure-00000.h5 are flat"):
        play(env)
    assert len(recorded(tmp_path)) == 1


def test_numbers_go_on_after_those_of_every_kind(tmp_path: Path) -> None:
    for _ in range(2):
        env = RecordEpisodes(FakeEnv(horizon=2), tmp_path)
        env.reset()
        play(env)
        env = RecordEpisodes(FakeEnv(horizon=2, success_at=1), tmp_path)
        env.reset()
        play(env)
    assert sorted(path.name for path in (tmp_path / WORLD).iterdir()) == [
        "failure-00000.h5", "failure-00002.h5", "success-00001.h5", "success-00003.h5",
    ]  # fmt: skip


def _record(folder: Path, episodes: int) -> None:
    env = RecordEpisodes(FakeEnv(horizon=1), folder, task="count up")
    for _ in range(episodes):
        env.reset()
        play(env)


def test_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_record, args=(tmp_path, 20)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert [episode.seed for episode in recorded(tmp_path)] == list(range(60))
    assert sorted(path.name for path in (tmp_path / WORLD).iterdir() if path.suffix != ".h5") == []
    assert json.loads((tmp_path / "tasks.json").read_text()) == {WORLD: ["count up"]}


@pytest.mark.parametrize("vector", [SyncVectorEnv, partial(AsyncVectorEnv, context="fork")])
def test_each_sub_environment_of_a_vector_has_its_own(tmp_path: Path, vector: Any) -> None:
    envs = vector([lambda: RecordEpisodes(FakeEnv(horizon=3, success_at=2), tmp_path)] * 2)
    envs.reset(seed=0)
    for _ in range(9):  # with the step that an automatic reset takes, two episodes and a bit of each
        envs.step(np.zeros((2, 2), np.float32))
    envs.close()
    assert sorted(episode.seed for episode in recorded(tmp_path)) == list(range(6))
    assert sorted(len(episode.frames) for episode in recorded(tmp_path)) == [2, 2, 4, 4, 4, 4]


def test_what_a_session_recorded_before_stays(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    path = write_episode(tmp_path, Episode(WORLD, "random", 41, frames, np.zeros(3, np.bool_)))
    before = path.read_bytes()
    _record(tmp_path, 1)
    assert path.read_bytes() == before
    assert max(episode.seed for episode in recorded(tmp_path)) == 42


class Named(FakeEnv):
    """A world that is none of the table's."""

    def __init__(self) -> None:
        super().__init__(world=None)


@pytest.mark.parametrize(
    ("id_", "task_id"),
    [
        (None, "own/Named"),
        ("FetchPush-v4", "own/FetchPush-v4"),
        ("ALE/Pong-v5", "ALE/Pong-v5"),
        ("My.Env:x-v0", "own/My-Env-x-v0"),
    ],
)
def test_the_task_id_is_made_of_the_environments(tmp_path: Path, id_: str | None, task_id: str) -> None:
    env = Named()
    env.spec = None if id_ is None else gym.envs.registration.EnvSpec.__new__(gym.envs.registration.EnvSpec)
    if env.spec is not None:
        env.spec.id = str(id_)
    assert RecordEpisodes(env, tmp_path).task_id == task_id


def test_the_sentence_stands_beside_the_episodes(tmp_path: Path) -> None:
    RecordEpisodes(FakeEnv(), tmp_path, task="count up")
    RecordEpisodes(FakeEnv(), tmp_path, "own/other", task=["count down", "go down"])
    RecordEpisodes(FakeEnv(), tmp_path, task=["count up", "add one"])
    assert json.loads((tmp_path / "tasks.json").read_text()) == {
        WORLD: ["count up", "add one"],
        "own/other": ["count down", "go down"],
    }
    with pytest.raises(ValueError, match=r"'fake/count' is 'count up', not 'count down'"):
        RecordEpisodes(FakeEnv(), tmp_path, task="count down")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_every": 0}, "frame_every must be a whole number of at least 1, got 0"),
        ({"every": 1.5}, "every must be a whole number of at least 1, got 1.5"),
        ({"image_size": 4}, "image_size must be a whole number of at least 8, got 4"),
        ({"kind": "good"}, "kind='good' is none; choose from success, "),
        ({"kind": "unlabelled"}, "success='later' for unlabelled"),
        ({"success": "sometimes"}, "choose 'auto', 'key', 'later' or a function"),
        ({"keys": Keys()}, "keys are read with success='key' alone, got success='auto'"),
        ({"task_id": "../evil"}, "should read 'suite/name'"),
        ({"frames": ["render", "render"]}, "one camera"),
        ({"frames": "nothing"}, "is not a source"),
        ({"task": " "}, "is blank"),
        ({"task": []}, "needs a sentence, got none"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecordEpisodes(FakeEnv(), tmp_path, **options)


def test_an_environment_without_pictures_is_refused_at_the_first_reset(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match='render_mode="rgb_array"'):
        RecordEpisodes(FakeEnv(render_mode=None), tmp_path).reset()
