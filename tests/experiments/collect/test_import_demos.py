"""`robometer-rl import-demos`: what is taken, what is left out, and what a second run does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from robometer_test_demos import SENTENCE, write_episodes, write_robomimic, write_videos

from robometer_rl.cli import main
from robometer_rl.datasets.label_file import VideoLabel, write_labels
from robometer_rl.errors import InputError
from robometer_rl.experiments.collect.import_demos import ImportConfig, Imported, import_demos
from robometer_rl.experiments.episodes import Episode, list_episodes, read_episode
from robometer_rl.experiments.reward_model.dataset import read_sentences
from robometer_rl.experiments.reward_model.labels import success_progress
from robometer_rl.rewards.compact.text import TaskTokenizer


def run(source: Path, out: Path, **options: Any) -> tuple[Imported, str]:
    text = io.StringIO()
    console = Console(file=text, width=200, markup=False)
    return import_demos(
        ImportConfig(source, out, **{"task": "open the door", **options}), console
    ), text.getvalue()


def episodes(out: Path) -> list[Episode]:
    return [read_episode(path) for path in list_episodes(out)]


def test_videos_become_episodes_that_fit_can_label_and_read(tmp_path: Path, tokenizer: TaskTokenizer) -> None:
    source = write_videos(tmp_path / "videos", {"success/a.mp4": 6, "failure/b.mp4": 6, "failure/c.mp4": 6})
    result, text = run(source, tmp_path / "out")
    assert result == Imported({"success": 1, "failure": 2}, 0, {})
    assert "3 episodes written to" in text
    assert ": 2 failure, 1 success" in text
    assert [episode.task for episode in episodes(tmp_path / "out")] == ["own/open-the-door"] * 3
    assert [episode.seed for episode in episodes(tmp_path / "out")] == [0, 1, 2]
    assert list(read_sentences(tmp_path / "out" / "tasks.json", tokenizer)) == ["own/open-the-door"]
    np.testing.assert_allclose(success_progress(episodes(tmp_path / "out")[2]), np.arange(6) / 5)


def test_a_second_run_takes_what_is_new_and_what_has_changed(tmp_path: Path) -> None:
    source, out = write_videos(tmp_path / "videos", {"a.mp4": 6, "b.mp4": 6}), tmp_path / "out"
    assert run(source, out)[0].kinds == {"unlabelled": 2}
    before = {path: path.stat().st_mtime_ns for path in list_episodes(out)}
    assert run(source, out)[0] == Imported({}, 2, {})
    assert {path: path.stat().st_mtime_ns for path in list_episodes(out)} == before
    write_videos(source, {"c.mp4": 6})
    write_labels(source, {"a.mp4": VideoLabel("success", 0.3)})
    result, text = run(source, out)
    assert result == Imported({"success": 1, "unlabelled": 1}, 1, {})
    assert "1 were there already" in text
    kinds = sorted((episode.kind, episode.detail.partition(" ")[0]) for episode in episodes(out))
    assert kinds == [
        ("success", "videos/a.mp4"),
        ("unlabelled", "videos/b.mp4"),
        ("unlabelled", "videos/c.mp4"),
    ]


def test_two_sources_of_the_same_names_are_two(tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        source = write_videos(tmp_path / day / "videos", {"success/a.mp4": 4})
        assert run(source, tmp_path / "out")[0].kinds == {"success": 1}
    assert len(list_episodes(tmp_path / "out")) == 2


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "videos", {"success/a.mp4": 6, "success/c.mp4": 6})
    (source / "success" / "b.mp4").write_bytes(b"no video")
    np.save(source / "success" / "d.npy", np.zeros((3, 16, 16, 3), np.uint8))
    result, text = run(source, tmp_path / "out")
    assert result.kinds == {"success": 2}
    assert list(result.left_out) == ["success/b.mp4", "success/d.npy"]
    assert "left out success/b.mp4: " in text
    assert "are flat" in text
    assert (
        main(["import-demos", "--from", str(source), "--out", str(tmp_path / "x"), "--task", SENTENCE]) == 1
    )


def test_robomimic_goes_in_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_robomimic(tmp_path / "lift.hdf5", demos=3)
    command = ["import-demos", "--from", str(path), "--out", str(tmp_path / "out"), "--task", SENTENCE]
    assert main([*command, "--task-id", "robomimic/Lift", "--frame-every", "2"]) == 0
    assert [(episode.task, episode.kind) for episode in episodes(tmp_path / "out")] == [
        ("robomimic/Lift", "success")
    ] * 3
    output = capsys.readouterr().out
    assert "robomimic: the pictures are those of agentview_image, 32x32 pixels" in output
    assert "success is told by rewards" in output


def test_episodes_keep_their_tasks_and_sentences(tmp_path: Path) -> None:
    source = write_episodes(tmp_path / "in", ("success", "unlabelled"))
    result, _ = run(source, tmp_path / "out", task=None, frame_every=3)
    assert result.kinds == {"success": 1, "unlabelled": 1}
    success, unlabelled = episodes(tmp_path / "out")
    assert success.task == "own/lift"
    assert success.frames.shape == (4, 96, 96, 3)
    assert success.frame_every == 6
    assert success.success is not None
    assert success.success.tolist() == [False, False, False, True]
    assert unlabelled.success is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": None}, "has no sentence: give --task"),
        ({"format": "rlds"}, "valid formats: episodes, robomimic, videos"),
        ({"camera": "x"}, "camera='x' is for robomimic"),
        ({"fps": -1.0}, "positive number"),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    source = write_videos(tmp_path / "videos", {"success/a.mp4": 3})
    with pytest.raises(InputError, match=message):
        run(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_the_folder_that_is_read_is_not_written_to(tmp_path: Path) -> None:
    source = write_episodes(tmp_path / "in")
    with pytest.raises(InputError, match="is the folder that is read"):
        run(source, source, task=None)
