"""Draws training batches: clips to encode once, and the videos and pairs that are read from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sequences import forward_path, reversed_path, rewound_path, sample_frames

__all__ = ["Batch", "BatchSampler", "SamplingConfig", "TaskText", "TrainingEpisode", "Views"]

Floats = NDArray[np.float32]
_PATH_TRIES = 8
"""How often the two paths of a pair over one clip are drawn before the pair is given up."""
_GROUP_TRIES = 200
"""How many groups may be drawn in search of a batch's first pair."""


@dataclass(frozen=True)
class TrainingEpisode:
    """One episode with its labels; NaN marks a frame without one."""

    frames: NDArray[np.uint8]
    """`(T, S, S, 3)` RGB."""
    task: str
    """Id of the task it was collected for."""
    rank: int
    """Quality tier of its kind: higher shows the task done better."""
    progress: Floats
    """`(T,)` in [0, 1]."""
    success: Floats
    """`(T,)`, 1 done, 0 not done."""
    inverse_progress: Floats | None = None
    """`(T,)`: progress towards the inverse task when shown backwards; None where there is no inverse."""
    inverse_success: Floats | None = None
    """`(T,)`, as `success`, of the inverse task."""

    @property
    def labelled(self) -> bool:
        """Whether the whole course of progress is known, i.e. the episode succeeds."""
        return bool(
            np.isfinite(self.progress[1:]).any()
            and self.progress.max(initial=0.0, where=np.isfinite(self.progress)) == 1.0
        )

    @property
    def turns(self) -> list[int]:
        """Frames at which it is first done (or a failure ends) and at which the inverse task is just done."""
        done = np.flatnonzero(self.success == 1.0)
        turns = [int(done[0]) if len(done) else len(self.frames) - 1]
        if self.inverse_success is not None:
            turns += np.flatnonzero(self.inverse_success == 1.0)[-1:].tolist()
        return turns


@dataclass(frozen=True)
class TaskText:
    """The sentences of one task that may be trained on."""

    sentences: tuple[str, ...]
    """Canonical sentence first, then paraphrases."""
    inverse_sentences: tuple[str, ...] = ()
    """What a success shown backwards does."""
    also_shows: tuple[str, ...] = ()
    """Tasks whose sentence is no wrong sentence for this one's videos."""


@dataclass(frozen=True)
class SamplingConfig:
    """What a batch is made of."""

    frames_per_batch: int = 512
    """Frames that are encoded per batch; the number of clips follows from the frame count drawn."""
    max_groups: int = 48
    """Most groups in a batch; a group is two clips."""
    min_frames: int = 2
    """Fewest frames of a clip."""
    max_frames: int = 32
    """Most frames of a clip."""
    length_draws: int = 2
    """The frame count of a clip is the smallest of this many uniform draws: with more, clips are shorter."""
    stall: float = 0.5
    """Share of the batches whose videos stall."""
    max_stall: int = 20
    """Most frames that stalls add to a video."""
    canonical: float = 0.3
    """Probability of the canonical sentence rather than a paraphrase."""
    wrong_sentence: float = 0.4
    """Share of the single videos that get another task's sentence."""
    wrong_forward: float = 0.7
    """Share of the videos with another task's sentence that run forwards; the others are rewound."""
    inverse: float = 0.5
    """Share of the other single videos shown backwards under the inverse sentence, where there is one."""
    own_forward: float = 0.6
    """Share of the remaining videos, under their own sentence, that run forwards."""
    own_rewound: float = 0.2
    """Share of the remaining videos that are rewound; the others run backwards."""
    pair_rewind: float = 1.0
    """Weight of pairs of a clip and the same clip rewound."""
    pair_worse: float = 1.0
    """Weight of pairs of two episodes of one task."""
    pair_different: float = 1.0
    """Weight of pairs of an episode of the task and one of another task."""
    pair_reversed: float = 1.0
    """Weight of pairs of a clip and the same clip backwards."""
    by_size: float = 0.0
    """Power of a task's episode count in its share of the batches: 0 treats tasks alike, 1 episodes."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: A share, a weight or a count is out of range.
        """
        if not 0.0 <= self.by_size <= 1.0:
            raise ValueError(
                f"sampling.by_size={self.by_size} should be from 0 (tasks alike) to 1 (episodes alike)"
            )
        for name in ("stall", "canonical", "wrong_sentence", "wrong_forward", "inverse", "own_forward"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"sampling.{name}={getattr(self, name)} should be a share from 0 to 1")
        if not 0.0 <= self.own_rewound <= 1.0 - self.own_forward + 1e-9:
            raise ValueError(
                f"sampling.own_rewound={self.own_rewound} should be from 0 to 1 - own_forward, "
                f"{1.0 - self.own_forward:g}"
            )
        if not (all(0.0 <= weight < np.inf for weight in self.pair_weights) and sum(self.pair_weights) > 0):
            raise ValueError(
                "sampling.pair_rewind, pair_worse, pair_different and pair_reversed should be finite, not "
                f"negative and not all 0, got {self.pair_weights}"
            )
        least = {"frames_per_batch": 1, "max_groups": 2, "min_frames": 2, "length_draws": 1, "max_stall": 0}
        for name, bound in {**least, "max_frames": self.min_frames}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"sampling.{name}={getattr(self, name)} should be at least {bound}")

    @property
    def pair_weights(self) -> tuple[float, ...]:
        """Weights of the kinds of pairs, in the order of `PAIRS`."""
        return self.pair_rewind, self.pair_worse, self.pair_different, self.pair_reversed


PAIRS = ("rewind", "worse", "different", "reversed")
"""The kinds of pairs: the fields `pair_*` of `SamplingConfig`."""


class _View(NamedTuple):
    """One video over a clip of the batch."""

    clip: int
    """Index of the clip."""
    path: NDArray[np.int64]
    """Order in which its frames are shown, `(S,)`."""
    sentence: str
    progress: Floats
    """`(S,)`, NaN without label."""
    success: Floats
    """`(S,)`, NaN without label."""


class _Group(NamedTuple):
    """Two clips, and how they become a pair."""

    pair: str
    """One of `PAIRS`."""
    base: int
    """Index of the first clip in the batch."""
    episodes: tuple[int, int]
    """In a pair "worse" the first one ranks higher."""
    shown: tuple[NDArray[np.int64], NDArray[np.int64]]
    """The frames of each episode that its clip shows, `(K,)`."""


@dataclass
class Views:
    """n videos of one length over the clips of a batch."""

    clip: list[int] = field(default_factory=list)
    """Index of the clip."""
    path: list[NDArray[np.int64]] = field(default_factory=list)
    """Order in which its frames are shown, `(S,)`."""
    sentence: list[str] = field(default_factory=list)
    """The task sentence."""
    progress: list[Floats] = field(default_factory=list)
    """`(S,)`, NaN without label."""
    success: list[Floats] = field(default_factory=list)
    """`(S,)`, NaN without label."""

    def add(self, view: _View) -> None:
        """Append one video."""
        self.clip.append(view.clip)
        self.path.append(view.path)
        self.sentence.append(view.sentence)
        self.progress.append(view.progress)
        self.success.append(view.success)


@dataclass
class Batch:
    """Clips, single videos and pairs over them."""

    images: NDArray[np.uint8]
    """`(B, K, S, S, 3)`."""
    videos: Views
    """Single videos."""
    pair_a: Views
    """First videos of the pairs."""
    pair_b: Views
    """Second videos of the pairs, same sentences."""
    a_is_better: list[float]
    """1 where the first video shows the task done better, else 0."""


def _to_the_end(shown: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The same frames, but the last one shown is the last of the episode."""
    return np.concatenate([shown[:-1], [length - 1]])


def _nothing_done(length: int) -> tuple[Floats, Floats]:
    """Progress and success, each `(length,)`, of a video that does not show what its sentence says."""
    zeros = np.zeros(length, dtype=np.float32)
    return zeros, zeros


class BatchSampler:
    """Endless batches from a set of episodes."""

    def __init__(
        self,
        episodes: Sequence[TrainingEpisode],
        texts: Mapping[str, TaskText],
        config: SamplingConfig,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Takes its parts.

        Args:
            episodes: all episodes, in memory.
            texts: per task id, its sentences.
            config: the mixture.
            shares: per task id, its share of the batches; None goes by `config.by_size`.

        Raises:
            ValueError: no task, a task without a labelled episode, or one of several for which `also_shows`
                leaves no wrong sentence or no foreign video. A single task has neither: it is trained on its
                own sentence alone.
        """
        self.episodes = episodes
        self.texts = texts
        self.config = config
        self.by_task: dict[str, list[int]] = defaultdict(list)
        self.labelled: dict[str, list[int]] = defaultdict(list)
        for i, episode in enumerate(episodes):
            self.by_task[episode.task].append(i)
            if episode.labelled:
                self.labelled[episode.task].append(i)
        self.tasks = sorted(self.by_task)
        if shares is None:
            shares = {task: len(self.by_task[task]) ** config.by_size for task in self.tasks}
        weights = np.array([shares[task] for task in self.tasks], dtype=np.float64)
        self._shares = weights / weights.sum()
        self._pair_shares = np.array(config.pair_weights) / sum(config.pair_weights)
        without = [task for task in self.tasks if not self.labelled[task]]
        if not self.tasks or without:
            raise ValueError(f"each task needs a success; got the tasks {self.tasks}, without: {without}")
        related = [task for task in self.tasks if not (self._wrong_for(task) and self._foreign_to(task))]
        if related and len(self.tasks) > 1:
            raise ValueError(
                "each task needs another whose sentence is wrong for its videos and one whose videos do not "
                f"show it; `also_shows` leaves none for {related}: add episodes of tasks unrelated to them"
            )

    def _sentence(self, task: str, rng: np.random.Generator) -> str:
        sentences = self.texts[task].sentences
        if len(sentences) == 1 or rng.random() < self.config.canonical:
            return sentences[0]
        return sentences[1 + rng.integers(len(sentences) - 1)]

    def _wrong_for(self, task: str) -> list[str]:
        """Tasks whose sentence is wrong for videos of `task`."""
        return [other for other in self.tasks if other != task and other not in self.texts[task].also_shows]

    def _foreign_to(self, task: str) -> list[str]:
        """Tasks whose videos do not show `task`."""
        return [other for other in self.tasks if other != task and task not in self.texts[other].also_shows]

    def _other_task(self, task: str, rng: np.random.Generator) -> str:
        """A task whose sentence is wrong for videos of `task`."""
        others = self._wrong_for(task)
        return others[rng.integers(len(others))]

    def _pick(self, pool: Sequence[int], rng: np.random.Generator) -> int:
        return int(pool[rng.integers(len(pool))])

    def _draw_episodes(self, rng: np.random.Generator) -> tuple[str, int, int]:
        """A kind of pair and two episodes."""
        task = self.tasks[rng.choice(len(self.tasks), p=self._shares)]
        pair = PAIRS[rng.choice(len(PAIRS), p=self._pair_shares)]
        first = self._pick(self.labelled[task], rng)
        if pair == "different":
            shown = self._foreign_to(task)
            if not shown:
                return "rewind", first, self._pick(self.by_task[task], rng)
            return pair, first, self._pick(self.by_task[shown[rng.integers(len(shown))]], rng)
        if pair == "worse":
            first = self._pick(self.by_task[task], rng)
            unequal = [i for i in self.by_task[task] if self.episodes[i].rank != self.episodes[first].rank]
            if unequal:
                second = self._pick(unequal, rng)
                better = self.episodes[first].rank > self.episodes[second].rank
                return pair, *((first, second) if better else (second, first))
            return "rewind", self._pick(self.labelled[task], rng), first
        return pair, first, self._pick(self.by_task[task], rng)

    def _sample(self, index: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        turns = self.episodes[index].turns
        return sample_frames(len(self.episodes[index].frames), count, turns[rng.integers(len(turns))], rng)

    def _draw_group(self, base: int, count: int, rng: np.random.Generator) -> _Group:
        """Two clips of `count` frames each."""
        pair, *episodes = self._draw_episodes(rng)
        shown = [self._sample(i, count, rng) for i in episodes]
        if pair == "worse":
            # How well an episode does is only known of all of it: a success that is cut off half-way is
            # not better than a near miss.
            shown = [
                _to_the_end(s, len(self.episodes[i].frames)) for s, i in zip(shown, episodes, strict=True)
            ]
        return _Group(pair, base, (episodes[0], episodes[1]), (shown[0], shown[1]))

    def _single(
        self,
        clip: int,
        episode: TrainingEpisode,
        shown: NDArray[np.int64],
        length: int,
        rng: np.random.Generator,
    ) -> _View:
        """One single video of a clip: wrong sentence, inverse sentence, or its own."""
        config, count, text = self.config, len(shown), self.texts[episode.task]
        if len(self.tasks) > 1 and rng.random() < config.wrong_sentence:
            make = forward_path if rng.random() < config.wrong_forward else rewound_path
            path = make(count, length, rng)
            sentence = self._sentence(self._other_task(episode.task, rng), rng)
            return _View(clip, path, sentence, *_nothing_done(length))
        if (
            episode.inverse_progress is not None
            and episode.inverse_success is not None
            and rng.random() < config.inverse
        ):
            path = reversed_path(count, length, rng)
            sentence = text.inverse_sentences[rng.integers(len(text.inverse_sentences))]
            frames = shown[path]
            return _View(
                clip, path, sentence, episode.inverse_progress[frames], episode.inverse_success[frames]
            )
        drawn = rng.random()
        forward, rewound = config.own_forward, config.own_forward + config.own_rewound
        make = forward_path if drawn < forward else rewound_path if drawn < rewound else reversed_path
        path = make(count, length, rng)
        return self._own_view(clip, episode, shown[path], path, self._sentence(episode.task, rng))

    @staticmethod
    def _own_view(
        clip: int,
        episode: TrainingEpisode,
        frames: NDArray[np.int64],
        path: NDArray[np.int64],
        sentence: str,
    ) -> _View:
        """A video under a sentence of its own task: the labels are those of the frames shown."""
        return _View(clip, path, sentence, episode.progress[frames], episode.success[frames])

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw one batch.

        Args:
            rng: Source of all randomness.

        Returns:
            A batch in which all videos have one length, with one pair or more.

        Raises:
            RuntimeError: No two videos of these episodes are known to differ in how far they come.
        """
        config = self.config
        bounds = (config.min_frames, config.max_frames + 1)
        count = int(rng.integers(*bounds, size=config.length_draws).min())
        length = count + int(rng.integers(0, config.max_stall + 1) * (rng.random() < config.stall))
        groups = min(max(2, config.frames_per_batch // (2 * count)), config.max_groups)
        batch = Batch(np.zeros(0, dtype=np.uint8), Views(), Views(), Views(), [])
        clips: list[tuple[int, NDArray[np.int64]]] = []
        while len(clips) < 2 * groups or not batch.a_is_better:
            if len(clips) >= 2 * (groups + _GROUP_TRIES):
                raise RuntimeError(
                    f"no pair in {len(clips) // 2} groups of clips of {count} frames: no two videos of these "
                    "episodes are known to end at different progress"
                )
            group = self._draw_group(len(clips), count, rng)
            pair = self._pair(group, length, rng)
            if pair is not None:
                a_is_better = bool(rng.random() < 0.5)
                better, worse = pair
                batch.pair_a.add(better if a_is_better else worse)
                batch.pair_b.add(worse if a_is_better else better)
                batch.a_is_better.append(float(a_is_better))
            for offset, (index, shown) in enumerate(zip(group.episodes, group.shown, strict=True)):
                clips.append((index, shown))
                batch.videos.add(self._single(group.base + offset, self.episodes[index], shown, length, rng))
        batch.images = np.stack([self.episodes[i].frames[shown] for i, shown in clips])
        return batch

    def _pair(self, group: _Group, length: int, rng: np.random.Generator) -> tuple[_View, _View] | None:
        """The better and the worse video of a group; None where neither is known to be better.

        Better is what ends at the higher progress, whichever way it runs: an episode that was done once and
        then undone is better backwards. Ranks decide only between two whole episodes of one task of which
        one has no label at its end.
        """
        first, second = (self.episodes[i] for i in group.episodes)
        count = len(group.shown[0])
        sentence = self._sentence(first.task, rng)
        same_clip = group.pair in ("rewind", "reversed")
        for _ in range(_PATH_TRIES if same_clip else 1):
            path = forward_path(count, length, rng)
            one = self._own_view(group.base, first, group.shown[0][path], path, sentence)
            if same_clip:
                path = (rewound_path if group.pair == "rewind" else reversed_path)(count, length, rng)
                two = self._own_view(group.base, first, group.shown[0][path], path, sentence)
            else:
                path = forward_path(count, length, rng)
                two = (
                    _View(group.base + 1, path, sentence, *_nothing_done(length))
                    if group.pair == "different"
                    else self._own_view(group.base + 1, second, group.shown[1][path], path, sentence)
                )
            if one.progress[-1] > two.progress[-1]:
                return one, two
            if one.progress[-1] < two.progress[-1]:
                return two, one
            if group.pair == "worse" and np.isnan(one.progress[-1] + two.progress[-1]):
                return one, two
        return None
