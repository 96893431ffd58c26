"""What the page of `report` is made of, as data: paragraphs, tables, figures, videos, commands.

`templates/blocks.html.j2` has one macro for each kind; nothing here knows HTML.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar, Literal, TypeAlias

from .bootstrap import Interval

__all__ = [
    "Block",
    "Bullets",
    "Cell",
    "Column",
    "Commands",
    "Definitions",
    "Figure",
    "Heading",
    "Pair",
    "Paragraph",
    "Section",
    "Table",
    "VideoPlayer",
    "number",
    "share",
]

DASH = "\N{EN DASH}"

TALL = 30
"""Rows from which a table scrolls inside the page."""

DENSITY = 1.5
"""Pixels of a PNG per pixel of the page: sharp on fine screens, and not too big a file."""

Tone = Literal["", "muted", "verdict good", "verdict bad"]
"""How a paragraph is set."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    """Its header."""
    numeric: bool = False
    """Whether it sorts by number."""
    help: str = ""
    """What it is, shown when the pointer rests on the header."""

    @property
    def css(self) -> str:
        """Classes of the header; a long one may break its line."""
        return " ".join(["number"] * self.numeric + ["long"] * (len(self.name) > 14))


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    shown: str
    """What is shown."""
    value: float | str | None = None
    """What it sorts by; None sorts by what is shown."""
    css: str = ""
    """Class of its own."""
    colour: str = ""
    """Colour of a small square before the text, as CSS writes it; none if empty."""


@dataclass(frozen=True)
class Table:
    """A table that sorts at a click on a header, and scrolls sideways where it is too wide."""

    kind: ClassVar[str] = "table"
    columns: Sequence[Column]
    """Its headers."""
    rows: Sequence[Sequence[Cell]]
    """As many cells each as there are columns."""
    label: str
    """What it shows, for who cannot see it."""

    @property
    def tall(self) -> bool:
        """Whether it has so many rows that it scrolls inside the page."""
        return len(self.rows) > TALL

    def __post_init__(self) -> None:
        """Checks that every row is whole.

        Raises:
            ValueError: A row has another number of cells than there are columns.
        """
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a row of {self.label!r} has {len(row)} cells for {len(self.columns)} columns"
                )


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    kind: ClassVar[str] = "paragraph"
    text: str
    """What it says."""
    tone: Tone = ""
    """How it is set."""


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str
    """What it says."""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: Sequence[str]
    """What it says; an empty list is not shown."""
    numbered: bool = False
    """Whether its items are numbered."""
    css: str = ""
    """Class of its own."""


@dataclass(frozen=True)
class Definitions:
    """Words and what they mean."""

    kind: ClassVar[str] = "definitions"
    items: dict[str, str]
    """Word -> meaning."""


@dataclass(frozen=True)
class Figure:
    """A picture inside the page."""

    kind: ClassVar[str] = "figure"
    png: bytes
    """The file."""
    alt: str
    """What it shows, for who cannot see it."""
    caption: str
    """Stands below it."""
    wide: bool = False
    """Whether it keeps its size on a narrow screen and scrolls."""

    @property
    def source(self) -> str:
        """The picture as an address that asks nobody."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page, in its pixels, as the file's header says."""
        width, height = (round(int.from_bytes(self.png[at : at + 4], "big") / DENSITY) for at in (16, 20))
        return width, height


@dataclass(frozen=True)
class VideoPlayer:
    """A video inside the page, with controls."""

    kind: ClassVar[str] = "video"
    mp4: bytes
    """The file."""
    caption: str
    """Stands below it."""

    @property
    def source(self) -> str:
        """The video as an address that asks nobody."""
        return f"data:video/mp4;base64,{base64.b64encode(self.mp4).decode()}"


@dataclass(frozen=True)
class Commands:
    """Commands in a box of their own, with a button that copies them."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]
    """One command each."""
    name: str
    """Unique on the page."""


@dataclass(frozen=True)
class Pair:
    """Blocks side by side, where the screen is wide enough."""

    kind: ClassVar[str] = "pair"
    blocks: Sequence[Block]
    """What stands side by side."""
    css: str = "pair"
    """Class of the box: `pair` for two halves, `videos` for as many as fit."""


Block: TypeAlias = (
    "Bullets | Commands | Definitions | Figure | VideoPlayer | Heading | Pair | Paragraph | Table"
)
"""One piece of the page."""


@dataclass(frozen=True)
class Section:
    """A section of the page; one without blocks is not shown."""

    key: str
    """Its anchor."""
    title: str
    """Its heading."""
    blocks: Sequence[Block] = field(default_factory=tuple)
    """What it holds, in order."""


def number(value: float, digits: int = 2, css: str = "") -> Cell:
    """A number as a cell, a dash where it is NaN, thousands parted by commas."""
    if not isfinite(value):
        return Cell(DASH, float("nan"), css)
    # Adding 0 makes of -0.0, which rounding leaves, a plain 0.
    return Cell(f"{round(value, digits) + 0.0:,.{digits}f}", value, css)


def share(interval: Interval) -> Cell:
    """A share with its interval, "0.71 [0.52, 0.88]", which sorts by the estimate."""
    point, low, high = (float(bound[0]) for bound in (interval.point, interval.low, interval.high))
    bounds = f"[{low:.2f}, {high:.2f}]" if isfinite(low) else "(one seed)"
    return Cell(f"{point:.2f} {bounds}", point)
