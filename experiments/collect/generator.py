"""The generator of episodes of one task; it tries again when a kind does not come out as it must."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs.experts.metaworld import MetaWorldExpert
from robometer_rl.envs.tasks import list_tasks

from ..common.seeds import COLLECTION
from ..episodes import RANKS, Episode
from .behaviours import BEHAVIOURS
from .expert_motion import WORLDS, Behaviour, ExpertScene, Policy, full_speed, rehearse
from .rollout import Done, Rollout

if TYPE_CHECKING:
    from collections.abc import Callable

_REHEARSED = {"near_miss": 0.8, "stalled": 1.2, "undone": 0.45, "mime": 0.5}
"""Kinds that play a success, or its first part, again -> share of a rehearsal's steps that it may take."""

_PATIENCE = 2.5
"""Clock, in multiples of the task's typical time, at which a success that has not come is not waited for."""

_OTHERS: dict[str, tuple[str, ...]] = {
    "button-press-v3": ("drawer-open", "window-open", "sweep", "plate-slide"),
    "button-press-topdown-wall-v3": ("button-press", "pick-place", "window-open", "drawer-open"),
    "coffee-pull-v3": ("handle-press", "drawer-open", "sweep", "button-press"),
    "dial-turn-v3": ("faucet-open", "pick-place", "handle-press", "sweep"),
    "door-open-v3": ("button-press", "window-open", "handle-press", "push"),
    "door-unlock-v3": ("button-press", "drawer-open", "handle-press", "push"),
    "drawer-close-v3": ("drawer-open", "pick-place", "door-open", "handle-press"),
    "faucet-open-v3": ("handle-press", "pick-place", "drawer-open", "dial-turn"),
    "hand-insert-v3": ("drawer-open", "sweep", "handle-press", "plate-slide"),
    "handle-press-v3": ("window-open", "drawer-open", "button-press", "push"),
    "handle-pull-side-v3": ("handle-press", "push", "drawer-close", "sweep"),
    "peg-insert-side-v3": ("push", "drawer-close", "handle-press", "sweep"),
    "pick-place-v3": ("sweep", "drawer-open", "button-press", "plate-slide"),
    "plate-slide-v3": ("reach", "drawer-open", "pick-place", "sweep"),
    "plate-slide-back-side-v3": ("plate-slide", "reach", "drawer-open", "handle-press"),
    "push-v3": ("sweep", "drawer-open", "button-press", "door-open"),
    "reach-v3": ("drawer-open", "button-press", "sweep", "faucet-open"),
    "stick-pull-v3": ("sweep", "drawer-close", "reach", "handle-press"),
    "stick-push-v3": ("sweep", "drawer-open", "reach", "handle-press"),
    "window-open-v3": ("handle-press", "push", "button-press", "drawer-close"),
}
"""Meta-World task -> tasks whose policies do something plausible, and wrong, in its world."""


_PAIRS = (
    ("door-open-v3", "door-close-v3"),
    ("door-unlock-v3", "door-lock-v3"),
    ("drawer-close-v3", "drawer-open-v3"),
    ("faucet-open-v3", "faucet-close-v3"),
    ("handle-pull-side-v3", "handle-press-side-v3"),
    ("handle-pull-v3", "handle-press-v3"),
    ("plate-slide-back-side-v3", "plate-slide-side-v3"),
    ("plate-slide-v3", "plate-slide-back-v3"),
    ("window-open-v3", "window-close-v3"),
)
_INVERSES = dict(_PAIRS) | {second: first for first, second in _PAIRS}
"""Meta-World task -> the task whose policy, in its world, puts the object back."""


@dataclass(frozen=True)
class Take:
    """What came of the wish for an episode.

    Attributes:
        episode: None if no try came out right.
        refusals: Why each earlier try was refused.
    """

    episode: Episode | None
    refusals: tuple[str, ...]


class EpisodeGenerator:
    """One environment with its rollout, used for any number of episodes of its task.

    An episode depends on task, kind and seed alone, never on what was produced before it.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        make_expert: Callable[[Any, np.random.Generator], Any],
        frame_every: int = 2,
        max_steps: int = 250,
        tries: int = 8,
    ) -> None:
        """Binds to an environment.

        Args:
            env: From `make_env`, with the `horizon` that `max_steps` needs.
            make_expert: Makes the task's expert for an environment and a generator.
            frame_every: Control steps between two frames.
            max_steps: Most control steps in an episode.
            tries: How often a kind may come out wrong before it is given up.
        """
        self._task = env.unwrapped.task  # type: ignore[attr-defined]
        self._env = env
        self._make_expert = make_expert
        self._rollout = Rollout(env, frame_every, max_steps)
        self._tries = tries
        self._typical: float | None = None

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()

    def produce(self, kind: str, seed: int) -> Take:
        """Produces an episode.

        Args:
            kind: One of `RANKS`.
            seed: Non-negative.

        Returns:
            The episode, or None where no try came out as the kind must, with the reasons.

        Raises:
            ValueError: The kind is unknown.
            RuntimeError: The expert never solves the task.
        """
        if kind not in BEHAVIOURS:
            raise ValueError(f"kind {kind!r} is unknown; valid kinds: {', '.join(BEHAVIOURS)}")
        refusals: list[str] = []
        for attempt in range(self._tries):
            take = self._attempt(kind, seed, attempt)
            if isinstance(take, Episode):
                return Take(take, tuple(refusals))
            refusals.append(take)
        return Take(None, tuple(refusals))

    def _attempt(self, kind: str, seed: int, attempt: int) -> Episode | str:
        """One try: the episode, or why it is refused."""
        rng = np.random.default_rng(
            [seed, attempt, zlib.crc32(kind.encode()), zlib.crc32(self._task.id.encode())]
        )
        start = int(rng.integers(COLLECTION.start, COLLECTION.stop))
        scene = ExpertScene(
            rollout=self._rollout,
            rng=rng,
            typical=self.typical(),
            world=WORLDS[self._task.suite],
            ease=attempt / max(1, self._tries - 1),
            other=self._other(kind, rng, attempt),
            lead=self._lead,
        )
        if kind in _REHEARSED:
            scene.rehearsal = self._rehearse(start, scene, partial(rehearse, share=_REHEARSED[kind]))
            if not scene.rehearsal:
                return "the expert failed in the rehearsal"
        scene.expert = self._begin(start)
        must = RANKS[kind] == RANKS["success"]
        for action, tick in BEHAVIOURS[kind](scene):
            if self._rollout.left == 0:
                break
            self._rollout.step(action, tick)
            if self._rollout.success and not must:
                return f"succeeded ({scene.detail})"
            if must and not self._rollout.success and self._rollout.clock > _PATIENCE * scene.typical:
                return f"took too long ({scene.detail})"
        if scene.spoiled:
            return scene.spoiled
        episode = self._rollout.episode(self._task.id, kind, seed, scene.detail)
        return refusal(episode) or episode

    def typical(self) -> float:
        """Full-speed steps that the expert needs, the largest of three rehearsals.

        Raises:
            RuntimeError: It fails from more than half of six starts.
        """
        if self._typical is None:
            scene = ExpertScene(
                self._rollout, np.random.default_rng(0), typical=0.0, world=WORLDS[self._task.suite]
            )
            rehearsals = (self._rehearse(start, scene, full_speed) for start in COLLECTION[:6])
            needs = [float(len(rehearsal)) for rehearsal in islice(filter(None, rehearsals), 3)]
            if len(needs) < 3:
                raise RuntimeError(
                    f"the expert of {self._task.id} solves it {len(needs)} of 6 times, expected at least 3"
                )
            self._typical = max(needs)
        return self._typical

    def _rehearse(self, start: int, scene: ExpertScene, behaviour: Behaviour) -> list[Done]:
        """The steps up to the first success, made without the camera; none where there is no success."""
        scene.expert = self._begin(start, film=False)
        for action, tick in behaviour(scene):
            if self._rollout.left == 0:
                break
            self._rollout.step(action, tick)
        return self._rollout.done if self._rollout.success else []

    def _begin(self, start: int, film: bool = True) -> Policy:
        """Resets the rollout; returns an expert whose random numbers depend on this start alone."""
        self._rollout.reset(start, film)
        expert = self._make_expert(self._env, np.random.default_rng([start]))
        expert.reset()
        return expert

    def _lead(self) -> NDArray[np.float64]:
        """Lead of the commanded hand over the real one, metres, `(3,)`; robosuite's arm keeps up."""
        if self._task.suite != "metaworld":
            return np.zeros(3)
        data = self._env.unwrapped.sim.data  # type: ignore[attr-defined]
        return np.asarray(data.mocap_pos[0] - data.body("hand").xpos)

    def _other(self, kind: str, rng: np.random.Generator, attempt: int) -> tuple[str, Policy] | None:
        """Another task's policy for this world, for the kinds that use one; late tries draw from all."""
        if self._task.suite != "metaworld" or kind not in ("other_task", "undone"):
            return None
        from metaworld.policies import ENV_POLICY_MAP

        # What the unseen tasks look like when they are done must not be trained on, not even as a failure.
        unseen = {task.name for task in list_tasks(split="unseen")}
        if kind == "undone":
            inverse = _INVERSES.get(self._task.name)
            if inverse is None or inverse in unseen or rng.random() < 0.3:
                return None
            return inverse, MetaWorldExpert(inverse)
        names = tuple(f"{name}-v3" for name in _OTHERS.get(self._task.name, ()))
        if not names or attempt >= self._tries // 2:
            shown = {task.rpartition("/")[2] for task in self._task.also_shows}
            names = tuple(sorted(set(ENV_POLICY_MAP) - {self._task.name} - shown - unseen))
        name = names[int(rng.integers(len(names)))]
        return name, MetaWorldExpert(name)


def refusal(episode: Episode) -> str | None:
    """Why an episode is not what its kind promises.

    Args:
        episode: Just produced.

    Returns:
        The reason, or None if it is fine.
    """
    if RANKS[episode.kind] == RANKS["success"]:
        if not episode.known_success.any():
            return f"never succeeded ({episode.detail})"
        if episode.known_success[0]:
            return "had succeeded before it began"
        return None if episode.known_success[-1] else f"lost its success ({episode.detail})"
    if episode.known_success.any():
        return f"succeeded ({episode.detail})"
    assert episode.quality is not None  # the rollout's own
    end, peak = float(episode.quality[-1]), float(episode.quality.max())
    if episode.kind == "undone" and end > max(0.15, 0.5 * peak):
        return f"ended at quality {end:.2f} after {peak:.2f} ({episode.detail})"
    if RANKS[episode.kind] == 1 and end > 0.6:
        return f"ended at quality {end:.2f} by chance ({episode.detail})"
    return None
