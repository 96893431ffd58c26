"""Replay buffers for `score="episode_end"`: an episode comes in when it is over, with its rewards known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from stable_baselines3.common.buffers import BaseBuffer, DictReplayBuffer, ReplayBuffer
except ModuleNotFoundError as missing:
    raise ImportError(
        f"{missing.name} is not installed; it comes with: pip install 'robometer-rl[train]'"
    ) from missing

__all__ = ["RobometerDictReplayBuffer", "RobometerReplayBuffer"]

REWARDS = "robometer/rewards"
"""Key of `info` under which the last step of an episode carries the rewards of all its steps."""


class _EpisodeEnd(BaseBuffer):
    """Holds running episodes back from sampling and adds them when their rewards are known.

    The steps of an episode that a reset broke off have no rewards: they are dropped when the next one of that
    environment ends. A pickled buffer holds whole episodes only.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        action_space: Any,
        device: Any = "auto",
        n_envs: int = 1,
        **kw: Any,
    ) -> None:
        """As the replay buffer of SB3.

        Args:
            buffer_size: Transitions in all.
            observation_space: Of one environment.
            action_space: Of one environment.
            device: Where samples go.
            n_envs: Environments that collect; their episodes end at different times, so they are stored one
                after the other, as of one environment.
            kw: Passed on.
        """
        super().__init__(buffer_size, observation_space, action_space, device, n_envs=1, **kw)
        self._begin(n_envs)

    def _begin(self, n_envs: int, loaded: bool = False) -> None:
        """Forgets the running episodes of n environments."""
        self._running: list[list[tuple[Any, ...]]] = [[] for _ in range(n_envs)]
        self._headless = [loaded] * n_envs
        """Where the running episode may have begun before the buffer was loaded."""

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the running episodes out: whoever loads the buffer resets the environments."""
        return {**self.__dict__, "_running": [[] for _ in self._running]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes whole episodes."""
        self.__dict__.update(state)
        self._begin(len(self._running), loaded=True)

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: NDArray[Any],
        reward: NDArray[np.float32],
        done: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Keeps one transition per environment; whole episodes go into the buffer.

        Args:
            obs: Observations `(n, ...)`, or a dict of these.
            next_obs: As `obs`; the terminal ones where done.
            action: `(n, ...)`.
            reward: `(n,)`, NaN until an episode is over.
            done: bool `(n,)`.
            infos: n dicts; where done, `robometer/rewards` holds the rewards of the episode's steps.

        Raises:
            ValueError: An episode came without rewards, or with more of them than steps.
        """
        if len(infos) != len(self._running):  # loaded for another number of environments
            self._begin(len(infos))
        for row, steps in enumerate(self._running):
            steps.append(
                (_row(obs, row), _row(next_obs, row), action[row : row + 1].copy(), done[row], infos[row])
            )
            if done[row]:
                self._running[row] = []
                rewards = _rewards(infos[row], len(steps), self._headless[row])
                self._headless[row] = False
                for step, value in zip(steps[-len(rewards) :], rewards, strict=True):
                    before, after, move, last, info = step
                    super().add(before, after, move, np.array([value]), np.array([last]), [info])

    def sample(self, batch_size: int, env: Any = None) -> Any:
        """Samples from finished episodes.

        Args:
            batch_size: Number of transitions.
            env: The `VecNormalize` of the agent, if any.

        Raises:
            ValueError: No episode is over yet, or rewards are to be normalised by statistics that are NaN.
        """
        if self.size() == 0:
            raise ValueError(
                "no episode is over yet, so there is nothing to learn from: set learning_starts to more than "
                f"the environment steps of {len(self._running)} whole episode(s), one per environment"
            )
        if env is not None and env.norm_reward:
            raise ValueError(
                "VecNormalize(norm_reward=True) takes its statistics from rewards that score='episode_end' "
                "does not know yet: use norm_reward=False"
            )
        return super().sample(batch_size, env)


class RobometerReplayBuffer(_EpisodeEnd, ReplayBuffer):
    """SB3's replay buffer for environments with `score="episode_end"`.

    Examples:
        >>> from stable_baselines3 import SAC
        >>> from robometer_rl import RobometerReplayBuffer, RobometerReward, make_env
        >>> env = RobometerReward(make_env("metaworld/door-open-v3"), "open the door", score="episode_end")
        >>> agent = SAC("MlpPolicy", env, replay_buffer_class=RobometerReplayBuffer, learning_starts=600)
    """


class RobometerDictReplayBuffer(_EpisodeEnd, DictReplayBuffer):
    """As `RobometerReplayBuffer`, for observations that are a Dict."""


def _row(observations: Any, row: int) -> Any:
    if isinstance(observations, dict):
        return {key: values[row : row + 1].copy() for key, values in observations.items()}
    return observations[row : row + 1].copy()


def _rewards(info: dict[str, Any], steps: int, headless: bool) -> NDArray[np.float32]:
    """Rewards of the steps that are there, at most `steps`; the episode's first ones may lack if headless."""
    if REWARDS not in info:
        raise ValueError(
            f'an episode is over and its info holds no "{REWARDS}": this buffer needs a reward wrapper with '
            "score='episode_end'"
        )
    rewards: NDArray[np.float32] = info[REWARDS]
    if len(rewards) > steps and not headless:
        raise ValueError(
            f"an episode of {steps} stored steps came with {len(rewards)} rewards: action repeat or frame "
            "skip must stand inside the reward wrapper"
        )
    return rewards[-steps:]
