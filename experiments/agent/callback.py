"""What happens while an agent learns: it is judged, its curve is written, checkpoints are made, runs end."""

from __future__ import annotations

import csv
import io
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium as gym
import numpy as np

from ..common.files import write_whole
from .algorithms import save_checkpoint, write_best
from .evaluation import summarise
from .run import CURVE_COLUMNS, JudgedBy, RunConfig, RunFolder
from .success_callback import EvaluationCallback

__all__ = ["SOLVED", "Journal", "StopRequest", "TrainingCallback", "solved", "write_curve"]

SOLVED, IN_A_ROW = 0.95, 3
"""A run is solved after so many evaluations in a row at this share of episodes or more."""

Row = dict[str, float]


def solved(rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether the last three evaluations are at 0.95 or more; where success is unknown they are not."""
    last = [row["true_success"] for row in rows[-IN_A_ROW:]]
    return len(last) == IN_A_ROW and all(share >= SOLVED for share in last)


def write_curve(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes a curve in one piece.

    Args:
        path: The CSV file.
        rows: One per evaluation, with the columns of `runs.CURVE_COLUMNS`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CURVE_COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


class StopRequest:
    """Whether the run was asked to end: SIGINT and SIGTERM ask, and the next decision obeys."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.asked: signal.Signals | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the signals over, and gives them back; outside the main thread there are none to take."""

        def ask(number: int, frame: FrameType | None) -> None:
            self.asked = signal.Signals(number)

        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
        before = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class Journal:
    """What a run remembers over its sessions."""

    rows: list[Row] = field(default_factory=list)
    """Its curve so far."""
    wall_s: float = 0.0
    """Seconds before this session."""
    sessions: int = 0
    """Sessions before this one."""
    best: float | None = None
    """Best evaluation, in what the run is judged by; None before the first."""
    weights: str = ""
    """Which weights the reward model has; a run does not go on with others."""


class TrainingCallback(EvaluationCallback):
    """Judges the agent every so often, keeps the best, writes curve and checkpoints, and ends the run."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        env: gym.Env[Any, Any],
        journal: Journal,
        stop: StopRequest,
        threshold: Callable[[], float],
        checkpoint_every: int,
        judged_by: JudgedBy = "true_success",
    ) -> None:
        """Stores its parts.

        Args:
            config: The run.
            folder: Its files.
            env: The judging environment.
            journal: What earlier sessions left; it is gone on with.
            stop: Whether somebody asked the run to end.
            threshold: Gives the success threshold of the reward model, NaN without one.
            checkpoint_every: Environment steps between two checkpoints.
            judged_by: Column of the curve by which the best agent is chosen.
        """
        super().__init__(env, config.action_repeat, config.eval_every, config.eval_episodes)
        self.config, self.folder = config, folder
        self.journal, self.stop, self.threshold = journal, stop, threshold
        self.checkpoint_every, self.judged_by = checkpoint_every, judged_by
        self.started = time.monotonic()
        self._returns: list[float] = []
        self._solved: list[bool] = []
        self._done_now: list[bool] = []

    @property
    def wall_s(self) -> float:
        """Seconds so far, over all sessions."""
        return self.journal.wall_s + time.monotonic() - self.started

    def _init_callback(self) -> None:
        self._done_now = [False] * self.training_env.num_envs
        self._saved_at = self.env_steps

    def _on_step(self) -> bool:
        self._follow(self.locals["infos"], self.locals["dones"])
        rows = self.journal.rows
        last = int(rows[-1]["env_steps"]) if rows else 0
        unjudged = not rows and self.env_steps >= self.config.steps
        if unjudged or self.is_due(last):
            self._judge()
            if self.config.stop_when_solved and solved(rows):
                return False
        if self.stop.asked is not None or self.env_steps - self._saved_at >= self.checkpoint_every:
            self.save()
        return self.stop.asked is None

    def _follow(self, infos: Sequence[Mapping[str, Any]], dones: Sequence[bool]) -> None:
        """Keeps the training episodes' returns and successes."""
        for row, (info, done) in enumerate(zip(infos, dones, strict=True)):
            self._done_now[row] |= self.judged_by == "true_success" and bool(info["is_success"])
            if done:
                self._returns.append(float(info["episode"]["r"]))
                if self.judged_by == "true_success":
                    self._solved.append(self._done_now[row])
                self._done_now[row] = False

    def _judge(self) -> None:
        verdict = summarise(self.evaluate(), self.threshold())
        row: Row = {
            "env_steps": self.env_steps,
            "wall_s": round(self.wall_s, 1),
            **verdict,
            "train_learned_return": float(np.mean(self._returns)) if self._returns else float("nan"),
            "train_true_success": float(np.mean(self._solved)) if self._solved else float("nan"),
            "held": 0,
        }
        self._returns, self._solved = [], []
        self.journal.rows.append(row)
        write_curve(self.folder.curve, self.journal.rows)
        for name, value in row.items():
            self.logger.record(f"eval/{name}", value)
        self.logger.dump(self.env_steps)
        if self.journal.best is None or row[self.judged_by] > self.journal.best:
            self.journal.best = row[self.judged_by]
            write_best(self.folder, self.model)
        found = f"return {row['env_return']:.2f}"
        if self.judged_by == "true_success":
            found = f"true success {row['true_success']:.2f} (last step {row['true_success_last']:.2f})"
        print(
            f"{self.env_steps:8d} env steps  {row['wall_s']:7.0f} s  {found}  "
            f"learned return {row['learned_return']:.1f}",
            flush=True,
        )

    def save(self) -> None:
        """Makes a checkpoint."""
        state = {
            "rows": self.journal.rows,
            "wall_s": self.wall_s,
            "sessions": self.journal.sessions + 1,
            "best": self.journal.best,
            "weights": self.journal.weights,
        }
        save_checkpoint(self.folder.checkpoint, self.model, state)
        self._saved_at = self.env_steps
