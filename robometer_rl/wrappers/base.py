"""What every wrapper tells about its reward, under the one name `robometer`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.protocol import RewardModel

from ..frames import FrameSource
from ..scoring.episode_state import RewardConfig
from ..scoring.options import WrapperOptions

__all__ = ["HINDSIGHT", "LearnedReward", "Rewarded", "refuse_hindsight"]

HINDSIGHT = "compute_reward"
"""The method of a goal environment from which hindsight experience replay takes rewards."""


def refuse_hindsight(*_args: Any, **_options: Any) -> Any:
    """Stands for the environment's own `compute_reward`.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        "HerReplayBuffer computes rewards of relabelled goals with the environment's own compute_reward: the "
        "learned reward would be replaced by it in silence. Use another replay buffer, or train on the "
        'environment\'s reward: without RobometerReward, or with VecRobometerReward(mode="off")'
    )


class _Scoring(Protocol):
    """A `RewardPipeline` or a `SubEnvCollector`."""

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        ...

    @property
    def success_thresholds(self) -> NDArray[np.float64]:
        """The success score from which a step of each environment counts as done."""
        ...


class LearnedReward:
    """All that decides the reward of a wrapped environment, for reports and for whoever pays it again."""

    def __init__(
        self,
        options: WrapperOptions,
        tasks: Sequence[str],
        worlds: Sequence[str],
        scoring: _Scoring | None,
    ) -> None:
        """Takes what the wrapper knows; nothing is loaded.

        Args:
            options: The wrapper's options.
            tasks: One sentence per environment.
            worlds: Id of the world of each environment.
            scoring: What scores for the wrapper; None where it passes the environment's own reward on.
        """
        self._options = options
        self._scoring = scoring
        self.tasks = tuple(tasks)
        """The sentence that the episodes of each environment are scored against."""
        self.worlds = tuple(worlds)
        """Id of the world of each environment, as the checkpoint's `trained_worlds` spells it."""

    def __repr__(self) -> str:
        """Names every parameter."""
        told = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"LearnedReward({told})"

    @property
    def config(self) -> RewardConfig:
        """The rules by which scores become reward and termination; `gamma` is `config.shaping.gamma`."""
        return self._options.config

    @property
    def parameters(self) -> dict[str, Any]:
        """Every argument of the wrapper, the defaults too, as values that JSON can hold.

        `tasks` is a list with one sentence per environment; a frame source that is a function is named
        `"module:function"`.
        """
        options = self._options.as_dict()
        sources = options["frames"]
        options["frames"] = (
            [_source_name(source) for source in sources]
            if isinstance(sources, list)
            else _source_name(sources)
        )
        return {"model": self._options.spec, "tasks": list(self.tasks), **options}

    @property
    def ground_truth(self) -> dict[str, float | bool]:
        """Every way by which ground truth can reach the agent; all 0 or False by default."""
        told = self.config.ground_truth
        return told if self._scoring is not None else {**dict.fromkeys(told, False), "env_weight": 1.0}

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        return self._required().model

    @property
    def success_thresholds(self) -> tuple[float, ...]:
        """The success score from which a step of each environment counts as done.

        It is the option where that is a number, the model's threshold of the task with `"auto"`, else the
        model's general one.
        """
        return tuple(self._required().success_thresholds.tolist())

    @property
    def success_threshold(self) -> float:
        """The success score from which a step counts as done, where it is one for all environments.

        Raises:
            ValueError: The environments have several, which `success_thresholds` lists.
        """
        found = self.success_thresholds
        if len(set(found)) > 1:
            told = ", ".join(f"{value:g}" for value in found)
            raise ValueError(f"the environments have several thresholds, {told}: read success_thresholds")
        return found[0]

    def _required(self) -> _Scoring:
        if self._scoring is None:
            raise RuntimeError('mode="off" has no reward model')
        return self._scoring


def _source_name(source: FrameSource) -> str | int:
    if isinstance(source, (str, int)):
        return source
    named = source if inspect.isroutine(source) or inspect.isclass(source) else type(source)
    return f"{named.__module__}:{named.__qualname__}"


class Rewarded:
    """The public names of the three wrappers, two in all: others would hide the environment's own."""

    _robometer: LearnedReward

    @property
    def robometer(self) -> LearnedReward:
        """The rules, the tasks, the model and everything else that decides the reward."""
        return self._robometer

    @property
    def ground_truth(self) -> dict[str, float | bool]:
        """Every way by which ground truth can reach the agent, for reports; all 0 or False by default."""
        return self._robometer.ground_truth
