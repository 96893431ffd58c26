"""On the core install, what needs the train extra says so."""

from __future__ import annotations

import importlib
import sys

import pytest
from rich.console import Console

from robometer_rl.cli import main
from robometer_rl.experiments.reward_model.fit import FitConfig, fit

WORDS = r"pip install 'robometer-rl\[train\]'"
ROOM = "robometer_rl.experiments"
FORMAT = "robometer_rl.datasets.episodes"


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("episodes", "h5py"),
        ("common.process_memory", "psutil"),
        ("reward_model.metrics", "scipy"),
        ("agent.success_callback", "stable_baselines3.common.callbacks"),
        ("examples.quickstart_sac", "stable_baselines3"),
    ],
)
def test_a_module_names_the_extra(module: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for name in (f"{ROOM}.{module}", FORMAT):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=WORDS):
        importlib.import_module(f"{ROOM}.{module}")


def test_fit_names_the_extra_of_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(ImportError, match=WORDS):
        fit(FitConfig(), "", Console(quiet=True))


def test_a_command_says_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ROBOMETER_RL_TRACEBACK", raising=False)
    monkeypatch.setitem(sys.modules, "h5py", None)
    for name in (f"{ROOM}.collect.collect", f"{ROOM}.episodes", FORMAT):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert main(["collect"]) == 2
    assert (
        "h5py is not installed; it comes with: pip install 'robometer-rl[train]'" in capsys.readouterr().err
    )
