from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robometer_rl.scoring.shaping import ABSOLUTE_MODES, Mode, ShapingConfig, check_early_end, shape_reward

scores = st.floats(0.0, 1.0)
curves = st.lists(scores, min_size=2, max_size=40)
gammas = st.floats(0.5, 1.0)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("progress+success", 0.6 + 0.25),
        ("progress", 0.6),
        ("success", 0.25),
        ("delta", 0.6 - 0.5),
        ("potential", 0.9 * 0.6 - 0.5),
    ],
)
def test_each_mode_is_its_formula(mode: Mode, expected: float) -> None:
    assert shape_reward(ShapingConfig(mode, gamma=0.9), 0.6, 0.25, 0.5) == pytest.approx(expected, abs=1e-12)


def test_every_factor_enters_once() -> None:
    config = ShapingConfig("progress", success_bonus=7.0, scale=3.0, shift=-0.5, env_weight=0.1)
    got = shape_reward(config, 0.5, 0.9, 0.0, detected=True, env_reward=20.0)
    assert got == pytest.approx(3.0 * 0.5 + 7.0 - 0.5 + 0.1 * 20.0)
    assert shape_reward(config, 0.5, 0.9, 0.0, env_reward=20.0) == pytest.approx(got - 7.0)


def test_unpaid_steps_keep_shift_and_own_reward() -> None:
    config = ShapingConfig("progress", shift=-1.0, env_weight=2.0)
    assert shape_reward(config, 0.5, 0.9, 0.0, paid=False, env_reward=3.0) == pytest.approx(5.0)


def test_potential_is_zero_on_termination_only() -> None:
    config = ShapingConfig("potential", gamma=0.9)
    assert shape_reward(config, 1.0, 1.0, 0.8, terminated=True) == pytest.approx(-0.8)
    assert shape_reward(config, 1.0, 1.0, 0.8, terminated=False) == pytest.approx(0.9 - 0.8)


@given(curves)
def test_delta_telescopes(curve: list[float]) -> None:
    total = sum(float(shape_reward(ShapingConfig("delta"), b, 0.0, a)) for a, b in pairwise(curve))
    assert total == pytest.approx(curve[-1] - curve[0], abs=1e-9)


@given(curves, gammas, st.booleans())
def test_potential_telescopes_under_its_own_discount(
    curve: list[float], gamma: float, terminated: bool
) -> None:
    """So the return does not depend on the path, which is what leaves the best policy as it was."""
    config, last = ShapingConfig("potential", gamma=gamma), len(curve) - 1
    total = sum(
        gamma**t
        * float(shape_reward(config, curve[t + 1], 0.0, curve[t], terminated=terminated and t + 1 == last))
        for t in range(last)
    )
    end = 0.0 if terminated else gamma**last * curve[-1]
    assert total == pytest.approx(end - curve[0], abs=1e-9)


@given(curves, st.sampled_from(["progress+success", "progress", "success", "delta", "potential"]), gammas)
def test_rows_equal_scalars(curve: list[float], mode: Mode, gamma: float) -> None:
    config = ShapingConfig(mode, gamma=gamma, success_bonus=2.0, scale=1.5, shift=-1.0, env_weight=0.3)
    p, before = np.array(curve), np.array(curve[::-1])
    ends = p > 0.5
    rows = shape_reward(config, p, p**2, before, terminated=ends, detected=ends, env_reward=p)
    for i in range(len(curve)):
        one = shape_reward(
            config, p[i], p[i] ** 2, before[i], terminated=ends[i], detected=ends[i], env_reward=p[i]
        )
        assert rows[i] == one


@given(scores, scores, st.sampled_from(sorted(ABSOLUTE_MODES)))
def test_absolute_modes_stay_within_their_stated_most(progress: float, success: float, mode: Mode) -> None:
    assert 0.0 <= shape_reward(ShapingConfig(mode), progress, success, 0.3) <= ABSOLUTE_MODES[mode]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mode", "dense", "shaping='dense'.*progress\\+success.*potential"),
        ("gamma", 0.0, "gamma=0.0"),
        ("gamma", 1.5, "gamma=1.5"),
        ("scale", 0.0, "scale=0.0"),
        ("scale", -1.0, "undoing"),
        ("success_bonus", -1.0, "success_bonus=-1.0"),
        ("env_weight", -0.1, "env_weight=-0.1"),
        ("shift", math.nan, "shift=nan must be finite"),
        ("shift", "a", "shift='a' must be a number, not str"),
        ("gamma", True, "gamma=True must be a number"),
        ("success_bonus", math.inf, "finite"),
    ],
)
def test_bad_fields_are_named(field: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ShapingConfig(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("gamma", [1.0, 0.001])
def test_the_ends_of_the_ranges_are_accepted(gamma: float) -> None:
    assert ShapingConfig(gamma=gamma, success_bonus=0.0, env_weight=0.0).gamma == gamma


@pytest.mark.parametrize(
    "config",
    [
        ShapingConfig("progress+success", shift=-1.0),
        ShapingConfig("progress", scale=4.0, shift=-4.0),
        ShapingConfig("progress", gamma=0.9, success_bonus=9.1),
        ShapingConfig("progress+success", gamma=0.9, success_bonus=18.1),
        ShapingConfig("delta"),
        ShapingConfig("potential"),
        ShapingConfig("delta", shift=-0.1),
    ],
)
def test_early_end_accepts_what_does_not_pay_for_loitering(config: ShapingConfig) -> None:
    check_early_end(config)


@pytest.mark.parametrize(
    "config",
    [
        ShapingConfig("progress+success"),
        ShapingConfig("progress"),
        ShapingConfig("success"),
        ShapingConfig("progress", shift=-0.5),
        ShapingConfig("progress", gamma=0.9, success_bonus=8.9),
        ShapingConfig("progress", gamma=1.0, success_bonus=1e9),
        ShapingConfig("delta", shift=0.1),
        ShapingConfig("progress", scale=4.0, shift=-1.0),
    ],
)
def test_early_end_refuses_what_pays_for_loitering_and_says_what_would_do(config: ShapingConfig) -> None:
    with pytest.raises(ValueError, match=r"pays for loitering.*Set shift=-?[0-9]"):
        check_early_end(config)


def test_what_a_shift_of_minus_one_leaves() -> None:
    """The docstring of `check_early_end` in numbers: all is done, success just under its threshold."""

    def waiting(mode: Mode, shift: float) -> float:
        config = ShapingConfig(mode, shift=shift)
        check_early_end(config)
        return float(shape_reward(config, 1.0, 0.69, 1.0))

    assert waiting("progress+success", -1.0) == pytest.approx(0.69)
    assert waiting("progress+success", -2.0) < 0.0
    assert waiting("progress", -1.0) == 0.0
    assert waiting("success", -1.0) < 0.0


@given(
    st.sampled_from(["progress+success", "progress", "success", "delta", "potential"]),
    st.floats(0.1, 5.0),
    st.floats(-6.0, 1.0),
    st.floats(0.5, 0.99),
    st.floats(0.0, 300.0),
)
def test_no_accepted_bonus_is_smaller_than_the_income_it_ends(
    mode: Mode, scale: float, shift: float, gamma: float, bonus: float
) -> None:
    """Waiting for ever at full progress, with no success predicted, must not beat ending now."""
    config = ShapingConfig(mode, gamma=gamma, success_bonus=bonus, scale=scale, shift=shift)
    try:
        check_early_end(config)
    except ValueError:
        return
    waiting = float(shape_reward(config, 1.0, 0.0, 1.0))
    ending = float(shape_reward(config, 1.0, 1.0, 1.0, detected=True))
    if mode == "potential":
        return  # its sum does not depend on the path, see above
    assert ending >= waiting / (1.0 - gamma) - 1e-6
