"""What a model makes of one's own episodes, as a command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from robometer_test_episodes import TASKS, long_tokenizer, make_episode

from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.errors import InputError
from robometer_rl.experiments.adapt.examine import main
from robometer_rl.experiments.episodes import write_episode
from robometer_rl.rewards.compact.checkpoint import Checkpoint, save_checkpoint


def test_a_model_is_measured_on_the_episodes_of_a_folder(
    tmp_path: Path, checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(replace(checkpoint, tokenizer=long_tokenizer(checkpoint)), tmp_path / "model")
    for kind in ("success", "stalled", "random"):
        for seed in range(2):
            write_episode(tmp_path / "data", replace(make_episode(TASKS[0], kind, seed), task="mine/press"))
    add_sentences(tmp_path / "data", "mine/press", "push the door")
    words = ["--data", str(tmp_path / "data"), "--model", str(tmp_path / "model")]
    assert main([*words, "--json", str(tmp_path / "found.json")]) == 1, "it has learned nothing"
    found = json.loads((tmp_path / "found.json").read_text())["mine/press"]
    assert (found["successes"], found["failures"]) == (2, 4)
    shown = capsys.readouterr().out
    assert "mine/press: 2 successes and 4 failures" in shown
    assert f"{found['success_auc']:.2f}" in shown
    assert "Not ready" in shown or "Ready for ranking" in shown


def test_a_folder_that_does_not_say_what_it_shows_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no tasks\.json"):
        main(["--data", str(tmp_path)])
