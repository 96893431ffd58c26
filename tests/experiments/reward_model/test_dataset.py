"""What fit reads: frames of any size, sentences that are checked, tasks that are kept out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robometer_rl.envs.tasks import list_tasks
from robometer_rl.experiments.reward_model.dataset import (
    checkpoint_folder,
    fingerprint,
    read_sentences,
    refuse_unseen,
    resize_frames,
    task_texts,
)
from robometer_rl.rewards.compact.checkpoint import BUNDLED
from robometer_rl.rewards.compact.runtime import preprocess
from robometer_rl.rewards.compact.text import TaskTokenizer

UNSEEN = list_tasks(split="unseen")[0].id


def test_frames_are_resized_as_in_use() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (70, 40, 60, 3)).astype(np.uint8)
    resized = resize_frames(frames, 32)
    assert (resized.dtype, resized.shape) == (np.uint8, (70, 32, 32, 3))
    in_use = preprocess(frames, 32, torch.device("cpu")).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(resized - in_use).max() <= 0.51, "rounded, not cut off"


def test_frames_of_the_right_size_stay_untouched() -> None:
    frames = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    assert resize_frames(frames, 32) is frames


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ('{"mine/a": ["open"], "mine/b": ["push"], "mine/a": ["close"]}', "'mine/a' stands there twice"),
        ('{"mine/a": NaN}', r"'mine/a'.*list of one sentence or more.*nan"),
        (["open the door"], r"must hold an object.*\['open the door'\]"),
        ({"mine/a": "open the door"}, r"'mine/a'.*list of one sentence or more.*'open the door'"),
        ({"mine/a": []}, r"'mine/a'.*list of one sentence or more.*\[\]"),
        ({"mine/a": ["open", " "]}, r"'mine/a'.*not blank.*' '"),
        ({"mine/a": ["open", 3]}, r"'mine/a'.*not blank.*3"),
        ({"mine/a": ["open the door the door the door"]}, r"'mine/a': .*6 tokens, got 7"),
        ({"mine/a": ["打开"]}, r"'mine/a': .*knows no word of the task '打开'"),
        (
            {"mine/a": ["open door"], "mine/b": ["push", "open  door"]},
            "two tasks read alike: 'mine/a'.*'mine/b'",
        ),
    ],
)
def test_a_bad_sentence_file_names_file_key_and_value(
    tmp_path: Path, content: Any, words: str, tokenizer: TaskTokenizer
) -> None:
    path = tmp_path / "sentences.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=rf"sentences\.json.*{words}"):
        read_sentences(path, TaskTokenizer(tokenizer.path, 6))


def test_a_task_without_sentences_points_at_the_option(tmp_path: Path, tokenizer: TaskTokenizer) -> None:
    path = tmp_path / "sentences.json"
    path.write_text(json.dumps({"mine/a": ["open the door", "open door"]}))
    own = read_sentences(path, tokenizer)
    texts = task_texts({"mine/a", UNSEEN}, own)
    assert texts["mine/a"].sentences == ("open the door", "open door")
    assert len(texts[UNSEEN].sentences) > 10
    with pytest.raises(ValueError, match=r"'mine/b'.*--sentences, which has 'mine/a'"):
        task_texts(["mine/a", "mine/b"], own)


def test_unseen_tasks_are_named() -> None:
    refuse_unseen(["metaworld/door-open-v3", "mine/a"])
    with pytest.raises(ValueError, match=rf"{UNSEEN}.*--allow-unseen"):
        refuse_unseen(["metaworld/door-open-v3", UNSEEN])


def test_a_fingerprint_tells_of_number_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "a"
    folder.mkdir(parents=True)
    first, second, third = (folder / f"success-{seed:05d}.h5" for seed in range(3))
    first.write_bytes(b"one")
    one = fingerprint(tmp_path, [first])
    second.write_bytes(b"two")
    two = fingerprint(tmp_path, [second, first])
    assert two == fingerprint(tmp_path, [first, second]), "in any order"
    times = second.stat()
    second.write_bytes(b"2wo")
    os.utime(second, ns=(times.st_atime_ns, times.st_mtime_ns))
    other = fingerprint(tmp_path, [first, second])
    assert (one["episodes"], two["episodes"]) == (1, 2)
    assert two["names"] == other["names"]
    assert two["contents"] != other["contents"], "of the same size and time"
    second.rename(third)
    assert fingerprint(tmp_path, [first, third])["names"] != two["names"]
    with pytest.raises(ValueError, match="collect them with"):
        fingerprint(tmp_path, [])


def test_a_checkpoint_is_named_as_a_model_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checkpoint_folder(Path("compact")) == BUNDLED
    assert checkpoint_folder(Path("~/mine")) == tmp_path / "mine"
    assert checkpoint_folder(Path("runs/compact")) == Path("runs/compact")
