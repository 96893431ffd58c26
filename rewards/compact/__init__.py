"""The bundled compact reward model: small enough for a laptop CPU.

Modules: `configuration` (sizes), `bins` (10-bin progress), `text` (sentence to tokens), `encoder` (frame to
token), `decoder` (causal transformer), `modeling` (the network and its heads), `inference` (the encoder as it
runs in use), `streaming` (decoder and heads frame by frame), `options` (device, precision, threads),
`runtime` (the `RewardModel` protocol: score, prefer, stream), `checkpoint` (save, verify, round, load),
`card` (its `checkpoint.json`).

`training` may import this folder; it imports the protocol and `forking`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..forking import check_threads

if TYPE_CHECKING:
    from .runtime import CompactReward

__all__ = ["load_compact", "load_random"]


def load_compact(path: str | None = None, **options: Any) -> CompactReward:
    """Load a compact checkpoint as a reward model.

    Args:
        path: folder with `config.json` and `model.safetensors`; None loads the bundled one.
        options: `device` ("cpu", "cuda", "mps"), `precision` ("float32", "bfloat16") and `threads`, see
            `CompactReward`.

    Returns:
        A reward model ready to score.

    Raises:
        FileNotFoundError: a file of the checkpoint is missing.
        RuntimeError: this process was forked after its parent had computed with torch.
        ValueError: a file was truncated or altered, an option is unknown or has a value that is not
            possible, or this machine lacks the device.
    """
    check_threads()
    from . import checkpoint
    from .runtime import CompactReward

    options = _checked("path", options)
    return CompactReward(checkpoint.load_checkpoint(path), **options)


def load_random(seed: int = 0, **options: Any) -> CompactReward:
    """Make the bundled network anew, with weights as before training: the control of every study.

    Words keep their vectors, frames are read by random filters: what an agent learns from its scores is what
    any reward of this shape would teach, without the training.

    Args:
        seed: of the weights.
        options: as of `load_compact`.

    Returns:
        A reward model whose scores mean nothing; it counts no world as unseen.

    Raises:
        RuntimeError: this process was forked after its parent had computed with torch.
        ValueError: an option is unknown or impossible here.
    """
    check_threads()
    from .control import untrained
    from .runtime import CompactReward

    options = _checked("seed", options)
    return CompactReward(untrained(seed), **options)


def _checked(own: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options, their names and values checked before any weights are read."""
    from .options import check_options
    from .runtime import CompactReward

    valid = [name for name in inspect.signature(CompactReward).parameters if name != "checkpoint"]
    options = dict(options)
    # Spec files written when there were two backends name the one that is left; they go on working.
    backend = options.pop("backend", "torch")
    if backend == "openvino":
        raise ValueError(
            "backend 'openvino' was removed: the compact model runs on torch alone. Leave out the option "
            f"'backend'; the remaining options are {', '.join([own, *valid])}"
        )
    if backend != "torch":
        raise ValueError(f"backend must be left out or 'torch', got {backend!r}")
    unknown = [name for name in options if name not in valid]
    if unknown:
        raise ValueError(
            f"unknown option {', '.join(map(repr, unknown))} of a compact model; "
            f"valid ones: {', '.join([own, *valid])}"
        )
    check_options(**options)
    return options
