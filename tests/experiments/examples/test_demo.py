from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from robometer_rl.cli import main
from robometer_rl.experiments.examples.demo import DemoConfig, demo, play
from robometer_rl.video.io import read_video

DOOR, LIFT = "metaworld/door-open-v3", "robosuite/Lift"


@pytest.mark.parametrize("world", [DOOR, LIFT])
@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_the_three_kinds_differ_in_truth(world: str, fakes: ModuleType) -> None:
    config = DemoConfig(model=fakes.MODEL, linger=3)
    expert = play(world, "expert", config, 0.5)
    truth = expert.episode.truth
    assert truth is not None
    assert truth[-3:].all()
    assert not truth[:20].any()
    assert len(truth) < config.horizon
    for kind in ("half-way", "random"):
        other = play(world, kind, config, 0.5, steps=len(truth))
        assert other.episode.truth is not None
        assert not other.episode.truth.any()
        assert len(other.episode.frames) == len(truth)


@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_the_half_way_episode_works_and_then_stands_still(fakes: ModuleType) -> None:
    config = DemoConfig(model=fakes.MODEL)
    frames = play(DOOR, "half-way", config, 0.5, steps=90).episode.frames.astype(int)
    moved = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert moved[10:40].mean() > 10 * moved[-10:].mean()


@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_the_returns_add_up_and_runs_repeat(fakes: ModuleType) -> None:
    """The wrapper pays progress + success by default."""
    config = DemoConfig(model=fakes.MODEL)
    first, again = (play(DOOR, "random", config, 0.5, steps=8) for _ in range(2))
    assert first.learned_return == pytest.approx(first.episode.progress.sum() + first.episode.success.sum())
    assert first.learned_return == again.learned_return
    np.testing.assert_array_equal(first.episode.frames, again.episode.frames)
    assert first.episode.times.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_table_figure_and_video(
    tmp_path: Path, fakes: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    config = DemoConfig(model=fakes.MODEL, out=tmp_path / "a" / "demo", horizon=6)
    played = demo(config)
    assert [(game.task, game.kind) for game in played] == [
        (task, kind) for task in (DOOR, LIFT) for kind in ("expert", "half-way", "random")
    ]
    shown = capsys.readouterr().out
    for words in ("door-open-v3", "Lift", "half-way", "learned", "demo.png", "demo.mp4"):
        assert words in shown
    for game in played:
        assert f"{game.learned_return:.1f}" in shown
    with Image.open(config.out / "demo.png") as figure:
        assert figure.width == 2000
    video = read_video(config.out / "demo.mp4")
    assert len(video) == 6
    assert video.frames.shape[2] == 3 * 420


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--horizon", "0"], "horizon must be at least 1"),
        (["--tasks", "metaworld/door-opn-v3"], "metaworld/door-open-v3"),
        (["--model", "huge"], "unknown reward model 'huge'"),
    ],
)
def test_wrong_options_are_one_line(
    words: list[str], message: str, fakes: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--model", fakes.MODEL, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


OWN = ("--env", "robometer_test_envs:make_reach", "--task", "move the bar to the right")


@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_an_environment_of_ones_own_is_played_at_random_and_by_a_script(
    tmp_path: Path, fakes: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    words = [*OWN, "--policy", "robometer_test_envs:make_push", "--model", fakes.MODEL]
    assert main(["demo", *words, "--out", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "make_reach scripted yes" in shown
    assert "random" in shown
    with Image.open(tmp_path / "demo.png") as figure:
        assert figure.width == 1000
    assert len(read_video(tmp_path / "demo.mp4")) == 8  # the environment's own limit


@pytest.mark.filterwarnings("ignore:.*was never trained on:UserWarning")
def test_without_success_nobody_says_that_it_was_done(
    tmp_path: Path, fakes: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    words = [*OWN, "--success", "none", "--model", fakes.MODEL, "--out", str(tmp_path)]
    assert main(["demo", *words]) == 0
    assert "make_reach random unknown" in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env", "robometer_test_envs:make_reach"], "--task"),
        (["--policy", "robometer_test_envs:make_push"], "plays the environment of --env"),
        ([*OWN[:2], "--task", "go", "--frames", "camera"], "frames='camera' is not a source"),
    ],
)
def test_an_environment_that_cannot_be_shown_is_one_line(
    words: list[str], message: str, fakes: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--model", fakes.MODEL, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
