"""Sentences that the vocabulary cannot read are refused or warned of, on every path that takes one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from robometer_rl.envs.tasks import load_tasks
from robometer_rl.rewards import RewardModel, UnreadTaskWarning, load_reward_model
from robometer_rl.rewards.compact import text
from robometer_rl.rewards.compact.checkpoint import BUNDLED
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.compact.text import TaskTokenizer
from robometer_rl.rewards.protocol import TaskReader


@pytest.fixture(autouse=True)
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_warned", set())


@pytest.fixture(scope="module")
def bundled() -> TaskTokenizer:
    return TaskTokenizer(BUNDLED / "tokenizer.json", 32)


@pytest.mark.parametrize("sentence", ["打开抽屉", "关闭抽屉", "🤖", "打开抽屉!", "🤖 🤖"])
def test_a_sentence_of_unknown_words_alone_is_refused(bundled: TaskTokenizer, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"knows no word of the task '{sentence}'.*English"):
        bundled([sentence])


def test_the_unknown_words_are_named(bundled: TaskTokenizer) -> None:
    with pytest.raises(ValueError, match=r"unknown: '打', '开', '抽', '屉'"):
        bundled(["打开抽屉"])


@pytest.mark.parametrize("sentence", ["...", "?!", " - "])
def test_punctuation_is_no_word(bundled: TaskTokenizer, sentence: str) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        bundled([sentence])


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("öffne die Schublade", "'öffne', 'Schublade'"),
        ("drücke den Knopf", "'drücke', 'Knopf'"),
        ("ouvre le tiroir", "'ouvre', 'tiroir'"),
        ("открой ящик", "'открой', 'ящик'"),
        ("서랍을 열어", "'서랍을', '열어'"),
        ("pick up the 抽屉", "'抽', '屉'"),
        ("open 抽屉", "'抽', '屉'"),
        ("asdkjh qwe", "'asdkjh', 'qwe'"),
    ],
)
def test_a_sentence_that_is_mostly_unread_is_warned_of_once(
    bundled: TaskTokenizer, sentence: str, words: str
) -> None:
    with pytest.warns(UnreadTaskWarning, match=f"{sentence}.*: {words}.*English"):
        bundled([sentence, sentence])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bundled([sentence])


def test_the_words_that_are_not_read_can_be_asked_for(bundled: TaskTokenizer) -> None:
    assert bundled.unread_words("open the drawer") == ()
    assert bundled.unread_words("pick up the asdkjh 抽屉") == ("asdkjh", "抽", "屉")


def test_a_model_that_names_its_unread_words_is_a_task_reader(model: CompactReward) -> None:
    assert isinstance(model, TaskReader)
    assert model.unread_words("open the asdkjh door") == ("asdkjh",)


def test_two_sentences_are_warned_of_apart(bundled: TaskTokenizer) -> None:
    for sentence in ("öffne die Schublade", "schließe die Schublade"):
        with pytest.warns(UnreadTaskWarning, match=sentence):
            bundled([sentence])


def test_no_sentence_of_the_task_table_is_warned_of(bundled: TaskTokenizer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for task in load_tasks().values():
            sentences = (*task.paraphrases, *task.heldout_paraphrases, *task.inverse_sentences)
            bundled([task.sentence, *sentences])
        bundled(["open the drawer 🤖", "Open the drawer!", "plug in the USB-C cable", "grasp the Käsereibe"])


FRAMES = np.zeros((2, 96, 96, 3), dtype=np.uint8)
PATHS: dict[str, Callable[[RewardModel, str], object]] = {
    "score": lambda model, task: model.score(FRAMES, task),
    "prefer": lambda model, task: model.prefer(FRAMES, FRAMES, task),
    "reset": lambda model, task: model.stream(2).reset(["open the door", task]),
}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_model_checks(path: str) -> None:
    model = load_reward_model("compact")
    with pytest.raises(ValueError, match="knows no word of the task '打开抽屉'"):
        PATHS[path](model, "打开抽屉")
    with pytest.warns(UnreadTaskWarning, match="öffne die Schublade"):
        PATHS[path](model, "öffne die Schublade")


def test_a_stream_that_refuses_a_task_keeps_those_it_had(model: CompactReward) -> None:
    small = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    streams = [model.stream(2), model.stream(2)]
    for stream in streams:
        stream.reset(["open the door"] * 2)
    with pytest.raises(ValueError, match="knows no word"):
        streams[0].reset(["push the cube", "打开"])
    np.testing.assert_array_equal(streams[0].push(small).progress, streams[1].push(small).progress)


def test_another_kind_of_tokenizer_names_its_own_unknown_word(tokenizer: TaskTokenizer) -> None:
    with pytest.raises(ValueError, match="knows no word of the task 'ouvre'"):
        tokenizer(["ouvre"])


def test_a_tokenizer_without_an_unknown_word_reads_what_it_can(tmp_path: Path) -> None:
    rows = json.loads((BUNDLED / "tokenizer.json").read_text())
    rows["model"] = {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [], "unk_token": None}
    rows["added_tokens"], rows["post_processor"] = [], None
    (tmp_path / "tokenizer.json").write_text(json.dumps(rows))
    ids, _ = TaskTokenizer(tmp_path / "tokenizer.json", 32)(["a b"])
    assert ids.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("open the door", "Open the door"),
        ("open the door", "  open   the door "),
        ("öffne die tür", "OFFNE DIE TUR"),
        ("open the 门", "open the 窗"),
    ],
)
@pytest.mark.filterwarnings("ignore::robometer_rl.rewards.UnreadTaskWarning")
def test_two_tasks_whose_sentences_read_alike_are_refused(
    bundled: TaskTokenizer, first: str, second: str
) -> None:
    bundled.refuse_alike({"a/one": ["close the window", first], "a/two": ["shut the lid"]})
    with pytest.raises(ValueError, match="read alike") as caught:
        bundled.refuse_alike({"a/one": ["close the window", first], "a/two": [second]})
    for part in ("a/one", "a/two", first, second):
        assert part in str(caught.value)


def test_one_task_may_say_the_same_twice(bundled: TaskTokenizer) -> None:
    bundled.refuse_alike({"a/one": ["open the door", "Open the door"], "a/two": ["close the door"]})
