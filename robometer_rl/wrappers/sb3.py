"""`VecRobometerReward`: learned rewards for the vector environments of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack

from ..scoring.options import RewardOptions, WrapperOptions, check_tasks, read_options
from ..subenvs.collector import SubEnvCollector, VectorStep, share_frames_in_process
from ..subenvs.workers import Workers
from .base import HINDSIGHT, LearnedReward, Rewarded, refuse_hindsight

try:
    from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize
except ModuleNotFoundError as missing:
    raise ImportError(
        f"{missing.name} is not installed; it comes with: pip install 'robometer-rl[train]'"
    ) from missing

__all__ = ["VecMode", "VecRobometerReward"]

VecMode = Literal["on", "off"]
"""`on`: learned rewards. `off`: nothing is touched, for an evaluation environment of the same depth."""


class VecRobometerReward(Rewarded, VecEnvWrapper):
    """Scores the frames of all environments in one forward and makes the scores their rewards.

    The twin of `RobometerReward` for SB3: same options, same numbers. Each dict of `infos` gains
    `env_reward`, `robometer/progress` and `robometer/success`, at the end of an episode those of its terminal
    frame.

    Order: `VecNormalize(VecRobometerReward(SubprocVecEnv(...)))`. Around a `VecNormalize` it refuses to
    stand: off-policy agents would store the environment's own reward without a word. A `Monitor` inside,
    where `make_vec_env` puts it, logs the environment's return as `rollout/ep_rew_mean`; a `VecMonitor`
    outside logs the learned one.

    Environments in worker processes must each be a `ShareFrames`, `make_vec_env(...,
    wrapper_class=ShareFrames, vec_env_cls=SubprocVecEnv)`; others are wrapped by it here.
    """

    def __init__(
        self,
        venv: VecEnv,
        tasks: str | Sequence[str],
        model: str | Mapping[str, Any] = "compact",
        *,
        mode: VecMode = "on",
        **options: Unpack[RewardOptions],
    ) -> None:
        """Checks every option; neither the model nor a simulator is touched yet.

        Args:
            venv: The environments; they give pictures.
            tasks: What the robots should do: one sentence for all, or one per environment.
            model: What `load_reward_model` reads.
            mode: `"off"` passes everything through untouched, rewards and infos too, so that an evaluation
                environment has the same depth, which `EvalCallback` asks for beside `VecNormalize`.
            options: Those of `RobometerReward`.

        Raises:
            TypeError: Not a vector environment of SB3, one without sub-environments, an unknown option, or
                one of a wrong type.
            ValueError: An option is outside its range, a `VecNormalize` stands inside, environments in worker
                processes are not wrapped by `ShareFrames`, or a `TimeLimit` stands outside it.
        """
        if not isinstance(venv, VecEnv):
            raise TypeError(_wrong_env(venv))
        if mode not in get_args(VecMode):
            raise ValueError(f"mode={mode!r} is unknown; choose one of {', '.join(get_args(VecMode))}")
        if any(isinstance(inner, VecNormalize) for inner in _chain(venv)):
            raise ValueError(
                "VecRobometerReward must stand inside VecNormalize: outside, off-policy agents store the "
                "environment's own reward (VecNormalize.get_original_reward) and never see the learned one. "
                "Write VecNormalize(VecRobometerReward(venv, ...), ...)"
            )
        sentences = check_tasks(tasks, venv.num_envs)
        checked = read_options(model, options)
        super().__init__(venv)
        base: Any = venv.unwrapped
        self._workers = Workers(base)
        self._scoring: SubEnvCollector | None = None
        if mode == "on":
            self._scoring = self._join(base, checked, sentences)
        worlds = () if self._scoring is None else self._scoring.worlds
        self._robometer = LearnedReward(checked, sentences, worlds, self._scoring)

    def _join(self, base: Any, options: WrapperOptions, tasks: Sequence[str]) -> SubEnvCollector:
        if options.config.terminate_on_success and base is not self.venv:
            raise ValueError(
                f"terminate_on_success restarts episodes itself, which {type(self.venv).__name__} inside "
                f"would not notice: put VecRobometerReward directly around {type(base).__name__}"
            )
        if len(self._workers) == 0 and isinstance(getattr(base, "envs", None), list):
            share_frames_in_process(base.envs)
        try:
            shares = base.has_attr("robometer_join")
        except NotImplementedError as error:
            raise TypeError(
                f"{type(base).__name__} has no sub-environments that can be called, and the reward takes the "
                "last frame of an episode inside them, before it is reset. Put the same task together from "
                "single environments, DummyVecEnv([make_my_env] * n) or SubprocVecEnv, or collect the frames "
                "of whole episodes yourself and score them with robometer_rl.relabel(frames, task)"
            ) from error
        if not shares:
            raise ValueError(
                f"the environments of this {type(base).__name__} must be wrapped by ShareFrames, which takes "
                "the frames where they are drawn: make_vec_env(..., wrapper_class=ShareFrames, "
                "vec_env_cls=SubprocVecEnv)"
            )
        return SubEnvCollector(base.env_method, tasks, options, crosses=len(self._workers) > 0)

    def reset(self) -> Any:
        """Starts episodes and scores their first frames; `reset_infos` holds the scores.

        Returns:
            Observations.

        Raises:
            WorkerDiedError: A worker process has ended.
            RuntimeError: An environment gives no frames.
        """
        with self._workers.watched():
            self._workers.check()
            if self._scoring is not None:
                self._scoring.before_reset()
            observations = self.venv.reset()
            if self._scoring is not None:
                self._scoring.after_reset()
        if self._scoring is None:
            self.reset_infos = self.venv.reset_infos
        else:
            self._score_reset_infos(dict(enumerate(self.venv.reset_infos)))
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Sends actions to the environments."""
        with self._workers.watched():
            self.venv.step_async(actions)

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Waits for the step and pays its learned rewards.

        Returns:
            Observations, learned rewards float32 `(n,)`, dones bool `(n,)`, infos.

        Raises:
            RuntimeError: An episode is over and every picture of it was flat (one colour).
            WorkerDiedError: A worker process has ended.
            ValueError: A frame is of a wrong shape, or a reward is not finite.
        """
        with self._workers.watched():
            self._workers.await_replies()
            observations, rewards, dones, infos = self.venv.step_wait()
        if self._scoring is None:
            self.reset_infos = self.venv.reset_infos
            return observations, rewards, dones, infos
        step = self._scoring.after_step(np.asarray(dones, dtype=np.bool_))
        reports = [self._report(info, step, row) for row, info in enumerate(infos)]
        self._score_reset_infos({int(row): self.venv.reset_infos[row] for row in np.flatnonzero(step.began)})
        if step.ended_early.any():
            observations = self._end_early(observations, reports, step)
        return observations, step.reward.astype(np.float32), dones | step.ended_early, reports

    @staticmethod
    def _report(info: dict[str, Any], step: VectorStep, row: int) -> dict[str, Any]:
        report = {
            **info,
            "robometer/progress": float(step.progress[row]),
            "robometer/success": float(step.success[row]),
        }
        if step.terminated[row]:
            report["TimeLimit.truncated"] = False  # predicted success on the last step of the horizon
        if row in step.finished:
            report["robometer/rewards"] = step.finished[row].reward.astype(np.float32)
        return report

    def _score_reset_infos(self, fresh: Mapping[int, dict[str, Any]]) -> None:
        """Keeps the infos of new episodes, by row, with the scores of their first frames."""
        assert self._scoring is not None
        progress, success = self._scoring.progress, self._scoring.success
        for row, info in fresh.items():
            self.reset_infos[row] = {
                **info,
                "robometer/progress": float(progress[row]),
                "robometer/success": float(success[row]),
            }

    def _end_early(self, observations: Any, infos: list[dict[str, Any]], step: VectorStep) -> Any:
        """Restarts the episodes that predicted success ended, as the vector environment does with others."""
        assert self._scoring is not None
        rows = np.flatnonzero(step.ended_early).tolist()
        with self._workers.watched():
            fresh = self.venv.env_method("reset", indices=rows)
            self._scoring.after_reset(step.ended_early)
        observations = _copied(observations)
        for row, (observation, reset_info) in zip(rows, fresh, strict=True):
            infos[row]["terminal_observation"] = _swap(observations, row, observation)
            self._score_reset_infos({row: reset_info})
        return observations

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> Any:
        """Calls a method of the environments; refuses `compute_reward`, which is HER's.

        Raises:
            ValueError: Hindsight experience replay asks for rewards.
        """
        if method_name == HINDSIGHT and self._scoring is not None:
            refuse_hindsight()
        return self.venv.env_method(method_name, *method_args, indices=indices, **method_kwargs)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Gets an attribute of the environments; in place of `compute_reward`, functions that refuse."""
        found = self.venv.get_attr(attr_name, indices)
        if attr_name == HINDSIGHT and self._scoring is not None:
            return [refuse_hindsight] * len(found)
        return found

    def close(self) -> None:
        """Lets go of the model and closes the environments."""
        if self._scoring is not None:
            self._scoring.close()
        if not (len(self._workers) and self.venv.unwrapped.closed):  # type: ignore[attr-defined]
            self.venv.close()


def _chain(venv: VecEnv) -> Iterator[VecEnv]:
    """The vector environment and what it wraps, from outside in."""
    yield venv
    while isinstance(venv, VecEnvWrapper):
        venv = venv.venv
        yield venv


def _copied(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: values.copy() for key, values in observations.items()}
    if isinstance(observations, tuple):
        return tuple(values.copy() for values in observations)
    return observations.copy()


def _swap(observations: Any, row: int, new: Any) -> Any:
    """Puts a new observation into a row of the batch, in place, and returns the one that was there."""
    if isinstance(observations, dict):
        return {key: _swap(values, row, new[key]) for key, values in observations.items()}
    if isinstance(observations, tuple):
        return tuple(_swap(values, row, part) for values, part in zip(observations, new, strict=True))
    old = observations[row].copy()
    observations[row] = new
    return old


def _wrong_env(venv: object) -> str:
    if isinstance(venv, gym.vector.VectorEnv):
        return f"{venv} is a vector environment of Gymnasium: use RobometerVectorReward"
    if isinstance(venv, gym.Env):
        return f"{venv} is a single environment: use RobometerReward, or DummyVecEnv([lambda: env])"
    return f"venv must be a VecEnv of Stable-Baselines3, not a {type(venv).__qualname__}"
