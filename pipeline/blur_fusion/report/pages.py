"""HTML from the templates in `page`: each page is one file that fetches nothing.

Whatever is put in is escaped, so no file name is ever markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "page"
STYLE = "style.css"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def pieces(template: str, **values: Any) -> Iterator[bytes]:
    """HTML of a template, piece by piece; iterators among `values` are consumed on the way.

    In ASCII with character references, as names that are not UTF-8 hold lone surrogates.
    """
    for piece in _environment().get_template(template).generate(values):
        yield piece.encode("ascii", "xmlcharrefreplace")


def fragment(template: str, macro: str, *arguments: Any, **values: Any) -> str:
    """HTML of one macro of a template; see :func:`pieces`."""
    module = _environment().get_template(template).make_module(values)
    text: str = getattr(module, macro)(*arguments)
    return text.encode("ascii", "xmlcharrefreplace").decode()
