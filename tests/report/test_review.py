"""Review in headless Chromium: keys, taps, undo, decisions kept and exported."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report_pages import (
    PHOTOS,
    THRESHOLD,
    current,
    exported,
    press,
    report,
    set_slider,
    status,
    verdicts,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_keys_move_decide_and_undo(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path))
    assert current(page) == "shaken.jpg"
    press(page, "r", "x", "ArrowRight", "k")
    assert current(page) == "crisp.jpg"
    decisions = page.locator(".tile .decision").all_inner_texts()
    assert decisions == ["✕ reject", "✕ reject", "", "✓ keep", "", ""]
    press(page, "u", "u")
    assert current(page) == "soft.jpg"
    assert status(page).endswith("0 kept, 1 rejected")
    press(page, "Control+k", "End")
    assert current(page) == "broken.jpg"
    press(page, "ArrowRight", "ArrowUp", "ArrowLeft", "Home", "ArrowDown")
    assert status(page).endswith("0 kept, 1 rejected")
    press(page, "Home", "k")  # another decision on the same photo, taken back to the first
    assert status(page).endswith("1 kept, 0 rejected")
    press(page, "u")
    assert status(page).endswith("0 kept, 1 rejected")


def test_buttons_and_taps_do_what_keys_do(new_page: Callable[..., Page], tmp_path: Path) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(report(tmp_path))
    page.locator(".tile", has_text="soft.jpg").tap()
    assert current(page) == "soft.jpg"
    page.get_by_role("button", name="Reject").tap()
    assert page.locator(".tile.reject .name").all_inner_texts() == ["soft.jpg"]
    page.get_by_role("button", name="Undo").tap()
    assert page.locator(".tile.reject").count() == 0
    page.locator(".tile", has_text="soft.jpg").tap()  # the photo with the ring: enlarges
    assert page.get_by_role("dialog").is_visible()


def test_decisions_survive_a_reload_and_stay_with_their_report(
    new_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = new_page()
    first = report(tmp_path)
    page.goto(first)
    press(page, "r", "ArrowRight", "k")
    set_slider(page, 0.55)
    page.reload()
    assert status(page) == "2 of 6 flagged as blurred · 1 unreadable · 1 kept, 1 rejected"
    assert page.locator(".tile.reject .name").all_inner_texts() == ["shaken.jpg"]
    again = new_page()
    again.goto(report(tmp_path, name="again.html"))  # the same photos
    assert "1 kept, 1 rejected" in status(again)
    press(again, "Home", "k")
    page.get_by_text("2 kept, 0 rejected").wait_for()  # two windows agree
    again.goto(report(tmp_path, verdicts(PHOTOS[:5]), "other.html"))
    assert "kept" not in status(again)


def test_exported_files(page: Page, tmp_path: Path) -> None:
    odd = ['a "b", c\nd.jpg', os.fsdecode(b"caf\xe9.jpg"), "日本.jpg"]
    photos = [*PHOTOS, *((path, 0.2, "sharp") for path in odd)]
    page.goto(report(tmp_path, verdicts(photos)))
    press(page, "r", "ArrowRight", "k")
    page.get_by_role("radio", name="motion 1").check()  # export covers what is not shown, too
    set_slider(page, 0.3)
    name, data = exported(page, "Export CSV")
    assert name == "out-decisions.csv"
    text = data.decode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    ordered = sorted(photos, key=lambda photo: -1 if photo[1] is None else photo[1], reverse=True)
    assert [row["path"] for row in rows] == [path for path, _, _ in ordered]
    by_path = {row.pop("path"): row for row in rows}
    assert by_path["trip/shaken.jpg"] == _row("0.97", "motion", "blurred", "reject")
    assert by_path["trip/edge.jpg"] == _row(str(THRESHOLD), "defocus", "blurred", "keep")
    assert by_path["trip/dim.jpg"] == _row("0.31", "blurred", "blurred", "none")
    assert by_path["trip/crisp.jpg"] == _row("0.0001", "sharp", "sharp", "none")
    assert by_path["trip/broken.jpg"] == _row("", "", "unreadable", "none")
    name, data = exported(page, "Export JSON")
    assert name == "out-decisions.json"
    content = json.loads(data)
    assert content["threshold"] == 0.3
    assert [photo["path"] for photo in content["photos"]] == [path for path, _, _ in ordered]
    assert content["photos"][0] == {"path": "trip/shaken.jpg"} | _row(
        0.97, "motion", "blurred", "reject"
    )


def _row(probability: Any, kind: str, verdict: str, decision: str) -> dict[str, Any]:
    values = (probability, kind, verdict, decision)
    return dict(zip(("probability", "kind", "verdict", "decision"), values, strict=True))


def test_a_report_of_no_photos(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path, []))
    assert status(page) == "0 of 0 flagged as blurred"
    press(page, "k", "r", "u", "Enter", "ArrowDown", "End")
    assert not page.get_by_role("dialog").is_visible()
    assert exported(page, "Export CSV")[1] == b"path,probability,kind,verdict,decision\n"
    assert json.loads(exported(page, "Export JSON")[1])["photos"] == []
