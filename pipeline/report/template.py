"""The page around the rows: HTML, CSS and JavaScript from the package, joined into one file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "rows.js",
    "review.js",
    "grid.js",
    "page.js",
    "controls.js",
)  # in order; one script in the page
_ROWS = "<!--rows-->"


def _part(name: str) -> str:
    return (files("pipeline.report") / "page" / name).read_text(encoding="utf-8")


def as_script(value: Any) -> str:
    """JSON that may stand inside a script element.

    ASCII only, and without `<`, `>` and `&`, so that no name of a file can end the element or
    begin a comment; lone surrogates (names that are no UTF-8) stay what they are.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def data_block(name: str, text: str) -> str:
    """A script element that only holds JSON; browsers do not run it."""
    return f'<script type="application/json" class="{name}">{text}</script>\n'


def head_and_tail(title: str) -> tuple[str, str]:
    """What stands before the rows and what stands behind them.

    The Content-Security-Policy allows no connection, only this one script by its SHA-256, and
    images from the page itself or the disk (an original, when one photo is enlarged).
    """
    script = "".join(_part(name) for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    before, _, after = _part("page.html").partition(_ROWS)
    before = _filled(
        before, {"title": _escaped(title), "digest": digest, "style": _part("page.css")}
    )
    return before, _filled(after, {"script": script})


def _escaped(text: str) -> str:
    """As HTML in ASCII; a folder's name need not be UTF-8."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `{{name}}` replaced, left to right: what is put in is not looked at."""
    parts = text.split("{{")
    done = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}}")
        done += [values[name], rest]
    return "".join(done)
