from __future__ import annotations

import json
from typing import Any

import pytest

from robometer_rl.experiments.common.parsing import parse_json, parse_yaml, refuse_numbers_as_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-2.5E+2", -250.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+5", 5),
        ("1_000", 1000),
        ("0", 0),
        ("0.0", 0.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("2026-11-27", "2026-11-27"),
        ("'1e-3'", "1e-3"),
        ("1e", "1e"),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_merged_keys_yield_to_a_mappings_own() -> None:
    text = "base: &base {<<: {a: 0, c: 3}, a: 1}\nmore: {<<: *base, a: 2}\nsame: *base"
    assert parse_yaml(text) == {
        "base": {"a": 1, "c": 3},
        "more": {"a": 2, "c": 3},
        "same": {"a": 1, "c": 3},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: [0, .nan]}", r"a\.b\[1\]=nan should be a finite number"),
        ("a: -.INF", "a=-inf should be a finite number"),
        ("a: 1e400", "a=inf should be a finite number"),
        ("a: {b: 1, b: 2}", r"(?s)key 'b' stands twice.*line 1, column 11"),
        ("a: 1\n'a': 2", "(?s)key 'a' stands twice.*line 2"),
        ("<<: {a: 1}\n<<: {a: 2}", "key '<<' stands twice"),
        ("a: {1: 2}", "key '1' should be text"),
        ("true: 2", "key 'true' should be text"),
        ("? [a, b]\n: 1", "key a list or a mapping should be text"),
        ("a: &x [*x]", r"a\[0\] contains itself"),
        ("a: &x {b: *x}", r"a\.b contains itself"),
        ("a: !!binary aGVsbG8=", "a=b'hello' should be a number, text, true, false or null"),
        ("a: !!timestamp 2026-11-27", r"a=datetime\.date.* should be a number, text"),
        ("a: !!set {b, c}", "a={.*} should be a number, text"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a: [", "(?s)expected the node content.*line 1"),
        ("a: 1\n---\na: 2", "another document"),
        ("[" * 3_000, "nested too deeply"),
    ],
)
def test_yaml_that_needs_a_guess_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_yaml(text)


def test_one_value_in_two_places_is_no_circle() -> None:
    assert parse_yaml("a: &x [1]\nb: [*x, *x]") == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"gamma": NaN}', "gamma=nan should be a finite number"),
        ('{"a": {"b": [1, -Infinity]}}', r"a\.b\[1\]=-inf should be a finite number"),
        ('{"a": 1e400}', "a=inf should be a finite number"),
        ("NaN", "the document=nan should be a finite number"),
        ('{"a": {"b": 1, "b": 2}}', "key 'b' stands twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_not_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}
    with pytest.raises(json.JSONDecodeError):
        parse_json("{a: 1}")


@pytest.mark.parametrize("text", ["1e-3", " 5 ", "nan", "-inf", "1_000", "Off", "on", "yes", "True", "none"])
def test_text_that_means_another_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"policy_kwargs\.net_arch\[1\]='.*' is text; write a number"):
        refuse_numbers_as_text({"gamma": 0.9, "policy_kwargs": {"net_arch": [64, text]}})


def test_other_text_passes() -> None:
    refuse_numbers_as_text({"ent_coef": "auto_0.1", "policy": "MlpPolicy", "use_sde": False, "x": ""})
