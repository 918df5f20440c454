"""Pages from templates: each is one file that needs no other and fetches nothing.

Templates, scripts and the one stylesheet lie in the folder `page`. Whatever is put in is escaped,
so that no name of a file is ever markup.
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
    """HTML of a template, piece by piece: iterators among `values` are used as it goes.

    In ASCII, all else as character references: names that are no UTF-8 are lone surrogates.
    """
    for piece in _environment().get_template(template).generate(values):
        yield piece.encode("ascii", "xmlcharrefreplace")


def fragment(template: str, macro: str, *arguments: Any, **values: Any) -> str:
    """HTML of one macro of a template; see :func:`pieces`."""
    module = _environment().get_template(template).make_module(values)
    text: str = getattr(module, macro)(*arguments)
    return text.encode("ascii", "xmlcharrefreplace").decode()
