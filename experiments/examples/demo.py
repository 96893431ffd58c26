"""`robometer-rl demo`: levels of skill, and what the learned reward makes of them.

In a Meta-World and in a robosuite world an expert, an expert that stops half-way and a random policy play one
episode each through the one-line wrapper. The reward model sees pictures and a sentence; the simulator's own
verdict is only put beside its scores. With `--env` an environment of one's own is shown instead, played at
random and by a scripted policy where there is one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.experts import make_expert
from robometer_rl.errors import checking_input
from robometer_rl.frames import FrameGrabber
from robometer_rl.rewards import load_reward_model
from robometer_rl.video.figures import ScoredEpisode, draw_mosaic, draw_sheet
from robometer_rl.video.io import write_mp4
from robometer_rl.wrappers.single import RobometerReward

from ..common.environment import EnvironmentConfig, make_environment, success_source
from ..common.policy import begin_episode, load_policy
from ..common.progress import progress, tracked

__all__ = ["DemoConfig", "DemoEpisode", "demo", "main", "play"]

FPS = 25.0
"""Frames per second of the overlay video; each frame is one step."""
HALF_WAY = 0.3
"""Quality, as the simulator grades it, at which the half-way episode stops; its momentum takes it further."""

Play = Callable[[Any, dict[str, Any]], Any]
"""From observation and info to an action."""


@dataclass(frozen=True)
class DemoConfig:
    """Options of `robometer-rl demo`."""

    tasks: tuple[str, ...] = ("metaworld/door-open-v3", "robosuite/Lift")
    """Ids of the worlds to show, unless `env` names an environment."""
    env: str | None = None
    """An environment to show instead: a Gymnasium id, `module:Id-v0` or `module:factory`."""
    task: str | None = None
    """With `env`: what the agent should do, as a sentence."""
    env_kwargs: str = "{}"
    """With `env`: its keyword arguments, as a JSON object."""
    wrappers: tuple[str, ...] = ()
    """With `env`: its wrappers as `module:Wrapper`, innermost first."""
    success: str = "auto"
    """With `env`: how success is known, "auto", "none" or `module:function`."""
    frames: str = "render"
    """With `env`: where pictures come from, "render", a key of the observation, or `module:function`."""
    policy: str | None = None
    """With `env`: a scripted policy as `module:factory`. The factory is called with the environment, and
    returns a function from an observation to an action."""
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

    @property
    def worlds(self) -> dict[str, EnvironmentConfig]:
        """The worlds to show, by id."""
        if self.env is None:
            return {task: EnvironmentConfig(task) for task in self.tasks}
        own = EnvironmentConfig(
            self.env, self.task, self.env_kwargs, self.wrappers, self.success, self.frames
        )
        return {self.env: own}

    @property
    def kinds(self) -> dict[str, Callable[[gym.Env[Any, Any], np.random.Generator], Play]]:
        """How the episodes of each world are played."""
        if self.env is None:
            return KINDS
        return {**({} if self.policy is None else {"scripted": self._scripted}), "random": _random}

    def _scripted(self, env: gym.Env[Any, Any], rng: np.random.Generator) -> Play:
        """The policy of `policy`, for the episode that begins."""
        assert self.policy is not None
        policy = load_policy(self.policy, env)
        begin_episode(policy)
        return lambda obs, info: policy(obs)


@dataclass(frozen=True)
class DemoEpisode:
    """One episode, as the learned reward and the simulator saw it."""

    task: str
    """Id of the world."""
    kind: str
    """How it was played: "expert", "half-way", "random" or "scripted"."""
    episode: ScoredEpisode
    """Frames with progress, success and truth, one entry a step."""
    learned_return: float
    """Sum of the wrapper's rewards."""
    sparse_return: float
    """Number of steps with the task done; NaN where success is unknown."""
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
        if config.env is None and not config.tasks:
            raise ValueError("tasks is empty; expected ids such as 'metaworld/door-open-v3'")
        if config.env is None and config.policy is not None:
            raise ValueError(f"policy={config.policy!r} plays the environment of --env, which is not given")
        if config.horizon < 1 or config.linger < 0:
            raise ValueError(
                f"horizon must be at least 1 and linger 0, got {config.horizon} and {config.linger}"
            )
        known = {name: _success_known(world) for name, world in config.worlds.items()}
        threshold = float(load_reward_model(config.model).success_threshold)
    console = Console(markup=False)
    console.print("Every environment below is wrapped in one line:", style="bold")
    made = "make_env(task_id, seed=seed)" if config.env is None else "env"
    console.print(f'    env = RobometerReward({made}, task="...")\n', style="cyan", highlight=False)
    start = time.perf_counter()
    played: list[DemoEpisode] = []
    with progress(console, "episodes played", len(config.worlds) * len(config.kinds)) as advance:
        for task in config.worlds:
            steps = None
            for kind in config.kinds:
                played.append(play(task, kind, config, threshold, steps, known[task]))
                steps = steps or len(played[-1].episode.frames)
                advance(note=f"{task}, {kind}")
    console.print(_table(played, threshold))
    rows = [[game.episode for game in played if game.task == task] for task in config.worlds]
    figure, video = config.out / "demo.png", config.out / "demo.mp4"
    config.out.mkdir(parents=True, exist_ok=True)
    columns = [list(column) for column in zip(*rows, strict=True)]
    draw_sheet(columns, "What the learned reward sees", width=1000 * len(rows)).save(figure)
    length = max(len(game.episode.frames) for game in played)
    write_mp4(video, tracked(draw_mosaic(rows), console, "frames drawn", length), FPS)
    console.print(f"figure: {figure}\nvideo:  {video}", highlight=False, soft_wrap=True)
    console.print(f"{len(played)} episodes in {time.perf_counter() - start:.0f} s")
    return played


def _success_known(world: EnvironmentConfig) -> bool:
    """Whether a world tells of success; one that cannot be made is refused before anything else."""
    if world.in_table:
        return True
    env = make_environment(world)
    try:
        return success_source(env) != "none"
    finally:
        env.close()


def play(
    task_id: str,
    kind: str,
    config: DemoConfig,
    threshold: float,
    steps: int | None = None,
    success_known: bool = True,
) -> DemoEpisode:
    """Play one episode through the wrapper.

    Args:
        task_id: id of the world.
        kind: One of `config.kinds`.
        config: model, horizon and seed.
        threshold: success probability from which the model counts the task as done, for the picture.
        steps: length of the episode; None ends it `config.linger` steps after it is truly done.
        success_known: whether the environment tells of success.

    Returns:
        The episode with its learned and its true scores.
    """
    world = config.worlds.get(task_id) or EnvironmentConfig(task_id)
    plain = make_environment(
        world, config.seed, reward="sparse" if world.in_table else "dense", horizon=config.horizon,
        success_known=success_known,
    )  # fmt: skip
    env = RobometerReward(plain, task=world.sentence, model=config.model, frames=world.frames)
    grabber = FrameGrabber(plain, world.frames)
    start = time.perf_counter()
    obs, info = env.reset(seed=config.seed)
    policy = config.kinds[kind](env, np.random.default_rng(config.seed))
    frames: list[NDArray[np.uint8]] = []
    rewards: list[float] = []
    infos: list[dict[str, Any]] = []
    over, done = False, 0
    while not over:
        obs, reward, terminated, truncated, info = env.step(policy(obs, info))
        done += bool(info.get("is_success", False))
        enough = done > config.linger if steps is None else len(frames) + 1 >= steps
        over = terminated or truncated or enough
        frames.append(grabber.grab(obs)[0].copy())
        rewards.append(float(reward))
        infos.append(info)
    seconds = time.perf_counter() - start
    env.close()
    learned = sum(rewards)
    truth = np.asarray([bool(info["is_success"]) for info in infos]) if success_known else None
    episode = ScoredEpisode(
        title=f"{task_id}: {kind}",
        frames=np.stack(frames),
        progress=_column(infos, "robometer/progress"),
        success=_column(infos, "robometer/success"),
        times=np.arange(1.0, len(frames) + 1),
        unit="step",
        truth=truth,
        threshold=threshold,
        note=f'"{world.sentence}"   learned return {learned:.0f}',
    )
    done_steps = float("nan") if truth is None else float(truth.sum())
    return DemoEpisode(task_id, kind, episode, learned, done_steps, seconds)


def _expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Play:
    """The scripted expert, from start to end."""
    expert = make_expert(env, rng)
    expert.reset()
    return lambda obs, info: expert.action(obs)


def _half_way(env: gym.Env[Any, Any], rng: np.random.Generator) -> Play:
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


def _random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Play:
    """Uniform actions."""
    env.action_space.seed(int(rng.integers(2**31)))
    return lambda obs, info: env.action_space.sample()


KINDS: dict[str, Callable[[gym.Env[Any, Any], np.random.Generator], Play]] = {
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
        truth = "unknown" if episode.truth is None else "yes" if episode.truth.any() else "no"
        seen = float(episode.success.max())
        table.add_row(
            re.split("[/:]", game.task)[-1],
            game.kind,
            truth,
            f"{game.learned_return:.1f}",
            f"{episode.progress[-1]:.2f}",
            f"{seen:.2f}{' *' if seen >= threshold else '  '}",
            str(len(episode.frames)),
            f"{game.seconds:.1f} s",
            end_section=game.kind == "random",
        )
    table.caption = f"* the model calls it done (success of {threshold:.2f} or more)"
    return table


if __name__ == "__main__":
    main()
