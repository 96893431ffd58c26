"""`checkpoint.json`, the card of a checkpoint folder, read without torch.

It holds the calibrated success threshold, the worlds that the network was trained on, how it was trained, the
SHA-256 of the other files, and, where the weights were rounded to float16, that of the weights before.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

__all__ = ["CARD", "REPAIR", "read_card", "sha256", "weights_digest"]

CARD = "checkpoint.json"
"""Name of the file."""
REPAIR = "restore the file or fit the model again"
"""What to do where a file is damaged."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_card(path: Path) -> dict[str, Any]:
    """Reads a `checkpoint.json`.

    Args:
        path: Of the file.

    Returns:
        Its entries, every required one there and of its type.

    Raises:
        ValueError: It is not JSON, or an entry is missing or of a wrong type.
    """
    try:
        card = json.loads(path.read_text())
    except ValueError as error:  # neither JSON nor text at all
        raise ValueError(f"{path} was truncated or altered, it is not JSON ({error}); {REPAIR}") from error
    kinds: dict[str, type | tuple[type, ...]] = {
        "success_threshold": (int, float),
        "trained_worlds": list,
        "training": dict,
        "sha256": dict,
    }
    entries = card if isinstance(card, dict) else {}
    wrong = [name for name, kind in kinds.items() if not isinstance(entries.get(name), kind)]
    if not re.fullmatch("[0-9a-f]{64}", str(entries.get("rounded_from", "0" * 64))):
        wrong.append("rounded_from")
    if wrong:
        raise ValueError(
            f"{path} was altered: {', '.join(wrong)} missing or of a wrong type, expected an object with "
            f"{', '.join(kinds)}; {REPAIR}"
        )
    return entries


def weights_digest(folder: Path) -> str:
    """What names the weights of a checkpoint folder.

    Args:
        folder: With `model.safetensors` and, if it is whole, `checkpoint.json`.

    Returns:
        The SHA-256 of the weights; of the weights before, where the card says that these were rounded from
        them and the file is the one that the card means.

    Raises:
        FileNotFoundError: There are no weights.
        ValueError: The card is damaged.
    """
    digest = sha256(folder / "model.safetensors")
    if not (folder / CARD).is_file():
        return digest
    card = read_card(folder / CARD)
    is_meant = card["sha256"].get("model.safetensors") == digest
    return str(card["rounded_from"]) if is_meant and "rounded_from" in card else digest
