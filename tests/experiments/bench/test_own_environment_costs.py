"""`robometer-rl bench --env`: what a step costs in an environment of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from robometer_test_fakes import MODEL

from robometer_rl import cli

ENV = "robometer_test_envs:make_reach"


def test_the_steps_of_an_environment_are_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a" / "own.json"
    assert cli.main(["bench", "--env", ENV, "--model", MODEL, "--quick", "--json", str(path)]) == 0
    shown = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report["env"] == ENV
    names = [cost["name"] for cost in report["costs"]]
    assert len(names) == 4
    assert names[2] == "wrapped step"
    assert all(0 < cost["ms"]["p10"] <= cost["ms"]["median"] <= cost["ms"]["p90"] for cost in report["costs"])
    assert report["machine"]["threads"] == 1
    assert "wrapped step" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "step"], "--only is for the cases of Meta-World"),
        (["--env-kwargs", '{"speed": 1}'], "does not take 'speed'"),
        (["--frames", "camera"], "is not a source"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROBOMETER_RL_TRACEBACK", raising=False)
    try:
        status = cli.main(["bench", "--env", ENV, "--model", MODEL, *words])
    except SystemExit as leaving:
        status = int(str(leaving.code))
    assert status == 2
    assert message.split()[0] in capsys.readouterr().err
