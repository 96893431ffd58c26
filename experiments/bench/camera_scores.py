"""Whether the reward model minds `FastCamera`: one expert episode, drawn by both renderers, scored twice.

`python -m robometer_rl.experiments.bench.camera_scores` prints how far the two progress curves are apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray

from robometer_rl.envs import get_task, make_expert
from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend
from robometer_rl.rewards.loading import load_reward_model

from ..reward_model.metrics import pearson_r
from .camera import CameraStage


@dataclass(frozen=True)
class CameraScoresConfig:
    """Options of the study."""

    tasks: tuple[str, ...] = ("drawer-close-v3", "door-open-v3", "coffee-pull-v3", "window-open-v3")
    """Meta-World tasks whose experts are drawn."""
    camera: str = "close"
    """Camera to draw."""
    size: int = 96
    """Side of the picture in pixels."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One episode for each."""
    frame_every: int = 4
    """Control steps between two frames."""
    frames: int = 40
    """Most frames of an episode."""
    model: str = "compact"
    """A reward model, as in `load_reward_model`."""


class Videos(NamedTuple):
    """One episode, drawn twice; uint8 `(T, S, S, 3)` each."""

    default: NDArray[np.uint8]
    """By the suite's own renderer."""
    fast: NDArray[np.uint8]
    """By `FastCamera`."""


def film(task: str, seed: int, config: CameraScoresConfig) -> Videos:
    """Draws one expert episode with both renderers.

    Args:
        task: Meta-World task, such as `"drawer-close-v3"`.
        seed: Seed of the episode.
        config: Camera, size, and how many frames.

    Returns:
        The two videos of the same states.
    """
    with CameraStage(task, config.camera, config.size) as stage:
        default, *_, fast = stage.renderers().values()
        obs, _ = stage.env.reset(seed=seed)
        expert = make_expert(stage.env, np.random.default_rng(seed))
        expert.reset()
        shots = [(default(), fast())]
        while len(shots) < config.frames:
            for _ in range(config.frame_every):
                obs, _, _, _, info = stage.env.step(expert.action(obs))
            shots.append((default(), fast()))
            if info["is_success"]:
                break
        first, second = zip(*shots, strict=True)
    return Videos(np.stack(first), np.stack(second))


def main(config: CameraScoresConfig) -> None:
    """Prints, per task and mean: r and distance of the two progress curves, last scores, pixel difference."""
    print(f"GL backend {ensure_gl_backend()}, {config.size}x{config.size}, seeds {config.seeds}")
    model = load_reward_model(config.model)
    columns = ("r", "mean |difference|", "last default", "last fast", "pixels differ by")
    print(f"{'task':<20}" + "".join(f"{name:>19}" for name in columns))
    rows = []
    for task in config.tasks:
        sentence = get_task(f"metaworld/{task}").sentence
        values = []
        for seed in config.seeds:
            videos = film(task, seed, config)
            default, fast = (model.score(video, sentence).progress for video in videos)
            pixels = float(np.abs(videos.default.astype(float) - videos.fast).mean())
            apart = float(np.abs(default - fast).mean())
            values.append((pearson_r(fast, default), apart, default[-1], fast[-1], pixels))
        rows.append(np.mean(values, axis=0))
        print(f"{task:<20}" + "".join(f"{value:>19.3f}" for value in rows[-1]))
    print(f"{'mean':<20}" + "".join(f"{value:>19.3f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main(tyro.cli(CameraScoresConfig, description=__doc__))
