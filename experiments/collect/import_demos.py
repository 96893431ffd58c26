"""`robometer-rl import-demos`: demonstrations of other tools and folders of videos become episodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.datasets.episodes import list_episodes, read_summary, write_episode
from robometer_rl.datasets.locks import claimed_number
from robometer_rl.datasets.protocol import Flip, short_hash
from robometer_rl.datasets.reader import EpisodeReader, ReadOptions, open_dataset
from robometer_rl.datasets.sentences import add_sentences
from robometer_rl.errors import checking_input

from ..common.progress import progress

__all__ = ["ImportConfig", "Imported", "import_demos", "main"]

_ORIGIN = re.compile(r" \(import ([0-9a-f]{8}) ([0-9a-f]{8})\)$")
"""At the end of an imported episode's detail: which recording it is, and in which version it was read."""


@dataclass(frozen=True)
class ImportConfig:
    """Options of `robometer-rl import-demos`."""

    source: Annotated[Path, tyro.conf.arg(name="from")]
    """A folder of videos, an HDF5 file of robomimic, or a folder of episodes."""
    out: Path
    """Folder of the episodes; they are added to those that are there."""
    task: str | None = None
    """What the recordings show, as a sentence, e.g. "open the drawer"; needed where they do not say it."""
    task_id: str | None = None
    """Id of the task, suite/name; made of the sentence if not given."""
    format: str | None = None
    """episodes, robomimic or videos; found out by looking if not given."""
    image_size: int | None = 96
    """Side in pixels to which pictures are resized, to a square; None keeps their size."""
    fps: float | None = 10.0
    """Pictures kept per second of a video, None for all."""
    frame_every: int = 1
    """Keep each how many-th picture of robomimic's files and of episodes."""
    camera: str | None = None
    """Camera of a robomimic file; an unknown name lists them."""
    flip: Flip = "auto"
    """Turn a robomimic file's pictures top to bottom: "auto" does so with those of LIBERO, upside down."""


@dataclass(frozen=True)
class Imported:
    """What became of each recording."""

    kinds: dict[str, int]
    """Episodes written, by kind."""
    there: int
    """Recordings that had been imported before."""
    left_out: dict[str, str]
    """Recordings that could not be read, and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make episodes of demonstrations: folders of videos, robomimic's HDF5, other episodes.

    Started again with the same options, it goes on where it was; recordings whose label or file has changed
    are read anew.
    """
    config = read_arguments(ImportConfig, argv, "import-demos", main.__doc__)
    return 1 if import_demos(config, Console(markup=False, highlight=False)).left_out else 0


def import_demos(config: ImportConfig, console: Console) -> Imported:
    """Writes each recording of a data set as an episode.

    Args:
        config: The data set, where to, and how to read it.
        console: Where to show how far it is.

    Returns:
        What was taken, and what was left out and why.

    Raises:
        InputError: There is no such data set, its format is unknown, or nobody says what it shows.
    """
    with checking_input():
        names = ("task", "task_id", "image_size", "fps", "frame_every", "camera", "flip")
        options = ReadOptions(**{name: getattr(config, name) for name in names})
        reader = open_dataset(config.source, options, config.format)
        _check_places(reader.root, config.out)
        for name in reader.names:
            reader.sentences(name)
        there = _imported_before(config.out)
    for note in reader.notes:
        console.print(f"{reader.format}: {note}")
    kinds: Counter[str] = Counter()
    left_out: dict[str, str] = {}
    skipped = 0
    with progress(console, "recordings", len(reader)) as advance:
        for name in reader.names:
            identity, version = _identity(reader, name)
            old = there.get(identity)
            if old is not None and old[1] == version:
                skipped += 1
            else:
                try:
                    kinds[_take(reader, name, config.out, None if old is None else old[0])] += 1
                except ValueError as error:
                    left_out[name] = str(error)
            advance()
    _report(console, kinds, skipped, left_out, config.out)
    return Imported(dict(kinds), skipped, left_out)


def _check_places(root: Path, out: Path) -> None:
    if out.exists() and root.resolve() == out.resolve():
        raise ValueError(f"--out {out} is the folder that is read: name another one")


def _identity(reader: EpisodeReader, name: str) -> tuple[str, str]:
    """Which recording it is, wherever the episode lies, and in which version."""
    return short_hash(str(reader.root.resolve()), name), short_hash(reader.version(name))


def _imported_before(out: Path) -> dict[str, tuple[Path, str]]:
    """The episodes that were imported, by the identity of their recording, and the version of each."""
    found = {}
    for path in list_episodes(out) if out.is_dir() else []:
        origin = _ORIGIN.search(read_summary(path).detail)
        if origin is not None:
            found[origin[1]] = (path, origin[2])
    return found


def _take(reader: EpisodeReader, name: str, out: Path, old: Path | None) -> str:
    """Writes one recording, in place of its older version, and returns its kind."""
    episode = reader.read(name)
    identity, version = _identity(reader, name)
    detail = f"{reader.root.name}/{name} (import {identity} {version})"
    add_sentences(out, episode.task, reader.sentences(name))
    with claimed_number(out, episode.task) as number:
        path = write_episode(out, replace(episode, seed=number, detail=detail))
    if old is not None and old != path:
        old.unlink()
    return episode.kind


def _report(console: Console, kinds: Counter[str], there: int, left_out: dict[str, str], out: Path) -> None:
    taken = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    console.print(f"{sum(kinds.values())} episodes written to {out}" + (f": {taken}" if taken else ""))
    if there:
        console.print(f"{there} were there already")
    for name, reason in left_out.items():
        console.print(f"left out {name}: {reason}")
    if kinds["unlabelled"]:
        console.print(f"`robometer-rl label-demos {out}` asks of the unlabelled ones whether they succeed")
