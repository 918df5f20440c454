"""The page on which a scan's predictions are reviewed, written row by row: memory stays flat."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blur_fusion.files import write_whole
from blur_fusion.model.prediction import Verdict
from blur_fusion.report.pages import FOLDER, pieces

TITLE = "Blurred photos"
BLOCK = 256  # rows in one script element; V8 holds no string above 512 MB
SCRIPTS = ("rows.js", "review.js", "grid.js", "page.js", "controls.js")  # in order, as one
_ROW = b'{"path":'  # how the line of a row begins, and no other
_ROWS, _SCRIPT = b"<!--rows-->", b"<!--script-->"  # nothing that is put in holds a "<"

Add = Callable[[Verdict, bytes | None], None]


def link_to(path: str, folder: Path) -> str | None:
    """Address of the photo at `path` relative to the page's `folder`; None if it is no file."""
    try:
        if not os.path.isfile(path):
            return None
        relative = os.path.relpath(os.path.abspath(path), folder)
    except ValueError:  # a null byte; or, on Windows, another drive
        return None
    return quote(os.fsencode(relative.replace(os.sep, "/")))  # ":" too, so it stays a path


def _row(verdict: Verdict, thumbnail: bytes | None, folder: Path) -> dict[str, Any]:
    """One photo, as the page's script reads it; `folder` is that of the page."""
    known = verdict.probability is not None and math.isfinite(verdict.probability)
    return {
        **{key: getattr(verdict, key) for key in ("path", "kind", "width", "height", "error")},
        "probability": verdict.probability if known else None,
        "link": link_to(verdict.path, folder),
        "thumbnail": base64.b64encode(thumbnail).decode("ascii") if thumbnail else None,
    }


def _as_script(value: Any) -> str:
    """JSON that may stand inside a script element.

    ASCII only, and without `<`, `>` and `&`, so that no name of a file can end the element or
    begin a comment; lone surrogates (names that are no UTF-8) stay what they are.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _around_rows(title: str) -> tuple[bytes, bytes]:
    """What stands before the rows and what stands behind them.

    The Content-Security-Policy allows no connection, only this one script by its SHA-256, and
    images from the page itself or the disk (an original, when one photo is enlarged).
    """
    parts = [(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n(() => {\n' + "".join(parts) + "})();\n"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sources = {"script_source": f"'sha256-{digest}'", "picture_sources": "data: file:"}
    page = b"".join(pieces("review.html", title=title, layout="review", **sources))
    before, _, after = page.partition(_ROWS)
    return before, after.replace(_SCRIPT, script.encode())


@contextmanager
def review_page(
    path: Path | str, threshold: float, title: str = TITLE, *, force: bool = False
) -> Iterator[Add]:
    """Write one self-contained page; it gets its name when the body ends without an error.

    Parameters
    ----------
    path : Path or str
        The page to write.
    threshold : float
        Where the slider stands at first: photos of at least this probability are flagged.
    title : str
        Heading of the page.
    force : bool
        Replace a file that exists.

    Yields
    ------
    callable
        Appends one photo: a prediction, and its thumbnail as a JPEG file or None.

    Raises
    ------
    BlurError
        `path` exists, or its folder does not: before the body runs. It cannot be written.
    """
    path = Path(path)
    folder, photos, rows = path.absolute().parent, hashlib.sha256(), 0
    with write_whole(path, force=force) as file:
        before, after = _around_rows(title)
        file.write(before)

        def add(verdict: Verdict, thumbnail: bytes | None) -> None:
            nonlocal rows
            photo = _row(verdict, thumbnail, folder)
            photos.update(_as_script([photo["path"], photo["thumbnail"]]).encode())
            between = ",\n"
            if rows % BLOCK == 0:
                end = "]</script>\n" if rows else ""
                between = f'{end}<script type="application/json" class="rows">[\n'
            file.write((between + _as_script(photo)).encode())
            rows += 1

        yield add
        number = photos.hexdigest()[:32]  # of photos, not time: decisions find it again
        about = {"report": number, "name": path.stem, "threshold": threshold}
        end = "]</script>\n" if rows else ""
        block = f'{end}<script type="application/json" class="about">{_as_script(about)}</script>'
        file.write(block.encode())
        file.write(after)


def follow(path: Path, moved: Mapping[str, str]) -> None:
    """Have a page's links lead to where photos are now; all else in it stays.

    Parameters
    ----------
    path : Path
        A page that is whole.
    moved : mapping of str to str
        Absolute paths, before and after.

    Raises
    ------
    BlurError
        It cannot be written; it is as it was.
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
