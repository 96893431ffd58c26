"""Videos of a trained agent: its best episode, and the failure that the learned reward paid most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robometer_rl import RobometerReward
from robometer_rl.frames import FrameGrabber, FrameSource
from robometer_rl.video.figures import ScoredEpisode, draw_overlay
from robometer_rl.video.io import write_mp4

from ..common.seeds import EVALUATION
from .evaluation import Agent, EvaluationEpisode, Normalise, evaluate, play

__all__ = ["draw_videos", "pick"]

FPS = 8.0
"""Decisions shown per second; a frame is one decision."""
WIDTH = 320
"""Of the videos, in pixels."""


def pick(episodes: Sequence[EvaluationEpisode]) -> dict[str, int]:
    """Chooses what is worth a look.

    Args:
        episodes: Judged episodes, scored by the reward model.

    Returns:
        `best`: the number of the solved episode with the highest learned return, else of any; `wrong`: of the
        failed one with the highest, missing where none failed. Where success is unknown, `best` is that with
        the highest return of the environment's own reward, and `wrong` is missing.
    """
    if any(episode.true_success is None for episode in episodes):
        return {"best": int(np.argmax([episode.env_return for episode in episodes]))}
    paid = np.array([episode.learned_return for episode in episodes])
    is_solved = np.array([episode.solved for episode in episodes])
    chosen = {"best": int(np.argmax(np.where(is_solved | ~is_solved.any(), paid, -np.inf)))}
    if not is_solved.all():
        chosen["wrong"] = int(np.argmax(np.where(is_solved, -np.inf, paid)))
    return chosen


def draw_videos(
    folder: Path,
    best: tuple[Agent, Normalise | None],
    last: tuple[Agent, Normalise | None],
    env: RobometerReward,
    episodes: int,
    frames: FrameSource = "render",
) -> None:
    """Plays the judged episodes again and writes `best.mp4` and `wrong.mp4` with the model's curves.

    Args:
        folder: Where to write.
        best: The agent at its best evaluation, and how its observations were normalised if
            they were, for `best.mp4`.
        last: The same at its end, for `wrong.mp4`: what it has learned instead of the task shows there.
        env: The judging environment.
        episodes: How many are judged.
        frames: Where the pictures come from, as in `RobometerReward`.
    """
    grabber = FrameGrabber(env.env, frames)
    folder.mkdir(parents=True, exist_ok=True)
    agents = {"best": best, "wrong": last}
    for name, (agent, normalise) in agents.items():
        number = pick(evaluate(agent, env, episodes, normalise)).get(name)
        if number is None:
            continue
        episode = play(agent, env, EVALUATION[number], normalise, grabber)
        assert episode.frames is not None
        truth = "done" if episode.solved else "not done"
        if episode.true_success is None:
            truth = f"return {episode.env_return:.1f}"
        shown = ScoredEpisode(
            title=env.robometer.tasks[0],
            frames=episode.frames,
            progress=episode.progress.astype(np.float32),
            success=episode.success.astype(np.float32),
            times=np.arange(1, len(episode.frames) + 1, dtype=np.float64),
            unit="step",
            truth=episode.true_success,
            threshold=env.robometer.success_threshold,
            note=f"episode {number}: {truth}, learned return {episode.learned_return:.1f}",
        )
        write_mp4(folder / f"{name}.mp4", draw_overlay(shown, WIDTH), FPS)
