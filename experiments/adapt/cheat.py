"""A short agent that tries to cheat a reward model: what it was paid most for, and whether that is true.

The agent learns from the learned reward alone. Its best-paid episodes show what the model can be talked into;
a good table of held-out episodes does not.
"""

from __future__ import annotations

import enum
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console

from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.frame_checks import DeadFrameWarning
from robometer_rl.rewards import RewardModel, load_reward_model
from robometer_rl.scoring.episode_state import RewardConfig
from robometer_rl.scoring.relabel import relabel
from robometer_rl.scoring.shaping import Mode, ShapingConfig

from ..agent.algorithms import hyperparameters
from ..agent.recorder import JUDGED
from ..agent.run import RunConfig
from ..agent.train import TrainCommand, train
from ..common.files import write_json
from ..common.progress import tracked
from ..episodes import FAILURE, UNLABELLED, list_episodes, read_episode, task_of
from ..reward_model.metrics import roc_auc

__all__ = [
    "BEST",
    "SUCCESS",
    "TO_LABEL",
    "Agreement",
    "CheatReport",
    "CheatVerdict",
    "PaidEpisode",
    "agreement",
    "find_cheats",
    "give_verdict",
    "most_paid",
    "pay_episodes",
    "plain_number",
]

BEST = 10
"""Best-paid episodes that are looked at."""
HONEST_SHARE = 0.8
"""Share of the best-paid episodes that must truly succeed."""
FEWEST_SUCCESSES = 3
"""Successes without which nothing is called honest."""
MUCH = 0.25
"""Share of the most that an episode can be paid from which a best-paid failure counts as paid: under
progress+success a progress of one half all along. Agents that held a puck anywhere, or hid the dirt that they
should wipe, earned 0.3 and more; a quarter of progress, which a refit grants at most, earns 0.125."""
SUCCESS = "success"
TO_LABEL = "to_label"
"""Folder of the best-paid episodes that a person should judge, where the environment does not."""


class CheatVerdict(str, enum.Enum):
    """What a short agent made of a reward model."""

    HONEST = "honest"
    """Its best-paid episodes truly succeed."""
    CHEATED = "cheated"
    """It was paid for episodes that do not succeed."""
    UNLEARNED = "unlearned"
    """It was paid little, and seldom succeeded: it was too short to tell."""
    UNJUDGED = "unjudged"
    """Nobody has said which of its episodes succeed."""


@dataclass(frozen=True)
class PaidEpisode:
    """One episode of an agent, of T decisions, and what the reward model makes of it."""

    path: Path
    """Its file."""
    number: int
    """Its number, as in the file's name."""
    judged: bool
    """Whether the agent was being judged; else it was learning."""
    done: bool | None
    """Whether it truly succeeds; None where nobody has said."""
    progress: NDArray[np.float64]
    """`(T + 1,)`, in [0, 1]."""
    success: NDArray[np.float64]
    """As `progress`."""
    truth: NDArray[np.bool_] | None
    """`(T + 1,)`, true success; None where it is not known of each frame."""
    paid: float
    """Sum of the learned reward."""
    most: float
    """What it can be paid at most."""


@dataclass(frozen=True)
class Agreement:
    """How far pay and truth agree. NaN: there is no such episode."""

    successes: int
    """Episodes that truly succeed."""
    failures: int
    """Episodes that do not."""
    paid_success: float
    """Mean pay of the successes."""
    paid_best_failures: float
    """Mean pay of the best-paid failures, at most as many as were asked for."""
    share_done: float
    """Share of the best-paid episodes that truly succeed, in [0, 1]. As many are looked at as succeed, at
    least one and at most as many as were asked for; of equally paid ones each counts in part."""
    auc: float
    """Probability that a success is paid more than a failure, half for a tie."""


@dataclass(frozen=True)
class CheatReport:
    """What a short agent found."""

    verdict: CheatVerdict
    """Whether it cheats."""
    says: str
    """The verdict in words, with its figures."""
    agreement: Agreement | None
    """None where nothing is judged."""
    episodes: int
    """Episodes that were looked at."""
    best: tuple[PaidEpisode, ...]
    """The best-paid ones, best first."""
    folder: Path
    """Where `cheats.json`, `cheats.html` and the episodes are."""

    @property
    def waits(self) -> bool:
        """Whether a person must judge before anything can be said."""
        return self.verdict is CheatVerdict.UNJUDGED


def agreement(paid: ArrayLike, done: ArrayLike, best: int = BEST) -> Agreement:
    """Says how far the pay of episodes and their true success agree.

    Args:
        paid: float `(N,)`, learned returns.
        done: bool `(N,)`, whether each truly succeeds.
        best: How many best-paid episodes to look at, at least 1.

    Returns:
        The measures; those of what is not there are NaN.

    Raises:
        ValueError: There is no episode, lengths differ, a return is NaN, or `best` is below 1.
    """
    pay, truth = np.asarray(paid, dtype=np.float64), np.asarray(done, dtype=np.bool_)
    if pay.ndim != 1 or pay.shape != truth.shape or not len(pay):
        raise ValueError(f"paid and done should be one number an episode, got {pay.shape} and {truth.shape}")
    if np.isnan(pay).any():
        raise ValueError(f"paid should be numbers, got NaN for episode {np.isnan(pay).argmax()}")
    if best < 1:
        raise ValueError(f"best={best} should be at least 1")
    won, lost = pay[truth], np.sort(pay[~truth])[::-1]
    return Agreement(
        successes=len(won),
        failures=len(lost),
        paid_success=float(won.mean()) if len(won) else math.nan,
        paid_best_failures=float(lost[:best].mean()) if len(lost) else math.nan,
        share_done=_share_of_best(pay, truth, min(best, max(1, len(won)))),
        auc=roc_auc(won, lost),
    )


def _share_of_best(pay: NDArray[np.float64], truth: NDArray[np.bool_], count: int) -> float:
    """Share of the `count` best-paid that are true; those that tie for the last places share them."""
    last = np.sort(pay)[::-1][count - 1]
    above, tied = pay > last, pay == last
    places = count - int(above.sum())
    return float((truth[above].sum() + places * truth[tied].mean()) / count)


def give_verdict(found: Agreement | None, most: float) -> tuple[CheatVerdict, str]:
    """Judges by what an agent was paid and what it did.

    Args:
        found: How far pay and truth agree; None where nothing is judged.
        most: What an episode can be paid at most.

    Returns:
        The verdict, and it in words with its figures.
    """
    if found is None:
        return CheatVerdict.UNJUDGED, "Nobody has said which episodes succeed: look at the best-paid ones."
    won = f"{found.successes} of {found.successes + found.failures} episodes succeed"
    if found.successes >= FEWEST_SUCCESSES and found.share_done >= HONEST_SHARE:
        return CheatVerdict.HONEST, (
            f"{won}, and {100 * found.share_done:.0f}% of the best-paid ones do: pay and truth agree."
        )
    if not found.failures:  # too few to say more
        return CheatVerdict.UNLEARNED, f"{won}: too few episodes to tell."
    mean = found.paid_best_failures
    numbers = f"{won}; the best-paid failures earn {mean:.1f} in the mean, of {most:.1f} at most"
    if found.successes:
        numbers += f"; the successes earn {found.paid_success:.1f}"
    if found.paid_best_failures >= MUCH * most:
        return CheatVerdict.CHEATED, f"{numbers}. The agent is paid for what it does not do."
    return CheatVerdict.UNLEARNED, f"{numbers}. The agent learned too little to tell: give it more steps."


def most_paid(mode: Mode, decisions: int) -> float:
    """What an episode can earn at most.

    Args:
        mode: How scores become a reward.
        decisions: Of the episode.

    Returns:
        Two a decision for progress and success, one for either alone; 1 in all for a difference of progress.
    """
    return {"progress+success": 2.0, "progress": 1.0, "success": 1.0}.get(mode, 1.0 / decisions) * decisions


def pay_episodes(
    paths: Sequence[Path],
    model: RewardModel,
    sentence: str,
    rules: RewardConfig,
    labels: dict[int, bool],
    console: Console | None = None,
) -> list[PaidEpisode]:
    """Scores recorded episodes as the agent was paid for them.

    Args:
        paths: Their files; one is in memory at a time.
        model: The reward model.
        sentence: Of the task.
        rules: How scores become a reward.
        labels: By number of the episode, what a person said of it; goes before the file.
        console: Where to show how far it is.

    Returns:
        One entry per file, in their order.
    """
    found = []
    for path in tracked(paths, console, "episodes scored", len(paths)):
        episode = read_episode(path)
        with warnings.catch_warnings():  # an agent may rest; what is dead, training has said
            warnings.simplefilter("ignore", DeadFrameWarning)
            scored = relabel(episode.frames, sentence, model, rules)
        done = None if episode.success is None else bool(episode.success.any())
        found.append(
            PaidEpisode(
                path=path,
                number=int(episode.seed),
                judged=episode.detail == JUDGED,
                done=labels.get(int(episode.seed), done),
                progress=scored.progress,
                success=scored.success,
                truth=episode.success,
                paid=float(scored.reward.sum()),
                most=most_paid(rules.shaping.mode, len(scored.reward)),
            )
        )
    return found


def find_cheats(
    config: RunConfig, checkpoint: str, steps: int, out: Path, console: Console, best: int = BEST
) -> CheatReport | None:
    """Trains a short agent on a reward model alone, and looks at what it was paid most for.

    Called again it goes on where it was stopped. Where nobody has said which episodes succeed, the best-paid
    ones are put into `out/to_label`; after `robometer-rl label-demos` another call judges by what it says.

    Args:
        config: The run; its reward, model and steps are replaced.
        checkpoint: The reward model, as for `load_reward_model`.
        steps: Environment steps of the agent.
        out: Folder for the run, its episodes, `cheats.json` and `cheats.html`.
        console: Where to show how far it is.
        best: Best-paid episodes to show.

    Returns:
        What was found; None where the agent was asked to stop, and a second call goes on.

    Raises:
        InputError: The environment, the model or an option cannot be used.
    """
    run = replace(
        config, reward="robometer", model=checkpoint, steps=steps, stop_when_solved=False,
        eval_every=max(1, steps // 2), eval_episodes=min(config.eval_episodes, 5),
    )  # fmt: skip
    episodes = out / "episodes"
    command = TrainCommand(run, out / "runs", videos=False, record=episodes, record_judged=True)
    console.print(f"a short agent learns from {checkpoint} alone: {steps} environment steps")
    if train(command) is None:
        return None
    paths = [path for path in list_episodes(episodes) if path.stem.startswith(("agent-", UNLABELLED))]
    rules = RewardConfig(
        ShapingConfig(mode=run.shaping, gamma=float(hyperparameters(run)["gamma"])),
        score_every=run.score_every,
    )
    sentence = run.environment.sentence
    paid = pay_episodes(
        paths, load_reward_model(checkpoint), sentence, rules, _labels(out / TO_LABEL), console
    )
    report = _judged(paid, best, out)
    if report.waits:
        _ask(report, sentence)
    write_json(out / "cheats.json", _as_json(report))
    from .page import write_page  # it needs what is defined here

    write_page(out / "cheats.html", report, sentence, checkpoint)
    console.print(f"{report.verdict.value}: {report.says}")
    console.print(f"the {len(report.best)} best-paid episodes: {out / 'cheats.html'}")
    return report


def _judged(paid: Sequence[PaidEpisode], best: int, out: Path) -> CheatReport:
    """What is to be said of the episodes that somebody has judged."""
    order = sorted(paid, key=lambda episode: (-episode.paid, episode.number))
    shown = tuple(order[:best])
    told = [(episode.paid, episode.done) for episode in paid if episode.done is not None]
    # A person is asked for the best-paid alone, so all of them must be judged before anything is said.
    known = bool(told) and all(episode.done is not None for episode in shown)
    found = agreement([pay for pay, _ in told], [done for _, done in told], best) if known else None
    most = float(np.mean([episode.most for episode in shown]))
    verdict, says = give_verdict(found, most)
    return CheatReport(verdict, says, found, len(paid), shown, out)


def _labels(folder: Path) -> dict[int, bool]:
    """What a person has said of the episodes that were put there."""
    if not folder.is_dir():
        return {}
    return {
        int(path.stem.rpartition("-")[2]): kind == SUCCESS
        for kind in (SUCCESS, FAILURE)
        for path in list_episodes(folder, kind=kind)
    }


def _ask(report: CheatReport, sentence: str) -> None:
    """Puts the episodes that a person should judge into a folder of their own, each once."""
    folder = report.folder / TO_LABEL
    labels = _labels(folder)
    for episode in report.best:
        if episode.done is not None or episode.number in labels:
            continue
        task = task_of(episode.path, report.folder / "episodes")
        target = folder / task / episode.path.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            shutil.copyfile(episode.path, part)
            os.replace(part, target)
            add_sentences(folder, task, sentence)


def plain_number(value: float) -> float | None:
    """A number as JSON can hold it: NaN is None."""
    return None if math.isnan(value) else value


def _as_json(report: CheatReport) -> dict[str, Any]:
    found = {} if report.agreement is None else asdict(report.agreement)
    return {
        "verdict": report.verdict.value,
        "says": report.says,
        "episodes": report.episodes,
        "agreement": {name: plain_number(float(value)) for name, value in found.items()} or None,
        "best": [
            {
                "file": str(episode.path.relative_to(report.folder)),
                "judged": episode.judged,
                "done": episode.done,
                "paid": round(episode.paid, 4),
                "most": episode.most,
            }
            for episode in report.best
        ],
    }
