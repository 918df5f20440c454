"""The review page in headless Chromium: what it shows, keys, filters, decisions, thousands."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from blur_fusion.images.thumbnails import thumbnail
from blur_fusion.model.prediction import Prediction
from report_pages import (
    ORDER,
    PHOTOS,
    THRESHOLD,
    current,
    exported,
    names,
    press,
    report,
    set_slider,
    status,
    until,
    verdicts,
    write_report,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_sorted_by_probability_and_judged_as_the_scan_did(page: Page, tmp_path: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report(tmp_path))
    assert names(page) == ORDER
    assert status(page) == "3 of 6 flagged as blurred · 1 unreadable"
    flagged = page.locator(".tile.blurred .name").all_inner_texts()
    assert flagged == ORDER[:3]
    assert [url for url in requests if not url.startswith("data:")] == [page.url]
    assert "is an empty file" in page.locator(".tile.unreadable").inner_text()


def test_the_slider_acts_at_once(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path))
    set_slider(page, 0.9)
    assert status(page).startswith("1 of 6 flagged")
    set_slider(page, 0.2)
    assert status(page).startswith("4 of 6 flagged")
    dim = page.locator(".tile", has_text="dim.jpg")
    assert dim.locator(".kind").inner_text() == "blurred"  # the scan told it no kind
    page.get_by_role("button", name="Reset").click()
    assert status(page).startswith("3 of 6 flagged")
    page.get_by_label("Threshold, exact").fill("0.62")
    assert status(page).startswith("2 of 6 flagged")
    page.get_by_label("Blurred from probability").focus()
    press(page, "End", "k")  # moves the slider, not the photos; letters still decide
    assert status(page).startswith("0 of 6 flagged") and "1 kept" in status(page)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(page: Page, tmp_path: Path, width: int) -> None:
    long = [("folder/" + "very-long-name-" * 9 + ".jpg", 0.9, "motion")]
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(report(tmp_path, verdicts([*PHOTOS, *long])))
    press(page, "Home", "ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    press(page, "Enter")
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width


def test_filters(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path))
    for kind, expected in {
        "defocus 2": ["soft.jpg", "edge.jpg"],
        "motion 1": ["shaken.jpg"],
        "sharp 2": ["dim.jpg", "crisp.jpg"],
        "unreadable 1": ["broken.jpg"],
        "all 6": ORDER,
    }.items():
        page.get_by_role("radio", name=kind).check()
        assert names(page) == expected
    page.get_by_label("only flagged").check()
    assert names(page) == ORDER[:3]
    set_slider(page, 0.6)
    assert names(page) == ORDER[:2]
    page.get_by_label("Decision").select_option("undecided")
    page.locator("#grid").focus()
    press(page, "Home", "r")  # decided ones leave, the next one is current
    assert names(page) == ["soft.jpg"] and current(page) == "soft.jpg"
    press(page, "k")
    assert names(page) == [] and page.get_by_text("No photo fits").is_visible()
    press(page, "k", "ArrowRight", "Enter", "u")
    assert names(page) == ["soft.jpg"]


def test_enter_enlarges_the_original(page: Page, tmp_path: Path) -> None:
    original = tmp_path / "100% #1.jpg"
    original.write_bytes(thumbnail(np.full((600, 900, 3), 90, np.uint8), side=900))
    gone = Prediction("gone.jpg", False, 0.1, "sharp")
    page.goto(report(tmp_path, [Prediction(str(original), True, 0.9, "motion"), gone]))
    press(page, "Enter")
    image = page.locator("#large-image")
    until(page, "() => document.getElementById('large-image').naturalWidth === 900")
    assert image.get_attribute("alt") == "100% #1.jpg"
    press(page, "z")
    assert image.evaluate("image => image.clientWidth") == 900
    press(page, "ArrowRight")  # a file that is not there: its thumbnail
    until(page, "() => document.getElementById('large-image').naturalWidth === 60")
    assert "thumbnail" in page.locator("#large-note").inner_text()
    press(page, "r", "Escape")
    assert not page.get_by_role("dialog").is_visible()
    assert page.locator(".tile.reject .name").all_inner_texts() == ["gone.jpg"]
    press(page, "ArrowLeft")
    assert current(page) == "100% #1.jpg"


def test_names_are_text_and_never_markup(page: Page, tmp_path: Path) -> None:
    evil = '</script><script>document.title="x"</script><img src=x onerror=document.title="y">'
    found = [Prediction(evil + ".jpg", True, 0.9, "motion"), Prediction.failed(evil, evil)]
    write_report([(v, None) for v in found], tmp_path / "out.html", 0.5, title=evil)
    page.goto((tmp_path / "out.html").as_uri())
    press(page, "Enter", "ArrowRight", "Escape")
    assert page.title() == evil == page.locator("h1").inner_text()
    assert page.locator('img[src="x"]').count() == 0
    assert page.locator(".tile .picture").all_inner_texts() == ["no picture", evil]


def test_the_page_itself_refuses_to_connect_and_to_run_other_scripts(
    browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text))
    page.goto(report(tmp_path))
    page.evaluate("() => fetch('http://127.0.0.1:9/').catch(() => 0)")
    page.evaluate("() => { document.body.append(document.createElement('script')); }")
    add = "s => Object.assign(document.body.lastChild, { textContent: s })"
    page.evaluate(f"() => ({add})('document.title = 1')")
    title = page.title()
    page.close()
    assert title == "Blurred photos"
    assert sum("Content Security Policy" in line for line in refused) >= 2


def test_thousands_of_photos_are_a_few_tiles(page: Page, tmp_path: Path) -> None:
    number = 3000
    found = [Prediction(f"{k:04}.jpg", True, 1 - k / 10_000, "motion") for k in range(number)]
    page.goto(report(tmp_path, found))
    assert len(names(page)) < 80
    assert page.locator(".tile").first.get_attribute("aria-setsize") == str(number)
    page.mouse.wheel(0, 30_000)
    until(page, "() => scrollY > 20000")
    in_view = "document.elementFromPoint(300, 400).closest('.tile')?.querySelector('img')"
    until(page, f"() => {in_view}?.naturalWidth === 60")
    seen = names(page)
    first = int(seen[0][:4])
    assert first > 300 and seen == [f"{k:04}.jpg" for k in range(first, first + len(seen))]
    assert len(seen) < 100
    press(page, "End", "r")
    assert current(page) == "2999.jpg" and "1 rejected" in status(page)
    assert page.locator('.tile[aria-selected="true"]').is_visible()
    place = page.locator('.tile[aria-selected="true"]').bounding_box()
    bar = page.locator("footer").bounding_box()
    assert place and bar and place["y"] + place["height"] <= bar["y"]  # not below the bar


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
