"""The file of `report`: Jinja2 templates, in which everything that is put in is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from robometer_rl.templates import template_environment

from .blocks import Block, Section

__all__ = ["page"]

# No scheme but data: is allowed, so the page cannot ask the network for anything, whatever it holds.
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


def page(title: str, head: Sequence[Block], sections: Sequence[Section]) -> str:
    """Renders the whole file: style and script inside, nothing outside.

    Args:
        title: Of the window; what stands before its colon is the page's heading.
        head: What stands above the sections.
        sections: In their order; those without blocks are left out.

    Returns:
        The text of the file.
    """
    template = template_environment(__package__).get_template("page.html.j2")
    shown = [section for section in sections if section.blocks]
    return template.render(title=title, head=head, sections=shown, policy=POLICY)
