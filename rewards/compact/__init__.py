"""The bundled compact reward model: small enough for a laptop CPU.

Modules: `configuration` (sizes), `bins` (10-bin progress), `text` (sentence to tokens), `encoder` (frame to
token), `decoder` (causal transformer and its cache), `modeling` (the network and its heads), `runtime` (the
`RewardModel` protocol: score, prefer, stream), `checkpoint` (save, verify, load).
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runtime import CompactReward

__all__ = ["load_compact"]


def load_compact(path: str | None = None, **options: Any) -> CompactReward:
    """Load a compact checkpoint as a reward model.

    Args:
        path: folder with `config.json` and `model.safetensors`; None loads the bundled one.
        options: `device` ("cpu", "cuda", ...), see `CompactReward`.

    Returns:
        A reward model ready to score.

    Raises:
        FileNotFoundError: a file of the checkpoint is missing.
        ValueError: a file was truncated or altered, or an option is unknown.
    """
    from .checkpoint import load_checkpoint
    from .runtime import CompactReward

    valid = [name for name in inspect.signature(CompactReward).parameters if name != "checkpoint"]
    unknown = [name for name in options if name not in valid]
    if unknown:
        raise ValueError(
            f"unknown option {', '.join(map(repr, unknown))} of a compact model; "
            f"valid ones: {', '.join(['path', *valid])}"
        )
    return CompactReward(load_checkpoint(path), **options)
