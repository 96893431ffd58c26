"""The picture of wrapper orders says what the code does."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio

import robometer_rl
from robometer_rl.experiments.examples.plot_wrapper_order import STACKS, main


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    main(["--out", str(tmp_path / "order.png")])
    assert imageio.imread(tmp_path / "order.png").shape[0] > 800


def test_what_it_names_as_ours_exists() -> None:
    names = {layer.removeprefix("n x ").split()[0] for stack in STACKS for layer in stack.layers}
    ours = {name for name in names if "Robometer" in name or "Share" in name}
    assert ours <= set(robometer_rl.__all__)
    assert {stack.verdict for stack in STACKS} == {"right", "slow", "refused"}
