"""A small drawing surface over Pillow: smooth lines, text and pictures, in pixels of the finished image."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["Box", "Canvas", "Colour", "Point", "fit_text"]

Point: TypeAlias = tuple[float, float]
"""Column and row, from the upper left corner."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""

PAPER: Colour = (255, 255, 255)
INK: Colour = (31, 41, 55)
MUTED: Colour = (107, 114, 128)
GRID: Colour = (229, 231, 235)
EDGE: Colour = (203, 207, 214)
BLUE: Colour = (37, 99, 235)
GREEN: Colour = (22, 150, 72)
PALE_GREEN: Colour = (217, 244, 226)

FINER = 3
"""Everything is drawn so many times larger and then reduced, since Pillow's own lines have stairs."""


class Canvas:
    """White paper that takes coordinates in pixels of the finished image."""

    def __init__(self, width: int, height: int) -> None:
        """Take a sheet of `width` times `height` pixels."""
        from PIL import Image as PIL
        from PIL import ImageDraw

        self._sheet = PIL.new("RGB", (width * FINER, height * FINER), PAPER)
        self._draw = ImageDraw.Draw(self._sheet)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw a line through at least two points, with round joints and ends."""
        stroke = max(1, round(width * FINER))
        corners = [(x * FINER, y * FINER) for x, y in points]
        self._draw.line(corners, fill=colour, width=stroke)
        # Pillow's own round joints leave notches in steep curves, so each corner gets a disc.
        if stroke > FINER:
            for x, y in corners:
                self._draw.ellipse(_around(x, y, stroke / 2), fill=colour)

    def dashes(self, start: Point, end: Point, colour: Colour, width: float, dash: float = 5.0) -> None:
        """Draw a dashed line; dashes and gaps are `dash` pixels long."""
        a, b = np.asarray(start), np.asarray(end)
        length = float(np.linalg.norm(b - a))
        for at in np.arange(0.0, length, 2 * dash):
            p, q = a + (b - a) * (at / length), a + (b - a) * (min(at + dash, length) / length)
            self.line([(float(p[0]), float(p[1])), (float(q[0]), float(q[1]))], colour, width)

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        """Draw a disc with a white rim, which keeps it apart from the curve under it."""
        x, y = centre[0] * FINER, centre[1] * FINER
        self._draw.ellipse(_around(x, y, (radius + 1.5) * FINER), fill=PAPER)
        self._draw.ellipse(_around(x, y, radius * FINER), fill=colour)

    def rectangle(self, box: Box, colour: Colour) -> None:
        """Fill a box."""
        self._draw.rectangle(_scaled(box), fill=colour)

    def frame(self, box: Box, colour: Colour, width: float) -> None:
        """Draw the outline of a box, inside of it."""
        self._draw.rectangle(_scaled(box), outline=colour, width=round(width * FINER))

    def picture(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Put a picture `(H, W, 3)` into a box, stretched to fill it."""
        left, top, right, bottom = _scaled(box)
        self._sheet.paste(resized(pixels, (right - left, bottom - top)), (left, top))

    def text(self, at: Point, words: str, size: int, colour: Colour, anchor: str) -> float:
        """Write one line.

        Args:
            at: where the anchor of the text lies.
            words: what to write.
            size: height of the letters, in pixels.
            colour: of the letters.
            anchor: which point of the text lies at `at`, in Pillow's two letters ("lm": left, middle).

        Returns:
            Width of the text, in pixels.
        """
        self._draw.text(
            (at[0] * FINER, at[1] * FINER), words, fill=colour, font=_font(size * FINER), anchor=anchor
        )
        return text_width(words, size)

    def image(self) -> Image:
        """The finished image, RGB."""
        return self._sheet.reduce(FINER)


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> Image:
    """A picture `(H, W, 3)` at another size, (width, height) in pixels."""
    from PIL import Image as PIL

    return PIL.fromarray(np.ascontiguousarray(pixels)).resize(size, PIL.Resampling.BICUBIC)


def text_width(words: str, size: int) -> float:
    """Width of one line of text, in pixels."""
    return float(_font(size * FINER).getlength(words)) / FINER


def fit_text(words: str, size: int, width: float) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels."""
    if text_width(words, size) <= width:
        return words
    while words and text_width(words + "...", size) > width:
        words = words[:-1]
    return words.rstrip() + "..."


@functools.cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    """The font that Pillow brings along, so that pictures look alike on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _scaled(box: Box) -> tuple[int, int, int, int]:
    """A box in pixels of the larger sheet, rounded so that neighbours meet."""
    left, top, right, bottom = box
    return round(left * FINER), round(top * FINER), round(right * FINER), round(bottom * FINER)


def _around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    """The box around a disc."""
    return x - radius, y - radius, x + radius, y + radius
