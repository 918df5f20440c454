"""The page to review a scan: written by `--report`, or served by `blur review`.

A written page grows row by row, so memory stays flat. Both run the same scripts except one, which
loads pictures and stores decisions.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blur_fusion.files import write_whole
from blur_fusion.model.prediction import Prediction
from blur_fusion.report.pages import FOLDER, pieces

TITLE = "Blurred photos"
BLOCK = 256  # rows in one script element, as V8 holds no string above 512 MB
# Run as one, in this order: of a written page, and of a served one.
SCRIPTS = ("rows.js", "browser.js", "review.js", "grid.js", "page.js", "large.js", "controls.js")
SERVED = tuple("served.js" if name == "browser.js" else name for name in SCRIPTS) + ("apply.js",)
_MORE = ("verdict", "note", "focus_x", "focus_y", "burst", "rank", "tie")  # where there are any
_ROW = b'{"path":'  # how the line of a row begins, and no other line
_ROWS, _SCRIPT = b"<!--rows-->", b"<!--script-->"  # unique, as no value holds a "<"

Add = Callable[[Prediction, bytes | None], None]


def link_to(path: str, folder: Path) -> str | None:
    """Address of the photo at `path` relative to the page's `folder`; None if not a file."""
    try:
        if not os.path.isfile(path):
            return None
        relative = os.path.relpath(os.path.abspath(path), folder)
    except ValueError:  # a null byte; or, on Windows, another drive
        return None
    return quote(os.fsencode(relative.replace(os.sep, "/")))  # ":" too, so it stays a path


def _row(prediction: Prediction, link: str | None = None, thumbnail: bytes | None = None) -> bytes:
    """One photo, as the page's script reads it."""
    known = prediction.probability is not None and math.isfinite(prediction.probability)
    more = ((key, getattr(prediction, key)) for key in _MORE)
    row = {
        **{key: getattr(prediction, key) for key in ("path", "kind", "width", "height", "error")},
        "probability": prediction.probability if known else None,
        "link": link,
        "thumbnail": base64.b64encode(thumbnail).decode("ascii") if thumbnail else None,
        **{key: value for key, value in more if value is not None},
    }
    return _as_script(row).encode()


def _as_script(value: Any) -> str:
    """JSON that is safe inside a script element.

    ASCII without `<`, `>` and `&`, so no file name can end the element or begin a comment; lone
    surrogates (names that are not UTF-8) are kept.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _element(name: str, content: bytes) -> bytes:
    return b'<script type="application/json" class="%s">%s</script>\n' % (name.encode(), content)


def _around_rows(title: str, scripts: tuple[str, ...], **more: Any) -> tuple[bytes, bytes]:
    """The page before the rows, and after them.

    The Content-Security-Policy allows only this script, by its SHA-256, and the images and
    connections in `more`.
    """
    parts = [(FOLDER / name).read_text(encoding="utf-8") for name in scripts]
    script = '"use strict";\n(() => {\n' + "".join(parts) + "})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {"title": title, "layout": "review", "script_source": f"'sha256-{digest}'", **more}
    page = b"".join(pieces("review.html", **values))
    before, _, after = page.partition(_ROWS)
    return before, after.replace(_SCRIPT, script.encode())


def served_page(
    title: str,
    predictions: Iterable[Prediction],
    about: Mapping[str, Any],
    actions: Iterable[tuple[str, str]],
    saved: str,
) -> bytes:
    """The page that `blur review` serves; pictures and decisions have relative addresses.

    Parameters
    ----------
    title : str
    predictions : iterable of Prediction
        Addresses refer to them by index.
    about : mapping
        "report", "name" and "threshold" as in a written page, and "decisions": a letter for each
        photo, "k" (keep), "r" (reject) or "-".
    actions : iterable of (str, str)
        What can be done with decisions: a name and a one-line description.
    saved : str
        Where decisions are kept, for people.
    """
    here = {"picture_sources": "data: 'self'", "connections": "'self'", "served": True}
    before, after = _around_rows(title, SERVED, actions=actions, saved=saved, **here)
    rows = b",\n".join(map(_row, predictions))
    between = _element("rows", b"[\n" + rows + b"]") + _element("about", _as_script(about).encode())
    return before + between + after


@contextmanager
def review_page(
    path: Path | str, threshold: float, title: str = TITLE, *, force: bool = False
) -> Iterator[Add]:
    """Write one self-contained page; it gets its name when the body ends without an error.

    Parameters
    ----------
    path : Path or str
    threshold : float
        Where the slider is at first: photos of at least this probability are flagged.
    title : str
        Heading of the page.
    force : bool
        Replace a file that exists.

    Yields
    ------
    callable
        Appends one photo: a prediction, and its thumbnail as a WebP file or None.

    Raises
    ------
    BlurError
        `path` exists or its folder does not, before the body runs; or it cannot be written.
    """
    path = Path(path)
    folder, photos, rows = path.absolute().parent, hashlib.sha256(), 0
    with write_whole(path, force=force) as file:
        here = {"picture_sources": "data: file:", "served": False}
        before, after = _around_rows(title, SCRIPTS, **here)
        file.write(before)

        def add(prediction: Prediction, thumbnail: bytes | None) -> None:
            nonlocal rows
            photos.update(os.fsencode(prediction.path) + b"\0" + (thumbnail or b"") + b"\0")
            between = b",\n"
            if rows % BLOCK == 0:
                end = b"]</script>\n" if rows else b""
                between = end + b'<script type="application/json" class="rows">[\n'
            file.write(between + _row(prediction, link_to(prediction.path, folder), thumbnail))
            rows += 1

        yield add
        number = photos.hexdigest()[:32]  # of the photos alone, so decisions are found again
        about = {"report": number, "name": path.stem, "threshold": threshold}
        file.write(b"]</script>\n" if rows else b"")
        file.write(_element("about", _as_script(about).encode()))
        file.write(after)


def follow(path: Path, moved: Mapping[str, str]) -> None:
    """Point the links of the page at `path` to where photos were moved; the rest of it stays.

    `moved` maps absolute paths before to those after. Raises a BlurError if the page cannot be
    written; it is then unchanged.
    """
    folder = path.absolute().parent
    with write_whole(path, force=True) as new, path.open("rb") as old:
        for line in old:
            if line.startswith(_ROW):
                row, end = json.JSONDecoder().raw_decode(line.decode("ascii"))
                now = moved.get(os.path.abspath(row["path"]))
                if now is not None:
                    row["link"] = link_to(now, folder)
                    line = _as_script(row).encode() + line[end:]
            new.write(line)
