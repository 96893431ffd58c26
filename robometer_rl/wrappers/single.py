"""`RobometerReward`: the reward of a Gymnasium environment replaced by learned progress and success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ..frames import FrameGrabber, FrameSource
from ..scoring.checks import check_task
from ..scoring.episode_state import Fill
from ..scoring.options import Score, read_options
from ..scoring.pipeline import RewardPipeline, StepBatch, make_pipeline
from ..scoring.shaping import Mode
from ..scoring.true_success import named_success, read_success
from ..scoring.unseen_world import warn_if_unseen, world_of
from .base import Rewarded

__all__ = ["RobometerReward"]

_ONE, _NONE = np.ones(1, dtype=np.bool_), np.zeros(1, dtype=np.bool_)


class RobometerReward(Rewarded[RewardPipeline], gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Scores the frames of an environment with a reward model and makes the scores its reward.

    Observations and actions pass untouched. `info` gains, at every step, `env_reward` (the environment's
    own), `robometer/progress` and `robometer/success` (the last scores, in [0, 1]; at reset too), and
    `is_success` where the environment tells only `success`. Place it outside a `TimeLimit`, so that the last
    step of every episode is scored.

    The model is loaded at the first `reset`, once per process for all wrappers that name the same one.

    Example:
        >>> import gymnasium as gym
        >>> from robometer_rl import RobometerReward
        >>> env = gym.make("robometer_rl:metaworld/drawer-open-v3")  # doctest: +SKIP
        >>> env = RobometerReward(env, task="open the drawer")  # doctest: +SKIP
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
        success_threshold: float | None = None,
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
            frames: `"render"` (the environment's `render_mode` must be `"rgb_array"`), `"observation"`, a key
                of a Dict observation, a callable `env -> frame` or its name `"module:function"` (the name
                keeps the spec JSON-able); or a sequence of these, one per camera, whose scores are averaged.
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
                checkpoint's calibrated value.
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
            ValueError: The task or the world is empty, no such model or frame source exists, or an option is
                outside its range.
        """
        task = check_task(task)
        setup = read_options(
            model,
            {
                "frames": frames,
                "shaping": shaping,
                "gamma": gamma,
                "success_bonus": success_bonus,
                "scale": scale,
                "shift": shift,
                "env_weight": env_weight,
                "score_every": score_every,
                "fill": fill,
                "score": score,
                "terminate_on_success": terminate_on_success,
                "success_threshold": success_threshold,
                "success_patience": success_patience,
                "true_success_bonus": true_success_bonus,
                "terminate_on_true_success": terminate_on_true_success,
                "warn_unseen_world": warn_unseen_world,
                "world": world,
            },
        )
        # Plain Python values, so that the spec can be written as JSON; nothing here is worth a deep copy.
        RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            task=task,
            model=setup.spec,
            frames=setup.sources,
            shaping=shaping,
            gamma=float(gamma),
            success_bonus=float(success_bonus),
            scale=float(scale),
            shift=float(shift),
            env_weight=float(env_weight),
            score_every=int(score_every),
            fill=fill,
            score=score,
            terminate_on_success=bool(terminate_on_success),
            success_threshold=None if success_threshold is None else float(success_threshold),
            success_patience=int(success_patience),
            true_success_bonus=float(true_success_bonus),
            terminate_on_true_success=bool(terminate_on_true_success),
            warn_unseen_world=bool(warn_unseen_world),
            world=world,
        )
        gym.Wrapper.__init__(self, env)
        self.instruction = task
        """The sentence that episodes are scored against."""
        self._setup = setup
        self._grabber = FrameGrabber(env, setup.sources)
        self._scoring = make_pipeline(setup, [task])
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
        observation, info = self.env.reset(seed=seed, options=options)
        frames = self._grab(observation)
        if self._setup.warns:
            warn_if_unseen(self._scoring.model, self._setup.spec, self.world)
        self._scoring.advance(_ONE, StepBatch.none(1), _NONE, frames)
        self._running = True
        return observation, self._add_scores(named_success(info))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment and pays the learned reward.

        Args:
            action: Passed on.

        Returns:
            Observation, learned reward, terminated, truncated, info.

        Raises:
            ResetNeeded: The episode is over or never began.
            RuntimeError: A ground-truth option is on and the environment does not tell `is_success`.
            ValueError: A frame is of a wrong shape, or the reward is not finite.
        """
        if not self._running:
            raise ResetNeeded("the episode is over or never began: call reset() before step()")
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        info = named_success(info)
        success = read_success(info, self.config.needs_truth)
        batch = StepBatch(
            _ONE,
            np.array([float(env_reward)]),
            np.array([bool(terminated)]),
            np.array([bool(truncated)]),
            np.array([success]),
        )
        due = self._scoring.due(batch)
        outcome = self._scoring.advance(_NONE, batch, due, self._grab(observation) if due[0] else [])
        reward, terminated = float(outcome.reward[0]), bool(outcome.terminated[0])
        self._running = not (terminated or truncated)
        info["env_reward"] = float(env_reward)
        self._add_scores(info)
        for episode in self._scoring.finished.values():
            info["robometer/rewards"] = episode.reward.astype(np.float32)
        return observation, reward, terminated, bool(truncated), info

    @property
    def world(self) -> str:
        """Id of the world: the option, else its task's id, else its spec's, else its class name."""
        return world_of(self.env) if self._setup.world is None else self._setup.world

    def close(self) -> None:
        """Lets go of the model and closes the environment; a second call does nothing more."""
        self._running = False
        self._scoring.close()
        self.env.close()

    def _grab(self, observation: Any) -> list[NDArray[np.uint8]]:
        return [frame[None] for frame in self._grabber.grab(observation)]  # (1, H, W, 3) each

    def _add_scores(self, info: dict[str, Any]) -> dict[str, Any]:
        info["robometer/progress"] = float(self._scoring.progress[0])
        info["robometer/success"] = float(self._scoring.success[0])
        return info
