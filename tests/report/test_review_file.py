"""The report's file: whole or absent, never over another one, safe, in flat memory."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import Verdict
from blur_fusion.report.review import BLOCK, link_to, review_page
from report_pages import write_report

EVIL = '</script><script>alert(1)</script><!--<img src=x onerror="alert(2)">&amp;\u2028.jpg'


def verdict(path: str = "a.jpg", probability: float = 0.75) -> Verdict:
    return Verdict(path, probability >= 0.5, probability, "motion", 1.0, 9.0, 640, 480)


def blocks(page: str, name: str) -> list[Any]:
    found = re.findall(
        rf'<script type="application/json" class="{name}">(.*?)</script>', page, re.S
    )
    return [json.loads(text) for text in found]


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for block in blocks(path.read_text("utf-8"), "rows") for row in block]


def test_rows_hold_what_was_added(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    failed = Verdict.failed("b.jpg", "is an empty file")
    write_report([(verdict(), b"\xff\xd8jpeg"), (failed, None)], out, 0.4837)
    first, second = rows(out)
    assert first["path"] == "a.jpg" and first["probability"] == 0.75 and first["kind"] == "motion"
    assert base64.b64decode(first["thumbnail"]) == b"\xff\xd8jpeg"
    assert second["error"] == "is an empty file" and second["thumbnail"] is None
    (about,) = blocks(out.read_text("utf-8"), "about")
    assert about["threshold"] == 0.4837 and about["name"] == "out"
    assert os.listdir(tmp_path) == ["out.html"]


def test_rows_are_split_into_blocks_and_keep_their_order(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    number = 2 * BLOCK + 1
    write_report(((verdict(f"{k}.jpg"), b"x") for k in range(number)), out, 0.5)
    assert [row["path"] for row in rows(out)] == [f"{k}.jpg" for k in range(number)]
    assert len(blocks(out.read_text("utf-8"), "rows")) == 3


def test_no_name_escapes_from_its_string(tmp_path: Path) -> None:
    harmless, evil = tmp_path / "harmless.html", tmp_path / "evil.html"
    write_report([(verdict(), None)], harmless, 0.5, title="Photos")
    nameless = dataclasses.replace(verdict(EVIL), kind=EVIL, error=EVIL)
    write_report([(nameless, None)], evil, 0.5, title=EVIL)
    text = evil.read_text("utf-8")
    assert text.count("<script") == harmless.read_text("utf-8").count("<script")
    assert "<img src=x" not in text and "\u2028" not in text
    assert rows(evil)[0]["path"] == EVIL


def test_odd_names_and_numbers_do_not_break_the_page(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_report([(verdict(name, float("nan")), None)], tmp_path / "out.html", 0.5, title=name)
    (row,) = rows(tmp_path / "out.html")
    assert row["path"] == name and row["probability"] is None


def test_the_same_photos_make_the_same_bytes_and_id(tmp_path: Path) -> None:
    pages, out = [], tmp_path / "out.html"
    for thumbnail in (b"1", b"1", b"2"):
        write_report([(verdict(), thumbnail)], out, 0.5, force=True)
        pages.append(out.read_text("utf-8"))
    assert pages[0] == pages[1]
    ids = [blocks(page, "about")[0]["report"] for page in pages]
    assert ids[0] == ids[1] != ids[2]  # another photo of that name has its own decisions


def test_the_page_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """As any file of `write_whole`, before whose checks nothing is judged."""
    out = tmp_path / "out.html"
    with pytest.raises(KeyboardInterrupt), review_page(out, 0.5) as add:
        add(verdict(), None)
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    out.write_text("mine")
    with pytest.raises(BlurError, match="out.html: exists"), review_page(out, 0.5):
        raise AssertionError("the scan began")
    assert out.read_text() == "mine"
    write_report([(verdict(), None)], out, 0.5, force=True)
    assert len(rows(out)) == 1 and os.listdir(tmp_path) == ["out.html"]


def test_memory_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    def photos(number: int) -> Iterator[tuple[Verdict, bytes]]:
        for k in range(number):
            yield verdict(f"{k}.jpg"), os.urandom(10_000)

    write_report(photos(10), tmp_path / "first.html", 0.5)
    peaks = []
    for number in (100, 2000):
        tracemalloc.start()
        write_report(photos(number), tmp_path / f"{number}.html", 0.5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000
    assert (tmp_path / "2000.html").stat().st_size > 2000 * 13_000


def test_links_lead_from_the_page_to_the_photo(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    photo = tmp_path / "50% #1?:x.jpg"
    photo.write_bytes(b"x")
    assert link_to(str(photo), pages) == "../50%25%20%231%3F%3Ax.jpg"
    assert link_to(str(tmp_path / "absent.jpg"), pages) is None
    assert link_to("a\0b", pages) is None
