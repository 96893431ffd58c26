"""What every test may use: the fakes, by fixture or by the module name `robometer_test_fakes`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_NAME = "robometer_test_fakes"


def _load_fakes() -> ModuleType:
    # Registered by hand: with the checkout on sys.path, a bare `import rewards` would find a room under a
    # second name.
    spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name("fakes.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


_FAKES = sys.modules.get(_NAME) or _load_fakes()


@pytest.fixture
def fakes() -> ModuleType:
    """The module `tests/fakes.py`: FakeEnv, FakeRewardModel, and the names MODEL, WORLD, SENTENCE."""
    return _FAKES
