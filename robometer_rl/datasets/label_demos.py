"""`robometer-rl label-demos`: on a local page a person marks where recordings are done or half way."""

from __future__ import annotations

import webbrowser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..arguments import read_arguments
from ..errors import checking_input
from .label_server import LabelServer
from .label_store import LabelStore, open_labels

__all__ = ["LabelConfig", "label_demos", "main"]


@dataclass(frozen=True)
class LabelConfig:
    """Options of `robometer-rl label-demos`."""

    folder: tyro.conf.Positional[Path]
    """Folder of videos, or of episodes of which some are unlabelled."""
    port: int = 0
    """Port on 127.0.0.1; 0 takes a free one."""
    browser: bool = True
    """Open the page in the browser."""


def main(argv: Sequence[str] | None = None) -> None:
    """Mark on a local page where videos and episodes are done, half way, or failed.

    The page needs no network and is reachable from this machine alone. Each answer is written at once: of
    videos to labels.csv in their folder, of episodes to their files. Ctrl-C ends the command.
    """
    label_demos(read_arguments(LabelConfig, argv, "label-demos", main.__doc__))


def label_demos(config: LabelConfig) -> None:
    """Serves the page until it is interrupted.

    Args:
        config: The folder, and where to serve.

    Raises:
        InputError: The folder holds nothing to label, or the port is taken.
    """
    with checking_input():
        store = open_labels(config.folder.expanduser())
        try:
            server = LabelServer(store, config.port)
        except OSError as error:
            raise ValueError(f"port {config.port} cannot be used: {error}") from error
    with server:
        try:
            print(f"label {config.folder} at {server.url}  (Ctrl-C ends)", flush=True)
            if config.browser:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"\n{summary(store)}")


def summary(store: LabelStore) -> str:
    """How many recordings have which label."""
    counts = Counter(item.label.outcome or "unlabelled" for item in store.items())
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
