"""The table of tasks is complete, says what the success tests want, and keeps its splits apart."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robometer_rl.envs import tasks as module
from robometer_rl.envs.tasks import TASKS, Task, get_task, list_tasks, load_tasks, plain_words, tasks_markdown

TRAIN = {
    "button-press",
    "button-press-topdown-wall",
    "coffee-pull",
    "dial-turn",
    "door-open",
    "door-unlock",
    "drawer-close",
    "faucet-open",
    "handle-press",
    "handle-pull-side",
    "peg-insert-side",
    "pick-place",
    "plate-slide",
    "plate-slide-back-side",
    "push",
    "reach",
    "stick-push",
    "stick-pull",
    "window-open",
    "hand-insert",
}
UNSEEN = {
    "button-press-wall",
    "button-press-topdown",
    "coffee-push",
    "coffee-button",
    "door-close",
    "door-lock",
    "faucet-close",
    "handle-press-side",
    "handle-pull",
    "pick-place-wall",
    "plate-slide-back",
    "plate-slide-side",
    "push-back",
    "reach-wall",
    "soccer",
    "window-close",
    "sweep-into",
}
RL = {
    "window-close",
    "reach-wall",
    "faucet-close",
    "coffee-button",
    "button-press-wall",
    "door-lock",
    "handle-press-side",
    "sweep-into",
}

TABLE = Path(module.__file__).with_name("tasks.json")


def names(tasks: list[Task]) -> set[str]:
    return {task.name.removesuffix("-v3") for task in tasks}


def sentences(task: Task) -> list[str]:
    return [task.sentence, *task.paraphrases, *task.heldout_paraphrases]


def test_the_table_holds_all_of_metaworld_and_three_of_robosuite() -> None:
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    assert {task.name for task in list_tasks("metaworld")} == set(ALL_V3_ENVIRONMENTS)
    assert {task.name for task in list_tasks("robosuite")} == {"Lift", "Door", "Stack"}
    assert len(TASKS) == 53
    assert all(task.id == key == f"{task.suite}/{task.name}" for key, task in TASKS.items())


def test_the_splits_are_those_of_rewind() -> None:
    assert names(list_tasks("metaworld", "train")) == TRAIN
    assert names(list_tasks("robosuite", "train")) == {"Lift", "Door", "Stack"}
    assert names(list_tasks(split="unseen")) == UNSEEN
    assert names([task for task in TASKS.values() if task.rl_eval]) == RL
    assert [len(list_tasks(split=split)) for split in ("train", "unseen", "other")] == [23, 17, 13]


def test_no_sentence_belongs_to_two_tasks_or_stands_twice_in_one() -> None:
    words = [plain_words(sentence) for task in TASKS.values() for sentence in sentences(task)]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_has_enough_and_really_different_sentences(task: Task) -> None:
    assert len(task.paraphrases) >= 10
    assert len(task.heldout_paraphrases) >= 4
    assert len(task.inverse_sentences) <= 12
    assert task.success
    assert task.camera
    assert task.horizon == 500
    bags = [frozenset(plain_words(sentence).split()) - {"the", "a", "please"} for sentence in sentences(task)]
    assert len(set(bags)) == len(bags)
    lengths = [len(bag) for bag in bags]
    assert max(lengths) - min(lengths) >= 3


def test_held_out_wordings_reach_training_by_no_other_road() -> None:
    held_out = {plain_words(text) for task in TASKS.values() for text in task.heldout_paraphrases}
    trained = {
        plain_words(text)
        for task in TASKS.values()
        for text in (task.sentence, *task.paraphrases, *task.inverse_sentences)
    }
    assert not held_out & trained


def test_a_video_run_backwards_never_shows_its_own_task() -> None:
    for task in TASKS.values():
        own = set(map(plain_words, sentences(task)))
        assert not own & set(map(plain_words, task.inverse_sentences))


@pytest.mark.parametrize(
    ("outside", "trained"),
    [
        ("door-close", "door-open"),
        ("window-close", "window-open"),
        ("drawer-open", "drawer-close"),
        ("faucet-close", "faucet-open"),
        ("door-lock", "door-unlock"),
    ],
)
def test_an_opposite_outside_training_shows_the_trained_task_backwards(outside: str, trained: str) -> None:
    one, two = (get_task(f"metaworld/{name}-v3") for name in (outside, trained))
    assert two.sentence in one.inverse_sentences


def test_what_a_video_shows_besides_is_shown_through_and_through() -> None:
    for task in TASKS.values():
        for other in task.also_shows:
            assert set(get_task(other).also_shows) <= set(task.also_shows)


@pytest.mark.parametrize(
    ("wrong", "close"),
    [
        ("metaworld/drawer-opn-v3", "metaworld/drawer-open-v3"),
        ("drawer-open-v3", "metaworld/drawer-open-v3"),
        ("lift", "robosuite/Lift"),
        ("metaworld/window_close", "metaworld/window-close-v3"),
    ],
)
def test_an_unknown_task_is_answered_with_close_ones(wrong: str, close: str) -> None:
    with pytest.raises(ValueError, match=f"unknown task '{wrong}': did you mean .*'{close}'"):
        get_task(wrong)


def test_a_name_like_no_other_is_answered_with_the_form_of_an_id() -> None:
    with pytest.raises(ValueError, match=r"'xyzzy': ids look like .* all 53"):
        get_task("xyzzy")


def test_an_unknown_suite_or_split_is_refused() -> None:
    with pytest.raises(ValueError, match="suite must be None or one of 'metaworld', 'robosuite'"):
        list_tasks("atari")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"split must be None or one of .*, got 'test'"):
        list_tasks(split="test")  # type: ignore[arg-type]


def set_field(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["tasks"][0].update({field: value})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no tasks": (lambda table: table.pop("tasks"), "keys 'suites' and 'tasks'"),
    "suite without horizon": (lambda table: table["suites"]["metaworld"].pop("horizon"), "suite 'metaworld'"),
    "missing field": (lambda table: table["tasks"][0].pop("success"), r"missing fields \['success'\]"),
    "unknown field": (set_field("colour", "red"), r"unknown fields \['colour'\]"),
    "no id": (set_field("id", 3), "text 'id'"),
    "id of no suite": (set_field("id", "atari/pong"), "an id is <suite>/<name>"),
    "empty sentence": (set_field("sentence", " "), "field 'sentence'.*not empty"),
    "text for a list": (set_field("paraphrases", "open it"), "'paraphrases' must be a list"),
    "number in a list": (set_field("also_shows", [1]), "field 'also_shows'"),
    "too few": (set_field("heldout_paraphrases", ["one"]), "needs at least 4 sentences, got 1"),
    "split": (set_field("split", "test"), "'split' must be one of train, unseen, other, got 'test'"),
    "rl_eval": (set_field("rl_eval", "yes"), "'rl_eval' must be true or false"),
    "horizon": (set_field("horizon", True), "'horizon' must be a whole number"),
    "reference": (set_field("also_shows", ["metaworld/nothing-v3"]), "'also_shows' must name other tasks"),
    "twice": (lambda table: table["tasks"].append(table["tasks"][0]), "stands twice"),
    "shared sentence": (set_field("sentence", "Open the drawer!"), "stands in .* and again in"),
}


@pytest.mark.parametrize(("breaks", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_refused_with_its_reason(
    breaks: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    breaks(table)
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_tasks(file)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_tasks(file)


def test_loading_is_quick() -> None:
    def once() -> float:
        start = time.process_time()  # what else the machine does takes no share of it
        load_tasks()
        return time.process_time() - start

    assert min(once() for _ in range(5)) < 0.02


def test_the_page_of_the_docs_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "tasks.md"
    assert page.read_text(encoding="utf-8") == tasks_markdown()


def test_the_table_is_printed_with_every_task() -> None:
    page = tasks_markdown()
    assert all(f"| `{task.name}` | {task.sentence} |" in page for task in TASKS.values())
    command = [sys.executable, "-m", "robometer_rl.envs"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout == page


def test_nothing_that_is_trained_on_says_an_unseen_task() -> None:
    unseen = {plain_words(s) for task in list_tasks(split="unseen") for s in sentences(task)}
    for task in list_tasks(split="train"):
        read = (task.sentence, *task.paraphrases, *task.inverse_sentences)
        assert not unseen & {plain_words(sentence) for sentence in read}, task.id
