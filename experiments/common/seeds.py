"""Which seeds an environment may be reset with, and by whom: ranges that do not meet.

Learning on a start state that later judges the agent, or on one that another seed of the study learns on too,
makes a study look better or surer than it is. So each use has a range of its own, and inside `TRAINING` each
seed, session and row of a run has a number of its own. All are below 2**32, the most that NumPy's legacy
generators take.
"""

from __future__ import annotations

__all__ = ["COLLECTION", "EVALUATION", "MAX_ENVS", "MAX_SEED", "SESSIONS", "TRAINING", "training_seed"]

EVALUATION = range(1_000_000, 2_000_000)
"""Episodes that judge an agent; the i-th of every evaluation starts from `EVALUATION[i]`."""

COLLECTION = range(2**30, 2**31)
"""Start states of collected episodes, scripted and rehearsed."""

TRAINING = range(2**31, 2**32)
"""Start states that an agent learns from."""

MAX_SEED = 2**16
"""Seeds of a run are below this number."""

MAX_ENVS = 2**8
"""Most environments of a run."""

SESSIONS = 2**7
"""Sessions of a run (how often it was started) before the start states repeat."""


def training_seed(seed: int, session: int = 0, row: int = 0) -> int:
    """Seed of the first reset of one environment that an agent learns in; later resets pass no seed.

    Args:
        seed: Seed of the run, at least 0 and below `MAX_SEED`.
        session: How often the run was started before, at least 0; `SESSIONS` of them differ.
        row: Number of the environment, at least 0 and below `MAX_ENVS`. Consecutive rows have consecutive
            seeds, which is what `VecEnv.seed` of Stable-Baselines3 gives from the seed of row 0.

    Returns:
        A seed in `TRAINING` that no other seed, session or row has.

    Raises:
        ValueError: A number is outside its range.
    """
    for name, value, most in (("seed", seed, MAX_SEED), ("row", row, MAX_ENVS)):
        if not 0 <= value < most:
            raise ValueError(f"{name}={value} must be at least 0 and below {most}")
    if session < 0:
        raise ValueError(f"session={session} must be at least 0")
    block = seed * SESSIONS + session % SESSIONS
    return TRAINING.start + block * MAX_ENVS + row
