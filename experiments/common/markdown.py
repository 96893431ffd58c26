"""What stands between `<!-- name -->` and `<!-- end -->` in a Markdown file: made, never written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["fill_marked"]


def fill_marked(text: str, made: Mapping[str, str]) -> tuple[str, int]:
    """Puts what was made between its markers.

    Args:
        text: Markdown.
        made: Name of a marker -> what belongs there.

    Returns:
        The text as it should be now, and how many places it has for these names. A marker is no place
        when another one stands before its end.
    """
    names = "|".join(map(re.escape, made))
    place = re.compile(rf"(<!-- ({names}) -->\n)(?:(?!<!--).)*^(<!-- end -->)", re.DOTALL | re.MULTILINE)
    return place.subn(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", text)
