"""From frames and facts of n running episodes to reward and termination: the inside of every wrapper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robometer_rl.rewards.protocol import FrameResizer, RewardModel, Scores

from ..frame_checks import FrameMonitor
from .episode_state import EpisodeState, StepOutcome
from .model_streams import ModelStreams
from .options import WrapperOptions
from .relabel import Relabelled, replay, score_views
from .step_reader import STEP, StepRecord
from .thresholds import resolve_threshold

__all__ = ["RewardPipeline", "StepBatch", "make_pipeline"]

Views = Sequence[NDArray[np.uint8]]
"""One uint8 `(n, H, W, 3)` per camera."""


_GROWTH = 16  # frames by which the memory of an episode grows


class StepBatch(NamedTuple):
    """What n environments did at once, each of shape `(n,)`; an episode begins, makes a step, or rests."""

    began: NDArray[np.bool_]
    """Which episodes begin with these frames."""
    stepped: NDArray[np.bool_]
    """Which episodes made a step; the fields below count there only."""
    scored: NDArray[np.bool_]
    """Which steps came with frames, to be scored."""
    env_reward: NDArray[np.float64]
    """The environment's own reward."""
    terminated: NDArray[np.bool_]
    """Whether the environment, or true success where an option says so, terminated the episode."""
    truncated: NDArray[np.bool_]
    """Whether the environment truncated."""
    true_success: NDArray[np.bool_]
    """Whether the environment says that the task is done; False where it does not tell."""

    @staticmethod
    def beginning(rows: NDArray[np.bool_]) -> StepBatch:
        """Episodes begin in these rows, and nothing else happens."""
        no = np.zeros(len(rows), dtype=np.bool_)
        return StepBatch(rows, no, no, np.zeros(len(rows), dtype=np.float64), no, no, no)

    @staticmethod
    def of(record: StepRecord) -> StepBatch:
        """What one environment did, n = 1."""
        stepped = record.kind == STEP
        return StepBatch(
            began=np.array([not stepped]),
            stepped=np.array([stepped]),
            scored=np.array([stepped and record.frames is not None]),
            env_reward=np.array([record.env_reward]),
            terminated=np.array([record.terminated]),
            truncated=np.array([record.truncated]),
            true_success=np.array([record.true_success]),
        )


class RewardPipeline:
    """Scores n running episodes frame by frame and pays for each step.

    The model is loaded at the first `advance`, in the process that calls it, once for all pipelines of that
    process whose specs are equal.
    """

    def __init__(self, options: WrapperOptions, tasks: Sequence[str]) -> None:
        """Prepares n episodes that have not begun; nothing is loaded yet.

        Args:
            options: The wrapper's options.
            tasks: n sentences.
        """
        self.config = options.config
        self.tasks = list(tasks)
        self.n = len(self.tasks)
        self.state = EpisodeState(self.n, options.config)
        self.finished: dict[int, Relabelled] = {}
        """By row, the rewards of the episodes that the last `advance` ended, where scored at their end."""
        self._spec = options.spec
        self._thresholds: NDArray[np.float64] | None = None
        self._streams = ModelStreams(options.spec, self.n, options.cameras)
        self._monitor = FrameMonitor(self.n, options.camera_names)
        unknown = np.full(self.n, np.nan, dtype=np.float32)
        self._unscored = Scores(unknown, unknown)

    @property
    def model(self) -> RewardModel:
        """The model, loaded now if it was not."""
        return self._streams.model

    @property
    def progress(self) -> NDArray[np.float64]:
        """Last score of progress, `(n,)`."""
        return self.state.progress

    @property
    def success(self) -> NDArray[np.float64]:
        """Last score of success, `(n,)`."""
        return self.state.success

    @property
    def success_thresholds(self) -> NDArray[np.float64]:
        """The success score from which a step counts as done, of each episode `(n,)`."""
        if self._thresholds is None:
            found = [
                resolve_threshold(
                    self.config.success_threshold, self.model, self._spec, task, self.config.patience
                )
                for task in self.tasks
            ]
            self._thresholds = np.array(found, dtype=np.float64)
        return self._thresholds

    def advance(self, batch: StepBatch, views: Views) -> StepOutcome:
        """Starts some episodes, scores and pays a step of others, in one forward of the model.

        Args:
            batch: Which episodes begin, and the step that others made.
            views: One uint8 `(n, H, W, 3)` per camera; read where an episode begins or its step is scored.

        Returns:
            Reward and termination; reward 0 where no step was made.

        Raises:
            RuntimeError: Every picture of an episode that ends was flat.
            ValueError: The model returned scores that are none, or a reward is not finite.
        """
        pushed = batch.began | batch.scored
        self._monitor.see(batch.began, pushed, views)
        if batch.began.any():
            self._streams.reset(self.tasks, batch.began)
        scores = self._unscored
        if pushed.any():
            scores = self._streams.push(views, None if pushed.all() else pushed)
            self.state.begin(batch.began, scores)
        outcome = self.state.pay(
            batch.stepped,
            batch.scored,
            scores,
            self.success_thresholds,
            batch.env_reward,
            batch.terminated,
            batch.true_success,
        )
        self._monitor.end(outcome.terminated | batch.truncated)
        check_rewards(outcome.reward, batch.env_reward)
        return outcome

    def close(self) -> None:
        """Lets go of the model; a later episode loads it again."""
        self._streams.close()


class EpisodeEndPipeline(RewardPipeline):
    """Keeps the frames of running episodes and scores each when it is over, in one causal pass.

    Until then the reward and the scores are NaN: they are not known, and a learner that takes them for
    rewards shall fail rather than learn from placeholders. `finished` holds those of whole episodes.
    """

    def __init__(self, options: WrapperOptions, tasks: Sequence[str]) -> None:
        """Prepares n episodes that have not begun; nothing is loaded yet."""
        super().__init__(options, tasks)
        self._buffers = [_EpisodeBuffer() for _ in self.tasks]
        self.state.progress[:] = np.nan
        self.state.success[:] = np.nan

    def advance(self, batch: StepBatch, views: Views) -> StepOutcome:
        """Starts some episodes, keeps a step of others, and pays for those that this step ends."""
        self._monitor.see(batch.began, batch.began | batch.scored, views)
        self._monitor.end(batch.terminated | batch.truncated)
        if batch.began.any():
            self.state.begin(batch.began, self._unscored)
        for row in np.flatnonzero(batch.began):
            self._buffers[row] = _EpisodeBuffer()
        for row in np.flatnonzero(batch.stepped):
            self._buffers[row].add_step(batch, int(row))
        self._keep(np.flatnonzero(batch.began | batch.scored), views)
        ended = batch.terminated | batch.truncated
        self.finished = {}
        reward = np.where(batch.stepped, np.nan, 0.0)
        for row in np.flatnonzero(ended):
            done = self._score(int(row), bool(batch.terminated[row]))
            self.finished[int(row)] = done
            reward[row] = done.reward[-1]
            self.state.progress[row], self.state.success[row] = done.progress[-1], done.success[-1]
        check_rewards(reward[ended], batch.env_reward[ended])
        return StepOutcome(reward, batch.terminated)

    def _keep(self, rows: NDArray[np.int64], views: Views) -> None:
        """Keeps the frames of some episodes, at the size that the model reads where it says so."""
        if not len(rows):
            return
        kept = [view[rows] for view in views]
        if isinstance(self.model, FrameResizer):
            kept = [self.model.resize_frames(view) for view in kept]
        for place, row in enumerate(rows):
            self._buffers[row].add_frames([view[place] for view in kept])

    def _score(self, row: int, terminated: bool) -> Relabelled:
        buffer = self._buffers[row]
        self._buffers[row] = _EpisodeBuffer()
        ends = np.zeros(len(buffer.scored), dtype=np.bool_)
        ends[-1] = terminated
        done = replay(
            self.config,
            float(self.success_thresholds[row]),
            score_views(self.model, buffer.views(), self.tasks[row]),
            np.array(buffer.scored, dtype=np.bool_),
            np.array(buffer.env_reward, dtype=np.float64),
            np.array(buffer.true_success, dtype=np.bool_),
            ends,
        )
        check_rewards(done.reward, np.array(buffer.env_reward))
        return done


class _EpisodeBuffer:
    """One running episode as far as it will be needed at its end."""

    def __init__(self) -> None:
        self.scored: list[bool] = []
        self.env_reward: list[float] = []
        self.true_success: list[bool] = []
        self._frames: list[NDArray[np.uint8]] = []
        self._count = 0

    def add_step(self, batch: StepBatch, row: int) -> None:
        """Keeps what is known of a step beside its frames."""
        self.scored.append(bool(batch.scored[row]))
        self.env_reward.append(float(batch.env_reward[row]))
        self.true_success.append(bool(batch.true_success[row]))

    def add_frames(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Copies one picture per camera."""
        if self._count == 0:
            self._frames = [np.empty((_GROWTH, *frame.shape), dtype=np.uint8) for frame in frames]
        elif self._count == len(self._frames[0]):
            for kept in self._frames:  # in place: the system moves large blocks without copying them
                kept.resize((self._count + _GROWTH, *kept.shape[1:]), refcheck=False)
        for kept, frame in zip(self._frames, frames, strict=True):
            kept[self._count] = frame
        self._count += 1

    def views(self) -> list[NDArray[np.uint8]]:
        """One uint8 `(K, H, W, 3)` per camera, the reset's frame first; not a copy."""
        return [kept[: self._count] for kept in self._frames]


def make_pipeline(options: WrapperOptions, tasks: Sequence[str]) -> RewardPipeline:
    """Makes the pipeline that the option `score` asks for."""
    return (EpisodeEndPipeline if options.score == "episode_end" else RewardPipeline)(options, tasks)


def check_rewards(reward: NDArray[np.float64], env_reward: NDArray[np.float64]) -> None:
    """Refuses rewards that are not finite.

    Raises:
        ValueError: One is not.
    """
    if not np.isfinite(reward).all():
        row = int(np.flatnonzero(~np.isfinite(reward))[0])
        raise ValueError(
            f"the reward is {reward[row]}, from env_reward={float(env_reward[row])!r}: it must be finite"
        )
