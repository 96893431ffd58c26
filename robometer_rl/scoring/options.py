"""The options that all wrappers share, read and checked once for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, TypedDict, cast, get_args

from robometer_rl.rewards.loading import check_model_spec

from ..frames import FrameSource, source_label
from .checks import check_task, check_world
from .episode_state import Fill, RewardConfig
from .shaping import Mode, ShapingConfig
from .thresholds import ThresholdOption

__all__ = ["RewardOptions", "Score", "WrapperOptions", "check_tasks", "read_options"]

Score = Literal["step", "episode_end"]
"""When an episode is scored: frame by frame as it runs, or all at once when it is over."""


class RewardOptions(TypedDict, total=False):
    """The options of every wrapper by name; `RobometerReward` says what each does and its default."""

    frames: FrameSource | Sequence[FrameSource]
    shaping: Mode
    gamma: float
    success_bonus: float
    scale: float
    shift: float
    env_weight: float
    score_every: int
    fill: Fill
    score: Score
    terminate_on_success: bool
    success_threshold: ThresholdOption
    success_patience: int
    true_success_bonus: float
    terminate_on_true_success: bool
    warn_unseen_world: bool
    world: str | None


_SHAPING = {"shaping": "mode"} | {
    item.name: item.name for item in fields(ShapingConfig) if item.name != "mode"
}
"""Name of an option -> field of `ShapingConfig`; the defaults stand there."""
_RULES = [item.name for item in fields(RewardConfig) if item.name != "shaping"]
"""Options that are fields of `RewardConfig`."""


@dataclass(frozen=True)
class WrapperOptions:
    """A wrapper's options, checked."""

    spec: str | dict[str, Any]
    """What `load_reward_model` reads."""
    sources: FrameSource | list[FrameSource]
    """Where frames come from, one per camera."""
    config: RewardConfig
    """The rules by which scores become reward and termination."""
    score: Score = "step"
    """When an episode is scored."""
    warns: bool = True
    """Whether to warn of a world that the checkpoint was not trained on."""
    world: str | None = None
    """Id of the world, where the user gave one."""

    @property
    def cameras(self) -> int:
        """Number of pictures per step."""
        return len(self.sources) if isinstance(self.sources, list) else 1

    @property
    def camera_names(self) -> list[str]:
        """What messages call each camera."""
        sources = self.sources if isinstance(self.sources, list) else [self.sources]
        return [source_label(source) for source in sources]

    def as_dict(self) -> dict[str, Any]:
        """Returns every option by its name in `RewardOptions`, the defaults too, as plain Python values."""
        shaping = {name: getattr(self.config.shaping, field) for name, field in _SHAPING.items()}
        rules = {name: getattr(self.config, name) for name in _RULES}
        return {
            **shaping,
            **rules,
            "frames": self.sources,
            "score": self.score,
            "warn_unseen_world": self.warns,
            "world": self.world,
        }


def read_options(model: str | Mapping[str, Any], options: Mapping[str, Any]) -> WrapperOptions:
    """Checks a model spec and a wrapper's options, without loading anything.

    Args:
        model: What `load_reward_model` reads.
        options: Values by the names of `RewardOptions`; what is missing takes its default.

    Returns:
        The options, checked.

    Raises:
        TypeError: An option has no such name or is of a wrong type.
        ValueError: An option is outside its range, options do not go together, or no model has this name.
    """
    known = list(RewardOptions.__annotations__)
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"unknown option {name!r}; choose from {', '.join(known)}{hint}")
    given = cast(RewardOptions, options)
    world = check_world(given.get("world"))
    check_model_spec(model)
    shaping: Any = {_SHAPING[name]: value for name, value in options.items() if name in _SHAPING}
    rules: Any = {name: value for name, value in options.items() if name in _RULES}
    config = RewardConfig(ShapingConfig(**shaping), **rules)
    frames = given.get("frames", "render")
    return WrapperOptions(
        spec=model if isinstance(model, str) else json.loads(json.dumps(dict(model))),
        sources=list(frames) if isinstance(frames, Sequence) and not isinstance(frames, str) else frames,
        config=config,
        score=_check_score(given.get("score", "step"), config),
        warns=bool(given.get("warn_unseen_world", True)),
        world=world,
    )


def _check_score(score: object, config: RewardConfig) -> Score:
    if score not in get_args(Score):
        raise ValueError(f"score={score!r} is unknown; choose one of {', '.join(get_args(Score))}")
    if score == "episode_end" and config.terminate_on_success:
        raise ValueError(
            "terminate_on_success needs a score at every step, and score='episode_end' has none before the "
            "episode is over: use score='step'"
        )
    return cast(Score, score)


def check_tasks(tasks: object, n: int) -> list[str]:
    """Checks the sentences of n environments.

    Args:
        tasks: One sentence for all, or a sequence of n.
        n: Number of environments.

    Returns:
        n sentences.

    Raises:
        TypeError: Neither a string nor a sequence of strings.
        ValueError: A sentence is empty, or their number is not n.
    """
    if isinstance(tasks, str):
        return [check_task(tasks)] * n
    if not isinstance(tasks, Sequence):
        check_task(tasks)
    assert isinstance(tasks, Sequence)
    sentences = [check_task(task) for task in tasks]
    if len(sentences) != n:
        raise ValueError(f"tasks holds {len(sentences)} sentences for {n} environments: give one, or {n}")
    return sentences
