"""The bundled compact reward model: small enough for a laptop CPU.

Modules: `configuration` (sizes), `bins` (10-bin progress), `text` (sentence to tokens), `encoder` (frame to
token), `decoder` (causal transformer), `modeling` (the network and its heads), `inference` (the encoder as it
runs in use), `streaming` (decoder and heads frame by frame), `openvino_package`, `openvino_graph` and
`openvino_reader` (the same on OpenVINO), `options` (device, precision, threads, backend), `runtime` (the
`RewardModel` protocol: score, prefer, stream), `checkpoint` (save, verify, load).

`training` may import this folder; it imports the protocol.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runtime import CompactReward

__all__ = ["load_compact", "load_random"]


def load_compact(path: str | None = None, **options: Any) -> CompactReward:
    """Load a compact checkpoint as a reward model.

    Args:
        path: folder with `config.json` and `model.safetensors`; None loads the bundled one.
        options: `device` ("cpu", "cuda", "mps"), `precision` ("float32", "bfloat16"), `threads` and `backend`
            ("torch", "openvino"), see `CompactReward`.

    Returns:
        A reward model ready to score.

    Raises:
        FileNotFoundError: a file of the checkpoint is missing.
        ImportError: the backend is not installed.
        ValueError: a file was truncated or altered, an option is unknown or has a value that is not
            possible, or this machine lacks the device.
    """
    from . import checkpoint
    from .runtime import CompactReward

    _check("path", options)
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
        ImportError: the backend is not installed.
        ValueError: an option is unknown or impossible here.
    """
    from .control import untrained
    from .runtime import CompactReward

    _check("seed", options)
    return CompactReward(untrained(seed), **options)


def _check(own: str, options: dict[str, Any]) -> None:
    """Checks names and values before any weights are read."""
    from .options import check_options
    from .runtime import CompactReward

    valid = [name for name in inspect.signature(CompactReward).parameters if name != "checkpoint"]
    unknown = [name for name in options if name not in valid]
    if unknown:
        raise ValueError(
            f"unknown option {', '.join(map(repr, unknown))} of a compact model; "
            f"valid ones: {', '.join([own, *valid])}"
        )
    check_options(**options)
