"""`RobometerVectorReward`: learned rewards for Gymnasium's vector environments, in every autoreset mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray
from typing_extensions import Unpack

from ..scoring.options import RewardOptions, check_tasks, read_options
from ..subenvs.collector import SubEnvCollector, VectorStep, share_frames_in_process
from ..subenvs.workers import Workers
from .base import LearnedReward, Rewarded

__all__ = ["RobometerVectorReward"]

Step = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class RobometerVectorReward(Rewarded, VectorWrapper[Any, Any, Any, Any, Any]):
    """Scores the frames of all sub-environments in one forward and makes the scores their rewards.

    The vector twin of `RobometerReward`: same options, same numbers. `infos` gains `robometer/progress` and
    `robometer/success` (of the frame that belongs to the observation), and `env_reward` (0.0 where an
    episode begins instead). How an episode ends follows `metadata["autoreset_mode"]`:

    - `NEXT_STEP`: the step that resets pays exactly 0.0, and its frame begins the new episode.
    - `SAME_STEP`: the last step's reward and, in `final_info`, its scores come from the terminal frame.
    - `DISABLED`: you reset, `reset(options={"reset_mask": mask})`.

    Sub-environments in worker processes must each be a `ShareFrames`; others are wrapped by it here.

    Examples:
        >>> import gymnasium as gym
        >>> from robometer_rl import RobometerVectorReward, make_env
        >>> tasks = ["metaworld/door-open-v3", "metaworld/plate-slide-v3"]
        >>> envs = gym.vector.SyncVectorEnv([lambda task=task: make_env(task) for task in tasks])
        >>> sentences = ["open the door", "slide the plate forward into the goal"]
        >>> envs = RobometerVectorReward(envs, sentences)  # doctest: +SKIP
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        tasks: str | Sequence[str],
        model: str | Mapping[str, Any] = "compact",
        **options: Unpack[RewardOptions],
    ) -> None:
        """Checks every option; neither the model nor a simulator is touched yet.

        Args:
            env: A vector environment over environments that give pictures.
            tasks: What the robots should do: one sentence for all, or one per sub-environment.
            model: What `load_reward_model` reads.
            options: Those of `RobometerReward`.

        Raises:
            TypeError: Not a vector environment, one without sub-environments, an unknown option, or one of a
                wrong type.
            ValueError: An option is outside its range, the autoreset mode is not told, or sub-environments in
                worker processes are not wrapped by `ShareFrames`, or a `TimeLimit` stands outside it.
        """
        if not isinstance(env, VectorEnv):
            raise TypeError(_wrong_env(env))
        sentences = check_tasks(tasks, env.num_envs)
        checked = read_options(model, options)
        super().__init__(env)
        self._autoreset_mode = _autoreset_mode(env)
        base: Any = env.unwrapped
        self._workers = Workers(base)
        if not callable(getattr(base, "call", None)):
            raise TypeError(_no_sub_environments(base))
        if len(self._workers) == 0 and isinstance(getattr(base, "envs", None), list):
            share_frames_in_process(base.envs)
        if not all(base.call("has_wrapper_attr", "robometer_join")):
            raise ValueError(
                f"the sub-environments of this {type(base).__name__} must be wrapped by ShareFrames, which "
                "takes the frames where they are drawn: AsyncVectorEnv([lambda: ShareFrames(make_my_env()), "
                "...])"
            )
        self._scoring = SubEnvCollector(base.call, sentences, checked, crosses=len(self._workers) > 0)
        self._robometer = LearnedReward(checked, sentences, self._scoring.worlds, self._scoring)
        self._ready = np.zeros(env.num_envs, dtype=np.bool_)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts episodes and scores their first frames.

        Args:
            seed: Passed on.
            options: Passed on as a copy; `reset_mask`, bool `(n,)`, resets these sub-environments only.

        Returns:
            Observations and infos with the first scores.

        Raises:
            WorkerDiedError: A worker process has ended.
            ResetNeeded: The first reset is not of all environments.
            RuntimeError: An environment gives no frames.
        """
        mask = None if options is None else options.get("reset_mask")
        if mask is not None:
            mask = np.array(mask)  # SyncVectorEnv takes it out of the dict that it is given
            if not self._scoring.begun:
                raise ResetNeeded("the first reset must be of all environments: leave reset_mask out")
        if mask is None:
            self._scoring.before_reset()
        with self._workers.watched():
            observations, infos = self.env.reset(
                seed=seed, options=None if options is None else dict(options)
            )
            self._scoring.after_reset(mask)
        self._ready[slice(None) if mask is None else mask] = True
        infos = dict(infos)
        self._add_scores(infos, np.ones(self.num_envs, dtype=np.bool_) if mask is None else mask)
        return observations, infos

    def step(self, actions: Any) -> Step:
        """Steps all sub-environments and pays their learned rewards.

        Args:
            actions: Passed on.

        Returns:
            Observations, learned rewards float64 `(n,)`, terminations, truncations, infos.

        Raises:
            ResetNeeded: An episode is over or never began, and nobody reset it.
            RuntimeError: An episode is over and every picture of it was flat (one colour).
            WorkerDiedError: A worker process has ended.
            ValueError: A frame is of a wrong shape, or a reward is not finite.
        """
        if not self._ready.all():
            rows = np.flatnonzero(~self._ready).tolist()
            raise ResetNeeded(f"the episodes of environments {rows} are over or never began: call reset()")
        with self._workers.watched():
            observations, _, terminations, truncations, infos = self.env.step(actions)
        ended = np.asarray(terminations | truncations, dtype=np.bool_)
        step = self._scoring.after_step(ended)
        infos = dict(infos)
        self._add_final(infos, step, ended)
        if step.ended_early.any():
            observations, infos = self._end_early(observations, infos, step)
        self._add_scores(infos, np.ones(self.num_envs, dtype=np.bool_))
        terminations = terminations | step.terminated
        if self._autoreset_mode is AutoresetMode.DISABLED:
            self._ready = ~(terminations | truncations)
        return observations, step.reward, terminations, truncations, infos

    def _add_scores(self, infos: dict[str, Any], mask: NDArray[np.bool_]) -> None:
        """Adds the scores of the frames that belong to the observations."""
        for name, values in (("progress", self._scoring.progress), ("success", self._scoring.success)):
            infos[f"robometer/{name}"], infos[f"_robometer/{name}"] = values, mask.copy()

    def _add_final(self, infos: dict[str, Any], step: VectorStep, ended: NDArray[np.bool_]) -> None:
        """Adds the last step's scores to `final_info`, and whole episodes' rewards where they belong."""
        final = ended & step.stepped & step.began
        if final.any():
            infos["final_info"] = dict(infos["final_info"])
            for name in ("progress", "success"):
                values = np.where(final, getattr(step, name), 0.0)
                infos["final_info"][f"robometer/{name}"] = values
                infos["final_info"][f"_robometer/{name}"] = final.copy()
        for row, episode in step.finished.items():
            target = infos["final_info"] if final[row] else infos
            rewards = target.setdefault("robometer/rewards", np.full(self.num_envs, None, dtype=object))
            mask = target.setdefault("_robometer/rewards", np.zeros(self.num_envs, dtype=np.bool_))
            rewards[row], mask[row] = episode.reward.astype(np.float32), True

    def _end_early(
        self, observations: Any, infos: dict[str, Any], step: VectorStep
    ) -> tuple[Any, dict[str, Any]]:
        """Restarts the episodes that predicted success ended, as the autoreset mode does with others."""
        early = step.ended_early
        if self._autoreset_mode is AutoresetMode.NEXT_STEP:
            self._scoring.reset_at_next_step(early)
        if self._autoreset_mode is not AutoresetMode.SAME_STEP:
            return observations, infos
        finals = {
            int(row): deepcopy(list(iterate(self.observation_space, observations))[row])
            for row in np.flatnonzero(early)
        }
        with self._workers.watched():
            observations, fresh = self.env.reset(options={"reset_mask": early.copy()})
            self._scoring.after_reset(early)
        merged: dict[str, Any] = {}
        for row in range(self.num_envs):
            info = _row_of(infos, row)
            if row in finals:
                info |= {
                    "robometer/progress": float(step.progress[row]),
                    "robometer/success": float(step.success[row]),
                }
                info = {"final_obs": finals[row], "final_info": info, **_row_of(fresh, row)}
            merged = self._add_info(merged, info, row)
        return observations, merged

    def close(self, **kwargs: Any) -> None:
        """Lets go of the model and closes the environments."""
        self._scoring.close()
        self.env.close(**kwargs)


def _row_of(infos: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Returns the info of one sub-environment, numbers as Python's own.

    Gymnasium's vector infos are a dict of arrays with a mask `_key` beside each key; keys that the
    sub-environment did not report are missing.
    """
    info: dict[str, Any] = {}
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        if mask is None or not mask[row]:
            continue  # a mask itself, or a key of other sub-environments
        if isinstance(values, Mapping):
            # `RecordEpisodeStatistics` gives the parts of its `episode` no masks: the outer one is theirs.
            masked = any(f"_{part}" in values for part in values)
            parts = values if masked else {**values, **{f"_{part}": mask for part in values}}
            info[key] = _row_of(parts, row)
        else:
            value = values[row]
            info[key] = value.item() if isinstance(value, np.generic) else value
    return info


def _autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise ValueError(
            f'metadata["autoreset_mode"] of {env} is {mode!r}; the reward must know where episodes end, so '
            f"set it to one of {', '.join(f'AutoresetMode.{known.name}' for known in AutoresetMode)}"
        )
    return mode


def _no_sub_environments(base: VectorEnv[Any, Any, Any]) -> str:
    return (
        f"{type(base).__name__} has no sub-environments that can be called, and the reward takes the last "
        "frame of an episode inside them, before it is reset. Put the same task together from single "
        "environments, SyncVectorEnv([make_my_env] * n) or AsyncVectorEnv, or collect the frames of whole "
        "episodes yourself and score them with robometer_rl.relabel(frames, task)"
    )


def _wrong_env(env: object) -> str:
    if isinstance(env, gym.Env):
        return f"{env} is a single environment: use RobometerReward"
    if hasattr(env, "step_wait") and hasattr(env, "num_envs"):
        return f"{env} is a vector environment of Stable-Baselines3: use VecRobometerReward"
    return f"env must be a gymnasium.vector.VectorEnv, not a {type(env).__qualname__}"
