"""Kinds of episodes in a world small enough to know what must happen: a hand on its way along a line."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from numpy.typing import NDArray

from robometer_rl.envs.tasks import get_task, list_tasks
from robometer_rl.experiments.collect import generator as generator_module
from robometer_rl.experiments.collect.expert_motion import WORLDS
from robometer_rl.experiments.collect.generator import EpisodeGenerator, refusal
from robometer_rl.experiments.collect.rollout import Rollout, horizon
from robometer_rl.experiments.episodes import RANKS, Episode
from robometer_rl.experiments.reward_model.labels import BY_CHANCE, progress_labels, to_training_episode


class Rail(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A hand that starts 0.3 to 0.6 m from the goal and moves 1.2 cm a step; done within 2 cm of the goal."""

    def __init__(self) -> None:
        self.observation_space = Box(-9.0, 9.0, (6,), np.float32)
        self.action_space = Box(-1.0, 1.0, (4,), np.float32)
        self.task = SimpleNamespace(id="robosuite/Rail", suite="robosuite", name="Rail", also_shows=())
        self.solved = False
        self.rendered = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.hand = np.zeros(3)
        self.goal = np.array([self.np_random.uniform(0.3, 0.6), 0.0, 0.0])
        self.first = float(self.goal[0])
        self.elapsed = 0
        return self._see()

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.hand = self.hand + 0.012 * np.asarray(action[:3], dtype=np.float64)
        self.elapsed += 1
        obs, info = self._see()
        return obs, 0.0, False, self.elapsed >= horizon(250), info

    def _see(self) -> tuple[Any, dict[str, Any]]:
        away = float(np.linalg.norm(self.goal - self.hand))
        done = self.solved or away < 0.02
        info = {"is_success": done, "quality": 1.0 if done else float(np.clip(1 - away / self.first, 0, 1))}
        return np.concatenate([self.hand, self.goal]).astype(np.float32), info

    def render(self) -> NDArray[np.uint8]:  # type: ignore[override]
        self.rendered += 1
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[:, :, :] = np.clip(128 + 150 * self.hand, 0, 255).astype(np.uint8)
        return pixels


class Ratchet(Rail):
    """A rail on which the object stays as near to the goal as it ever came, wherever the hand goes."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:  # type: ignore[override]
        self.best = 0.0
        return super().reset(**options)

    def _see(self) -> tuple[Any, dict[str, Any]]:
        obs, info = super()._see()
        self.best = max(self.best, info["quality"])
        return obs, {"is_success": self.best == 1.0, "quality": self.best}


class Cart(Rail):
    """A rail with a cart apart from the hand: only the hand behind it, on the rail, pushes it to the goal."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:  # type: ignore[override]
        self.cart = 0.15
        return super().reset(**options)

    def _see(self) -> tuple[Any, dict[str, Any]]:
        obs, _ = super()._see()
        reaches = self.hand[0] - 0.02 < self.cart < self.hand[0]
        if reaches and np.linalg.norm(self.hand[1:]) < 0.02:
            self.cart = float(self.hand[0])
        away = self.goal[0] - self.cart
        quality = float(np.clip(1 - away / (self.goal[0] - 0.15), 0, 1))
        return obs, {"is_success": away < 0.02, "quality": 1.0 if away < 0.02 else quality}


class RailExpert:
    def reset(self) -> None:
        pass

    def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.append(np.clip((obs[3:] - obs[:3]) / 0.012, -1, 1), -1.0).astype(np.float32)


def a_generator(world: type[Rail] = Rail) -> EpisodeGenerator:
    return EpisodeGenerator(world(), lambda env, rng: RailExpert())


def many(kind: str, count: int = 12, world: type[Rail] = Rail) -> list[Episode]:
    generator = a_generator(world)
    takes = [generator.produce(kind, seed) for seed in range(count)]
    assert all(take.episode is not None for take in takes), [take.refusals for take in takes]
    return [take.episode for take in takes if take.episode is not None]


@pytest.mark.parametrize("kind", ["success", "noisy_success"])
def test_successes_succeed_and_stay(kind: str) -> None:
    for episode in many(kind):
        first = int(np.argmax(episode.success))
        assert episode.success[first:].sum() >= 3, "frames with success are wanted"
        assert episode.success[-1]
        assert not episode.success[0]
        labels = progress_labels(episode.clock, episode.success)
        assert labels[0] == 0
        assert labels[first] == 1
        assert np.all(np.diff(labels[: first + 1]) >= 0), "the expert's clock never runs back in a success"


@pytest.mark.parametrize("kind", ["success", "near_miss", "other_task"])
def test_some_hands_leave_the_object_and_go_about(kind: str) -> None:
    def hand(frame: NDArray[np.uint8]) -> NDArray[np.int64]:
        return frame[0, 0].astype(np.int64)

    leaving = [e for e in many(kind, 20, Ratchet) if "roam" in e.detail or "elsewhere" in e.detail]
    assert 3 <= len(leaving) <= 15
    for episode in leaving:
        busy = int(np.argmax(episode.clock == episode.clock.max()))
        way = np.array([hand(frame) - hand(episode.frames[busy]) for frame in episode.frames[busy:]])
        assert np.abs(way).max() > 6, "4 cm or more away"
        assert episode.success[-1] == (kind == "success"), "what is done stays done"


def away(episode: Episode) -> int:
    """For how many steps the hand left the object half done."""
    found = re.search(r"away (\d+)", episode.detail)
    return int(found.group(1)) if found else 0


@pytest.mark.parametrize("kind", ["success", "noisy_success"])
def test_some_hands_leave_the_object_half_done_and_come_back(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORLDS, "robosuite", replace(WORLDS["robosuite"], leaves=0.3))
    left = [episode for episode in many(kind, 20, Ratchet) if away(episode)]
    assert 4 <= len(left) <= 16
    for episode in left:
        first = int(np.argmax(episode.success))
        resting = episode.clock[1:first] == episode.clock[: first - 1]
        longest = max(len(run) for run in "".join("01"[bool(rest)] for rest in resting).split("0"))
        assert longest >= away(episode) // 2, "no progress while it is away"
    for episode in filter(away, many(kind, 20, Rail)):
        gone = np.flatnonzero(np.diff(episode.clock) == 0)
        far = np.abs(episode.quality[gone] - np.median(episode.quality[gone]))
        assert np.median(far) < 0.1, "kept only where the object, here the hand itself, hardly moved"


def test_time_is_no_proxy_for_progress() -> None:
    halves, paused, paused_at_the_start = [], 0, 0
    for episode in many("success", 60):
        if away(episode):
            continue
        first = int(np.argmax(episode.success))
        rests = np.diff(episode.clock[:first]) == 0
        paused += bool(rests.any())
        paused_at_the_start += bool(rests[0])
        halves.append(float(progress_labels(episode.clock, episode.success)[first // 2]))
        moved = np.any(np.diff(episode.frames[:first].astype(int), axis=0), axis=(1, 2, 3))
        assert not moved[1:][rests[1:] & rests[:-1]].any(), "a pause holds still"
    assert paused >= 10
    assert paused_at_the_start >= 2
    assert np.std(halves) > 0.08, "half of the time is not half of the way"


def test_a_detour_is_no_progress() -> None:
    """Clock and way agree even where the hand was pushed off its way and came back."""
    apart = []
    for episode in many("noisy_success", 30):
        if not away(episode):
            first = int(np.argmax(episode.success))
            labels = progress_labels(episode.clock, episode.success)
            apart.append(float(np.median(np.abs(labels[:first] - episode.quality[:first]))))
    assert np.median(apart) < 0.06
    assert np.mean(np.array(apart) < 0.2) > 0.9


@pytest.mark.parametrize(("kind", "low", "high"), [("near_miss", 0.70, 0.97), ("stalled", 0.28, 0.66)])
def test_who_gives_up_stops_on_the_way(kind: str, low: float, high: float) -> None:
    # Those who stop at a quality of the object have a test of their own.
    by_time = [episode for episode in many(kind, 24, Ratchet) if not episode.detail.startswith("at quality")]
    assert len(by_time) > 3
    for episode in by_time:
        assert not episode.success.any()
        tail = episode.clock == episode.clock.max()
        assert low < episode.quality[np.argmax(tail)] < high
        assert np.isnan(progress_labels(episode.clock, episode.success)).all()
        assert tail[-5:].all(), "it does nothing useful in the end"


def test_half_done_objects_are_often_left_by_the_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORLDS, "robosuite", replace(WORLDS["robosuite"], leaves=0.3))
    left = []
    for episode in many("stalled", 24, Ratchet):
        found = re.match(r"at quality ([\d.]+), then (leave|rest)", episode.detail)
        if found is None:
            continue
        assert not episode.success.any()
        assert float(found[1]) <= episode.quality[-1] + 0.005, "it goes as far as it was told"
        assert episode.quality[-1] < float(found[1]) + 0.15, "and little farther"
        left.append(found[2] == "leave")
        after = episode.frames[episode.clock == episode.clock.max()].astype(int)
        assert bool((np.ptp(after[1:], axis=0) > 5).any()) == left[-1], (
            "who leaves goes about, who rests does not"
        )
    assert len(left) > 8
    assert 0.4 < np.mean(left) < 1.0


def test_undone_goes_there_and_back() -> None:
    for episode in many("undone"):
        peak = int(np.argmax(episode.quality))
        assert episode.quality[peak] > 0.25
        assert 0 < peak < len(episode.frames) - 1
        assert episode.quality[-1] < 0.1
        assert abs(episode.clock[-1]) < 1e-3
        assert not episode.success.any()


def test_some_robots_never_move() -> None:
    episodes = many("random", 30)
    styles = {episode.detail for episode in episodes}
    assert styles == {"swaying", "wandering", "white", "roaming", "hardly", "never"}
    for episode in episodes:
        assert not episode.clock.any()
        still = not np.ptp(episode.frames.astype(int), axis=0).any()
        assert still or episode.detail != "never"


def test_other_tasks_move_but_not_to_the_goal() -> None:
    for episode in many("other_task"):
        assert not episode.success.any()
        assert np.ptp(episode.frames.astype(int), axis=0).any()
        assert RANKS[episode.kind] == 1


def test_a_mime_ends_where_the_expert_does_and_moves_nothing() -> None:
    ended_there, styles = 0, set()
    for episode in many("mime", 24, Cart):
        styles.add(episode.detail.split()[0])
        assert not episode.success.any()
        assert episode.quality.max() < 0.1
        began = int(np.argmax(episode.clock > 0))
        assert 0 < began < len(episode.frames) - 1, "first on its way, then where the cart should have moved"
        # A pixel is 128 + 150 times the hand; the goal is 0.3 to 0.6 m away.
        hand = (episode.frames[-1, 0, 0].astype(int) - 128) / 150
        ended_there += bool(hand[0] > 0.25 and np.abs(hand[1:]).max() < 0.04)
        labels = to_training_episode(episode, 0.8, has_inverse=False)
        assert not labels.progress[episode.clock > 0].any()
        assert labels.progress[0] == 0
        assert np.isnan(labels.progress[1:began]).all()
        assert not labels.success.any()
    assert styles == {"over", "beside"}
    assert ended_there > 18


def test_who_is_cornered_rests_far_away_and_has_done_nothing() -> None:
    for episode in many("cornered", 12, Cart):
        assert episode.quality.max() <= BY_CHANCE
        assert not to_training_episode(episode, 0.8, has_inverse=False).progress.any()
        assert np.abs(episode.frames[:, 0, 0].astype(int) - 128).max() > 150 * 0.25, "metres from the start"


def test_who_returns_leaves_it_done_and_ends_where_it_began() -> None:
    for episode in many("returned", 12, Ratchet):
        first = int(np.argmax(episode.success))
        assert 0 < first < len(episode.frames) - 5
        assert episode.success[first:].all()
        hand = (episode.frames[:, 0, 0].astype(int) - 128) / 150  # metres
        assert np.abs(hand[first]).max() > 0.25
        assert np.abs(hand[-1]).max() < 0.05
        backwards = to_training_episode(episode, 0.8, has_inverse=True)
        assert backwards.inverse_progress is not None
        assert not backwards.inverse_progress[first:].any(), "nothing is undone yet, wherever the hand is"


@pytest.mark.parametrize("kind", list(RANKS))
def test_an_episode_depends_on_its_seed_alone(kind: str) -> None:
    # On a rail the hand is the object: only with a cart can it miss that, only with a ratchet leave it.
    world = {"mime": Cart, "returned": Ratchet, "cornered": Cart}.get(kind, Rail)
    fresh, used = a_generator(world), a_generator(world)
    for before in ("random", "noisy_success"):
        used.produce(before, 1)
    asked = (fresh, 5), (used, 5), (used, 6)
    one, two, other = (generator.produce(kind, seed).episode for generator, seed in asked)
    assert one is not None
    assert two is not None
    assert other is not None
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.clock, two.clock)
    assert one.detail == two.detail
    assert one.frames.shape != other.frames.shape or (one.frames != other.frames).any() or kind == "random"


def test_kinds_of_one_seed_start_differently() -> None:
    generator = a_generator()
    lengths = {
        len(take.episode.frames) for kind in RANKS if (take := generator.produce(kind, 0)).episode is not None
    }
    assert len(lengths) > 2


def test_a_kind_that_cannot_be_made_is_given_up_with_reasons() -> None:
    env = Rail()
    generator = EpisodeGenerator(env, lambda env, rng: RailExpert(), tries=3)
    generator.typical()
    env.solved = True
    take = generator.produce("random", 0)
    assert take.episode is None
    assert len(take.refusals) == 3
    assert all("succeeded" in reason for reason in take.refusals)


def test_an_expert_that_never_succeeds_is_an_error() -> None:
    class Lazy(RailExpert):
        def action(self, obs: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.zeros(4, np.float32)

    with pytest.raises(RuntimeError, match="robosuite/Rail solves it 0 of 6 times"):
        EpisodeGenerator(Rail(), lambda env, rng: Lazy()).produce("success", 0)
    with pytest.raises(ValueError, match="valid kinds: success"):
        a_generator().produce("perfect", 0)


def test_the_stage_films_every_other_step_and_the_last() -> None:
    env = Rail()
    rollout = Rollout(env, frame_every=2, max_steps=10)
    rollout.reset(0)
    for _ in range(5):
        rollout.step(np.array([1, 0, 0, -1]), 0.5)
    episode = rollout.episode("robosuite/Rail", "random", 0, "")
    assert len(episode.frames) == env.rendered == 4
    np.testing.assert_allclose(episode.clock, [0, 1, 2, 2.5])
    rollout.reset(0, film=False)
    rollout.step(np.zeros(4), 1.0)
    assert env.rendered == 4


def test_refusal_of_what_breaks_its_promise() -> None:
    def ends(kind: str, quality: list[float], success: list[int]) -> str | None:
        length = len(quality)
        return refusal(
            Episode(
                "a/b",
                kind,
                0,
                np.zeros((length, 16, 16, 3), np.uint8),
                np.array(success, bool),
                np.array(quality, np.float32),
                np.arange(length, dtype=np.float32),
            )
        )

    assert ends("success", [0, 0.5, 1], [0, 0, 1]) is None
    assert "lost" in str(ends("success", [0, 1, 0.9], [0, 1, 0]))
    assert "never" in str(ends("success", [0, 0.5, 0.9], [0, 0, 0]))
    assert "before it began" in str(ends("success", [1, 1, 1], [1, 1, 1]))
    assert "succeeded" in str(ends("near_miss", [0, 1, 0.9], [0, 1, 0]))
    assert ends("undone", [0, 0.8, 0.1], [0, 0, 0]) is None
    assert "quality 0.70 after 0.80" in str(ends("undone", [0, 0.8, 0.7], [0, 0, 0]))
    assert "by chance" in str(ends("random", [0, 0.8, 0.8], [0, 0, 0]))


def test_labels_of_a_success_follow_the_way_made() -> None:
    """On a rail at constant full speed, the share of the clock is the share of the way."""
    env = Rail()
    rollout = Rollout(env, frame_every=1, max_steps=100)
    rollout.reset(3)
    while not rollout.success:
        rollout.step(RailExpert().action(rollout.obs), 1.0)
    episode = rollout.episode("robosuite/Rail", "success", 3, "")
    way = 1 - (env.first - 0.012 * np.arange(len(episode.frames))) / env.first
    np.testing.assert_allclose(progress_labels(episode.clock, episode.success), way / way[-1], atol=1e-5)


def test_no_policy_of_an_unseen_task_acts_in_a_training_world() -> None:
    named = {f"{name}-v3" for names in generator_module._OTHERS.values() for name in names}
    assert named <= {task.name for task in list_tasks() if task.split != "unseen"}
    generator = a_generator()
    generator._task = get_task("metaworld/door-open-v3")
    rng = np.random.default_rng(0)
    assert all(generator._other("undone", rng, 0) is None for _ in range(10)), "door-close is unseen"
    drawn = {other[0] for _ in range(300) if (other := generator._other("other_task", rng, 7))}
    assert len(drawn) > 15
    assert not drawn & {task.name for task in list_tasks(split="unseen")}
