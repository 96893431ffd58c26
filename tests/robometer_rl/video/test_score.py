from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robometer_rl.cli import main
from robometer_rl.video.io import read_video

MODULE = '''
import numpy as np
from robometer_rl.rewards.protocol import Scores

class Bright:
    """Progress is the mean brightness of a frame, success whether it exceeds one half."""

    trained_worlds = ("metaworld/door-open-v3", "metaworld/window-open-v3", "robosuite/Lift")

    def __init__(self, **changes):
        self.__dict__.update(changes)
        self.success_threshold = 0.6

    def score(self, frames, task):
        progress = frames.mean(axis=(1, 2, 3), dtype=np.float64).astype(np.float32) / 255
        return Scores(progress, (progress > 0.5).astype(np.float32))

    def prefer(self, a, b, task):
        return 0.5

    def stream(self, n):
        raise NotImplementedError("videos are scored whole")

def Unnamed():
    return Bright(trained_worlds=())
'''
LEVELS = np.asarray([0, 51, 102, 153, 204, 255])


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six frames of rising brightness at 10 frames per second; the model's answers are known by hand."""
    (tmp_path / "bright_for_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    frames = np.stack([striped(int(level), 40, 60) for level in LEVELS])
    np.savez(tmp_path / "v.npz", frames=frames, fps=10.0)
    return tmp_path / "v.npz"


def striped(level: int, height: int, width: int) -> np.ndarray:
    """A picture of a mean level, striped at the top where the level allows, so that it is not flat."""
    picture = np.full((height, width, 3), level, np.uint8)
    depth = min(level, 255 - level, 20)
    picture[: height // 4, ::2] -= depth
    picture[: height // 4, 1::2] += depth
    return picture


def run(video: Path, *words: str, model: str = "Bright", task: str = "open the door") -> int:
    return main(["score", str(video), "--task", task, "--model", f"bright_for_test:{model}", *words])


def test_table_json_plot_and_overlay(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    words = ["--json", str(out / "s.json"), "--plot", str(out / "s.png"), "--overlay", str(out / "s.mp4")]
    assert run(video, *words) == 0
    shown = capsys.readouterr().out
    for level in LEVELS:
        assert f"{level / 255:.3f}" in shown
    assert "success from frame 3" in shown
    data = json.loads((out / "s.json").read_text())
    assert data["task"] == "open the door"
    assert data["frame"] == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(data["time"], np.arange(6) / 10)
    np.testing.assert_allclose(data["progress"], LEVELS / 255, atol=1e-5)
    assert data["success"] == [0, 0, 0, 1, 1, 1]
    assert (data["first_success_frame"], data["final_progress"], data["max_success"]) == (3, 1.0, 1.0)
    with Image.open(out / "s.png") as plot:
        assert plot.width == 1200
    overlay = read_video(out / "s.mp4")
    assert len(overlay) == 6
    assert overlay.fps == pytest.approx(10)
    centres = overlay.frames[:, 200, 320].mean(axis=-1)
    np.testing.assert_allclose(centres, LEVELS, atol=6)


def test_subsampling_keeps_source_numbers_and_times(video: Path, tmp_path: Path) -> None:
    assert run(video, "--fps", "5", "--json", str(tmp_path / "s.json")) == 0
    data = json.loads((tmp_path / "s.json").read_text())
    assert data["frame"] == [0, 2, 4, 5]
    np.testing.assert_allclose(data["time"], [0, 0.2, 0.4, 0.5])
    np.testing.assert_allclose(data["progress"], LEVELS[[0, 2, 4, 5]] / 255, atol=1e-5)
    assert data["first_success_frame"] == 4


def test_a_video_without_rate_is_counted_in_frames(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "v.npy", np.stack([striped(level, 16, 16) for level in (30, 40, 50, 60)]))
    assert run(tmp_path / "v.npy", "--json", str(tmp_path / "s.json"), "--plot", str(tmp_path / "s.png")) == 0
    data = json.loads((tmp_path / "s.json").read_text())
    assert data["time"] is None
    assert data["fps"] is None
    assert data["first_success_frame"] is None
    assert "no success seen" in capsys.readouterr().out


def test_long_videos_show_fewer_rows_but_write_all(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "long.npy", np.stack([striped(level % 250, 8, 8) for level in range(301)]))
    assert run(tmp_path / "long.npy", "--rows", "5", "--json", str(tmp_path / "s.json")) == 0
    shown = capsys.readouterr().out
    assert "5 of 301 scored frames shown" in shown
    assert [number in shown for number in (" 0 ", " 75 ", " 150 ", " 225 ", " 300 ")] == [True] * 5
    assert " 76 " not in shown
    assert len(json.loads((tmp_path / "s.json").read_text())["progress"]) == 301


def test_the_model_says_what_it_has_never_seen(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shown() -> str:
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    assert run(video) == 0
    fitted = shown()
    known = "metaworld: door-open-v3, window-open-v3; robosuite: Lift"
    assert f"was fitted on: {known}; elsewhere its curves may mean little." in fitted
    assert "real robot" not in fitted, "of somebody else's model nothing is known but its worlds"
    assert main(["score", str(video), "--task", "open the door", "--model", "compact"]) == 0
    bundled = shown()
    assert "simulated tasks and nothing else: metaworld: " in bundled
    assert "never seen a real robot" in bundled
    assert run(video, model="Unnamed") == 0
    assert "does not say which worlds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", " "], "task is empty"),
        (["--plot", "s.pdf"], r"--plot s.pdf cannot be written; expected a file name ending in .png"),
        (["--overlay", "s.gif"], r"--overlay s.gif cannot be written; expected a file name ending in .mp4"),
        (["--rows", "1"], "rows must be at least 2, got 1"),
        (["--model", "large"], "unknown reward model 'large'"),
        (["--fps", "-3"], "fps must be a positive number"),
    ],
)
def test_wrong_options_are_one_line(
    video: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["score", str(video), "--task", "open", "--model", "bright_for_test:Bright", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_video_is_one_line(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(video.with_name("gone.mp4")) == 2
    assert "no video at" in capsys.readouterr().err


def test_a_missing_option_is_usage(video: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["score", str(video)])
    assert stop.value.code == 2


# What users write is text: never markup, and never a reason to lose what was computed.


@pytest.mark.parametrize(
    "task", ["pick up the [object] now", "lift [/INST]", "[bold]open[/bold] it", "open [link=x]"]
)
def test_brackets_in_a_task_stay_as_they_are(
    task: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(video, "--json", str(tmp_path / "s.json"), task=task) == 0
    assert task in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "s.json").read_text("utf-8"))["task"] == task


def test_brackets_in_a_file_name_stay_as_they_are(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = video.rename(tmp_path / "x[red].npz")
    assert run(odd, "--json", str(tmp_path / "s[1].json")) == 0
    shown = capsys.readouterr().out
    assert "x[red].npz" in shown
    assert "s[1].json" in shown.replace("\n", "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_characters_ends_nothing(video: Path, tmp_path: Path, encoding: str) -> None:
    task = "打开抽屉, öffne die Tür"
    words = [sys.executable, "-m", "robometer_rl.cli", "score", str(video), "--task", task]
    words += ["--model", "bright_for_test:Bright", "--json", str(tmp_path / "s.json")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(tmp_path), "COLUMNS": "120"}
    done = subprocess.run(words, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"0.800" in done.stdout
    assert json.loads((tmp_path / "s.json").read_text("utf-8"))["task"] == task


def test_files_are_written_before_anything_is_printed(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: object, **options: object) -> None:
        raise BrokenPipeError("nobody reads any more")

    monkeypatch.setattr("rich.console.Console.print", broken)
    with pytest.raises(BrokenPipeError):
        run(video, "--json", str(tmp_path / "s.json"), "--overlay", str(tmp_path / "s.mp4"))
    assert (tmp_path / "s.json").is_file()
    assert (tmp_path / "s.mp4").is_file()


def test_an_overlay_lasts_as_long_as_its_video(video: Path, tmp_path: Path) -> None:
    images = [Image.fromarray(striped(level, 40, 60)) for level in (20, 120, 230)]
    images[0].save(tmp_path / "v.gif", save_all=True, append_images=images[1:], duration=[100, 100, 1000])
    assert (
        run(tmp_path / "v.gif", "--overlay", str(tmp_path / "s.mp4"), "--json", str(tmp_path / "s.json")) == 0
    )
    overlay = read_video(tmp_path / "s.mp4")
    assert overlay.duration == pytest.approx(1.2, abs=0.01)
    np.testing.assert_allclose(json.loads((tmp_path / "s.json").read_text())["time"], [0, 0.1, 0.2])


def test_a_black_video_is_refused_with_what_its_pictures_are(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "black.npy", np.zeros((4, 16, 16, 3), np.uint8))
    assert run(tmp_path / "black.npy") == 2
    said = capsys.readouterr().err
    assert "all 4 pictures of black.npy are flat; the first: 16x16 pixels, mean 0.0, std 0.0" in said


def test_pictures_that_show_nothing_are_told_beside_the_scores(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.stack([striped(100, 16, 16)] * 5)
    np.save(tmp_path / "still.npy", frames)
    assert run(tmp_path / "still.npy") == 0
    assert "all 5 pictures of still.npy are the same" in capsys.readouterr().out
    frames[1:4] = 128
    np.save(tmp_path / "gray.npy", frames)
    assert run(tmp_path / "gray.npy") == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert (
        "3 of 5 pictures of gray.npy are flat, the first of them number 1: 16x16 pixels, mean 128.0" in said
    )
    assert run(video) == 0
    assert "Warning" not in capsys.readouterr().out
