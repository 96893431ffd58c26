"""What an adapted model is good for, said in one sentence with the figures that it follows from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robometer_rl.rewards import RewardModel
from robometer_rl.rewards.thresholds import success_peak

from ..episodes import Episode
from ..reward_model.evaluate import EncodedVideo
from ..reward_model.labels import success_progress
from ..reward_model.metrics import pearson_r, roc_auc
from .traps import Trap, set_traps

__all__ = ["FOR_RANKING", "FOR_RL", "Cheating", "Findings", "examine", "is_ready_for_rl", "judge"]

FOR_RL = {"voc": 0.90, "success_auc": 0.95, "ranking": 0.95}
"""Measure -> value from which a model may be learned from, if it falls for no trap."""

FOR_RANKING = {"success_auc": 0.90, "ranking": 0.90}
"""Measure -> value from which a model may rank videos of whole episodes."""

_UNTRIED = {
    "honest": "",
    "none": ", as far as episodes tell; no agent has tried to cheat it yet",
    "unlearned": ", as far as episodes tell; the agent that tried to cheat it learned too little to tell: "
    "let robometer-rl improve train longer ones before you do",
    "unjudged": ", as far as episodes tell; look at what the agent was paid most for",
}
"""What is to be added, by what became of the agent."""

_FEWEST = 5
"""Successes, and failures, without which nothing can be said."""


@dataclass(frozen=True)
class Cheating:
    """What a short agent made of the reward."""

    verdict: str
    """honest, cheated, unlearned or unjudged, see `cheat.py`."""
    says: str
    """The same in words, with its figures."""


@dataclass(frozen=True)
class Findings:
    """All that was measured of a model on episodes that it was not trained on."""

    successes: int
    failures: int
    voc: float
    """Mean correlation of progress with the labels of the successes; NaN without one."""
    success_auc: float
    """How well the highest success score tells successes from failures; NaN without both."""
    ranking: float
    """How often a success ends at a higher progress than a failure; NaN without both."""
    false_alarms: float
    """Share of the failures that reach the success threshold; NaN without one."""
    found: float
    """Share of the successes that reach it; NaN without one."""
    worst_success: str = ""
    """The success whose progress is furthest from its labels, and its figure."""
    worst_failure: str = ""
    """The failure that looks most like done, and its figures."""
    traps: Sequence[Trap] = field(default_factory=tuple)
    cheating: Cheating | None = None
    """None where no agent was trained."""

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it, NaN as None."""
        values = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(self).items()
            if name not in ("traps", "cheating")
        }
        values["traps"] = {trap.name: None if math.isnan(trap.value) else trap.value for trap in self.traps}
        values["cheating"] = None if self.cheating is None else vars(self.cheating)
        return values


def examine(model: RewardModel, episodes: Mapping[str, Episode], sentence: str, threshold: float) -> Findings:
    """Measures a model on the episodes of one task.

    Args:
        model: The reward model.
        episodes: By name, episodes that it was not trained on, of known success.
        sentence: What they show.
        threshold: Success score from which an episode counts as done.

    Returns:
        The findings, without an agent's.
    """
    vocs: dict[str, float] = {}
    ends: dict[bool, list[float]] = {True: [], False: []}
    peaks: dict[bool, list[float]] = {True: [], False: []}
    failures: dict[str, tuple[float, float]] = {}
    videos: dict[str, EncodedVideo] = {}
    for name, episode in episodes.items():
        videos[name] = EncodedVideo(model, episode.frames)
        scores = videos[name].score(sentence)
        done = bool(episode.known_success.any())
        ends[done].append(float(scores.progress[-1]))
        peaks[done].append(success_peak(scores.success))
        if done:
            vocs[name] = pearson_r(scores.progress, success_progress(episode))
        else:
            failures[name] = peaks[done][-1], float(scores.progress.max())
    worst_success = min(vocs, key=lambda name: vocs[name], default="")
    worst_failure = max(failures, key=lambda name: sum(failures[name]), default="")
    return Findings(
        successes=len(vocs),
        failures=len(failures),
        voc=float(np.mean(list(vocs.values()))) if vocs else math.nan,
        success_auc=roc_auc(peaks[True], peaks[False]),
        ranking=roc_auc(ends[True], ends[False]),
        false_alarms=_share(peaks[False], threshold),
        found=_share(peaks[True], threshold),
        worst_success=worst_success and f"{worst_success} (VOC {vocs[worst_success]:.2f})",
        worst_failure=worst_failure
        and "{} (success {:.2f}, progress {:.2f})".format(worst_failure, *failures[worst_failure]),
        traps=set_traps(model, [(episode, videos[name]) for name, episode in episodes.items()], sentence),
    )


def _share(values: Sequence[float], threshold: float) -> float:
    return float(np.mean(np.array(values) >= threshold)) if values else math.nan


def is_ready_for_rl(findings: Findings) -> bool:
    """Whether `judge` says so."""
    return judge(findings).startswith("Ready for RL")


def judge(findings: Findings) -> str:
    """One sentence: ready for RL, ready for ranking videos, or what to record next.

    Args:
        findings: What was measured.

    Returns:
        The sentence; it names what it follows from.
    """
    if findings.cheating is not None and findings.cheating.verdict == "cheated":
        return (
            "Not ready for RL: a short agent was paid for what it did not do. Show the model what it did "
            "with `robometer-rl improve`."
        )
    missing = _missing(findings)
    if missing:
        return f"Not known yet: {missing}."
    caught = [trap for trap in findings.traps if trap.passed is False]
    short = [name for name, least in FOR_RL.items() if not getattr(findings, name) >= least]
    if not short and not caught:
        return f"Ready for RL{_UNTRIED['none' if findings.cheating is None else findings.cheating.verdict]}."
    ranks = all(getattr(findings, name) >= least for name, least in FOR_RANKING.items())
    ready = "Ready for ranking videos, not for RL" if ranks else "Not ready"
    return f"{ready}: {_advice(findings, short, caught)}."


def _missing(findings: Findings) -> str:
    """What keeps anything from being said."""
    if not findings.successes:
        return f"no success was kept aside; record {_FEWEST} successes or more"
    if not findings.failures:
        return f"no failure was kept aside; record {_FEWEST} failures or more, some that end near the goal"
    return ""


def _advice(findings: Findings, short: Sequence[str], caught: Sequence[Trap]) -> str:
    """What to record next: what the largest fault asks for."""
    if "success_auc" in short or "ranking" in short:
        return f"record {_FEWEST} failures that end like {findings.worst_failure}, and {_FEWEST} successes"
    if "voc" in short:
        return f"record {_FEWEST} successes that begin like {findings.worst_success}"
    trap = caught[0]
    if trap.name == "aimless_progress":
        return f"{trap.says} is {trap.value:.2f}; record more of it, or give --env, which does so"
    return f"{trap.says} is {trap.value:.2f}; record {_FEWEST} failures in which nothing happens"
