"""Draws training batches: clips to encode once, and the videos and pairs that are read from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .sequences import forward_path, reversed_path, rewound_path, sample_frames

__all__ = ["Batch", "BatchSampler", "SamplingConfig", "TaskText", "TrainingEpisode", "Views"]

Floats = NDArray[np.float32]
STRATEGIES = ("rewind", "worse", "different", "reversed")


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
    min_frames: int = 2
    """Fewest frames of a clip."""
    max_frames: int = 32
    """Most frames of a clip."""
    max_stall: int = 20
    """Most frames that stalls add to a video."""
    canonical: float = 0.3
    """Probability of the canonical sentence rather than a paraphrase."""
    wrong_sentence: float = 0.4
    """Share of the single videos that get another task's sentence."""
    inverse: float = 0.5
    """Share of the other single videos shown backwards under the inverse sentence, where there is one."""
    by_size: float = 0.0
    """Power of a task's episode count in its share of the batches: 0 treats tasks alike, 1 episodes."""

    def __post_init__(self) -> None:
        """Checks the power.

        Raises:
            ValueError: `by_size` is outside [0, 1].
        """
        if not 0.0 <= self.by_size <= 1.0:
            raise ValueError(
                f"sampling.by_size={self.by_size} should be from 0 (tasks alike) to 1 (episodes alike)"
            )


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


class BatchSampler:
    """Endless batches from a set of episodes."""

    def __init__(
        self, episodes: Sequence[TrainingEpisode], texts: Mapping[str, TaskText], config: SamplingConfig
    ) -> None:
        """Takes its parts.

        Args:
            episodes: all episodes, in memory.
            texts: per task id, its sentences.
            config: the mixture.

        Raises:
            ValueError: fewer than two tasks, a task without a labelled episode, or one for which `also_shows`
                leaves no wrong sentence or no foreign video.
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
        sizes = np.array([len(self.by_task[task]) for task in self.tasks], dtype=np.float64) ** config.by_size
        self._shares = sizes / sizes.sum()
        without = [task for task in self.tasks if not self.labelled[task]]
        if len(self.tasks) < 2 or without:
            raise ValueError(
                f"need two tasks or more, each with a success; got {self.tasks}, without: {without}"
            )
        related = [task for task in self.tasks if not (self._wrong_for(task) and self._foreign_to(task))]
        if related:
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

    def _draw_group(self, rng: np.random.Generator) -> tuple[str, int, int]:
        """A pair strategy and two episodes."""
        task = self.tasks[rng.choice(len(self.tasks), p=self._shares)]
        strategy = STRATEGIES[rng.integers(len(STRATEGIES))]
        first = self._pick(self.labelled[task], rng)
        if strategy == "different":
            shown = self._foreign_to(task)
            return strategy, first, self._pick(self.by_task[shown[rng.integers(len(shown))]], rng)
        if strategy == "worse":
            first = self._pick(self.by_task[task], rng)
            unequal = [i for i in self.by_task[task] if self.episodes[i].rank != self.episodes[first].rank]
            if unequal:
                second = self._pick(unequal, rng)
                better = self.episodes[first].rank > self.episodes[second].rank
                return strategy, *((first, second) if better else (second, first))
            return "rewind", self._pick(self.labelled[task], rng), first
        return strategy, first, self._pick(self.by_task[task], rng)

    def _sample(self, index: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        turns = self.episodes[index].turns
        return sample_frames(len(self.episodes[index].frames), count, turns[rng.integers(len(turns))], rng)

    def _add(
        self, views: Views, clip: int, path: NDArray[np.int64], sentence: str, labels: tuple[Floats, Floats]
    ) -> None:
        views.clip.append(clip)
        views.path.append(path)
        views.sentence.append(sentence)
        views.progress.append(labels[0])
        views.success.append(labels[1])

    def _add_single(
        self,
        views: Views,
        clip: int,
        episode: TrainingEpisode,
        shown: NDArray[np.int64],
        length: int,
        rng: np.random.Generator,
    ) -> None:
        """Add one single video of a clip: wrong sentence, inverse sentence, or its own."""
        count = len(shown)
        text = self.texts[episode.task]
        zeros = np.zeros(length, dtype=np.float32)
        if rng.random() < self.config.wrong_sentence:
            path = (
                forward_path(count, length, rng) if rng.random() < 0.7 else rewound_path(count, length, rng)
            )
            self._add(
                views, clip, path, self._sentence(self._other_task(episode.task, rng), rng), (zeros, zeros)
            )
        elif (
            episode.inverse_progress is not None
            and episode.inverse_success is not None
            and rng.random() < self.config.inverse
        ):
            path = reversed_path(count, length, rng)
            sentence = text.inverse_sentences[rng.integers(len(text.inverse_sentences))]
            frames = shown[path]
            self._add(
                views,
                clip,
                path,
                sentence,
                (episode.inverse_progress[frames], episode.inverse_success[frames]),
            )
        else:
            make = (forward_path, forward_path, forward_path, rewound_path, reversed_path)[rng.integers(5)]
            path = make(count, length, rng)
            frames = shown[path]
            sentence = self._sentence(episode.task, rng)
            self._add(views, clip, path, sentence, (episode.progress[frames], episode.success[frames]))

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw one batch.

        Args:
            rng: source of all randomness.

        Returns:
            A batch in which all videos have one length.
        """
        config = self.config
        count = int(rng.integers(config.min_frames, config.max_frames + 1))
        count = min(
            count, int(rng.integers(config.min_frames, config.max_frames + 1))
        )  # short clips more often
        length = count + int(rng.integers(0, config.max_stall + 1) * (rng.random() < 0.5))
        groups = max(2, config.frames_per_batch // (2 * count))
        batch = Batch(np.zeros(0, dtype=np.uint8), Views(), Views(), Views(), [])
        clips: list[tuple[int, NDArray[np.int64]]] = []
        for _ in range(min(groups, 48)):
            strategy, first, second = self._draw_group(rng)
            shown = [self._sample(i, count, rng) for i in (first, second)]
            if strategy == "worse":
                # How well an episode does is only known of all of it: a success that is cut off half-way is
                # not better than a near miss.
                shown = [
                    _to_the_end(s, len(self.episodes[i].frames))
                    for s, i in zip(shown, (first, second), strict=True)
                ]
            base = len(clips)
            clips += [(first, shown[0]), (second, shown[1])]
            self._add_pair(batch, base, strategy, (first, second), shown, length, rng)
            for offset, index in enumerate((first, second)):
                self._add_single(
                    batch.videos, base + offset, self.episodes[index], shown[offset], length, rng
                )
        batch.images = np.stack([self.episodes[i].frames[shown] for i, shown in clips])
        return batch

    def _add_pair(
        self,
        batch: Batch,
        base: int,
        strategy: str,
        indices: tuple[int, int],
        shown: list[NDArray[np.int64]],
        length: int,
        rng: np.random.Generator,
    ) -> None:
        """Add the pair of one group, in random order."""
        better = self.episodes[indices[0]]
        count = len(shown[0])
        sentence = self._sentence(better.task, rng)
        path = forward_path(count, length, rng)
        good = (base, path, sentence, (better.progress[shown[0][path]], better.success[shown[0][path]]))
        if strategy in ("rewind", "reversed"):
            make = rewound_path if strategy == "rewind" else reversed_path
            other = make(count, length, rng)
            frames = shown[0][other]
            bad = (base, other, sentence, (better.progress[frames], better.success[frames]))
        else:
            worse = self.episodes[indices[1]]
            other = forward_path(count, length, rng)
            frames = shown[1][other]
            zeros = np.zeros(length, dtype=np.float32)
            labels = (
                (zeros, zeros) if strategy == "different" else (worse.progress[frames], worse.success[frames])
            )
            bad = (base + 1, other, sentence, labels)
        a_is_better = bool(rng.random() < 0.5)
        first, second = (good, bad) if a_is_better else (bad, good)
        self._add(batch.pair_a, *first)
        self._add(batch.pair_b, *second)
        batch.a_is_better.append(float(a_is_better))
