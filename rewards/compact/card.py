"""`checkpoint.json`, the card of a checkpoint folder, read without torch.

It holds the calibrated success threshold, the worlds that the network was trained on, how it was trained, the
SHA-256 of the other files, where there are any the thresholds of single tasks, and, where the weights were
rounded to float16, the SHA-256 of the weights before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..protocol import TaskThreshold
from ..thresholds import canonical_sentence

__all__ = [
    "CARD",
    "REPAIR",
    "read_card",
    "read_thresholds",
    "sha256",
    "thresholds_by_sentence",
    "thresholds_entry",
    "weights_digest",
]

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
    try:
        read_thresholds(entries)
    except ValueError as error:
        raise ValueError(f"{path} was altered: {error}; {REPAIR}") from error
    return entries


def thresholds_entry(thresholds: Mapping[str, TaskThreshold]) -> dict[str, Any]:
    """The entry of a card for thresholds of single tasks; empty without any.

    Args:
        thresholds: By task id.

    Returns:
        `{"success_thresholds": {task: {field: value}}}`, or nothing.
    """
    if not thresholds:
        return {}
    rows = {task: asdict(found) | {"sentences": list(found.sentences)} for task, found in thresholds.items()}
    return {"success_thresholds": rows}


def read_thresholds(card: Mapping[str, Any]) -> dict[str, TaskThreshold]:
    """The thresholds of single tasks of a card, checked.

    Args:
        card: Its entries.

    Returns:
        By task id; empty where the card has none.

    Raises:
        ValueError: The entry is of another form, or a value is outside its range.
    """
    rows = card.get("success_thresholds", {})
    if not isinstance(rows, dict):
        raise ValueError(f"success_thresholds should be an object of task ids, got {rows!r}")
    found = {}
    for task, row in rows.items():
        fault = _threshold_fault(row)
        if fault:
            raise ValueError(f"the success threshold of {task!r}: {fault}")
        found[task] = TaskThreshold(**{**row, "sentences": tuple(row["sentences"])})
    thresholds_by_sentence(found)
    return found


def thresholds_by_sentence(thresholds: Mapping[str, TaskThreshold]) -> dict[str, TaskThreshold]:
    """The thresholds by every sentence that asks for their task.

    Args:
        thresholds: By task id.

    Returns:
        By canonical sentence.

    Raises:
        ValueError: A sentence asks for two of the tasks.
    """
    owners: dict[str, str] = {}
    for task, found in thresholds.items():
        for sentence in map(canonical_sentence, found.sentences):
            owner = owners.setdefault(sentence, task)
            if owner != task:
                raise ValueError(f"the sentence {sentence!r} asks for both {owner!r} and {task!r}")
    return {sentence: thresholds[task] for sentence, task in owners.items()}


def _is_number(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Whether it is a number of one of the kinds; a bool is none."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def _threshold_fault(row: object) -> str | None:
    """What is wrong with the stored threshold of one task."""
    names = [item.name for item in fields(TaskThreshold)]
    if not isinstance(row, dict):
        return f"should be an object with {', '.join(names)}, got {row!r}"
    if set(row) != set(names):
        return f"expected exactly {', '.join(names)}, got {', '.join(map(str, row))}"
    if not (_is_number(row["threshold"], (int, float)) and 0.0 < row["threshold"] <= 1.0):
        return f"threshold should be a number above 0 and at most 1, got {row['threshold']!r}"
    rate = row["false_alarm_rate"]
    if not (_is_number(rate, (int, float)) and 0.0 <= rate < 1.0):
        return f"false_alarm_rate should be a number from 0 up to, but not, 1, got {rate!r}"
    for name, least in (("successes", 0), ("failures", 0), ("false_alarms", 0), ("patience", 1)):
        if not (_is_number(row[name], int) and row[name] >= least):
            return f"{name} should be a whole number of at least {least}, got {row[name]!r}"
    if row["false_alarms"] > row["failures"]:
        return f"false_alarms should be at most the {row['failures']} failures, got {row['false_alarms']}"
    if not isinstance(row["labelled"], bool):
        return f"labelled should be true or false, got {row['labelled']!r}"
    sentences = row["sentences"]
    if not (isinstance(sentences, list) and sentences and all(map(_is_sentence, sentences))):
        return f"sentences should be a list of one sentence or more, got {sentences!r}"
    return None


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and canonical_sentence(value) != ""


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
