"""`RobometerReward`: the reward of a Gymnasium environment replaced by learned progress and success."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import Autoreset

from ..frames import FrameSource
from ..scoring.checks import check_task
from ..scoring.episode_state import Fill, StepOutcome
from ..scoring.options import RewardOptions, Score, read_options
from ..scoring.pipeline import StepBatch, make_pipeline
from ..scoring.shaping import Mode
from ..scoring.step_reader import StepReader, StepRecord
from ..scoring.thresholds import ThresholdOption
from ..scoring.unseen_world import warn_if_unseen
from ..world_ids import world_of
from .base import HINDSIGHT, LearnedReward, Rewarded, refuse_hindsight

__all__ = ["RobometerReward"]


class RobometerReward(Rewarded, gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Scores the frames of an environment with a reward model and makes the scores its reward.

    Observations and actions pass untouched. `info` gains, at every step, `env_reward` (the environment's
    own), `robometer/progress` and `robometer/success` (the last scores, in [0, 1]; at reset too), and
    `is_success` where the environment tells only `success`. Place it outside a `TimeLimit`, so that the last
    step of every episode is scored.

    The model is loaded at the first `reset`, once per process for all wrappers that name the same one.

    Examples:
        >>> import gymnasium as gym
        >>> from robometer_rl import RobometerReward
        >>> env = gym.make("robometer_rl:metaworld/door-open-v3")  # doctest: +SKIP
        >>> env = RobometerReward(env, task="open the door")  # doctest: +SKIP
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        task: str,
        model: str | Mapping[str, Any] = "compact",
        *,
        frames: FrameSource | Sequence[FrameSource] = "render",
        shaping: Mode = "progress+success",
        gamma: float = 0.99,
        success_bonus: float = 0.0,
        scale: float = 1.0,
        shift: float = 0.0,
        env_weight: float = 0.0,
        score_every: int = 1,
        fill: Fill = "hold",
        score: Score = "step",
        terminate_on_success: bool = False,
        success_threshold: ThresholdOption = None,
        success_patience: int = 1,
        true_success_bonus: float = 0.0,
        terminate_on_true_success: bool = False,
        warn_unseen_world: bool = True,
        world: str | None = None,
    ) -> None:
        """Checks every option; neither the model nor the simulator is touched yet.

        Args:
            env: Any environment that gives pictures.
            task: What the robot should do, a sentence. There is no default: a vague one would silently score
                every episode.
            model: What `load_reward_model` reads: a name or a JSON-able dict, never a model object.
            frames: `"render"` (the environment's `render_mode` must be `"rgb_array"`), `"observation"` (all
                of it), a key of a Dict observation, which goes before these two words, a path into a nested
                one (`"pixels/top"`), an index into a Tuple, a callable `env -> frame` or its name
                `"module:function"` (the name keeps the spec JSON-able); or a sequence of these, one per
                camera, whose scores are averaged.
            shaping: Function of the scores, see `robometer_rl.scoring.shaping`.
            gamma: Discount of `shaping="potential"`, in (0, 1]; set the agent's own.
            success_bonus: Added at each scored step whose predicted success reaches the threshold; with
                `terminate_on_success` only at the step that so ends the episode.
            scale: Factor of the learned reward, above 0.
            shift: Added to every step.
            env_weight: Factor of the environment's own reward, mixed in; with a sparse one this is ground
                truth.
            score_every: Score each k-th step and always the last of an episode.
            fill: What stands between scores, `"hold"` (the last score) or `"zero"` (no learned reward there).
            score: `"step"`, or `"episode_end"` for off-policy learners that can wait: the episode is scored
                in one pass when it is over, its last step carries all rewards in `info["robometer/rewards"]`
                (float32 `(T,)`), and every reward and score before is NaN, since it is not known yet.
            terminate_on_success: End the episode when predicted success holds. With an absolute `shaping` it
                needs `shift=-scale` or a large `success_bonus`, since finishing must not cost the agent its
                income; `robometer_rl.scoring.shaping.check_early_end` says what such a shift leaves.
            success_threshold: Success score, in (0, 1], from which a step counts as done; None takes the
                checkpoint's calibrated value for all tasks, `"auto"` the one for this task, where the
                checkpoint has one, see `robometer-rl calibrate`.
            success_patience: Consecutive scores at the threshold that end the episode.
            true_success_bonus: Ground truth, off by default: added where `info["is_success"]`.
            terminate_on_true_success: Ground truth, off by default: ends the episode where
                `info["is_success"]`. With an absolute `shaping` it needs the shift too, or a large
                `true_success_bonus`.
            warn_unseen_world: Warn once where the checkpoint was not trained on this world.
            world: Id under which the checkpoint knows this world, such as `"mylab/press-bell"`; None: the
                task's id, else the spec's, else the class name.

        Raises:
            TypeError: The task or the world is not a string, the model is not a name or JSON-able dict, or a
                frame source is of a wrong type.
            ValueError: The task or the world is empty, no such model or frame source exists, an option is
                outside its range, or Gymnasium's `Autoreset` stands inside.
        """
        given = locals()  # the options, spelled once: in the signature
        task = check_task(task)
        checked = read_options(model, {name: given[name] for name in RewardOptions.__annotations__})
        # Plain Python values, so that the spec can be written as JSON; nothing here is worth a deep copy.
        RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, task=task, model=checked.spec, **checked.as_dict()
        )
        gym.Wrapper.__init__(self, env)
        _check_order(env)
        self._reader = StepReader(env, checked.sources, checked.config)
        self._scoring = make_pipeline(checked, [task])
        world = world_of(env) if checked.world is None else checked.world
        self._robometer = LearnedReward(checked, [task], [world], self._scoring)
        self._spec, self._warns = checked.spec, checked.warns
        # Only episodes that are scored at their end need one; None elsewhere, and once there was an end.
        self._unended: int | None = 0 if checked.score == "episode_end" else None
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, forgets the last one and scores the first frame.

        Args:
            seed: Passed on.
            options: Passed on.

        Returns:
            The environment's observation, and its info with the first scores.

        Raises:
            RuntimeError: The environment gives no frames; the message names the fix.
            TypeError: A frame is of a wrong type.
            ValueError: A frame is of a wrong shape, or the model's checkpoint is damaged.
        """
        self._running = False
        if self._unended:
            warnings.warn(_never_ends(self._unended), stacklevel=2)
            self._unended = None
        observation, info = self.env.reset(seed=seed, options=options)
        record, info = self._reader.reset(observation, info)
        if self._warns:
            warn_if_unseen(self._scoring.model, self._spec, self._robometer.worlds[0])
        self._advance(record)
        self._running = True
        return observation, self._add_scores(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment and pays the learned reward.

        Args:
            action: Passed on.

        Returns:
            Observation, learned reward, terminated, truncated, info.

        Raises:
            ResetNeeded: The episode is over or never began.
            RuntimeError: A ground-truth option is on and the environment does not tell `is_success`, or the
                episode is over and every picture of it was flat (one colour).
            ValueError: A frame is of a wrong shape, or the reward is not finite.
        """
        if not self._running:
            raise ResetNeeded(
                "the episode is over or never began: call reset() before step(). What restarts episodes by "
                "itself must stand outside, Autoreset(RobometerReward(env, ...))"
            )
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        record, info = self._reader.step(observation, env_reward, terminated, truncated, info)
        outcome = self._advance(record)
        ended = bool(outcome.terminated[0])
        self._running = not (ended or record.truncated)
        if self._unended is not None:
            self._unended = self._unended + 1 if self._running else None
        self._add_scores(info)
        for episode in self._scoring.finished.values():
            info["robometer/rewards"] = episode.reward.astype(np.float32)
        return observation, float(outcome.reward[0]), ended, record.truncated, info

    def get_wrapper_attr(self, name: str) -> Any:
        """Gets an attribute of this wrapper, else of the environment; refuses the environment's rewards.

        Args:
            name: Of the attribute.

        Returns:
            The attribute; in place of `compute_reward`, from which hindsight experience replay would take the
            environment's own rewards, a function that raises `ValueError`.

        Raises:
            AttributeError: Nobody has it.
        """
        found = super().get_wrapper_attr(name)
        return refuse_hindsight if name == HINDSIGHT else found

    def close(self) -> None:
        """Lets go of the model and closes the environment; a second call does nothing more."""
        self._running = False
        self._scoring.close()
        self.env.close()

    def _advance(self, record: StepRecord) -> StepOutcome:
        views = [frame[None] for frame in record.frames or ()]  # (1, H, W, 3) each
        return self._scoring.advance(StepBatch.of(record), views)

    def _add_scores(self, info: dict[str, Any]) -> dict[str, Any]:
        info["robometer/progress"] = float(self._scoring.progress[0])
        info["robometer/success"] = float(self._scoring.success[0])
        return info


def _check_order(env: gym.Env[Any, Any]) -> None:
    while isinstance(env, gym.Wrapper):
        if isinstance(env, Autoreset):
            raise ValueError(
                "Autoreset inside RobometerReward restarts an episode that is over here, and its first frame "
                "is never scored as one. Turn them around: Autoreset(RobometerReward(env, ...))"
            )
        env = env.env


def _never_ends(steps: int) -> str:
    return (
        f"an episode was reset after {steps} steps, before it ended inside RobometerReward, so its rewards "
        "stay NaN: score='episode_end' pays when an episode ends. If a TimeLimit outside ends it, turn them "
        "around: "
        f"RobometerReward(TimeLimit(env, max_episode_steps={steps}), ..., score='episode_end')"
    )
