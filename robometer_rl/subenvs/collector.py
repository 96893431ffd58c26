"""One pipeline for the sub-environments of a vector environment, whatever its kind and autoreset mode.

The sub-environments report their own steps and resets (`ShareFrames`), so nothing is inferred from the mode:
a step that only resets, a step followed by a reset, and a partial reset all read the same here.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.protocol import RewardModel

from ..scoring.options import WrapperOptions
from ..scoring.pipeline import StepBatch, make_pipeline
from ..scoring.relabel import Relabelled
from ..scoring.step_reader import RESET, STEP
from ..scoring.unseen_world import warn_if_unseen
from .share_frames import FramePlan, Joined, ShareFrames
from .shared_memory import NOTHING, SharedFrames

__all__ = ["Call", "SubEnvCollector", "VectorStep", "share_frames_in_process"]

Call = Callable[..., Sequence[Any]]
"""`call(name, *args)` calls a method of every sub-environment and returns their answers."""


class VectorStep(NamedTuple):
    """What one step of a vector environment earned; arrays of shape `(n,)`."""

    stepped: NDArray[np.bool_]
    """Which sub-environments made a step of an episode; the others were reset."""
    began: NDArray[np.bool_]
    """Which began a new episode, by a reset instead of the step or after it."""
    reward: NDArray[np.float64]
    """Learned reward; exactly 0.0 where not stepped."""
    terminated: NDArray[np.bool_]
    """Where the environment, true success or predicted success terminated the episode."""
    ended_early: NDArray[np.bool_]
    """Where predicted success ended an episode that the sub-environment itself did not end."""
    progress: NDArray[np.float64]
    """Scores of the step; of the new episode's first frame where not stepped."""
    success: NDArray[np.float64]
    """As `progress`."""
    finished: dict[int, Relabelled]
    """Rewards of whole episodes that ended, where scored at their end."""


def share_frames_in_process(envs: list[gym.Env[Any, Any]]) -> None:
    """Puts a `ShareFrames` around each environment of a list, in place, where it has none."""
    for i, env in enumerate(envs):
        if not env.has_wrapper_attr("robometer_join"):
            envs[i] = ShareFrames(env)


class SubEnvCollector:
    """Takes what the sub-environments left and pays for it."""

    def __init__(self, call: Call, tasks: Sequence[str], options: WrapperOptions, crosses: bool) -> None:
        """Tells the sub-environments what is wanted of them.

        Args:
            call: Calls a method of every sub-environment.
            tasks: n sentences.
            options: The wrapper's options.
            crosses: Whether sub-environments live in other processes.

        Raises:
            TypeError: A frame source is of a wrong type, or cannot be sent to a worker.
            ValueError: A frame source does not exist, or a `TimeLimit` stands outside `ShareFrames`.
        """
        self._call = call
        self._options = options
        self._pipeline = make_pipeline(options, tasks)
        self._n = len(self._pipeline.tasks)
        self._shared: SharedFrames | None = None
        _check_order(call("__str__"))
        ids: Sequence[str] = call("robometer_id")
        plan = FramePlan(
            rows={name: row for row, name in enumerate(ids)},
            sources=options.sources,
            config=options.config,
        )
        if crosses:
            _check_picklable(options)
        joined: Sequence[Joined] = call("robometer_join", plan)
        for answer in joined:
            if answer.error is not None:
                raise answer.error
        self.worlds = [answer.world if options.world is None else options.world for answer in joined]
        """Id of the world of each sub-environment."""

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        return self._pipeline.model

    @property
    def begun(self) -> bool:
        """Whether there was a reset."""
        return self._shared is not None

    @property
    def success_thresholds(self) -> NDArray[np.float64]:
        """The success score from which a step of each sub-environment counts as done, `(n,)`."""
        return self._pipeline.success_thresholds

    @property
    def progress(self) -> NDArray[np.float64]:
        """Last score of progress, `(n,)`, a copy."""
        return self._pipeline.progress.copy()

    @property
    def success(self) -> NDArray[np.float64]:
        """Last score of success, `(n,)`, a copy."""
        return self._pipeline.success.copy()

    def before_reset(self) -> None:
        """Forgets what a step left that failed in another sub-environment: a reset of all begins anew."""
        if self._shared is not None:
            self._shared.skip()

    def after_reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Starts the episodes that a reset has begun.

        Args:
            mask: bool `(n,)`, the sub-environments that were reset, all of them the first time; None: all.

        Raises:
            RuntimeError: Others were reset.
            ValueError: The pictures of the sub-environments differ in size.
        """
        expected = np.ones(self._n, dtype=np.bool_) if mask is None else mask
        if self._shared is None:
            self._open()
        assert self._shared is not None
        rows = self._shared.read()
        began = rows["kind"][:, 0] == RESET
        if not (began == expected).all() or (rows["kind"][:, 1] != NOTHING).any():
            raise RuntimeError(_out_of_step("reset", np.flatnonzero(began != expected)))
        self._shared.over[began] = False
        self._pipeline.advance(StepBatch.beginning(began), self._shared.views(0))

    def _open(self) -> None:
        shapes = self._call("robometer_shapes")
        if len(set(shapes)) != 1:
            raise ValueError(
                f"the pictures of the environments differ in shape: {sorted(set(shapes))}; one size is "
                "needed for a batch, so make all environments with the same image size"
            )
        shared = SharedFrames(self._n, shapes[0])
        try:
            self._call("robometer_open", shared)
        finally:
            shared.unlink()
        self._shared = shared
        if self._options.warns:
            for world in dict.fromkeys(self.worlds):
                warn_if_unseen(self._pipeline.model, self._options.spec, world, stacklevel=5)

    def after_step(self, ended: NDArray[np.bool_]) -> VectorStep:
        """Scores and pays what the sub-environments did in one step.

        Args:
            ended: bool `(n,)`, where the vector environment says that an episode ended.

        Returns:
            Rewards and what happened.

        Raises:
            RuntimeError: The sub-environments did something else than the vector environment says.
            ValueError: The model returned scores that are none, or a reward is not finite.
        """
        assert self._shared is not None
        rows = self._shared.read()
        stepped = rows["kind"][:, 0] == STEP
        reset_instead = rows["kind"][:, 0] == RESET
        reset_after = rows["kind"][:, 1] == RESET
        batch = StepBatch(
            began=reset_instead,
            stepped=stepped,
            scored=stepped & rows["framed"][:, 0],
            env_reward=np.where(stepped, rows["env_reward"], 0.0),
            terminated=stepped & rows["terminated"],
            truncated=stepped & rows["truncated"],
            true_success=stepped & rows["true_success"],
        )
        twice = rows["kind"][:, 1] == STEP
        unexpected = ~(stepped | reset_instead) | twice | ((batch.terminated | batch.truncated) != ended)
        if unexpected.any():
            raise RuntimeError(_out_of_step("step", np.flatnonzero(unexpected)))
        outcome = self._pipeline.advance(batch, self._shared.views(0))
        finished = dict(self._pipeline.finished)
        progress, success = self.progress, self.success
        if reset_after.any():
            self._pipeline.advance(StepBatch.beginning(reset_after), self._shared.views(1))
        return VectorStep(
            stepped=stepped,
            began=reset_instead | reset_after,
            reward=outcome.reward,
            terminated=outcome.terminated,
            ended_early=stepped & outcome.terminated & ~ended,
            progress=progress,
            success=success,
            finished=finished,
        )

    def reset_at_next_step(self, rows: NDArray[np.bool_]) -> None:
        """Makes the next step of these sub-environments a reset, as autoreset does where it ended them."""
        assert self._shared is not None
        self._shared.over[rows] = True

    def close(self) -> None:
        """Lets go of the model."""
        self._pipeline.close()


def _check_order(descriptions: Sequence[str]) -> None:
    """Refuses a limit that ends episodes outside of where their last frame is taken.

    Args:
        descriptions: `str` of each sub-environment, such as `<TimeLimit<ShareFrames<MyEnv>>>`: all that a
            worker process tells of the wrappers outside `ShareFrames`.
    """
    for row, description in enumerate(descriptions):
        if "TimeLimit" in description.split("<ShareFrames")[0].split("<"):
            raise ValueError(
                f"TimeLimit stands outside ShareFrames in sub-environment {row}, {description}: the "
                "episode's last frame would be lost. Turn them around: ShareFrames(TimeLimit(env, ...))"
            )


def _check_picklable(options: WrapperOptions) -> None:
    try:
        pickle.dumps(options.sources)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"frames={options.sources!r} cannot be sent to worker processes ({error}): name the function, "
            'frames="module:function", or put it at the top level of a module'
        ) from error


def _out_of_step(what: str, rows: NDArray[np.int64]) -> str:
    return (
        f"environments {rows.tolist()} did not do what this {what} asked: the episode's last frames would be "
        "lost. Put ShareFrames outermost in each sub-environment, outside TimeLimit and everything else that "
        "ends or resets episodes, and step and reset the outermost vector wrapper only"
    )
