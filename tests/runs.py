"""Run folders as `train` leaves them behind, made up: for the tests of `report`, and to look at its page.

`tests/conftest.py` registers this file as the module `robometer_test_runs`. No number here is measured.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from robometer_rl.experiments.agent.run import CURVE_COLUMNS, Result, RunConfig, RunFolder
from robometer_rl.video.figures import ScoredEpisode, draw_overlay
from robometer_rl.video.io import write_mp4

VERSIONS = {"robometer-rl": "0.1.0", "torch": "2.13.0", "stable-baselines3": "2.9.2", "mujoco": "3.3.0"}
TASKS = ("door-open", "door-close", "drawer-open", "window-open", "button-press-topdown", "reach", "push")
FRAMES = 600
"""Frames of an evaluation: 20 episodes of 30 decisions."""


def curve_rows(
    config: RunConfig,
    success: Sequence[float],
    learned: Sequence[float] | None = None,
    held_from: int | None = None,
    false_positive_rate: float = 0.01,
) -> list[dict[str, float]]:
    """Rows of a curve from what the test is about; the rest follows from it.

    Args:
        config: The run; `eval_every` says where the rows stand.
        success: True success, one per evaluation.
        learned: Learned return; None where there is no reward model.
        held_from: Number of the first held row; None for no held row.
        false_positive_rate: Of the success head.
    """
    rows = []
    for i, rate in enumerate(success):
        done = round(FRAMES * 0.5 * rate)
        wrong = round((FRAMES - done) * false_positive_rate)
        found = round(0.9 * done)
        known = learned is not None
        rows.append(
            {
                "env_steps": config.eval_every * (i + 1),
                "wall_s": 30.0 * (i + 1),
                "true_success": rate,
                "true_success_last": round(0.8 * rate, 4),
                "env_return": 100 * rate,
                "learned_return": learned[i] if learned is not None else float("nan"),
                "final_progress": 0.1 + 0.8 * rate if known else float("nan"),
                "head_true_positive": found * known,
                "head_false_positive": wrong * known,
                "head_true_negative": (FRAMES - done - wrong) * known,
                "head_false_negative": (done - found) * known,
                "train_learned_return": learned[i] if learned is not None else float("nan"),
                "train_true_success": rate,
                "held": int(held_from is not None and i >= held_from),
            }
        )
    return rows


def write_run(
    root: Path, config: RunConfig, rows: Sequence[dict[str, float]], done: bool = True, **changes: Any
) -> RunFolder:
    """Writes the folder of a run.

    Args:
        root: Folder of runs.
        config: The run.
        rows: Its curve.
        done: Whether it is finished.
        changes: Fields of `Result` that differ from what follows from the rows.
    """
    folder = RunFolder(root / config.run_id)
    folder.path.mkdir(parents=True)
    folder.config.write_text(json.dumps(asdict(config)))
    with folder.curve.open("w", newline="") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    if not done:
        return folder
    measured = [row for row in rows if not row["held"]]
    truth = 1.0 if config.reward in ("sparse", "dense") else 0.0
    result = Result(
        run_id=config.run_id,
        env_steps=int(measured[-1]["env_steps"]),
        wall_s=float(measured[-1]["wall_s"]) * (1.5 if config.reward == "robometer" else 1.0),
        solved=len(measured) > 2 and min(row["true_success"] for row in measured[-3:]) >= 0.95,
        best_true_success=max(row["true_success"] for row in rows),
        final_true_success=rows[-1]["true_success"],
        final_true_success_last=rows[-1]["true_success_last"],
        ground_truth={
            "env_weight": truth,
            "true_success_bonus": 0.0,
            "terminate_on_true_success": False,
        },
        command=f"robometer-rl train --env {config.env} --reward {config.reward} --seed {config.seed}",
        versions=VERSIONS,
        machine="Some Processor, 2 cores",
        sessions=1,
    )
    folder.result.write_text(json.dumps(asdict(replace(result, **changes))))
    return folder


def write_video(path: Path, title: str, seed: int = 0, seconds: float = 2.0) -> None:
    """Writes an overlay video of a square that moves, as `train` draws them."""
    count = int(8 * seconds)
    rng = np.random.default_rng(seed)
    frames = np.full((count, 96, 96, 3), 200, dtype=np.uint8)
    for i in range(count):
        x = int(80 * i / count)
        frames[i, 40:56, x : x + 16] = rng.integers(0, 255, 3)
    progress = np.linspace(0, rng.uniform(0.4, 1), count).astype(np.float32)
    shown = ScoredEpisode(
        title=title,
        frames=frames,
        progress=progress,
        success=(progress**4).astype(np.float32),
        times=np.arange(1, count + 1, dtype=np.float64),
        unit="step",
        truth=progress > 0.9,
        threshold=0.7,
    )
    write_mp4(path, draw_overlay(shown, 320), 8.0)


def write_study(
    root: Path, tasks: Sequence[str] = TASKS, seeds: int = 3, evaluations: int = 20, videos: bool = True
) -> None:
    """A whole study with everything a page can show: solved, slow, failed, hacked, held, unfinished runs."""
    rng = np.random.default_rng(0)
    noise = np.asarray([0.05, 0.95])
    for number, task in enumerate(tasks):
        for reward, ease in (("robometer", 1.0), ("sparse", 0.5), ("dense", 0.8)):
            if reward == "dense" and number > 3:
                continue
            for seed in range(seeds):
                config = RunConfig(
                    env=f"metaworld/{task}-v3", reward=reward, seed=seed, steps=2_500 * evaluations,
                    stop_when_solved=True,
                )  # fmt: skip
                start = rng.uniform(3, 12) / ease + 1.5 * number
                clock = np.arange(evaluations)
                clean = 1 / (1 + np.exp(-(clock - start) / 1.2))
                success = np.clip(np.round(20 * (clean + rng.normal(0, 0.04, evaluations))), 0, 20) / 20
                success = np.where(clean < noise[0], 0.0, np.where(clean > noise[1], 1.0, success))
                learned = 4 + 30 * success + 4 * clock / evaluations + rng.normal(0, 1, evaluations)
                hacked = reward == "robometer" and task == tasks[-1] and seed == 0
                if hacked:
                    success, learned = (
                        0 * success,
                        5 + 20 * clock / evaluations + rng.normal(0, 1, evaluations),
                    )
                solved = np.flatnonzero(
                    (success[2:] >= 0.95) & (success[1:-1] >= 0.95) & (success[:-2] >= 0.95)
                )
                held = int(solved[0]) + 3 if len(solved) else None
                if held is not None:
                    success[held:], learned[held:] = success[held - 1], learned[held - 1]
                rows = curve_rows(
                    config,
                    success.tolist(),
                    learned.round(2).tolist() if reward == "robometer" else None,
                    held,
                    0.2 if hacked else 0.01,
                )
                folder = write_run(
                    root, config, rows, wall_s=float(rng.uniform(500, 700) * (1.6 if ease == 1 else 1))
                )
                if videos and reward == "robometer":
                    write_video(folder.videos / "best.mp4", task.replace("-", " the "), seed)
                    write_video(folder.videos / "wrong.mp4", task.replace("-", " the "), seed + 50)
    late = RunConfig(env=f"metaworld/{tasks[0]}-v3", reward="sparse", seed=seeds, steps=50_000)
    write_run(root, late, curve_rows(late, [0.0, 0.1]), done=False)


if __name__ == "__main__":
    import sys

    write_study(Path(sys.argv[1]))
