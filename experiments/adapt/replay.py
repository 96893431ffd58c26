"""Episodes of the bundled model's own tasks, mixed into an adaptation so that it does not forget them.

A small sample ships with the package: one file of H.264 for each episode, and one of JSON that says what each
shows. It is unpacked into a folder of episodes once. The sample is made anew, after a new release of the
weights, by `python -m robometer_rl.experiments.adapt.replay --data data/train --out SAMPLE`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import checking_input

from ..common.files import write_whole
from ..common.progress import tracked
from ..episodes import COLUMNS, Episode, episode_path, list_episodes, read_episode, write_episode

__all__ = ["SampleConfig", "SampleCounts", "make_sample", "unpack_sample"]

_INDEX = "replay.json"
_FRAMES_PER_SECOND = 10
_DECIMALS = 3


@dataclass(frozen=True)
class SampleCounts:
    """Episodes of each kind, for each task."""

    success: int = 1
    noisy_success: int = 1
    near_miss: int = 1
    mime: int = 1
    random: int = 1


@dataclass(frozen=True)
class SampleConfig:
    """What the sample is made of."""

    data: Path
    """Episodes of the bundled model's tasks, from `robometer-rl collect`."""
    out: Path
    """Folder of the sample."""
    counts: SampleCounts = SampleCounts()
    """Episodes of each kind, for each task; the first ones by name."""
    every: int = 2
    """Each how many-th frame is kept, and always the last."""
    quality: int = 24
    """Constant rate factor of H.264: lower is better and larger."""


def encode_video(frames: NDArray[np.uint8], quality: int) -> bytes:
    """Encodes frames as H.264 in full colour, in one thread, so that the bytes are always the same.

    Args:
        frames: uint8 `(T, H, W, 3)`, sides even.
        quality: Constant rate factor.

    Returns:
        An mp4 file.
    """
    file = io.BytesIO()
    options = {"crf": str(quality), "preset": "veryslow", "threads": "1"}
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FRAMES_PER_SECOND, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def decode_video(file: bytes) -> NDArray[np.uint8]:
    """Decodes what `encode_video` made; uint8 `(T, H, W, 3)`."""
    with av.open(io.BytesIO(file), "r") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]
    return np.stack(frames).astype(np.uint8)


def make_sample(config: SampleConfig, console: Console) -> int:
    """Chooses episodes and writes them as the sample.

    Args:
        config: What to choose from, and where to write.
        console: Where to show how far it is.

    Returns:
        How many there are.

    Raises:
        ValueError: A task has too few episodes of a kind.
    """
    chosen: list[Path] = []
    for task in sorted(
        {f"{path.parent.parent.name}/{path.parent.name}" for path in list_episodes(config.data)}
    ):
        for kind, count in vars(config.counts).items():
            found = list_episodes(config.data, task, kind)[:count]
            if len(found) < count:
                raise ValueError(f"{config.data} has {len(found)} of {count} {kind} episodes of {task}")
            chosen += found
    config.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for path in tracked(chosen, console, "episodes", len(chosen)):
        episode = _thinned(read_episode(path), config.every)
        name = f"{episode.task.replace('/', '-')}-{path.stem}.mp4"
        write_whole(config.out / name, encode_video(episode.frames, config.quality))
        rows.append({"file": name, **_known(episode)})
    text = "[\n" + ",\n".join(json.dumps(row, sort_keys=True) for row in rows) + "\n]\n"
    write_whole(config.out / _INDEX, text.encode())
    return len(rows)


def _thinned(episode: Episode, every: int) -> Episode:
    """An episode with fewer frames; its end stays."""
    last = len(episode.frames) - 1
    kept = np.unique([*range(0, last, every), last])
    columns = {name: getattr(episode, name) for name in ("frames", *COLUMNS)}
    taken: dict[str, Any] = {
        name: None if column is None else column[kept] for name, column in columns.items()
    }
    return replace(episode, frame_every=episode.frame_every * every, **taken)


def _known(episode: Episode) -> dict[str, Any]:
    """All that an episode holds besides its frames, as JSON."""
    values: dict[str, Any] = {
        name: getattr(episode, name) for name in ("task", "kind", "seed", "frame_every", "detail")
    }
    for name in COLUMNS:
        column = getattr(episode, name)
        if column is not None:
            numbers = column.astype(np.float64).round(_DECIMALS).tolist()
            values[name] = [None if number != number else number for number in numbers]
    return values


def unpack_sample(out: Path, console: Console, without: Collection[str] = ()) -> None:
    """Writes the sample that ships as a folder of episodes; those that are there stay.

    Args:
        out: Folder of the episodes.
        console: Where to show how far it is.
        without: Ids of tasks to leave out: a task that has episodes of its own is not replayed.
    """
    folder = resources.files(__package__) / "replay_sample"
    rows = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    rows = [row for row in rows if row["task"] not in without]
    missing = [row for row in rows if not episode_path(out, row["task"], row["kind"], row["seed"]).exists()]
    for row in tracked(missing, console, "replayed episodes unpacked", len(missing)):
        columns = {
            name: np.array([np.nan if value is None else value for value in row.pop(name)], dtype)
            for name, dtype in COLUMNS.items()
            if name in row
        }
        frames = decode_video((folder / row.pop("file")).read_bytes())
        write_episode(out, Episode(frames=frames, **{"success": None, **row, **columns}))


def main(argv: Sequence[str] | None = None) -> None:
    """Make the sample of replayed episodes that ships with the package."""
    config = read_arguments(SampleConfig, argv, "replay", main.__doc__)
    console = Console(markup=False)
    with checking_input():
        count = make_sample(config, console)
    size = sum(path.stat().st_size for path in config.out.iterdir())
    console.print(f"{count} episodes, {size / 1e6:.1f} MB in {config.out}")


if __name__ == "__main__":
    main()
