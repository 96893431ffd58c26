"""Pieces of the page of `report`: sortable tables, figures, videos. What comes from files is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path

from .bootstrap import Interval

__all__ = ["Cell", "Column", "Raw", "commands", "figure", "number", "page", "share", "table", "text", "video"]

DASH = "\N{EN DASH}"

DENSITY = 1.5
"""Pixels of a PNG per pixel of the page: sharp on fine screens, and not too big a file."""

# No scheme but data: is allowed, so the page cannot ask the network for anything, whatever it holds.
_POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


class Raw(str):
    """HTML that is meant as HTML; every other string is escaped."""

    __slots__ = ()


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    """Its header."""
    numeric: bool = False
    """Whether it sorts by number."""
    help: str = ""
    """What it is, shown when the pointer rests on the header."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    shown: str
    """What is shown; escaped unless it is `Raw`."""
    value: float | str | None = None
    """What it sorts by; None sorts by what is shown."""
    css: str = ""
    """Class of its own."""


def text(value: str) -> str:
    """Escapes a string, unless it is `Raw`."""
    return str(value) if isinstance(value, Raw) else escape(value)


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


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], label: str) -> str:
    """A table that sorts at a click on a header, and scrolls sideways where it is too wide.

    Args:
        columns: Its headers.
        rows: As many cells each.
        label: What it shows, for who cannot see it.

    Returns:
        HTML.
    """
    head = "".join(
        f'<th scope="col" aria-sort="none"{_class(_header(column))}>'
        f'<button type="button"{f" title={chr(34)}{escape(column.help)}{chr(34)}" if column.help else ""}>'
        f"{escape(column.name)}</button></th>"
        for column in columns
    )
    body = "\n".join(
        "<tr>" + "".join(_cell(c, cell) for c, cell in zip(columns, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _header(column: Column) -> str:
    """Classes of a header; a long one may break its line."""
    return " ".join(["number"] * column.numeric + ["long"] * (len(column.name) > 18))


def _cell(column: Column, cell: Cell) -> str:
    css = _class(f"{'number ' if column.numeric else ''}{cell.css}".strip())
    value = "" if cell.value is None else f' data-sort="{escape(str(cell.value))}"'
    return f"<td{css}{value}>{text(cell.shown)}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def figure(png: bytes, alt: str, caption: str, wide: bool = False) -> str:
    """A picture inside the page.

    Args:
        png: The file.
        alt: What it shows, for who cannot see it.
        caption: Stands below it; HTML.
        wide: Whether it keeps its size on a narrow screen and scrolls.

    Returns:
        HTML.
    """
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    box = '<div class="scroll" tabindex="0">' if wide else "<div>"
    width, height = (round(int.from_bytes(png[at : at + 4], "big") / DENSITY) for at in (16, 20))
    image = f'<img src="{source}" alt="{escape(alt)}" width="{width}" height="{height}">'
    below = f"<figcaption>{caption}</figcaption>"
    return f"<figure{_class('wide' if wide else '')}>{box}{image}</div>{below}</figure>"


def video(mp4: bytes, caption: str) -> str:
    """A video inside the page, with controls; the caption is escaped."""
    source = f"data:video/mp4;base64,{base64.b64encode(mp4).decode()}"
    return (
        f'<figure><video controls muted loop playsinline preload="metadata" src="{source}" '
        f'aria-label="{escape(caption)}"></video><figcaption>{escape(caption)}</figcaption></figure>'
    )


def commands(lines: Sequence[str], name: str) -> str:
    """Commands in a box of their own, with a button that copies them; the name is unique on the page."""
    return (
        f'<p><button type="button" class="copy" data-of="{name}">copy</button></p>'
        f'<pre id="{name}" tabindex="0">{escape(chr(10).join(lines))}</pre>'
    )


def page(title: str, body: str) -> str:
    """The whole file: style and script inside, nothing outside.

    Args:
        title: Of the window.
        body: HTML.

    Returns:
        The text of the file.
    """
    here = Path(__file__)
    style = here.with_name("report.css").read_text(encoding="utf-8")
    script = here.with_name("report.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
<script>
{script}</script>
</body>
</html>
"""
