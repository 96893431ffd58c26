"""YAML and JSON that users write, read strictly: what a reader would have to guess is refused.

PyYAML reads YAML 1.1, in which `1e-3` is text, `on` is true, `010` is 8 and `1:30` is 90.
Here numbers and booleans are those of YAML 1.2: `1e-3` is a number, and only `true` and `false` are booleans.
A number with a leading zero or a colon is text, so whoever expects a number refuses it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml

__all__ = ["check_key", "parse_json", "parse_yaml", "refuse_numbers_as_text"]

_TAG = "tag:yaml.org,2002:"
_PLAIN_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
)
"""What a scalar without quotes can be besides text: tag, pattern, first characters. The first match wins."""

_NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "none", "~"}


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """A safe loader with the scalars of YAML 1.2; a key that stands twice or is not text is refused."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # yaml's own name

    def get_single_node(self) -> yaml.Node | None:
        """Composes the document, and checks the keys before merges (`<<`) add others."""
        node = super().get_single_node()
        seen: set[int] = set()
        left = [] if node is None else [node]
        while left:
            one = left.pop()
            if id(one) in seen:  # an alias
                continue
            seen.add(id(one))
            if isinstance(one, yaml.MappingNode):
                self._check_keys(one)
                left += [value for _, value in one.value]
            elif isinstance(one, yaml.SequenceNode):
                left += one.value
        return node

    @staticmethod
    def _check_keys(node: yaml.MappingNode) -> None:
        keys = set()
        for key, _ in node.value:
            if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {shown} should be text", key.start_mark
                )
            if key.value in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} stands twice", key.start_mark
                )
            keys.add(key.value)


for _name, _pattern, _first in _PLAIN_SCALARS:
    _StrictLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))


def parse_yaml(text: str) -> Any:
    """Parses a YAML document.

    Args:
        text: The document.

    Returns:
        Its value, of what JSON has: None, bool, int, finite float, str, list, and dict with str keys.

    Raises:
        ValueError: It is no YAML, a key stands twice or is not text, or a value is not finite or is of a type
            that JSON does not have; the message names the key and the value, or the line.
    """
    try:
        value = yaml.load(text, _StrictLoader)
        _check(value, "", ())
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def parse_json(text: str) -> Any:
    """Parses a JSON document.

    Args:
        text: The document.

    Returns:
        Its value; every number is finite.

    Raises:
        json.JSONDecodeError: It is no JSON.
        ValueError: A key stands twice, or a number is NaN or infinite; the message names it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        _check(value, "", ())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def check_key(key: Any, valid: Sequence[str]) -> None:
    """Refuses a key that does not exist.

    Args:
        key: What stands in the file.
        valid: The keys that exist.

    Raises:
        ValueError: It is none of them; the message lists them and names the nearest.
    """
    if key in valid:
        return
    close = get_close_matches(str(key), valid, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown key {key!r}; choose from {', '.join(valid)}{hint}")


def refuse_numbers_as_text(values: Mapping[str, Any]) -> None:
    """Refuses text where a number, a boolean or null was surely meant, such as `"1e-3"` and `"off"`.

    Args:
        values: Keyword arguments of a function that would take such text for something else.

    Raises:
        ValueError: There is such text; the message names the key and the value.
    """
    for path, value in _leaves(values, ""):
        if isinstance(value, str) and _means_another_type(value):
            raise ValueError(
                f"{path}={value!r} is text; write a number (0.001, without quotes), true, false or null"
            )


def _means_another_type(text: str) -> bool:
    if text.strip().lower() in _NOT_TEXT:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; the parser itself would keep the last of equal keys and say nothing."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} stands twice")
        found[key] = value
    return found


def _check(value: Any, path: str, above: tuple[int, ...]) -> None:
    """Refuses what JSON does not have; `above` are the containers that a value is in, by identity."""
    if isinstance(value, list | dict):
        if id(value) in above:
            raise ValueError(f"{path or 'the document'} contains itself")
        for key, item in _items(value, path):
            _check(item, key, (*above, id(value)))
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path or 'the document'}={value!r} should be a finite number")
    elif not isinstance(value, bool | int | float | str | None):
        raise ValueError(f"{path or 'the document'}={value!r} should be a number, text, true, false or null")


def _items(value: list[Any] | Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The members of a container, each with its path, such as `policy_kwargs.net_arch[1]`."""
    if isinstance(value, list):
        yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
    else:
        yield from ((f"{path}.{key}" if path else key, item) for key, item in value.items())


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | dict):
        for key, item in _items(value, path):
            yield from _leaves(item, key)
    else:
        yield path, value
