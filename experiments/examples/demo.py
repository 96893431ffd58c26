"""`robometer-rl demo`: two robots, three levels of skill, and what the learned reward makes of them.

In a Meta-World and in a robosuite world an expert, an expert that stops half-way and a random policy play one
episode each through the one-line wrapper. The reward model sees pictures and a sentence; the simulator's own
verdict is only put beside its scores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.experts import make_expert
from robometer_rl.envs.make import make_env
from robometer_rl.envs.tasks import get_task
from robometer_rl.errors import checking_input
from robometer_rl.rewards import load_reward_model
from robometer_rl.video.figures import ScoredEpisode, draw_mosaic, draw_sheet
from robometer_rl.video.io import write_mp4
from robometer_rl.wrappers.single import RobometerReward

from ..common.progress import progress, tracked

__all__ = ["DemoConfig", "DemoEpisode", "demo", "main", "play"]

FPS = 25.0
"""Frames per second of the overlay video; each frame is one step."""
HALF_WAY = 0.3
"""Quality, as the simulator grades it, at which the half-way episode stops; its momentum takes it further."""

Policy = Callable[[NDArray[np.float32], dict[str, Any]], NDArray[np.float32]]
"""From observation and info to an action."""


@dataclass(frozen=True)
class DemoConfig:
    """Options of `robometer-rl demo`."""

    tasks: tuple[str, ...] = ("metaworld/door-open-v3", "robosuite/Lift")
    """Ids of the worlds to show."""
    model: str = "compact"
    """Reward model: "compact", a folder with a checkpoint, or "package.module:Factory"."""
    out: Path = Path("out/demo")
    """Folder for the figure and the video."""
    horizon: int = 150
    """Most steps of an episode."""
    linger: int = 20
    """Steps that the expert stays after it is done; the other episodes take as long as the expert's."""
    seed: int = 0
    """Seed of the starting positions and of the random policy."""


@dataclass(frozen=True)
class DemoEpisode:
    """One episode, as the learned reward and the simulator saw it."""

    task: str
    """Id of the world."""
    kind: str
    """How it was played: "expert", "half-way" or "random"."""
    episode: ScoredEpisode
    """Frames with progress, success and truth, one entry a step."""
    learned_return: float
    """Sum of the wrapper's rewards."""
    sparse_return: float
    """Sum of the environment's own sparse rewards: the number of steps with the task done."""
    seconds: float
    """Wall time of stepping, rendering and scoring."""


def main(argv: Sequence[str] | None = None) -> None:
    """Watch expert, half-way and random episodes earn learned progress and success."""
    demo(read_arguments(DemoConfig, argv, "demo", main.__doc__))


def demo(config: DemoConfig) -> list[DemoEpisode]:
    """Play the episodes, print their table, write figure and video.

    Args:
        config: the worlds, the model and where the pictures go.

    Returns:
        The episodes, in the order played.

    Raises:
        InputError: an unknown task or model, or no tasks.
        ImportError: the suite of a task is not installed; the message is the command that installs it.
    """
    with checking_input():
        if not config.tasks:
            raise ValueError("tasks is empty; expected ids such as 'metaworld/door-open-v3'")
        if config.horizon < 1 or config.linger < 0:
            raise ValueError(
                f"horizon must be at least 1 and linger 0, got {config.horizon} and {config.linger}"
            )
        for task in config.tasks:
            get_task(task)
        threshold = float(load_reward_model(config.model).success_threshold)
    console = Console(markup=False)
    console.print("Every environment below is wrapped in one line:", style="bold")
    console.print(
        '    env = RobometerReward(make_env(task_id, seed=seed), task="...")\n', style="cyan", highlight=False
    )
    start = time.perf_counter()
    played: list[DemoEpisode] = []
    with progress(console, "episodes played", len(config.tasks) * len(KINDS)) as advance:
        for task in config.tasks:
            steps = None
            for kind in KINDS:
                played.append(play(task, kind, config, threshold, steps))
                steps = steps or len(played[-1].episode.frames)
                advance(note=f"{task}, {kind}")
    console.print(_table(played, threshold))
    rows = [[game.episode for game in played if game.task == task] for task in config.tasks]
    figure, video = config.out / "demo.png", config.out / "demo.mp4"
    config.out.mkdir(parents=True, exist_ok=True)
    columns = [list(column) for column in zip(*rows, strict=True)]
    draw_sheet(columns, "What the learned reward sees", width=1000 * len(rows)).save(figure)
    length = max(len(game.episode.frames) for game in played)
    write_mp4(video, tracked(draw_mosaic(rows), console, "frames drawn", length), FPS)
    console.print(f"figure: {figure}\nvideo:  {video}", highlight=False, soft_wrap=True)
    console.print(f"{len(played)} episodes in {time.perf_counter() - start:.0f} s")
    return played


def play(
    task_id: str, kind: str, config: DemoConfig, threshold: float, steps: int | None = None
) -> DemoEpisode:
    """Play one episode through the wrapper.

    Args:
        task_id: id of the world.
        kind: "expert", "half-way" or "random".
        config: model, horizon and seed.
        threshold: success probability from which the model counts the task as done, for the picture.
        steps: length of the episode; None ends it `config.linger` steps after it is truly done.

    Returns:
        The episode with its learned and its true scores.
    """
    task = get_task(task_id)
    plain = make_env(task_id, seed=config.seed, horizon=config.horizon)
    env = RobometerReward(plain, task=task.sentence, model=config.model)
    start = time.perf_counter()
    obs, info = env.reset(seed=config.seed)
    policy = KINDS[kind](env, np.random.default_rng(config.seed))
    frames: list[NDArray[np.uint8]] = []
    rewards: list[float] = []
    infos: list[dict[str, Any]] = []
    over, done = False, 0
    while not over:
        obs, reward, terminated, truncated, info = env.step(policy(obs, info))
        done += bool(info["is_success"])
        enough = done > config.linger if steps is None else len(frames) + 1 >= steps
        over = terminated or truncated or enough
        frames.append(cast("NDArray[np.uint8]", env.render()))
        rewards.append(float(reward))
        infos.append(info)
    seconds = time.perf_counter() - start
    env.close()
    learned = sum(rewards)
    episode = ScoredEpisode(
        title=f"{task.id}: {kind}",
        frames=np.stack(frames),
        progress=_column(infos, "robometer/progress"),
        success=_column(infos, "robometer/success"),
        times=np.arange(1.0, len(frames) + 1),
        unit="step",
        truth=np.asarray([bool(info["is_success"]) for info in infos]),
        threshold=threshold,
        note=f'"{task.sentence}"   learned return {learned:.0f}',
    )
    return DemoEpisode(task_id, kind, episode, learned, float(_column(infos, "env_reward").sum()), seconds)


def _expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """The scripted expert, from start to end."""
    expert = make_expert(env, rng)
    expert.reset()
    return lambda obs, info: expert.action(obs)


def _half_way(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """The expert until the task is half done; from then on it stands still and keeps its grip."""
    expert = _expert(env, rng)
    hold: list[NDArray[np.float32]] = []

    def policy(obs: NDArray[np.float32], info: dict[str, Any]) -> NDArray[np.float32]:
        if hold:
            return hold[0]
        action = expert(obs, info)
        if info["quality"] < HALF_WAY:
            return action
        still = np.zeros_like(action)
        still[-1] = action[-1]
        hold.append(still)
        return still

    return policy


def _random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform actions."""
    env.action_space.seed(int(rng.integers(2**31)))
    return lambda obs, info: env.action_space.sample()


KINDS: dict[str, Callable[[gym.Env[Any, Any], np.random.Generator], Policy]] = {
    "expert": _expert,
    "half-way": _half_way,
    "random": _random,
}
"""How an episode may be played."""


def _column(infos: Sequence[dict[str, Any]], key: str) -> NDArray[np.float32]:
    """One number of every info, float32 `(T,)`."""
    return np.asarray([info[key] for info in infos], dtype=np.float32)


def _table(played: Sequence[DemoEpisode], threshold: float) -> Table:
    """The truth beside what the model says."""
    table = Table(title="Truth and learned scores", title_style="bold", collapse_padding=True)
    table.add_column("world")
    table.add_column("episode")
    for name, style in (
        ("truly\ndone", "bold"),
        ("learned\nreturn", "blue"),
        ("final\nprogress", "blue"),
        ("max\nsuccess", "green"),
        ("steps", ""),
        ("wall\ntime", ""),
    ):
        table.add_column(name, style=style, justify="right", no_wrap=True)
    for game in played:
        episode = game.episode
        assert episode.truth is not None
        seen = float(episode.success.max())
        table.add_row(
            get_task(game.task).name,
            game.kind,
            "yes" if episode.truth.any() else "no",
            f"{game.learned_return:.1f}",
            f"{episode.progress[-1]:.2f}",
            f"{seen:.2f}{' *' if seen >= threshold else '  '}",
            str(len(episode.frames)),
            f"{game.seconds:.1f} s",
            end_section=game.kind == list(KINDS)[-1],
        )
    table.caption = f"* the model calls it done (success of {threshold:.2f} or more)"
    return table


if __name__ == "__main__":
    main()
