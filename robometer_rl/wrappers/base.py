"""What every wrapper tells about its reward."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from robometer_rl.rewards.protocol import RewardModel

from ..scoring.episode_state import RewardConfig
from ..scoring.options import WrapperOptions

__all__ = ["Rewarded"]


class _Scores(Protocol):
    """A `RewardPipeline` or a `SubEnvCollector`."""

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        ...

    @property
    def success_threshold(self) -> float:
        """The success score from which a step counts as done."""
        ...


R = TypeVar("R", bound="_Scores | None")


class Rewarded(Generic[R]):
    """Properties that the three wrappers share; R is what scores for the wrapper."""

    _wrapper_options: WrapperOptions
    _scoring: R

    @property
    def config(self) -> RewardConfig:
        """The rules by which scores become reward and termination."""
        return self._wrapper_options.config

    @property
    def reward_model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        return self._scores().model

    @property
    def success_threshold(self) -> float:
        """The success score from which a step counts as done: the option, else the checkpoint's own."""
        return self._scores().success_threshold

    @property
    def ground_truth(self) -> dict[str, float | bool]:
        """Every way by which ground truth can reach the agent, for reports; all 0 or False by default."""
        return self.config.ground_truth

    def _scores(self) -> _Scores:
        if self._scoring is None:
            raise RuntimeError('mode="off" has no reward model')
        return self._scoring
