"""`RobometerReward`: the reward of a Gymnasium environment replaced by learned progress and success."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from robometer_rl.rewards.loading import check_model_spec
from robometer_rl.rewards.protocol import RewardModel, Scores

from .frames import FrameGrabber, FrameSource
from .rules import EpisodeBook, Fill, RewardConfig
from .scorer import Scorer, check_task, check_world, warn_if_unseen
from .shaping import Mode, ShapingConfig

__all__ = ["RobometerReward"]

_ONE = np.ones(1, dtype=np.bool_)


class RobometerReward(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
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
            shaping: Function of the scores, see `robometer_rl.shaping`.
            gamma: Discount of `shaping="potential"`, in (0, 1]; set the agent's own.
            success_bonus: Added at each scored step whose predicted success reaches the threshold; with
                `terminate_on_success` only at the step that so ends the episode.
            scale: Factor of the learned reward, above 0.
            shift: Added to every step.
            env_weight: Factor of the environment's own reward, mixed in; with a sparse one this is ground
                truth.
            score_every: Score each k-th step and always the last of an episode.
            fill: What stands between scores, `"hold"` (the last score) or `"zero"` (no learned reward there).
            terminate_on_success: End the episode when predicted success holds. With an absolute `shaping` it
                needs `shift=-scale` or a large `success_bonus`, since finishing must not cost the agent its
                income; `robometer_rl.shaping.check_early_end` says what such a shift leaves.
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
        world = check_world(world)
        check_model_spec(model)
        spec = model if isinstance(model, str) else json.loads(json.dumps(dict(model)))
        sources = frames if isinstance(frames, str) or callable(frames) else list(frames)
        self._config = RewardConfig(
            ShapingConfig(shaping, gamma, success_bonus, scale, shift, env_weight),
            score_every=score_every,
            fill=fill,
            terminate_on_success=terminate_on_success,
            success_threshold=success_threshold,
            success_patience=success_patience,
            true_success_bonus=true_success_bonus,
            terminate_on_true_success=terminate_on_true_success,
        )
        # Plain Python values, so that the spec can be written as JSON; nothing here is worth a deep copy.
        RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            task=task,
            model=spec,
            frames=sources,
            shaping=shaping,
            gamma=float(gamma),
            success_bonus=float(success_bonus),
            scale=float(scale),
            shift=float(shift),
            env_weight=float(env_weight),
            score_every=int(score_every),
            fill=fill,
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
        self._grabber = FrameGrabber(env, sources)
        self._scorer = Scorer(spec, n=1, cameras=self._grabber.cameras)
        self._book = EpisodeBook(1, self._config)
        self._warns = bool(warn_unseen_world)
        self._world = world
        self._running = False

    @property
    def config(self) -> RewardConfig:
        """The rules by which scores become reward and termination."""
        return self._config

    @property
    def reward_model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        return self._scorer.model

    @property
    def ground_truth(self) -> dict[str, float | bool]:
        """Every way by which ground truth can reach the agent, for reports; all 0 or False by default."""
        return self._config.ground_truth

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
        if self._warns:
            warn_if_unseen(self._scorer.model, self._scorer.spec, self.world)
        self._scorer.reset([self.instruction])
        self._book.begin(_ONE, self._scorer.push(frames))
        self._running = True
        return observation, self._report(info)

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
        info = self._report(info)
        success = self._true_success(info)
        ended = bool(terminated or truncated or (self._config.terminate_on_true_success and success))
        due = self._book.due(_ONE, np.array([ended]))
        scores = self._scorer.push(self._grab(observation)) if due[0] else _NO_SCORES
        outcome = self._book.pay(
            _ONE,
            due,
            scores,
            self.success_threshold,
            _row(env_reward),
            np.array([bool(terminated)]),
            np.array([success]),
        )
        reward, terminated = float(outcome.reward[0]), bool(outcome.terminated[0])
        if not np.isfinite(reward):
            raise ValueError(f"the reward is {reward}, from env_reward={env_reward!r}: it must be finite")
        self._running = not (terminated or truncated)
        return observation, reward, terminated, bool(truncated), self._report(info, env_reward)

    @property
    def success_threshold(self) -> float:
        """The success score from which a step counts as done: the option, else the checkpoint's own."""
        given = self._config.success_threshold
        return float(self._scorer.model.success_threshold) if given is None else float(given)

    @property
    def world(self) -> str:
        """Id of the world: the option, else its task's id, else its spec's, else its class name."""
        if self._world is not None:
            return self._world
        known = getattr(getattr(self.unwrapped, "task", None), "id", None)
        if isinstance(known, str):
            return known
        spec = self.unwrapped.spec
        return type(self.unwrapped).__qualname__ if spec is None else spec.id

    def close(self) -> None:
        """Lets go of the model and closes the environment; a second call does nothing more."""
        self._running = False
        self._scorer.close()
        self.env.close()

    def _grab(self, observation: Any) -> list[NDArray[np.uint8]]:
        return [frame[None] for frame in self._grabber.grab(observation)]  # (1, H, W, 3) each

    def _true_success(self, info: dict[str, Any]) -> bool:
        if "is_success" not in info and self._config.needs_truth:
            raise RuntimeError(
                'true_success_bonus and terminate_on_true_success need info["is_success"], which this '
                f"environment does not report (its info: {', '.join(sorted(map(str, info))) or 'nothing'})"
            )
        return bool(info.get("is_success", False))

    def _report(self, info: dict[str, Any], env_reward: SupportsFloat | None = None) -> dict[str, Any]:
        """Returns a copy of info with the scores; the caller's dict stays as it is."""
        report = dict(info)
        if env_reward is not None:
            report["env_reward"] = float(env_reward)
        if "is_success" not in report and "success" in report:
            report["is_success"] = bool(report["success"])
        report["robometer/progress"] = float(self._book.progress[0])
        report["robometer/success"] = float(self._book.success[0])
        return report


_NO_SCORES = Scores(np.full(1, np.nan, dtype=np.float32), np.full(1, np.nan, dtype=np.float32))


def _row(value: SupportsFloat) -> NDArray[np.float64]:
    return np.array([float(value)], dtype=np.float64)
