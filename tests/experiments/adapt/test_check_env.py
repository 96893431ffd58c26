from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from robometer_rl.cli import main
from robometer_rl.errors import InputError
from robometer_rl.experiments.adapt.check_env import (
    CheckEnvConfig,
    EnvironmentReport,
    check_env,
    next_step,
)
from robometer_rl.experiments.adapt.measures import CheckResult, Upright
from robometer_rl.experiments.common.environment import EnvironmentConfig

MODEL = "robometer_test_fakes:FakeRewardModel"
COUNT = EnvironmentConfig("robometer_test_fakes:FakeEnv", "count up", '{"success_at": 4}')
REACH = EnvironmentConfig("robometer_test_envs:make_reach", "push right")


def check(where: EnvironmentConfig, tmp_path: Path, **options: Any) -> EnvironmentReport:
    options = {"model": MODEL, "episodes": 2, "out": tmp_path / "out", **options}
    return check_env(CheckEnvConfig(where, **options), Console(quiet=True))


def problems(report: EnvironmentReport) -> list[str]:
    return [one.about for one in report.checks if one.level == "problem"]


def read_image(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def test_a_world_that_the_model_knows_is_usable(tmp_path: Path) -> None:
    report = check(COUNT, tmp_path)
    assert report.usable
    assert (report.world, report.knows_world) == ("fake/count", True)
    assert (report.success_source, report.time_limit) == ("is_success", 10)
    assert (report.random.episodes, report.random.steps, report.random.succeeded) == (2, 20, 2)
    assert report.random.max_progress == pytest.approx(0.1)
    assert (report.reward.low, report.reward.high) == (11.0, 20.0)
    assert report.scripted is None


def test_the_report_is_written_as_json_with_what_to_do_next(tmp_path: Path) -> None:
    report = check(COUNT, tmp_path)
    written = json.loads((tmp_path / "out/report.json").read_text())
    assert written["usable"] is True
    assert written["next"] == next_step(report)
    assert written["picture"]["width"] == 12
    assert written["random"]["steps"] == 20


def test_the_pictures_are_those_of_the_environment(tmp_path: Path) -> None:
    check(COUNT, tmp_path)
    first, last = (
        np.asarray(Image.open(tmp_path / f"out/original_{name}.png")) for name in ("first", "last")
    )
    assert (first[0, 0, 0], last[0, 0, 0]) == (0, 10)
    assert (tmp_path / "out/model_middle.png").exists()
    assert read_image(tmp_path / "out/pictures.png").size[0] > 3 * 240


def test_equal_seeds_give_equal_reports(tmp_path: Path) -> None:
    one, two = (check(REACH, tmp_path, seed=3) for _ in range(2))
    assert replace(one, milliseconds=two.milliseconds) == two
    assert check(REACH, tmp_path, seed=4).reward != one.reward


def test_the_scripted_policy_is_played_and_judged(tmp_path: Path) -> None:
    report = check(REACH, tmp_path, policy="robometer_test_envs:go_right")
    assert report.scripted is not None
    assert (report.scripted.episodes, report.scripted.succeeded) == (2, 2)


def test_an_environment_without_pictures_is_a_finding(tmp_path: Path) -> None:
    where = EnvironmentConfig("robometer_test_envs:RobometerTest/Buttons-v0", "press a button")
    report = check(where, tmp_path)
    assert problems(report) == ["picture"]
    assert report.picture is None
    assert json.loads((tmp_path / "out/report.json").read_text())["random"]["mean_progress"] is None
    assert "picture" in next_step(report)


@pytest.mark.parametrize("view", ["black_view", "still_view"])
def test_pictures_that_show_nothing_are_a_problem(view: str, tmp_path: Path) -> None:
    report = check(replace(REACH, frames=f"robometer_test_envs:{view}"), tmp_path)
    assert problems(report) == ["picture"]


def test_episodes_without_end_are_a_problem(tmp_path: Path) -> None:
    where = EnvironmentConfig("robometer_test_envs:RobometerTest/Endless-v0", "push right")
    report = check(where, tmp_path, steps=20)
    assert problems(report) == ["time limit"]
    assert report.random.steps == 40
    assert not report.usable


def test_no_success_and_a_reward_that_never_changes_is_a_problem(tmp_path: Path) -> None:
    silent = replace(REACH, success="none")
    assert problems(check(silent, tmp_path)) == []
    assert problems(check(replace(silent, wrappers=("robometer_test_envs:Unpaid",)), tmp_path)) == [
        "own reward"
    ]


def test_success_that_comes_by_itself_is_warned_of(tmp_path: Path) -> None:
    (found,) = (f for f in check(COUNT, tmp_path).checks if f.about == "success")
    assert found.level == "warning"
    assert "random motion succeeds in 2 of 2 episodes" in found.text


def test_words_that_the_model_does_not_read_are_named(tmp_path: Path) -> None:
    where = replace(REACH, task="push the asdkjh right")
    report = check(where, tmp_path, model="compact", episodes=1, steps=2)
    assert report.unread_words == ("asdkjh",)
    assert any(one.about == "sentence" for one in report.checks)


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        (REACH, {"model": "compat"}, "unknown reward model"),
        (REACH, {"policy": "robometer_test_envs:no_wrapper"}, "returned 3"),
        (replace(REACH, frames="pixels"), {}, "is not a source"),
        (replace(REACH, env_kwargs='{"paec": 1}'), {}, "does not take 'paec'"),
    ],
)
def test_wrong_input_is_refused(
    where: EnvironmentConfig, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        check(where, tmp_path, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--env", "robometer_test_fakes:FakeEnv"], 0),
        (["--env", "robometer_test_envs:RobometerTest/Endless-v0"], 1),
        (["--env", "robometer_test_envs:Missing"], 2),
    ],
)
def test_the_exit_status_says_whether_the_environment_is_usable(
    words: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--task", "count up", "--model", MODEL, "--steps", "5", "--episodes", "1", "--out", str(tmp_path)]
    assert main(["check-env", *words, *more]) == status
    if status < 2:
        assert "What to do next" in capsys.readouterr().out


@pytest.fixture
def good(tmp_path: Path) -> EnvironmentReport:
    report = check(replace(COUNT, env_kwargs="{}"), tmp_path)
    assert report.scripted is None
    return replace(report, scripted=replace(report.random, succeeded=2, final_progress=0.9))


def test_next_comes_training_where_all_is_well(good: EnvironmentReport) -> None:
    assert "robometer-rl train" in next_step(good)


def test_next_comes_recording_where_the_world_is_unknown(good: EnvironmentReport) -> None:
    said = next_step(replace(good, knows_world=False))
    assert "record 10 successes and 20 failures with RecordEpisodes" in said
    assert "robometer-rl adapt" in said


def test_next_comes_the_camera_where_a_known_success_is_not_seen(good: EnvironmentReport) -> None:
    assert good.scripted is not None
    assert "compare camera" in next_step(replace(good, scripted=replace(good.scripted, final_progress=0.1)))


def test_next_comes_improve_where_aimless_motion_is_paid(good: EnvironmentReport) -> None:
    assert "robometer-rl improve" in next_step(replace(good, random=replace(good.random, mean_progress=0.3)))
    assert "improve, which" in next_step(replace(good, random=replace(good.random, called_done=1)))


def test_next_comes_the_picture_where_it_seems_upside_down(good: EnvironmentReport) -> None:
    assert "frame[::-1]" in next_step(replace(good, upright=Upright("upside down", 0.8, "because")))


def test_problems_come_before_everything(good: EnvironmentReport) -> None:
    bad = replace(good, checks=(CheckResult("problem", "time limit", "none"),), knows_world=False)
    assert next_step(bad) == "Mend this first: time limit. Then run check-env again."


@pytest.mark.parametrize(("name", "value"), [("episodes", 0), ("steps", 1), ("seed", -1)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be at least"):
        CheckEnvConfig(REACH, **{name: value})
