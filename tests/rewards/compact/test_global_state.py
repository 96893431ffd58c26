"""Building a model and scoring with it change no global state, and depend on none."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from robometer_rl.rewards import load_reward_model

SPECS: list[dict[str, Any]] = [{"name": "compact"}, {"name": "random", "seed": 3}]
TASKS = ("open the drawer", "pick up the red cube")


def state() -> dict[str, object]:
    """Every global that a library may turn, as values that can be compared."""
    return {
        "torch generator": torch.get_rng_state().tolist(),
        "numpy generator": repr(np.random.get_state()),  # noqa: NPY002  (the global one is the point)
        "python generator": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "products": torch.get_float32_matmul_precision(),
        "cudnn": (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
        "onednn": torch.backends.mkldnn.is_available(),
        "warnings": list(warnings.filters),
        "numpy errors": np.geterr(),
        "recursion": sys.getrecursionlimit(),
    }


def every_score(spec: dict[str, Any]) -> list[np.ndarray]:
    """What a freshly loaded model says by each of its methods."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 64, 64, 3), dtype=np.uint8)
    model = load_reward_model(spec)
    stream = model.stream(2)
    stream.reset(TASKS)
    found = [np.stack(stream.push(frames[:, t])) for t in range(3)]
    stream.reset(TASKS, np.array([False, True]))
    found.append(np.stack(stream.push(frames[:, 3])))
    found.append(np.stack(stream.push(frames[:, 0], np.array([True, False]))))
    return [*found, *model.score(frames[0], TASKS[0]), np.array(model.prefer(*frames, TASKS[0]))]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def other_seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1234)
        yield


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "cpu": lambda: default_device("cpu"),
    "within a device": lambda: torch.device("meta"),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "deterministic": deterministic,
    "another seed": other_seed,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize(
    "spec", [*SPECS, {"name": "compact", "threads": 2, "precision": "bfloat16"}], ids=json.dumps
)
def test_loading_and_scoring_leave_every_global_state_as_it_was(spec: dict[str, Any]) -> None:
    before = state()
    every_score(spec)
    assert state() == before


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, list[np.ndarray]]:
    """The scores of each model under no setting."""
    return {spec["name"]: every_score(spec) for spec in SPECS}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("spec", SPECS, ids=json.dumps)
def test_no_global_state_changes_a_score(
    spec: dict[str, Any], setting: str, undisturbed: dict[str, list[np.ndarray]]
) -> None:
    with SETTINGS[setting]():
        before = state()
        found = every_score(spec)
        assert state() == before
    for a, b in zip(found, undisturbed[spec["name"]], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["compact", "random"])
def test_a_model_loaded_under_inference_mode_can_be_trained(name: str) -> None:
    with torch.inference_mode():
        network: Any = load_reward_model(name).network  # type: ignore[attr-defined]
    assert all(parameter.requires_grad for parameter in network.parameters())
    network.progress_head(torch.zeros(1, network.config.hidden_size)).sum().backward()


@pytest.mark.parametrize("name", ["compact", "random"])
def test_the_first_load_of_a_process_draws_no_random_number(name: str) -> None:
    """In a fresh interpreter: the imports that it brings along count too."""
    code = f"""
import os, random, sys, numpy, torch
def state():
    return (torch.get_rng_state().tolist(), repr(numpy.random.get_state()), random.getstate(),
            torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads(),
            torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled())
torch.manual_seed(1), numpy.random.seed(2), random.seed(3)
before = state()
from robometer_rl.rewards import load_reward_model
load_reward_model({name!r}).score(numpy.zeros((2, 96, 96, 3), dtype=numpy.uint8), "open the door")
sys.exit(None if state() == before else "a global state has changed")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
