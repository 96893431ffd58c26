"""From a name to a reward model. Specs are strings or dicts that JSON can hold, never modules."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .protocol import RewardModel

__all__ = ["check_model_spec", "load_reward_model", "weights_id"]

_ENTRY_POINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_CHOICES = (
    '"compact" (the bundled model), "random" (its network untrained, a control), a local checkpoint folder '
    'with a config.json, or an entry point "package.module:Factory"'
)
_MEMBERS = ("score", "prefer", "stream", "success_threshold", "trained_worlds")


def check_model_spec(spec: object) -> tuple[str, dict[str, Any]]:
    """Checks a spec without loading or importing anything.

    Args:
        spec: A name, a dict with the key `name` and the keyword arguments of the loader, or its JSON.

    Returns:
        The name and the keyword arguments.

    Raises:
        TypeError: Neither a string nor a dict that JSON can hold, such as a module or a model object.
        ValueError: The dict has no name, or no model has this name.
    """
    name, options = _split(spec)
    if name in ("compact", "random") or _ENTRY_POINT.fullmatch(name):
        return name, options
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if (folder / "config.json").is_file():
            return name, options
        raise ValueError(
            f"model folder {name!r} holds no config.json, so it is not a checkpoint; choose {_CHOICES}"
        )
    raise ValueError(f"unknown reward model {name!r}; choose {_CHOICES}")


def _split(spec: object) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        if not spec.lstrip().startswith("{"):
            return spec, {}
        try:
            spec = json.loads(spec)
        except json.JSONDecodeError as error:
            raise ValueError(f"model={spec!r} begins like JSON and is none: {error}") from error
    if not isinstance(spec, Mapping):
        raise TypeError(
            f"model must be a string or a dict, not a {type(spec).__module__}.{type(spec).__qualname__}: "
            f"environment specs are copied and written as JSON, so give the model's name; choose {_CHOICES}"
        )
    try:
        json.dumps(dict(spec))
    except TypeError as error:
        raise TypeError(f"model={dict(spec)!r} cannot be written as JSON: {error}") from error
    options = dict(spec)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ValueError(f'model={dict(spec)!r} needs the key "name"; choose {_CHOICES}')
    return name, options


def weights_id(spec: str | Mapping[str, Any]) -> str:
    """Names the weights behind a spec, so that results with other weights are not taken for one another.

    Args:
        spec: As for `load_reward_model`.

    Returns:
        The first twelve digits of the SHA-256 of the weights' file, or of the file that they were rounded
        from to float16; the name itself where there is none, for an entry point or the untrained model.

    Raises:
        FileNotFoundError: The folder holds no weights.
        TypeError: The spec is not a string or a dict that JSON can hold.
        ValueError: No model has this name, or the card of its checkpoint is damaged.
    """
    name, options = check_model_spec(spec)
    if name == "compact" and options.get("path") is None:
        folder = Path(__file__).resolve().parent / "weights" / "compact"
    elif name == "compact":
        folder = Path(options["path"]).expanduser()
    elif name == "random" or _ENTRY_POINT.fullmatch(name):
        return name
    else:
        folder = Path(name).expanduser()
    from .compact.card import weights_digest

    return weights_digest(folder)[:12]


def load_reward_model(spec: str | Mapping[str, Any]) -> RewardModel:
    """Loads the reward model that a spec names.

    Args:
        spec: `"compact"`, `"random"` (the same network untrained, a control), a local checkpoint folder, or
            an entry point `"package.module:Factory"`; or a dict `{"name": <one of these>, **kwargs}` whose
            other keys go to the loader, also as the text of a JSON object.

    Returns:
        The model.

    Raises:
        TypeError: The spec is not a string or a dict that JSON can hold, or the entry point returned
            something else than a reward model.
        ValueError: No model has this name, or its checkpoint is damaged.
    """
    name, options = check_model_spec(spec)
    if name == "compact":
        from .compact import load_compact

        return load_compact(**options)
    if name == "random":
        from .compact import load_random

        return load_random(**options)
    if _ENTRY_POINT.fullmatch(name):
        return _from_entry_point(name, options)
    from .compact import load_compact

    return load_compact(path=str(Path(name).expanduser()), **options)


def _from_entry_point(name: str, options: dict[str, Any]) -> RewardModel:
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"unknown reward model {name!r}: {error}; choose {_CHOICES}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(
            f"unknown reward model {name!r}: {module_name!r} has no {path!r} to call; choose {_CHOICES}"
        )
    model = found(**options)
    missing = [member for member in _MEMBERS if getattr(model, member, None) is None]
    if missing:
        raise TypeError(f"{name!r} returned a {type(model).__qualname__}, which lacks {', '.join(missing)}")
    return model
