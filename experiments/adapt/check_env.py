"""`robometer-rl check-env`: what a reward model and training make of an environment, before either begins.

It plays a few seeded episodes at random, and one or more by a scripted policy where there is one. It prints
what it finds and writes it as JSON, with the pictures that the model was shown. Exit status 0: the
environment is usable; 1: something will stop training or make it mean nothing; 2: wrong input.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import tyro
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.envs.experts import make_expert
from robometer_rl.errors import checking_input
from robometer_rl.frames import FrameGrabber
from robometer_rl.rewards import RewardModel, UnreadTaskWarning, load_reward_model
from robometer_rl.rewards.protocol import ANY_WORLD, TaskReader, ThresholdsPerTask
from robometer_rl.world_ids import task_id_of, world_of

from ..agent.policies import fitting_algorithms
from ..common.environment import EnvironmentConfig, make_environment, success_source, time_limit
from ..common.files import write_json
from ..common.policy import Policy, begin_episode, load_policy
from ..common.progress import progress
from ..common.seeds import COLLECTION
from .measures import (
    CheckResult,
    Level,
    Milliseconds,
    Motion,
    OwnReward,
    Picture,
    Upright,
    look_at_pictures,
    measure_motion,
    measure_reward,
    measure_times,
    tell_upright,
)
from .probe import ProbedEpisode, as_model_sees, probe

__all__ = ["CheckEnvConfig", "EnvironmentReport", "check_env", "main", "next_step"]

MOST_AIMLESS = 0.15
"""Mean progress up to which aimless motion may be scored."""
_LEAST_SCRIPTED = 0.5
"""Final progress below which a scripted success is not recognised."""
_MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@dataclass(frozen=True)
class CheckEnvConfig:
    """Options of `robometer-rl check-env`."""

    environment: Annotated[EnvironmentConfig, tyro.conf.arg(name="")]
    """The environment."""
    policy: str | None = None
    """A scripted policy, `module:factory`, called as `factory(env)`; it returns a function from an
    observation to an action. Worlds of the task table have one of their own."""
    model: str = "compact"
    """Reward model: "compact", a folder with a checkpoint, or "package.module:Factory"."""
    episodes: int = 3
    """Random episodes, and as many scripted ones."""
    steps: int = 150
    """Most environment steps of an episode that are looked at."""
    seed: int = 0
    """Seed of start states and actions."""
    out: Path = Path("out/check_env")
    """Folder for report.json and the pictures."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: One is outside its range.
        """
        for name, least in (("episodes", 1), ("steps", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")
        if self.seed + 2 * self.episodes > len(COLLECTION):
            raise ValueError(f"seed={self.seed} must be below {len(COLLECTION) - 2 * self.episodes}")


@dataclass(frozen=True)
class EnvironmentReport:
    """What `check_env` found; written as JSON, in which NaN is null."""

    env: str
    """Name of the environment."""
    task: str
    """Sentence of the task."""
    world: str
    """Id under which its episodes are recorded and a model knows it, `suite/name`."""
    knows_world: bool
    """Whether the model was trained on this world."""
    unread_words: tuple[str, ...]
    """Words of the sentence that the model does not read."""
    observations: str
    """Observation space."""
    actions: str
    """Action space."""
    algorithms: tuple[str, ...]
    """Learners of `robometer-rl train` that take these actions."""
    success_source: str
    """Key of the info that tells of success, the function that does, or `"none"`."""
    time_limit: int | None
    """Environment steps of an episode at most; None where nothing says so."""
    threshold: float
    """Success score from which the model counts the task as done, in (0, 1]."""
    picture: Picture | None
    """What the model is shown; None without pictures."""
    upright: Upright | None
    """Which way up it seems to be."""
    reward: OwnReward
    """The environment's own reward under random motion."""
    random: Motion
    """Scores of random motion."""
    scripted: Motion | None
    """Scores of the scripted policy; None where there is none."""
    milliseconds: Milliseconds
    """What a step takes."""
    checks: tuple[CheckResult, ...]
    """What is to be said of all this."""

    @property
    def usable(self) -> bool:
        """Whether nothing will stop training."""
        return all(check.level != "problem" for check in self.checks)


def main(argv: Sequence[str] | None = None) -> int:
    """Look at an environment as a reward model and training will, and say what to do next."""
    config = read_arguments(CheckEnvConfig, argv, "check-env", main.__doc__)
    console = Console(markup=False)
    report = check_env(config, console)
    _print(report, config, console)
    return 0 if report.usable else 1


def check_env(config: CheckEnvConfig, console: Console) -> EnvironmentReport:
    """Plays, looks, and writes `report.json`, `pictures.png` and the single pictures.

    Args:
        config: What to look at, and where to write.
        console: Where progress is shown.

    Returns:
        What was found.

    Raises:
        InputError: The environment, the policy or the model cannot be made, or the model reads no word of the
            sentence.
    """
    where = config.environment
    with checking_input():
        model = load_reward_model(config.model)
        with warnings.catch_warnings():  # the report names the words
            warnings.simplefilter("ignore", UnreadTaskWarning)
            model.stream(1).reset([where.sentence])
        probed = make_environment(where, render=False)
        try:
            source = success_source(probed)
        finally:
            probed.close()
        env, blind = _make(where)
    try:
        grabber = None if blind else FrameGrabber(env, where.frames)
        if grabber is not None:
            grabber, blind = _try_picture(env, grabber)
        with checking_input():
            policy = _scripted(config, env)
        random, scripted = _play(config, env, grabber, model, policy, console)
        report = _report(config, env, model, source, random, scripted, blind)
    finally:
        env.close()
    write_json(config.out / "report.json", report_as_json(report))
    if random[0].seen is not None:
        _write_pictures(config.out, model, (scripted or random)[0])
    return report


def report_as_json(report: EnvironmentReport) -> dict[str, Any]:
    """A report as JSON can hold it: NaN is null, and `usable` and `next` are added."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    found: dict[str, Any] = plain(asdict(report))
    return {**found, "usable": report.usable, "next": next_step(report)}


def _make(where: EnvironmentConfig) -> tuple[gym.Env[Any, Any], str]:
    """The environment, and why it gives no pictures; that is a check, and every other fault wrong input."""
    try:
        return make_environment(where), ""
    except ValueError as error:
        if where.frames != "render":
            raise
        return make_environment(where, render=False), str(error)


def _try_picture(env: gym.Env[Any, Any], grabber: FrameGrabber) -> tuple[FrameGrabber | None, str]:
    """The grabber, or None and why its first picture is none."""
    observation, _ = env.reset(seed=COLLECTION[0])
    try:
        grabber.grab(observation)
    except (RuntimeError, TypeError, ValueError, gym.error.Error) as error:
        return None, str(error)
    return grabber, ""


def _scripted(config: CheckEnvConfig, env: gym.Env[Any, Any]) -> Callable[[], Policy] | None:
    """Makes the scripted policy of an episode that begins; None where there is none."""
    if config.policy is not None:
        policy = load_policy(config.policy, env)
        return lambda: _begun(policy)
    if not config.environment.in_table:
        return None

    def expert() -> Policy:
        found = make_expert(env, np.random.default_rng(config.seed))
        found.reset()
        return found.action

    return expert


def _begun(policy: Policy) -> Policy:
    """The policy, told that an episode begins where it wants to know."""
    begin_episode(policy)
    return policy


def _play(
    config: CheckEnvConfig, env: gym.Env[Any, Any], grabber: FrameGrabber | None, model: RewardModel,
    scripted: Callable[[], Policy] | None, console: Console,
) -> tuple[list[ProbedEpisode], list[ProbedEpisode]]:  # fmt: skip
    """Plays the random episodes and the scripted ones."""
    env.action_space.seed(config.seed)
    kinds: list[tuple[str, Callable[[], Policy]]]
    kinds = [("random", lambda: lambda observation: env.action_space.sample())] * config.episodes
    kinds += [] if scripted is None else [("scripted", scripted)] * config.episodes
    played: dict[str, list[ProbedEpisode]] = {"random": [], "scripted": []}
    with warnings.catch_warnings(), progress(console, "episodes", len(kinds)) as advance:
        warnings.simplefilter("ignore", UnreadTaskWarning)
        for number, (kind, policy) in enumerate(kinds):
            seed = COLLECTION[config.seed + number]
            sentence = config.environment.sentence
            played[kind].append(probe(env, grabber, model, sentence, policy, seed, config.steps))
            advance(note=kind)
    return played["random"], played["scripted"]


def _report(
    config: CheckEnvConfig, env: gym.Env[Any, Any], model: RewardModel, source: str,
    random: Sequence[ProbedEpisode], scripted: Sequence[ProbedEpisode], blind: str,
) -> EnvironmentReport:  # fmt: skip
    where = config.environment
    sentence, world = where.sentence, where.env if where.in_table else task_id_of(world_of(env))
    knows = world in model.trained_worlds or ANY_WORLD in model.trained_worlds
    own = model.task_threshold(sentence) if isinstance(model, ThresholdsPerTask) else None
    threshold = float(model.success_threshold) if own is None else own.threshold
    algorithms = fitting_algorithms(env.action_space)
    limit = time_limit(env)
    reward, motion = measure_reward(random), measure_motion(random, threshold)
    performed = measure_motion(scripted, threshold) if scripted else None
    unread = model.unread_words(sentence) if isinstance(model, TaskReader) else ()
    picture, upright = None, None
    checks = [CheckResult("problem", "picture", f"there is none: {blind}")]
    if not blind:
        picture, checks = look_at_pictures(random)
        upright = tell_upright(model, sentence, knows, scripted)
        level: Level = "warning" if upright.hint == "upside down" else "ok"
        checks.append(CheckResult(level, "way up", f"{upright.hint} (a hint): {upright.because}"))
    checks += [
        _on_spaces(env, algorithms),
        _on_limit(limit, random),
        *_on_success(source, motion, performed, reward, random),
        _on_model(world, knows, config.model),
    ]
    if unread:
        named = ", ".join(map(repr, unread))
        checks.append(
            CheckResult("warning", "sentence", f"the model does not read {named}: use simpler words")
        )
    if not blind:
        checks += _on_scores(motion, performed, knows, threshold)
    return EnvironmentReport(
        where.env, sentence, world, knows, unread, str(env.observation_space), str(env.action_space),
        algorithms, source, limit, threshold, picture, upright, reward, motion, performed,
        measure_times([*random, *scripted]), tuple(checks),
    )  # fmt: skip


def _on_spaces(env: gym.Env[Any, Any], algorithms: Sequence[str]) -> CheckResult:
    if not algorithms:
        return CheckResult("problem", "actions", f"no learner here takes {env.action_space}")
    return CheckResult("ok", "actions", f"{env.action_space}: algo={' or '.join(algorithms)}")


def _on_limit(limit: int | None, random: Sequence[ProbedEpisode]) -> CheckResult:
    if limit is not None:
        return CheckResult("ok", "time limit", f"{limit} environment steps")
    ended = sum(episode.ended for episode in random)
    return CheckResult(
        "problem", "time limit",
        f"there is none, and {ended} of {len(random)} random episodes ended within "
        f"{max(len(episode.reward) for episode in random)} steps: an episode that never ends is never "
        "judged. Give one: `robometer-rl train --horizon 200`, or max_episode_steps in --env-kwargs",
    )  # fmt: skip


def _on_success(
    source: str, motion: Motion, scripted: Motion | None, reward: OwnReward, random: Sequence[ProbedEpisode]
) -> list[CheckResult]:
    if source == "none":
        name = "a function, --success my_package:is_done"
        text = f"the environment tells of none, so that its own return judges an agent: name {name}"
        found = [CheckResult("warning", "success", text)]
        if reward.constant and len({len(episode.reward) for episode in random}) == 1:
            text = (
                f"it was {reward.low:g} at every step, episodes are equally long, and there is no success: "
                f"nothing judges an agent. Name {name}"
            )
            found.append(CheckResult("problem", "own reward", text))
        return found
    told = f"told by {source}; random motion succeeds in {motion.succeeded} of {motion.episodes} episodes"
    if scripted is not None:
        told += f", the scripted policy in {scripted.succeeded} of {scripted.episodes}"
    at_reset = sum(e.true_success is not None and bool(e.true_success[0]) for e in random)
    if at_reset:
        told += f"; it is true at the reset already in {at_reset}"
    doubtful = bool(at_reset) or 2 * (motion.succeeded or 0) > motion.episodes
    if scripted is not None and scripted.succeeded == 0:
        doubtful = True
    return [CheckResult("warning" if doubtful else "ok", "success", told)]


def _on_model(world: str, knows: bool, model: str) -> CheckResult:
    if knows:
        return CheckResult("ok", "world", f"{model} was trained on {world}")
    return CheckResult(
        "warning", "world", f"{model} was never trained on {world}: its scores may mean little"
    )


def _on_scores(motion: Motion, scripted: Motion | None, knows: bool, threshold: float) -> list[CheckResult]:
    found = []
    text = (
        f"random motion is given progress {motion.mean_progress:.2f} in the mean and "
        f"{motion.max_progress:.2f} at most, success {motion.max_success:.2f} at most"
    )
    false_alarms = motion.called_done - (motion.succeeded or 0)
    if false_alarms > 0:
        text += f"; {motion.called_done} of {motion.episodes} episodes reach the threshold {threshold:.2f}"
    bad = motion.mean_progress > MOST_AIMLESS or false_alarms > 0
    found.append(CheckResult("warning" if bad else "ok", "aimless motion", text))
    if scripted is not None:
        poor = scripted.final_progress < _LEAST_SCRIPTED and scripted.succeeded != 0
        text = (
            f"it ends at progress {scripted.final_progress:.2f} in the mean; success is "
            f"{scripted.max_success:.2f} at most, and {scripted.called_done} of {scripted.episodes} episodes "
            f"reach the threshold {threshold:.2f}"
        )
        found.append(CheckResult("warning" if poor else "ok", "scripted motion", text))
    return found


def next_step(report: EnvironmentReport) -> str:
    """Says in one paragraph what to do next.

    Args:
        report: What was found.

    Returns:
        The paragraph.
    """
    problems = [check.about for check in report.checks if check.level == "problem"]
    if problems:
        return f"Mend this first: {', '.join(dict.fromkeys(problems))}. Then run check-env again."
    if report.upright is not None and report.upright.hint == "upside down":
        return (
            "Look at pictures.png: if the picture stands on its head, turn it in a wrapper (frame[::-1]) or "
            "in a function for --frames, and run check-env again."
        )
    record = (
        "record 10 successes and 20 failures with RecordEpisodes (a scripted policy, teleoperation, or "
        "videos by import-demos), then run robometer-rl adapt"
    )
    aimless, scripted = report.random, report.scripted
    if not report.knows_world:
        return f"The model does not know this world, so do not train on its scores yet: {record}."
    if scripted is not None and scripted.succeeded != 0 and scripted.final_progress < _LEAST_SCRIPTED:
        return (
            "The model was trained on this world and does not recognise a success in it: compare camera and "
            f"sentence with those that it was trained with. If they must differ, {record}."
        )
    if aimless.mean_progress > MOST_AIMLESS or aimless.called_done > (aimless.succeeded or 0):
        return (
            "The model pays aimless motion, and an agent would find that: run robometer-rl improve, which "
            "trains short agents, shows what they are paid for, and refits the model on it."
        )
    return (
        "The model knows this world: train with robometer-rl train --reward robometer, or let robometer-rl "
        "improve look for ways to cheat it first."
    )


def _print(report: EnvironmentReport, config: CheckEnvConfig, console: Console) -> None:
    console.print(f"{report.env}: {report.task!r}", style="bold", highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 1))
    for check in report.checks:
        table.add_row(_MARKS[check.level], check.about, check.text, style=_STYLES[check.level])
    times, reward = report.milliseconds, report.reward
    table.add_row(
        "",
        "own reward",
        f"{reward.low:g} to {reward.high:g} a step, {reward.mean:.3g} in the mean, in random motion",
    )
    cost = " ".join(f"{name} {value:.1f}" for name, value in asdict(times).items() if not math.isnan(value))
    table.add_row("", "milliseconds", f"{cost} (medians of one step)")
    console.print(table)
    written = f"{config.out}/report.json"
    if report.picture is not None:
        written += f", and {config.out}/pictures.png: look at it, each picture stands there upside down too"
    console.print(f"written: {written}", highlight=False, soft_wrap=True)
    console.print(f"What to do next: {next_step(report)}", style="bold", highlight=False)


def _write_pictures(out: Path, model: RewardModel, episode: ProbedEpisode) -> None:
    """First, middle and last picture: as they are, as the model reads them, and both on one sheet."""
    columns = []
    for name, original in zip(("first", "middle", "last"), episode.originals, strict=True):
        read = as_model_sees(model, original[None])[0]
        Image.fromarray(original).save(out / f"original_{name}.png")
        Image.fromarray(read).save(out / f"model_{name}.png")
        columns.append((name, original, read))
    _sheet(columns).save(out / "pictures.png")


def _sheet(columns: Sequence[tuple[str, Any, Any]]) -> Image.Image:
    side, gap, left, top = 240, 12, 150, 24
    height, width, _ = columns[0][1].shape
    shown = (max(1, round(side * width / height)), side)
    cell = max(shown[0], side)
    rows = ("as it is", "as the model\nreads it", "the same\nupside down")
    sheet = Image.new("RGB", (left + len(columns) * (cell + gap), top + 3 * (side + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, label in enumerate(rows):
        draw.multiline_text((gap, top + row * (side + gap)), label, fill="black", font_size=18)
    for column, (name, original, read) in enumerate(columns):
        x = left + column * (cell + gap)
        draw.text((x, 2), name, fill="black", font_size=18)
        sheet.paste(Image.fromarray(original).resize(shown, Image.Resampling.BILINEAR), (x, top))
        for row, picture in ((1, read), (2, np.ascontiguousarray(read[::-1]))):
            enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (x, top + row * (side + gap)))
    return sheet


if __name__ == "__main__":
    raise SystemExit(main())
