"""What a model was trained on, in words: where its curves mean something."""

from __future__ import annotations

from collections.abc import Sequence

from robometer_rl.rewards.protocol import ANY_WORLD

__all__ = ["worlds_notice"]


def worlds_notice(name: str, worlds: Sequence[str]) -> str:
    """Says what a model has seen.

    Args:
        name: The model's spec.
        worlds: Ids of the tasks that it was trained on.

    Returns:
        One to three sentences.
    """
    if not worlds or ANY_WORLD in worlds:
        return f"The model {name!r} does not say which worlds it was trained on."
    if name != "compact":
        return f"The model {name!r} was fitted on: {_grouped(worlds)}; elsewhere its curves may mean little."
    return (
        f"The model {name!r} was trained on {len(worlds)} simulated tasks and nothing else: "
        f"{_grouped(worlds)}. It has never seen a real robot, nor any other camera or scene. On those "
        "its curves show that the pipeline runs, not how well the robot did: fit it on a few "
        "demonstrations, or use a larger model."
    )


def _grouped(worlds: Sequence[str]) -> str:
    """Task ids with the suite named once: "metaworld: door-open-v3, ...; robosuite: Lift"."""
    suites: dict[str, list[str]] = {}
    for world in worlds:
        suite, _, name = world.rpartition("/")
        suites.setdefault(suite, []).append(name)
    return "; ".join(
        f"{suite}: {', '.join(names)}" if suite else ", ".join(names) for suite, names in suites.items()
    )
