"""`robometer-rl evaluate`: a reward model against held-out episodes, per task and in the mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.tasks import get_task, list_tasks
from robometer_rl.errors import checking_input
from robometer_rl.rewards import RewardModel, Scores, load_reward_model

from ..common.files import write_json
from ..common.progress import tracked
from ..episodes import AIMLESS, Episode, list_episodes, read_episode
from .labels import BY_CHANCE, episode_rank, success_progress
from .metrics import average_precision, pearson_r, roc_auc, tier_tau

__all__ = ["KEYS", "EvaluateConfig", "evaluate", "evaluate_task", "main"]

GOALS: dict[str, tuple[str, float]] = {
    "voc": (">=", 0.97),
    "kendall_tau": (">=", 0.80),
    "preference_quality": (">=", 0.95),
    "preference_task": (">=", 0.99),
    "success_auc": (">=", 0.98),
    "success_auprc": (">=", 0.95),
    "success_fpr": ("<=", 0.02),
    "stall_drift": ("<=", 0.05),
    "still_progress": ("<=", 0.05),
    "rewind_r": (">=", 0.90),
    "paraphrase_r": (">=", 0.97),
    "wrong_task_progress": ("<=", 0.15),
    "mime_progress": ("<=", 0.15),
    "random_progress": ("<=", 0.15),
}
"""Per measure: which side is good, and the goal for the mean."""
WORST_GOALS = {"voc": 0.90}
"""Goals for the worst task."""
KEYS = (*GOALS, "success_tpr")
TIERS = {"success": 3, "near_miss": 2, "stalled": 1, "random": 0}
"""The kinds that Kendall's tau orders."""
_STALL = 20  # repeats of the last frame
_STILL = 60  # frames of a robot that never moves
_WRONG = 4  # wrong sentences per success video
_PARAPHRASES = 5  # training paraphrases, where the held-out ones are to stay unread


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate on what."""

    model: str = "compact"
    """A reward model, as in `load_reward_model`."""
    split: Literal["seen", "unseen"] = "seen"
    """seen: the tasks the compact model trains on; unseen: ReWiND's 17 others."""
    tasks: tuple[str, ...] = ()
    """Task ids instead of a split's. Wrong sentences and videos of other tasks come from the tasks that are
    evaluated, so the figures of a few are not those of the whole split."""
    data: Path = Path("data/heldout")
    """Folder of episodes that the model was not trained on, from `robometer-rl collect`."""
    episodes: int = 10
    """Most episodes per task and kind."""
    seed: int = 0
    """Seed of the drawn pairs, cuts and wrong sentences."""
    json: Path | None = None
    """Where to write the table as JSON."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is out of its range.
        """
        for name, bound in (("episodes", 1), ("seed", 0)):
            if getattr(self, name) < bound:
                raise ValueError(f"{name} should be at least {bound}, got {getattr(self, name)}")

    @property
    def task_ids(self) -> list[str]:
        """The tasks to evaluate: those that are named, else all of the split.

        Raises:
            ValueError: A task is unknown.
        """
        if self.tasks:
            return list(dict.fromkeys(get_task(task).id for task in self.tasks))
        return [task.id for task in list_tasks(split="train" if self.split == "seen" else "unseen")]


class EncodedVideo:
    """One video, encoded once where the model can, to be scored in many orders and under many sentences."""

    def __init__(self, model: RewardModel, frames: NDArray[np.uint8]) -> None:
        from robometer_rl.rewards.compact.runtime import CompactReward

        self.frames = frames
        self._model = model
        self._compact = model if isinstance(model, CompactReward) else None
        self._tokens = None
        if self._compact is not None:
            import torch

            with torch.inference_mode():
                self._tokens = self._compact.encode(frames)

    def score(self, sentence: str, order: NDArray[np.int64] | None = None) -> Scores:
        """Score the frames in the given order (all by default)."""
        order = np.arange(len(self.frames)) if order is None else order
        if self._compact is None or self._tokens is None:
            return self._model.score(self.frames[order], sentence)
        return self._compact.score_tokens(self._tokens[order.copy()], [sentence])[0]

    def prefer(self, other: EncodedVideo, sentence: str) -> float:
        """Probability that this video shows the task done better than the other."""
        if self._compact is None or self._tokens is None or other._tokens is None:
            return self._model.prefer(self.frames, other.frames, sentence)
        return self._compact.prefer_tokens(self._tokens, other._tokens, sentence)


@dataclass(frozen=True)
class Scored:
    """An episode with its scores under the canonical sentence."""

    episode: Episode
    video: EncodedVideo
    scores: Scores


def _known(values: Sequence[float], reduce: Callable[[Any], Any] = np.mean) -> float:
    """Reduce the values that are no NaN; NaN where there are none."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return float(reduce(numbers)) if len(numbers) else float("nan")


def _success_measures(scored: Sequence[Scored], threshold: float) -> dict[str, float]:
    peaks = {True: [], False: []}  # type: dict[bool, list[float]]
    for item in scored:
        peaks[bool(item.episode.known_success.any())].append(float(item.scores.success.max()))
    frames = np.concatenate([item.episode.known_success for item in scored])
    return {
        "success_auc": roc_auc(peaks[True], peaks[False]),
        "success_auprc": average_precision(frames, np.concatenate([item.scores.success for item in scored])),
        "success_fpr": float(np.mean(np.array(peaks[False]) >= threshold)),
        "success_tpr": float(np.mean(np.array(peaks[True]) >= threshold)),
    }


def _lies_as_it_lay(episode: Episode) -> bool:
    """Whether the object is known to end where it began; aimless motion is taken to leave it there."""
    if episode.quality is None or np.isnan(episode.quality[-1]):
        return episode.kind in AIMLESS and not episode.known_success.any()
    return bool(episode.quality[-1] <= BY_CHANCE)


def _idle_measures(scored: Sequence[Scored]) -> dict[str, float]:
    """Final progress where the object lies as it lay: after a mime, and after aimless motion."""
    # `object_moved`, by which labels go, allows for what the hand earns beside the objects of robosuite: it
    # would let in more of their mimes here, and the published figures are without them.
    kinds = {"mime_progress": ("mime",), "random_progress": AIMLESS}
    return {
        key: _known(
            [
                float(item.scores.progress[-1])
                for item in scored
                if item.episode.kind in names and _lies_as_it_lay(item.episode)
            ]
        )
        for key, names in kinds.items()
    }


def rewind_r(video: EncodedVideo, episode: Episode, sentence: str) -> float:
    """Correlation of progress with its labels when a success runs up to where it is done, and back.

    Args:
        video: The episode as the model reads it.
        episode: A success.
        sentence: What it shows.

    Returns:
        r in [-1, 1].
    """
    first = int(np.argmax(episode.known_success))
    order = np.concatenate([np.arange(first + 1), np.arange(first - 1, -1, -1)])
    return pearson_r(video.score(sentence, order).progress, success_progress(episode)[order])


def _order_measures(scored: Sequence[Scored], sentence: str, rng: np.random.Generator) -> dict[str, float]:
    """Stalls, robots that never move, rewound successes."""
    drifts, stills, rewinds = [], [], []
    for item in scored:
        length = len(item.episode.frames)
        cut = int(rng.integers(1, length))
        stall = np.concatenate([np.arange(cut + 1), np.full(_STALL, cut)])
        progress = item.video.score(sentence, stall).progress
        drifts.append(float(np.abs(progress[cut:] - progress[cut]).max()))
        stills.append(float(item.video.score(sentence, np.zeros(_STILL, dtype=np.int64)).progress.max()))
        if item.episode.known_success.any():
            rewinds.append(rewind_r(item.video, item.episode, sentence))
    return {
        "stall_drift": _known(drifts),
        "still_progress": _known(stills),
        "rewind_r": _known(rewinds),
    }


def _language_measures(
    task: str, successes: Sequence[Scored], worlds: Sequence[str], heldout: bool, rng: np.random.Generator
) -> dict[str, float]:
    """Paraphrases and wrong sentences."""
    allowed = (task, *get_task(task).also_shows)
    others = [other for other in worlds if other not in allowed]
    words = get_task(task)
    paraphrases = words.heldout_paraphrases if heldout else words.paraphrases[:_PARAPHRASES]
    same, wrong = [], []
    for item in successes:
        same += [
            pearson_r(item.video.score(paraphrase).progress, item.scores.progress)
            for paraphrase in paraphrases
        ]
        drawn = rng.choice(len(others), size=min(_WRONG, len(others)), replace=False)
        wrong += [float(item.video.score(get_task(others[i]).sentence).progress[-1]) for i in drawn]
    return {"paraphrase_r": _known(same), "wrong_task_progress": _known(wrong)}


def _preference_measures(
    scored: Sequence[Scored],
    sentence: str,
    foreign: Sequence[EncodedVideo],
    rng: np.random.Generator,
    pairs: int = 60,
) -> dict[str, float]:
    """How often the better of two videos is preferred."""
    rank = np.array([episode_rank(item.episode) for item in scored])
    better, worse = np.nonzero(rank[:, None] > rank[None, :])
    drawn = rng.choice(len(better), size=min(pairs, len(better)), replace=False)
    quality = [scored[better[i]].video.prefer(scored[worse[i]].video, sentence) > 0.5 for i in drawn]
    successes = [item for item in scored if item.episode.known_success.any()]
    task = [item.video.prefer(other, sentence) > 0.5 for item in successes for other in foreign]
    return {"preference_quality": _known(quality), "preference_task": _known(task)}


def evaluate_task(
    model: RewardModel,
    task: str,
    episodes: Sequence[Episode],
    foreign: Sequence[Episode],
    worlds: Sequence[str],
    rng: np.random.Generator,
    heldout: bool = True,
) -> dict[str, float]:
    """All measures of one task.

    Args:
        model: the reward model.
        task: task id.
        episodes: held-out episodes of the task, of all kinds.
        foreign: successes of other tasks that do not show this one.
        worlds: task ids from which wrong sentences are drawn.
        rng: source of the drawn pairs, cuts and sentences.
        heldout: read the held-out paraphrases; False reads some training ones, for who selects by the result.

    Returns:
        Value per key of `KEYS`; NaN where there is nothing to measure it on.
    """
    sentence = get_task(task).sentence
    scored = []
    for episode in episodes:
        video = EncodedVideo(model, episode.frames)
        scored.append(Scored(episode, video, video.score(sentence)))
    successes = [item for item in scored if item.episode.known_success.any()]
    if not successes or len(successes) == len(scored):
        raise ValueError(
            f"{task} needs held-out successes and failures, got {len(successes)} of {len(scored)}"
        )
    ranked = [item for item in scored if item.episode.kind in TIERS]
    return {
        "voc": _known(
            [pearson_r(item.scores.progress, success_progress(item.episode)) for item in successes]
        ),
        "kendall_tau": tier_tau(
            [TIERS[item.episode.kind] for item in ranked],
            [float(item.scores.progress[-1]) for item in ranked],
        ),
        **_preference_measures(scored, sentence, [EncodedVideo(model, e.frames) for e in foreign], rng),
        **_success_measures(scored, model.success_threshold),
        **_idle_measures(scored),
        **_order_measures(scored, sentence, rng),
        **_language_measures(task, successes, worlds, heldout, rng),
    }


def load_by_task(root: Path, tasks: Sequence[str], per_kind: int) -> dict[str, list[Episode]]:
    """Read up to `per_kind` episodes of each kind of each task.

    Raises:
        ValueError: a task has no episodes there.
    """
    found: dict[str, list[Episode]] = {}
    for task in tasks:
        kinds: dict[str, int] = defaultdict(int)
        found[task] = []
        for path in list_episodes(root, task):
            kind = path.stem.rsplit("-", 1)[0]
            if kinds[kind] < per_kind:
                kinds[kind] += 1
                found[task].append(read_episode(path))
        if not found[task]:
            raise ValueError(
                f"{root} holds no episodes of {task}: collect them with `robometer-rl collect --out {root}`"
            )
    return found


def load_what_is_there(
    root: Path, tasks: Sequence[str], per_kind: int
) -> tuple[dict[str, list[Episode]], list[str]]:
    """Reads the episodes of those tasks that can be evaluated.

    Args:
        root: Folder of the data set.
        tasks: Task ids.
        per_kind: Most episodes of each kind of each task.

    Returns:
        The episodes per task that has successes and failures, and the other tasks.

    Raises:
        ValueError: No task has both.
    """
    there = [task for task in tasks if list_episodes(root, task)]
    found = load_by_task(root, there, per_kind)
    data = {
        task: rows for task, rows in found.items() if len({bool(e.known_success.any()) for e in rows}) == 2
    }
    if not data:
        raise ValueError(
            f"{root} has successes and failures of none of {', '.join(tasks)}: "
            f"collect them with `robometer-rl collect --out {root}`"
        )
    return data, [task for task in tasks if task not in data]


def evaluate(
    model: RewardModel,
    data: Mapping[str, Sequence[Episode]],
    seed: int,
    console: Console | None = None,
    heldout: bool = True,
) -> dict[str, dict[str, float]]:
    """Evaluate on held-out episodes.

    Args:
        model: the reward model.
        data: per task id, its episodes.
        seed: seed of everything drawn.
        console: shows progress where given.
        heldout: see `evaluate_task`.

    Returns:
        Per task id, then under "mean" and "worst", the value per key.
    """
    tasks = list(data)
    table: dict[str, dict[str, float]] = {}
    steps = tracked(tasks, console, "tasks evaluated", len(tasks))
    for number, task in enumerate(steps):
        rng = np.random.default_rng([seed, number])
        others = [t for t in tasks if t != task and task not in get_task(t).also_shows]
        foreign = []
        for other in rng.choice(others, size=min(4, len(others)), replace=False):
            successes = [episode for episode in data[str(other)] if episode.known_success.any()]
            if successes:
                foreign.append(successes[rng.integers(len(successes))])
        table[task] = evaluate_task(model, task, data[task], foreign, tasks, rng, heldout)
    rows = [table[task] for task in tasks]
    table["mean"] = {key: _known([row[key] for row in rows]) for key in KEYS}
    low_is_good = {key for key, goal in GOALS.items() if goal[0] == "<="}
    table["worst"] = {
        key: _known([row[key] for row in rows], np.max if key in low_is_good else np.min) for key in KEYS
    }
    return table


def print_table(table: Mapping[str, Mapping[str, float]], console: Console) -> None:
    """Print measure, mean, worst task and goals, then the measures per task."""
    summary = Table("measure", "mean", "goal", "worst", "goal (worst)", "worst task")
    tasks = [task for task in table if task not in ("mean", "worst")]
    for key in KEYS:
        worst = next((task for task in tasks if table[task][key] == table["worst"][key]), "")
        goal = f"{GOALS[key][0]} {GOALS[key][1]:g}" if key in GOALS else ""
        lowest = f"{GOALS[key][0]} {WORST_GOALS[key]:g}" if key in WORST_GOALS else ""
        summary.add_row(key, f"{table['mean'][key]:.3f}", goal, f"{table['worst'][key]:.3f}", lowest, worst)
    console.print(summary)
    details = Table("task", *KEYS)
    for task in tasks:
        details.add_row(task.split("/")[1], *(f"{table[task][key]:.2f}" for key in KEYS))
    console.print(details)


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate a reward model on held-out episodes and print the table."""
    config = read_arguments(EvaluateConfig, argv, "evaluate", main.__doc__)
    console = Console(markup=False)
    with checking_input():
        data, left_out = load_what_is_there(config.data, config.task_ids, config.episodes)
        model = load_reward_model(config.model)
    if left_out:
        console.print(
            f"left out, for lack of successes or failures in {config.data}: {', '.join(left_out)}",
            soft_wrap=True,
        )
    table = evaluate(model, data, config.seed, console)
    print_table(table, console)
    if config.json is not None:
        record = {
            "model": config.model,
            "split": config.split,
            "episodes": config.episodes,
            "seed": config.seed,
            "tasks": list(data),
            "left_out": left_out,
        }
        # JSON has no NaN: where there was nothing to measure stands null.
        rows = {
            task: {key: None if np.isnan(value) else value for key, value in row.items()}
            for task, row in table.items()
        }
        write_json(config.json, {**record, "table": rows})
        console.print(f"written: {config.json}")


if __name__ == "__main__":
    main()
