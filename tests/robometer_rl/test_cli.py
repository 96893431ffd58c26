from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from robometer_rl.cli import COMMANDS, Command, main
from robometer_rl.errors import InputError

MODULE = """
from robometer_rl.envs.extras import MissingExtraError
from robometer_rl.errors import InputError, checking_input

def main(argv):
    word = argv[0]
    if word == "value":
        raise InputError("the task is\\n  empty")
    if word == "file":
        with checking_input():
            raise FileNotFoundError("no video at gone.mp4")
    if word == "extra":
        raise MissingExtraError("pip install 'robometer-rl[metaworld]'")
    if word == "disk":
        raise OSError(28, "No space left on device")
    if word == "nan":
        raise ValueError("the reward is nan")
    if word == "stop":
        raise KeyboardInterrupt
    if word == "bug":
        raise TypeError("a mistake of ours")
    print("ran with", argv)
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Command]:
    (tmp_path / "command_for_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("ROBOMETER_RL_TRACEBACK", raising=False)
    return {"try": Command("command_for_test", "try things")}


def test_a_command_gets_the_rest_of_the_words(
    commands: dict[str, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["try", "it", "--now"], commands) == 0
    assert capsys.readouterr().out == "ran with ['it', '--now']\n"


@pytest.mark.parametrize(
    ("word", "message"),
    [("value", "the task is empty"), ("file", "no video at gone.mp4"), ("extra", "robometer-rl[metaworld]")],
)
def test_wrong_input_is_one_line_and_status_2(
    commands: dict[str, Command], capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert main(["try", word], commands) == 2
    error = capsys.readouterr().err
    assert error.startswith("robometer-rl try: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_traceback_can_be_had(commands: dict[str, Command], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOMETER_RL_TRACEBACK", "1")
    with pytest.raises(ValueError, match="empty"):
        main(["try", "value"], commands)


@pytest.mark.parametrize(
    ("word", "kind", "message"),
    [
        ("bug", TypeError, "a mistake of ours"),
        ("disk", OSError, "No space left"),
        ("nan", ValueError, "the reward is nan"),
    ],
)
def test_faults_of_the_moment_and_of_the_program_are_not_taken_for_wrong_input(
    commands: dict[str, Command], word: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        main(["try", word], commands)
    assert not isinstance(caught.value, InputError)


def test_an_interrupt_is_status_130(commands: dict[str, Command], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "stop"], commands) == 130
    assert "interrupted" in capsys.readouterr().err


def test_unknown_commands_list_the_valid_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scroe"]) == 2
    error = capsys.readouterr().err
    assert "'scroe'" in error
    assert "Did you mean 'score'?" in error
    assert all(name in error for name in COMMANDS)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in shown
        assert command.help in shown
    assert main([]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("robometer-rl 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_a_main(name: str) -> None:
    spec = importlib.util.find_spec(COMMANDS[name].module)
    assert spec is not None
    assert spec.origin is not None
    assert "\ndef main(argv" in Path(spec.origin).read_text()


def test_help_imports_neither_torch_nor_tyro() -> None:
    code = (
        "import sys; from robometer_rl.cli import main; status = main(['--help']);"
        "heavy = {'torch', 'tyro', 'rich', 'mujoco', 'transformers', 'matplotlib', 'PIL'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
