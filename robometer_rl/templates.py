"""Jinja2 templates of pages that need nothing from outside, in which everything that is put in is escaped."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["NO_NETWORK", "template_environment"]

NO_NETWORK = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Content policy of a page without scripts: no scheme but data: is allowed, whatever the page holds."""


@cache
def template_environment(package: str) -> Environment:
    """The templates in the folder `templates` of a package.

    Args:
        package: Dotted name of the package.

    Returns:
        An environment that escapes what is put in, and refuses names that are not given.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
