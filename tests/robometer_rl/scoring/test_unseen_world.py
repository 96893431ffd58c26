"""The warning of a world that a checkpoint never saw: a world has two names, its own and its task's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, cast

import pytest

from robometer_rl.rewards import RewardModel
from robometer_rl.scoring.unseen_world import UnseenWorldWarning, warn_if_unseen


@dataclass
class Knows:
    trained_worlds: tuple[str, ...]


@pytest.mark.parametrize(
    ("trained", "world", "warns"),
    [
        ("WipeEnv", "WipeEnv", False),
        ("WipeEnv", "own/WipeEnv", False),
        ("own/WipeEnv", "WipeEnv", False),
        ("own/WipeEnv", "own/WipeEnv", False),
        ("FetchPush-v4", "own/FetchPush-v4", False),
        ("*", "own/WipeEnv", False),
        ("metaworld/push-v3", "metaworld/push-v3", False),
        ("metaworld/push-v3", "own/push-v3", True),
        ("WipeEnv", "own/LiftEnv", True),
        ("own/WipeEnv", "robosuite/WipeEnv", True),
    ],
)
def test_a_world_is_known_by_either_name(
    trained: str, world: str, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robometer_rl.scoring.unseen_world._warned", set())
    model = cast("RewardModel", cast("Any", Knows((trained,))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_unseen(model, "model", world)
    assert [warning.category for warning in caught] == [UnseenWorldWarning] * warns
