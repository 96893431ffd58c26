"""Makes `rliable_reference.json`: what rliable 1.2.0 says about made-up scores; `test_intervals.py` compares.

rliable brings 500 MB of packages (arch, pandas, statsmodels, seaborn), so it is asked once, elsewhere:

    python3 -m venv rliable-venv
    rliable-venv/bin/pip install rliable==1.2.0 arch==7.2.0 'pandas<3'   # arch 7.2 breaks with pandas 3
    cd tests/experiments/report && rliable-venv/bin/python rliable_reference.py >rliable_reference.json
"""

from __future__ import annotations

import json
import sys

import numpy as np


def main() -> None:
    from rliable import library, metrics

    cases = {}
    for name, shape in {
        "3 seeds, 5 tasks": (3, 5),
        "5 seeds, 1 task": (5, 1),
        "10 seeds, 4 tasks": (10, 4),
    }.items():
        x, y = (np.round(np.random.default_rng(seed).beta(0.7, 0.7, size=shape), 2) for seed in (1, 2))
        np.random.seed(0)  # noqa: NPY002  (rliable draws from the global generator)
        aggregates = library.get_interval_estimates(
            {"x": x},
            lambda s: np.array([metrics.aggregate_iqm(s), metrics.aggregate_mean(s)]),
            reps=50_000,
        )
        improvement = library.get_interval_estimates(
            {"x": [x, y]}, lambda a, b: np.array([metrics.probability_of_improvement(a, b)]), reps=5_000
        )
        thresholds = np.round(np.linspace(0, 1, 6), 10)
        profile = library.create_performance_profile({"x": x}, thresholds, reps=20_000)
        cases[name] = {
            "x": x.tolist(),
            "y": y.tolist(),
            "thresholds": thresholds.tolist(),
            "iqm": [aggregates[0]["x"][0], *aggregates[1]["x"][:, 0]],
            "mean": [aggregates[0]["x"][1], *aggregates[1]["x"][:, 1]],
            "improvement": [improvement[0]["x"][0], *improvement[1]["x"][:, 0]],
            "profile": [profile[0]["x"].tolist(), *profile[1]["x"].tolist()],
        }
    curves = np.round(np.sort(np.random.default_rng(3).uniform(size=(4, 3, 6)), axis=2), 2)
    np.random.seed(0)  # noqa: NPY002
    point, interval = library.get_interval_estimates(
        {"x": curves},
        lambda s: np.array([metrics.aggregate_iqm(s[..., k]) for k in range(s.shape[-1])]),
        reps=20_000,
    )
    cases["curves"] = {"x": curves.tolist(), "iqm": [point["x"].tolist(), *interval["x"].tolist()]}
    json.dump(cases, sys.stdout, default=float)
    print()


if __name__ == "__main__":
    main()
