"""What `robometer-rl fit` trains on: episodes at the network's frame size, sentences of their tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from robometer_rl.envs.tasks import TASKS, get_task
from robometer_rl.rewards.compact.checkpoint import BUNDLED
from robometer_rl.rewards.compact.runtime import preprocess
from robometer_rl.rewards.compact.text import TaskTokenizer
from robometer_rl.rewards.training.sampling import TaskText

from ..common.progress import tracked
from ..episodes import Episode, read_episode

__all__ = [
    "checkpoint_folder",
    "fingerprint",
    "read_episodes",
    "read_sentences",
    "refuse_unseen",
    "resize_frames",
    "task_texts",
]

_HASHERS = 4  # threads that hash files

_RESIZE_BATCH = 64  # frames per call: bounds the memory of large ones


def resize_frames(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Frames as the network will be shown them in use, but still whole numbers.

    Args:
        frames: uint8 `(T, H, W, 3)`.
        size: side of the square in pixels.

    Returns:
        uint8 `(T, size, size, 3)`; the very same array where the size is right already.
    """
    if frames.shape[1:3] == (size, size):
        return frames
    resized = np.empty((len(frames), size, size, 3), dtype=np.uint8)
    for i in range(0, len(frames), _RESIZE_BATCH):
        images = preprocess(frames[i : i + _RESIZE_BATCH], size, torch.device("cpu"))  # (b, 3, S, S)
        resized[i : i + len(images)] = (images * 255).round_().clamp_(0, 255).permute(0, 2, 3, 1).numpy()
    return resized


def read_episodes(paths: Sequence[Path], size: int, console: Console) -> list[Episode]:
    """Read all episodes into memory, with frames of `size` x `size` pixels."""
    episodes = []
    for path in tracked(paths, console, "episodes read", len(paths)):
        episode = read_episode(path)
        episodes.append(replace(episode, frames=resize_frames(episode.frames, size)))
    return episodes


def fingerprint(root: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """What episodes a run trains on: how many, a hash of their names, and one of what is in the files.

    Args:
        root: Folder of the data set.
        paths: Its episodes.

    Returns:
        `episodes`, `names` and `contents`, which JSON can hold.

    Raises:
        ValueError: There is none.
    """
    if not paths:
        raise ValueError(f"{root} holds no episodes: collect them with `robometer-rl collect --out {root}`")
    names = sorted(path.relative_to(root).as_posix() for path in paths)
    with ThreadPoolExecutor(_HASHERS) as pool:  # hashing lets other threads run
        digests = list(pool.map(_digest, (root / name for name in names)))
    return {
        "episodes": len(names),
        "names": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "contents": hashlib.sha256(b"".join(digests)).hexdigest(),
    }


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def checkpoint_folder(name: Path) -> Path:
    """The folder of a checkpoint that is named as `load_reward_model` takes it.

    Args:
        name: "compact" for the bundled one, or a folder, which may begin with "~".

    Returns:
        The folder; need not exist.
    """
    return BUNDLED if name == Path("compact") else name.expanduser()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values under one name, JSON would keep the second without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def read_sentences(path: Path, tokenizer: TaskTokenizer) -> dict[str, TaskText]:
    """Read and check the sentences of tasks outside the table.

    Args:
        path: JSON `{"suite/task": ["canonical sentence", "paraphrase", ...]}`.
        tokenizer: what will read them.

    Returns:
        The texts by task id.

    Raises:
        ValueError: the file is no JSON of this form, or a sentence has no words or too many, or none that
            the model knows, or two tasks have sentences that read alike.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except ValueError as error:  # no JSON, no text at all, or a task that stands twice
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(rows, dict):
        raise ValueError(f"{path} must hold an object of task ids and lists of sentences, got {rows!r}")
    for name, sentences in rows.items():
        if not isinstance(sentences, list) or not sentences:
            raise ValueError(f"{path}: {name!r} must have a list of one sentence or more, got {sentences!r}")
        for sentence in sentences:
            if not isinstance(sentence, str) or not sentence.strip():
                raise ValueError(f"{path}: {name!r} must have sentences that are not blank, got {sentence!r}")
            try:
                tokenizer([sentence])
            except ValueError as error:
                raise ValueError(f"{path}: {name!r}: {error}") from error
    try:
        tokenizer.refuse_alike(rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: TaskText(tuple(sentences)) for name, sentences in rows.items()}


def task_texts(tasks: Iterable[str], own: Mapping[str, TaskText]) -> dict[str, TaskText]:
    """The texts of the tasks, sorted: from `own` where they are there, else from the table.

    Raises:
        ValueError: a task is in neither.
    """
    texts = {}
    for name in sorted(tasks):
        if name in own:
            texts[name] = own[name]
            continue
        try:
            task = get_task(name)
        except ValueError as error:
            raise ValueError(
                f"{error}. A task outside the table needs its sentences in the file of --sentences"
                + (f", which has {', '.join(map(repr, sorted(own)))}" if own else "")
            ) from error
        texts[name] = TaskText((task.sentence, *task.paraphrases), task.inverse_sentences, task.also_shows)
    return texts


def refuse_unseen(tasks: Iterable[str]) -> None:
    """Keep the tasks that measure generalisation out of training.

    Raises:
        ValueError: one of the tasks is of the unseen split.
    """
    unseen = [name for name in sorted(tasks) if name in TASKS and TASKS[name].split == "unseen"]
    if unseen:
        raise ValueError(
            f"the data has episodes of tasks of the unseen split: {', '.join(unseen)}; a model trained on "
            "them can no longer be tested on them. Leave them out, or give --allow-unseen"
        )
