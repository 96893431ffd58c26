"""Labels of the report's figures."""

from __future__ import annotations

import pytest

from robometer_rl.experiments.report.figures import fold


@pytest.mark.parametrize(
    ("label", "width", "lines"),
    [
        ("sparse", 20, ["sparse"]),
        ("robometer, progress", 20, ["robometer, progress"]),
        ("robometer, progress", 18, ["robometer,", "progress"]),
        (
            "robometer, model=runs/without_head/checkpoint",
            28,
            ["robometer, model=runs/", "without_head/checkpoint"],
        ),
        ("runs/a_b/c", 6, ["runs/", "a_b/c"]),
        ("door, seed 2\n(robometer)", 40, ["door, seed 2", "(robometer)"]),
        ("twelveletters and", 5, ["twelveletters", "and"]),
        ("", 5, [""]),
        ("model=$a$", 20, [r"model=\$a\$"]),
    ],
)
def test_a_label_breaks_where_a_reader_would(label: str, width: int, lines: list[str]) -> None:
    assert fold(label, width).split("\n") == lines
