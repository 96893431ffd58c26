"""Compact checkpoints on disk: written whole, verified before they are used.

A checkpoint folder holds `config.json` and `model.safetensors` (readable by `from_pretrained`),
`tokenizer.json`, and `checkpoint.json` (module `card`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..protocol import TaskThreshold
from .card import CARD, REPAIR, read_card, read_thresholds, sha256, thresholds_entry
from .configuration import CompactConfig
from .modeling import CompactRewardNetwork
from .text import TaskTokenizer

__all__ = [
    "BUNDLED",
    "Checkpoint",
    "copy_with_thresholds",
    "load_checkpoint",
    "round_checkpoint",
    "save_checkpoint",
]

BUNDLED = Path(__file__).resolve().parent.parent / "weights" / "compact"
_HASHED = ("config.json", "model.safetensors", "tokenizer.json")
# Nine tenths of the numbers, and those that may be rounded: with all of them as float16 scores moved by up to
# 0.0032, most of it from the norms and biases, which are few. With these, by 0.0007 (2,837 frames of held-out
# episodes, noise, flat pictures).
_ROUNDED = ("encoder.stage3.", "encoder.fine.", "encoder.coarse.", "decoder.")


@dataclass(frozen=True)
class Checkpoint:
    """A network and what must be known to use it."""

    network: CompactRewardNetwork
    """The weights."""
    tokenizer: TaskTokenizer
    """Sentence to word ids."""
    success_threshold: float = 0.5
    """Calibrated success probability above which a task counts as done, in (0, 1)."""
    trained_worlds: tuple[str, ...] = ()
    """Ids of the tasks it was trained on."""
    training: dict[str, Any] = field(default_factory=dict)
    """Command, seed, steps, wall time."""
    success_thresholds: Mapping[str, TaskThreshold] = field(default_factory=dict)
    """Thresholds that were calibrated for single tasks, by task id."""


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a checkpoint folder; `checkpoint.json` comes last, so that a half-written one never verifies."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in checkpoint.network.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    checkpoint.network.config.save_pretrained(folder)
    tokenizer = folder / "tokenizer.json"
    if checkpoint.tokenizer.path.resolve() != tokenizer.resolve():
        shutil.copyfile(checkpoint.tokenizer.path, tokenizer)
    card = {
        "success_threshold": checkpoint.success_threshold,
        **thresholds_entry(checkpoint.success_thresholds),
        "trained_worlds": list(checkpoint.trained_worlds),
        "training": checkpoint.training,
        "sha256": {name: sha256(folder / name) for name in _HASHED},
    }
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")


def round_checkpoint(source: Path, folder: Path) -> None:
    """Writes a checkpoint again with most of its weights as float16, at seven tenths of the size.

    The network still calculates in float32. `weights_id` names the copy as it names the original, whose
    scores it gives but for the rounding.

    Args:
        source: Folder of a checkpoint.
        folder: Where the copy goes.

    Raises:
        FileNotFoundError: A file of the source is missing.
        ValueError: The source is damaged or rounded already, or both are one folder.
    """
    if folder.resolve() == source.resolve():
        raise ValueError(f"the rounded copy of {source} must go to another folder")
    card = _verify(source)
    if "rounded_from" in card:
        raise ValueError(f"{source} is rounded already, from the weights {card['rounded_from'][:12]}...")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source / "model.safetensors", device="cpu")
    for name, tensor in tensors.items():
        if name.startswith(_ROUNDED) and tensor.ndim >= 2 and tensor.dtype == torch.float32:
            tensors[name] = tensor.half()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / name, folder / name)
    digests = {name: sha256(folder / name) for name in _HASHED}
    whole = {**card, "sha256": digests, "rounded_from": card["sha256"]["model.safetensors"]}
    (folder / CARD).write_text(json.dumps(whole, indent=2) + "\n")


def copy_with_thresholds(
    source: Path, folder: Path, thresholds: Mapping[str, TaskThreshold], how: Mapping[str, Any]
) -> None:
    """Copies a checkpoint, with thresholds of single tasks in place of those that it had.

    The weights are the same to the last bit; all else on the card stays as it is.

    Args:
        source: Folder of a checkpoint.
        folder: Where the copy goes.
        thresholds: By task id.
        how: Where the thresholds come from, as JSON can hold it; stands under `training` on the card.

    Raises:
        FileNotFoundError: A file of the source is missing.
        ValueError: The source is damaged, both are one folder, or a threshold is none.
    """
    if folder.resolve() == source.resolve():
        raise ValueError(f"the copy of {source} must go to another folder")
    card = _verify(source)
    kept = {name: value for name, value in card.items() if name != "success_thresholds"}
    whole = {
        **kept,
        **thresholds_entry(thresholds),
        "training": {**card["training"], "thresholds": dict(how)},
    }
    read_thresholds(whole)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _HASHED:
        shutil.copyfile(source / name, folder / name)
    (folder / CARD).write_text(json.dumps(whole, indent=2) + "\n")


def _verify(folder: Path) -> dict[str, Any]:
    for name in (CARD, *_HASHED):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} is not a compact checkpoint: it holds no {name}")
    card = read_card(folder / CARD)
    for name in _HASHED:
        found, expected = sha256(folder / name), card["sha256"].get(name)
        if found != expected:
            raise ValueError(
                f"{folder / name} was truncated or altered: its SHA-256 is {found[:12]}..., "
                f"{CARD} expects {str(expected)[:12]}...; {REPAIR}"
            )
    return card


def _read_weights(path: Path, network: CompactRewardNetwork) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU and of the dtypes that the network calculates in.

    Args:
        path: of the safetensors file.
        network: whose names and shapes they must have.

    Raises:
        ValueError: a tensor is missing, unknown, or of another shape or dtype.
    """
    found, expected = load_file(path, device="cpu"), network.state_dict()
    missing, unknown = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(
            f"{path} does not hold the tensors of this network: missing {missing or 'none'}, "
            f"unknown {unknown or 'none'}; {REPAIR}"
        )
    weights = {}
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{path}: {name} has the shape {tuple(tensor.shape)}, config.json asks for "
                f"{tuple(expected[name].shape)}; {REPAIR}"
            )
        dtypes = _stored_dtypes(name, expected[name])
        if tensor.dtype not in dtypes:
            names = " or ".join(map(str, dtypes))
            raise ValueError(f"{path}: {name} has the dtype {tensor.dtype}, expected {names}; {REPAIR}")
        # A copy: what safetensors reads may be the file itself, mapped into memory.
        weights[name] = tensor.to(dtypes[0], copy=True)
    return weights


def _stored_dtypes(name: str, tensor: Tensor) -> tuple[torch.dtype, ...]:
    """The dtypes that a tensor may have in a file, first the one in which the network keeps it."""
    if not tensor.is_floating_point():
        return (tensor.dtype,)
    return (torch.float16,) if name == "word_table" else (torch.float32, torch.float16)


def load_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """Verify and load a checkpoint folder.

    Args:
        path: the folder; None for the bundled one.

    Returns:
        The checkpoint, network in evaluation mode.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file was truncated or altered, or another kind of model lies there.
    """
    folder = BUNDLED if path is None else Path(path)
    card = _verify(folder)
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    if kind != CompactConfig.model_type:
        raise ValueError(f"{folder} holds a model of type {kind!r}, expected {CompactConfig.model_type!r}")
    config = CompactConfig.from_pretrained(folder)
    # On the meta device, where no weights are drawn that the file would replace. The tensors of the file
    # become the network's own, so that neither the default dtype nor the default device matters.
    with torch.device("meta"), torch.inference_mode(False):
        network = CompactRewardNetwork(config)
        weights = _read_weights(folder / "model.safetensors", network)
        network.load_state_dict(weights, strict=True, assign=True)
    return Checkpoint(
        network=network.eval(),
        tokenizer=TaskTokenizer(folder / "tokenizer.json", config.max_words),
        success_threshold=float(card["success_threshold"]),
        trained_worlds=tuple(card["trained_worlds"]),
        training=dict(card["training"]),
        success_thresholds=read_thresholds(card),
    )
