"""The benchmark's table as data: spreads, ratios, goals, and how they are printed.

Nothing here measures anything, so every number can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from rich.table import Table

from ..common.markdown import fill_marked

__all__ = ["BenchReport", "BenchRow", "Goal", "Part", "Spread", "fill", "paired", "single"]

Sense = Literal["faster", "share"]
"""`faster`: against / ours, above 1 where ours takes less time. `share`: ours / against."""


@dataclass(frozen=True)
class Spread:
    """A median and how far the repetitions lie around it."""

    median: float
    """The middle repetition."""
    p10: float
    """10th percentile."""
    p90: float
    """90th percentile."""
    repetitions: int
    """How many there were."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarises repetitions.

        Args:
            values: At least one number.

        Returns:
            Their median and percentiles.

        Raises:
            ValueError: There are none, or one is not finite.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.size == 0 or not np.isfinite(numbers).all():
            raise ValueError(f"expected at least one number, all finite, got {list(values)[:5]}")
        low, middle, high = np.percentile(numbers, [10, 50, 90])
        return cls(float(middle), float(low), float(high), int(numbers.size))


@dataclass(frozen=True)
class Goal:
    """What a row should reach."""

    figure: Literal["ratio", "ours"]
    """Which of the row's medians is held against it."""
    sign: Literal[">=", "<="]
    """Which side is good."""
    value: float
    """The bound, itself good; in the row's unit where `figure` is `ours`."""
    words: str
    """How the table says it."""

    def met(self, median: float) -> bool:
        """Whether a median is on the good side."""
        return median >= self.value if self.sign == ">=" else median <= self.value


@dataclass(frozen=True)
class BenchRow:
    """One line of the table."""

    key: str
    """Short name, for JSON and tests."""
    name: str
    """What was measured."""
    unit: str
    """Of `ours` and `against`, such as `ms`."""
    ours: Spread
    """Our side."""
    against: Spread | None = None
    """What it is compared with."""
    ratio: Spread | None = None
    """Of paired repetitions; its median need not be the ratio of the two medians."""
    goal: Goal | None = None
    """None where the row only informs."""
    note: str = ""
    """A caveat in a few words."""
    gpu: bool = False
    """Whether it was measured on a GPU."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one.

        Raises:
            ValueError: The goal is about a ratio that the row does not have.
        """
        if self.goal is None:
            return None
        figure = self.ours if self.goal.figure == "ours" else self.ratio
        if figure is None:
            raise ValueError(f"the goal of {self.key!r} is about a ratio, and the row has none")
        return self.goal.met(figure.median)


@dataclass(frozen=True)
class Part:
    """A piece of one wrapped step."""

    world: str
    """Id of the task that is stepped."""
    name: str
    """What it does."""
    ms: Spread
    """Its time, milliseconds."""


def paired(
    key: str,
    name: str,
    unit: str,
    ours: Sequence[float],
    against: Sequence[float],
    sense: Sense,
    goal: Goal | None = None,
    note: str = "",
) -> BenchRow:
    """Makes a row of repetitions that took turns.

    Args:
        key: Of the row.
        name: Of the row.
        unit: Of the numbers.
        ours: Repetitions of our side.
        against: As many of the other, the i-th measured right before or after ours.
        sense: Which way round the ratio is.
        goal: Of the row.
        note: Of the row.

    Returns:
        The row; its ratio is the median over the pairs, so that a disturbance of both cancels.

    Raises:
        ValueError: The two are not of one length, or a time is not positive.
    """
    if len(ours) != len(against) or min(*ours, *against, 1.0) <= 0:
        raise ValueError(f"expected positive pairs, got {len(ours)} and {len(against)} numbers")
    over, under = (against, ours) if sense == "faster" else (ours, against)
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return BenchRow(key, name, unit, Spread.of(ours), Spread.of(against), Spread.of(ratios), goal, note)


def single(
    key: str, name: str, unit: str, value: float, goal: Goal | None = None, note: str = "", gpu: bool = False
) -> BenchRow:
    """Makes a row of one number that was measured once."""
    return BenchRow(key, name, unit, Spread.of([value]), goal=goal, note=note, gpu=gpu)


@dataclass(frozen=True)
class BenchReport:
    """Everything that one run measured."""

    machine: Mapping[str, Any]
    """Processor, threads, versions."""
    command: str
    """The command line that made it."""
    date: str
    """When it began, ISO 8601, UTC."""
    config: Mapping[str, Any]
    """The options, those left at their defaults too."""
    rows: tuple[BenchRow, ...]
    """The table."""
    parts: tuple[Part, ...] = ()
    """Where the time of one wrapped step goes."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Case -> why it was not measured."""

    def to_json(self) -> dict[str, Any]:
        """As JSON writes it; each row also says whether it met its goal."""
        report = asdict(self)
        for row, written in zip(self.rows, report["rows"], strict=True):
            written["met"] = row.met
        return report

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> BenchReport:
        """Reads what `to_json` wrote."""
        rows = tuple(
            BenchRow(
                **{
                    **{key: value for key, value in row.items() if key != "met"},
                    "ours": Spread(**row["ours"]),
                    "against": row["against"] and Spread(**row["against"]),
                    "ratio": row["ratio"] and Spread(**row["ratio"]),
                    "goal": row["goal"] and Goal(**row["goal"]),
                }
            )
            for row in report["rows"]
        )
        parts = tuple(Part(**{**part, "ms": Spread(**part["ms"])}) for part in report["parts"])
        return cls(**{**report, "rows": rows, "parts": parts})

    def tables(self) -> list[Table]:
        """For the console: the rows, those of a GPU apart, and the parts of a step."""
        made = []
        for title, rows in (("", self._rows(gpu=False)), (f"GPU: {self._gpu}", self._rows(gpu=True))):
            if rows:
                table = Table(*_HEAD, title=title or None)
                for row in rows:
                    table.add_row(*_cells(row), style="" if row.met in (None, True) else "red")
                made.append(table)
        if self.parts:
            table = Table(*_PARTS_HEAD)
            for part in self.parts:
                table.add_row(part.world, part.name, _spread(part.ms))
            made.append(table)
        return made

    def notes(self) -> list[str]:
        """One line per caveat."""
        return [f"{row.name}: {row.note}." for row in self.rows if row.note]

    def markdown(self) -> dict[str, str]:
        """By the marker that it stands under: `bench`, `bench gpu`, `bench parts`, `bench run`."""
        notes = [f"- {note}" for note in self.notes()]
        table = _markdown(_HEAD, [_bold(_cells(row)) for row in self._rows(gpu=False)])
        return {
            "bench": "\n".join([table, *([""] if notes else []), *notes]),
            "bench gpu": _markdown(_HEAD, [_bold(_cells(row)) for row in self._rows(gpu=True)]),
            "bench parts": _markdown(
                _PARTS_HEAD, [(part.world, part.name, _spread(part.ms)) for part in self.parts]
            ),
            "bench run": self.run(),
        }

    def run(self) -> str:
        """One paragraph: command, date, machine, what was left out."""
        machine = ", ".join(f"{key} {value}" for key, value in self.machine.items())
        left = "".join(f" Not measured: {case} ({why})." for case, why in self.skipped.items())
        return f"`{self.command}`, {self.date}: {machine}.{left}"

    def _rows(self, gpu: bool) -> list[BenchRow]:
        return [row for row in self.rows if row.gpu == gpu]

    @property
    def _gpu(self) -> str:
        return str(self.machine.get("GPU", "none"))


_HEAD = ("measured", "ours", "against", "ratio", "goal", "met")
_PARTS_HEAD = ("world", "part of one wrapped step", "ms")


def _cells(row: BenchRow) -> tuple[str, ...]:
    return (
        row.name,
        f"{_spread(row.ours)} {row.unit}",
        f"{_spread(row.against)} {row.unit}" if row.against else "",
        _spread(row.ratio) if row.ratio else "",
        row.goal.words if row.goal else "",
        {None: "", True: "yes", False: "no"}[row.met],
    )


def _bold(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells with a missed goal in bold, for markdown."""
    return (*cells[:-1], "**no**" if cells[-1] == "no" else cells[-1])


def _spread(spread: Spread) -> str:
    """Median, and the percentiles where there is more than one repetition."""
    if spread.repetitions == 1:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.p10)} to {_number(spread.p90)})"


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "Not measured."
    lines = ["| " + " | ".join(line) + " |" for line in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def fill(text: str, report: BenchReport) -> str:
    """Puts the tables between `<!-- bench -->`, `<!-- bench gpu -->` and so on, and `<!-- end -->`.

    Args:
        text: Markdown.
        report: What was measured.

    Returns:
        The text with the tables as they are now.

    Raises:
        ValueError: The text has no such marker.
    """
    filled, places = fill_marked(text, report.markdown())
    if not places:
        raise ValueError("no <!-- bench --> ... <!-- end --> in the text: there is nowhere to put the table")
    return filled
