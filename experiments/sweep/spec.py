"""Sweep files: YAML whose keys are the fields of a run, each with one value or a list of them.

The runs are the product of all lists. `wrappers` is a list in itself: several choices are a list of lists.
Seeds turn slowest, so that every question has an answer by one seed before any has two; the other keys turn
in the order of the file, the last one fastest.
Numbers and booleans are those of YAML 1.2, see `common.parsing`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..agent.run import RunConfig, config_from_dict
from ..common.parsing import check_key, parse_yaml

__all__ = ["Sweep", "find_sweep", "read_sweep"]

_DEFAULTS = {item.name: item.default for item in fields(RunConfig)}
_AS_JSON = ("overrides", "env_kwargs")
"""Keys that may be mappings in the file; a run has them as JSON."""
_OWN_KEYS = ("name", "include", "exclude")
_PACKAGED = Path(__file__).with_name("studies")


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says."""

    name: str
    """Name of the sweep; the file's own where it gives none."""
    runs: tuple[RunConfig, ...]
    """The runs, in the order in which they start."""


def find_sweep(file: Path) -> Path:
    """Finds a sweep file: a path, or the name of one that is packaged.

    Args:
        file: A path such as `mine.yaml`, or a bare name such as `seen`.

    Returns:
        The file's path.

    Raises:
        FileNotFoundError: There is neither; the message names the nearest and lists the packaged ones.
    """
    names = sorted(path.stem for path in _PACKAGED.glob("*.yaml"))
    if file.is_file():
        return file
    if str(file) in names:
        return _PACKAGED / f"{file}.yaml"
    there = {path.name: str(path) for path in file.parent.glob("*.y*ml") if path.is_file()}
    close = [there[name] for name in get_close_matches(file.name, there, n=3)]
    if len(file.parts) == 1:
        close += get_close_matches(file.stem.lower(), names, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}? Give" if close else "give"
    raise FileNotFoundError(
        f"no sweep file {file}; {hint} a path, or the name of a packaged sweep: {', '.join(names)}"
    )


def read_sweep(file: Path) -> Sweep:
    """Reads a sweep file and checks every run of it.

    Args:
        file: The YAML file.

    Returns:
        The sweep.

    Raises:
        ValueError: A key or a value is wrong; the message names the file, the key and the valid choices.
        OSError: The file cannot be read.
    """
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not values:
            raise ValueError("it should map fields of a run to values, such as `reward: [robometer, sparse]`")
        return Sweep(_name(values, file), tuple(_runs(values)))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _name(values: Mapping[str, Any], file: Path) -> str:
    name = values.get("name", file.stem)
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise ValueError(f"name={name!r} should be a plain word: it names the folder of results")
    return name


def _runs(values: Mapping[str, Any]) -> list[RunConfig]:
    """All runs, each once, seeds slowest."""
    for key in values:
        check_key(key, [*_DEFAULTS, *_OWN_KEYS])
    base = {key: value for key, value in values.items() if key not in _OWN_KEYS}
    layers = [{}, *_layers(values, "include")]
    runs = [config for layer in layers for config in _product({**base, **layer})]
    for layer in _layers(values, "exclude"):
        left = [config for config in runs if not _matches(config, layer)]
        if len(left) == len(runs):
            raise ValueError(f"exclude: {layer} fits no run")
        runs = left
    if not runs:
        raise ValueError("exclude leaves no run")
    first = list(dict.fromkeys(config.seed for config in runs))
    return sorted(dict.fromkeys(runs), key=lambda config: first.index(config.seed))


def _layers(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The mappings below `include` or `exclude`."""
    layers = values.get(key, [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) and layer for layer in layers):
        raise ValueError(f"{key} should be a list of mappings, such as `- {{reward: dense, seed: 0}}`")
    for layer in layers:
        for name in layer:
            check_key(name, list(_DEFAULTS))
    return layers


def _product(values: Mapping[str, Any]) -> list[RunConfig]:
    """All combinations of values, checked one by one."""
    names = sorted(values, key=lambda name: name != "seed")
    choices = [_choices(name, values[name]) for name in names]
    return [_config(dict(zip(names, chosen, strict=True))) for chosen in itertools.product(*choices)]


def _choices(name: str, value: Any) -> list[Any]:
    """The values of one key, each of the field's type."""
    several = isinstance(value, list)
    if name == "wrappers":  # a list of texts is one value, a list of lists several
        several = several and any(isinstance(choice, list) for choice in value)
    choices = [_typed(name, choice) for choice in (value if several else [value])]
    if not choices:
        raise ValueError(f"{name} lists no value")
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            raise ValueError(f"{name} lists {choice!r} twice")
    return choices


def _typed(name: str, choice: Any) -> Any:
    """A value, of the field's type."""
    wanted = str if name == "task" else type(_DEFAULTS[name])
    if name in _AS_JSON and isinstance(choice, dict):
        return json.dumps(choice, sort_keys=True)
    if name == "wrappers":
        names = [choice] if isinstance(choice, str) else choice
        if isinstance(names, list) and all(isinstance(one, str) for one in names):
            return tuple(names)
        raise ValueError(f"wrappers={choice!r} should be a list of texts, such as [my_package:MyWrapper]")
    if wanted is float and type(choice) is int:
        return float(choice)
    if type(choice) is wanted:
        return choice
    kind = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]
    if name in _AS_JSON:
        kind = "a mapping, or a JSON object as text"
    if choice is None:
        raise ValueError(f"{name} has no value; it should be {kind}")
    hint = f", such as {choice:.0f}" if wanted is int and type(choice) is float and choice % 1 == 0 else ""
    raise ValueError(f"{name}={choice!r} should be {kind}{hint}")


def _config(values: dict[str, Any]) -> RunConfig:
    try:
        return config_from_dict(values)
    except ValueError as error:
        if str(error).startswith("unknown"):
            raise ValueError(f"env: {error}") from error
        raise


def _matches(config: RunConfig, layer: Mapping[str, Any]) -> bool:
    return all(getattr(config, name) in _choices(name, value) for name, value in layer.items())
