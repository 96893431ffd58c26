"""Draws the curves that `quickstart_sac` wrote: true success over environment steps, learned against sparse.

`python -m robometer_rl.experiments.examples.plot_quickstart` reads the committed runs and redraws the
README's figure.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

Curves = dict[str, dict[int, list[tuple[int, float]]]]
"""Reward -> seed -> (environment steps, true success rate), in order."""

_STYLE = {"robometer": ("#2563eb", "learned progress + success"), "sparse": ("#9a6b00", "sparse 0/1 reward")}


@dataclass(frozen=True)
class QuickstartPlotConfig:
    """What to read and where to draw."""

    runs: Path = Path("experiments/results/quickstart")
    """Folder of the curves, `REWARD-SEED.csv`."""
    out: Path = Path("docs/images/quickstart.png")
    """The picture."""


def read_curves(folder: Path) -> Curves:
    """Reads all curves of a folder.

    Args:
        folder: Holds `*.csv` of `quickstart_sac`.

    Returns:
        The curves.

    Raises:
        ValueError: There is none, or they are of different tasks.
    """
    curves: Curves = defaultdict(dict)
    tasks = set()
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        tasks |= {row["task"] for row in rows}
        for row in rows:
            points = curves[row["reward"]].setdefault(int(row["seed"]), [])
            points.append((int(row["env_steps"]), float(row["true_success"])))
    if len(tasks) != 1:
        raise ValueError(f"{folder} should hold curves of one task, found {sorted(tasks)}")
    return curves


def mean_curve(runs: Mapping[int, Sequence[tuple[int, float]]]) -> tuple[list[int], list[float]]:
    """Mean over the seeds, at the steps that all of them evaluated.

    Args:
        runs: Seed -> curve.

    Returns:
        Steps and mean success rates.
    """
    tables = [dict(points) for points in runs.values()]
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    return steps, [float(np.mean([table[step] for table in tables])) for step in steps]


def main(config: QuickstartPlotConfig) -> None:
    """Draws the figure and prints, per reward, the mean of the last evaluation and when 0.8 was first met."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves = read_curves(config.runs)
    figure, axes = pyplot.subplots(figsize=(7.2, 3.2), dpi=150, layout="constrained")
    for reward, runs in sorted(curves.items()):
        colour, label = _STYLE[reward]
        for points in runs.values():
            axes.plot(*zip(*points, strict=True), color=colour, alpha=0.35, linewidth=1)
        steps, means = mean_curve(runs)
        axes.plot(steps, means, color=colour, linewidth=2.5, label=f"{label}, mean of {len(runs)} seeds")
        first = {
            seed: next((step for step, rate in points if rate >= 0.8), None) for seed, points in runs.items()
        }
        print(f"{reward}: mean true success {means[-1]:.2f} at {steps[-1]} steps; 0.8 first met at {first}")
    axes.axhline(0.8, color="#9ca3af", linewidth=1, linestyle=(0, (4, 4)))
    axes.set(xlabel="environment steps", ylabel="true success", ylim=(-0.03, 1.03), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside upper left", ncols=2)  # on the curves it would hide some
    config.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(config.out)
    print(f"wrote {config.out}")


if __name__ == "__main__":
    main(tyro.cli(QuickstartPlotConfig, description=__doc__))
