"""`tasks.json`: merged, never changed, and read by `fit --sentences`."""

from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.datasets.sentences import add_sentences, read_tasks
from robometer_rl.experiments.reward_model.dataset import read_sentences
from robometer_rl.rewards.compact.text import TaskTokenizer


def test_fit_reads_what_was_added(tmp_path: Path, tokenizer: TaskTokenizer) -> None:
    add_sentences(tmp_path, "own/door", ["open the door", "door open"])
    path = add_sentences(tmp_path, "own/drawer", "close the drawer")
    texts = read_sentences(path, tokenizer)
    assert {name: text.sentences for name, text in texts.items()} == {
        "own/door": ("open the door", "door open"),
        "own/drawer": ("close the drawer",),
    }


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    path = add_sentences(tmp_path, "own/door", "öffne die Tür")
    before = path.stat().st_mtime_ns, path.read_bytes()
    add_sentences(tmp_path, "own/door", "öffne die Tür")
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert "öffne" in path.read_text(encoding="utf-8")


def test_another_first_sentence_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = add_sentences(tmp_path, "own/door", ["open the door", "pull the door"])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="'own/door' is 'open the door', not 'pull the door'"):
        add_sentences(tmp_path, "own/door", "pull the door")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["tasks.json"], "no lock is left behind"


@pytest.mark.parametrize("text", ["{", "[]", '{"own/door": "open"}', '{"own/door": []}', '{"own/door": [1]}'])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks.json").write_text(text)
    with pytest.raises(ValueError, match=r"tasks\.json"):
        read_tasks(tmp_path)


def test_no_file_is_no_tasks(tmp_path: Path) -> None:
    assert read_tasks(tmp_path) == {}


def test_a_sentence_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="should be text, got 3"):
        add_sentences(tmp_path, "own/door", [3])  # type: ignore[list-item]
