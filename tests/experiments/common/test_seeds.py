from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robometer_rl.experiments.common.seeds import (
    COLLECTION,
    EVALUATION,
    MAX_ENVS,
    MAX_SEED,
    SESSIONS,
    TRAINING,
    training_seed,
)

runs = st.tuples(st.integers(0, MAX_SEED - 1), st.integers(0, SESSIONS - 1), st.integers(0, MAX_ENVS - 1))


def test_the_ranges_do_not_meet() -> None:
    for one, other in combinations((EVALUATION, COLLECTION, TRAINING), 2):
        assert one.stop <= other.start or other.stop <= one.start


def test_the_first_and_the_last_training_seed_are_those_of_the_range() -> None:
    assert training_seed(0) == TRAINING.start
    assert training_seed(MAX_SEED - 1, SESSIONS - 1, MAX_ENVS - 1) == TRAINING.stop - 1


@given(runs, runs)
def test_no_two_runs_sessions_or_rows_share_a_training_seed(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    assert training_seed(*one) in TRAINING
    assert (training_seed(*one) == training_seed(*other)) == (one == other)


def test_seeds_of_a_study_with_eight_environments_and_resumed_runs_differ() -> None:
    taken = [
        training_seed(seed, session, row) for seed in range(5) for session in range(4) for row in range(8)
    ]
    assert len(set(taken)) == 5 * 4 * 8


def test_rows_follow_each_other_as_stable_baselines3_counts_them() -> None:
    assert [training_seed(3, 1, row) for row in range(4)] == [training_seed(3, 1) + row for row in range(4)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((MAX_SEED, 0, 0), f"seed={MAX_SEED} must be at least 0 and below {MAX_SEED}"),
        ((-1, 0, 0), "seed=-1"),
        ((0, -1, 0), "session=-1"),
        ((0, 0, MAX_ENVS), f"row={MAX_ENVS}"),
    ],
)
def test_what_lies_outside_is_refused(arguments: tuple[int, int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        training_seed(*arguments)
