"""The review page: its file, and in headless Chromium what it shows and does."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import os
import re
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.files import from_excel
from blur_fusion.images.thumbnails import encoded, thumbnail
from blur_fusion.model.prediction import Prediction
from blur_fusion.report.review import BLOCK, follow, link_to, review_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = '</script><script>document.title=1</script><!--<img src=x onerror="alert(2)">&amp;\u2028.jpg'
THRESHOLD = 0.4837
PHOTOS = (  # path, probability, kind
    ("trip/dim.jpg", 0.31, "sharp"),
    ("trip/shaken.jpg", 0.97, "motion"),
    ("trip/broken.jpg", None, None),
    ("trip/soft.jpg", 0.62, "defocus"),
    ("trip/edge.jpg", THRESHOLD, "defocus"),
    ("trip/crisp.jpg", 0.0001, "sharp"),
)
ORDER = ["shaken.jpg", "soft.jpg", "edge.jpg", "dim.jpg", "crisp.jpg", "broken.jpg"]


def verdict(path: str = "a.jpg", probability: float = 0.75, kind: str = "motion") -> Prediction:
    return Prediction(path, probability >= THRESHOLD, probability, kind, 1.0, 9.0, 640, 480)


def verdicts(photos: Sequence[tuple[str, float | None, str | None]] = PHOTOS) -> list[Prediction]:
    failed = "is an empty file"
    return [verdict(*one) if one[2] else Prediction.failed(one[0], failed) for one in photos]


def write_report(
    items: Iterable[tuple[Prediction, bytes | None]], path: Path, **options: Any
) -> None:
    with review_page(path, **{"threshold": 0.5, **options}) as add:
        for item in items:
            add(*item)


def report(folder: Path, found: Sequence[Prediction] | None = None, name: str = "out.html") -> str:
    picture = thumbnail(np.full((40, 60, 3), 128, np.uint8))
    items = [(v, None if v.error else picture) for v in (verdicts() if found is None else found)]
    write_report(items, folder / name, threshold=THRESHOLD)
    return (folder / name).as_uri()


def names(page: Page) -> list[str]:
    """Photos in the document, in the order of the grid."""
    script = "all => all.map(t => [+t.dataset.index, t.querySelector('.name').textContent])"
    return [name for _, name in sorted(page.eval_on_selector_all(".tile", script))]


def current(page: Page) -> str:
    return page.locator('.tile[aria-selected="true"] .name').inner_text()


def decisions(page: Page) -> list[str]:
    return page.locator(".tile .decision").all_inner_texts()


def status(page: Page) -> str:
    return page.locator("#status").inner_text()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def exported(page: Page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def set_slider(page: Page, value: float) -> None:
    script = "(slider, v) => { slider.value = v; slider.dispatchEvent(new Event('input')); }"
    page.get_by_label("Blurred from probability").evaluate(script, value)


def until(page: Page, script: str) -> None:
    """Wait until `script` is true; Playwright's own wait needs eval, which the page refuses."""
    for _ in range(200):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


def blocks(page: Path, name: str) -> list[Any]:
    element = rf'<script type="application/json" class="{name}">(.*?)</script>'
    return [json.loads(text) for text in re.findall(element, page.read_text("utf-8"), re.S)]


def rows(page: Path) -> list[dict[str, Any]]:
    return list(chain.from_iterable(blocks(page, "rows")))


def test_rows_hold_what_was_added(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    failed = Prediction.failed("b.jpg", "is an empty file")
    write_report([(verdict(), b"\xff\xd8jpeg"), (failed, None)], out, threshold=THRESHOLD)
    first, second = rows(out)
    assert first["path"] == "a.jpg" and first["probability"] == 0.75 and first["kind"] == "motion"
    assert base64.b64decode(first["thumbnail"]) == b"\xff\xd8jpeg"
    assert second["error"] == "is an empty file" and second["thumbnail"] is None
    (about,) = blocks(out, "about")
    assert about["threshold"] == THRESHOLD and about["name"] == "out"
    number = 2 * BLOCK + 1
    write_report(((verdict(f"{k}.jpg"), b"x") for k in range(number)), out, force=True)
    assert [row["path"] for row in rows(out)] == [f"{k}.jpg" for k in range(number)]
    assert len(blocks(out, "rows")) == 3 and os.listdir(tmp_path) == ["out.html"]


def test_names_never_become_markup(tmp_path: Path) -> None:
    harmless, evil = tmp_path / "harmless.html", tmp_path / "evil.html"
    write_report([(verdict(), None)], harmless, title="Photos")
    nameless = dataclasses.replace(verdict(EVIL), kind=EVIL, error=EVIL)
    write_report([(nameless, None)], evil, title=EVIL)
    text = evil.read_text("utf-8")
    assert text.count("<script") == harmless.read_text("utf-8").count("<script")
    assert "<img src=x" not in text and "\u2028" not in text
    assert rows(evil)[0]["path"] == EVIL
    name = os.fsdecode(b"caf\xe9.jpg")
    write_report([(verdict(name, float("nan")), None)], tmp_path / "out.html", title=name)
    (row,) = rows(tmp_path / "out.html")
    assert row["path"] == name and row["probability"] is None


def test_the_same_photos_make_the_same_bytes_and_id(tmp_path: Path) -> None:
    pages = []
    for folder, small in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder).mkdir()
        pages.append(tmp_path / folder / "out.html")
        write_report([(verdict(), small)], pages[-1])
    assert pages[0].read_bytes() == pages[1].read_bytes()
    ids = [blocks(page, "about")[0]["report"] for page in pages]
    assert ids[0] == ids[1] != ids[2]  # other content under the same name


def test_a_page_that_exists_is_refused_before_the_scan(tmp_path: Path) -> None:
    (tmp_path / "out.html").write_text("mine")
    with pytest.raises(BlurError, match="exists"), review_page(tmp_path / "out.html", 0.5):
        raise AssertionError("the scan began")


def test_memory_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    peaks = []
    for number in (10, 100, 600):  # the first one warms up
        photos = ((verdict(f"{k}.jpg"), os.urandom(10_000)) for k in range(number))
        tracemalloc.start()
        write_report(photos, tmp_path / f"{number}.html")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 200_000
    assert (tmp_path / "600.html").stat().st_size > 600 * 13_000


def test_links_lead_from_the_page_to_the_photo(tmp_path: Path) -> None:
    photo = tmp_path / "50% #1?:x.jpg"
    photo.write_bytes(b"x")
    assert link_to(str(photo), tmp_path / "pages") == "../50%25%20%231%3F%3Ax.jpg"
    assert link_to(str(tmp_path / "absent.jpg"), tmp_path) is link_to("a\0b", tmp_path) is None


def test_links_follow_photos_that_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other byte of the page stays."""
    monkeypatch.chdir(tmp_path)
    found = [f"{k}.jpg" for k in range(BLOCK)] + [EVIL.replace("/", "|"), '"link":"x".jpg']
    for name in found:
        (tmp_path / name).write_bytes(b"x")
    write_report([(verdict(name), b"small") for name in found], Path("out.html"))
    expected, size = rows(tmp_path / "out.html"), (tmp_path / "out.html").stat().st_size
    (tmp_path / "b c").mkdir()
    moved = {str(tmp_path / name): str(tmp_path / "b c" / name) for name in found[-3:]}
    for old, new in moved.items():
        os.rename(old, new)
    follow(Path("out.html"), moved)
    for row in expected[-3:]:
        row["link"] = f"b%20c/{row['link']}"
    assert rows(tmp_path / "out.html") == expected and not list(tmp_path.glob(".*"))
    assert (tmp_path / "out.html").stat().st_size == size + 3 * len("b%20c/")


def test_photos_are_sorted_and_judged_as_by_the_scan(page: Page, tmp_path: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report(tmp_path))
    assert names(page) == ORDER
    assert status(page) == "3 of 6 flagged as blurred · 1 unreadable"
    assert page.locator(".tile.blurred .name").all_inner_texts() == ORDER[:3]
    assert [url for url in requests if not url.startswith("data:")] == [page.url]
    assert "is an empty file" in page.locator(".tile.unreadable").inner_text()


def test_the_slider_acts_at_once(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path))
    set_slider(page, 0.9)
    assert status(page).startswith("1 of 6 flagged")
    set_slider(page, 0.2)
    assert status(page).startswith("4 of 6 flagged")
    dim = page.locator(".tile", has_text="dim.jpg")
    assert dim.locator(".kind").inner_text() == "blurred"  # the scan said no kind
    page.get_by_role("button", name="Reset").click()
    assert status(page).startswith("3 of 6 flagged")
    page.get_by_label("Threshold, exact").fill("0.62")
    assert status(page).startswith("2 of 6 flagged")
    page.get_by_label("Blurred from probability").focus()
    press(page, "End", "k")  # moves the slider; letters still decide
    assert status(page).startswith("0 of 6 flagged") and "1 kept" in status(page)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(page: Page, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(report(tmp_path, [*verdicts(), verdict("very-long-name-" * 9 + ".jpg", 0.9)]))
    press(page, "Home", "ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    press(page, "Enter")
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width


def test_filters(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path))
    for kind, expected in {"defocus": ORDER[1:3], "motion": ORDER[:1], "any": ORDER}.items():
        page.get_by_label("Kind").select_option(kind)
        assert names(page) == expected
    piles = {"sharp 2": ORDER[3:5], "unreadable 1": ORDER[5:], "all 6": ORDER}
    for pile, expected in {**piles, "blurred 3": ORDER[:3]}.items():
        page.get_by_role("radio", name=pile).check()
        assert names(page) == expected
    set_slider(page, 0.6)
    assert names(page) == ORDER[:2]
    page.get_by_label("Decision").select_option("undecided")
    page.locator("#grid").focus()
    press(page, "Home", "r")  # decided photos leave, the next is current
    assert names(page) == ["soft.jpg"] and current(page) == "soft.jpg"
    press(page, "k")
    assert names(page) == [] and page.get_by_text("No photo matches").is_visible()
    press(page, "k", "ArrowRight", "Enter", "u")
    assert names(page) == ["soft.jpg"]


def test_enter_enlarges_the_original(page: Page, tmp_path: Path) -> None:
    original = tmp_path / "100% #1.jpg"
    original.write_bytes(encoded(np.full((600, 900, 3), 90, np.uint8)))
    page.goto(report(tmp_path, [verdict(str(original)), verdict("gone.jpg", 0.1)]))
    press(page, "Enter")
    image = page.locator(".stage img").first
    until(page, "() => document.querySelector('.stage img').naturalWidth === 900")
    assert image.get_attribute("alt") == "100% #1.jpg"
    press(page, "z")
    assert image.evaluate("image => image.clientWidth") == 900
    press(page, "ArrowRight")  # a missing file is shown as its thumbnail
    until(page, "() => document.querySelector('.stage img').naturalWidth === 60")
    assert "thumbnail" in page.locator("#large-note").inner_text()
    press(page, "r", "Escape")
    assert not page.get_by_role("dialog").is_visible()
    assert page.locator(".tile.reject .name").all_inner_texts() == ["gone.jpg"]
    press(page, "ArrowLeft")
    assert current(page) == "100% #1.jpg"


def test_three_piles(page: Page, tmp_path: Path) -> None:
    """Once the slider moves, only pictures without content are unsure."""
    told = {"dim": "unsure", "shaken": "blurred", "soft": "unsure", "edge": "unsure"}
    found = [
        dataclasses.replace(one, verdict=told.get(Path(one.path).stem, "sharp"), focus_x=0.5)
        for one in verdicts()
    ]
    empty = dataclasses.replace(verdict("trip/empty.jpg", 0.5), verdict="unsure", note="is empty")
    page.goto(report(tmp_path, [*found, empty]))
    assert status(page) == "1 of 7 flagged as blurred · 4 unsure · 1 unreadable"
    press(page, "2")
    assert names(page) == ["soft.jpg", "empty.jpg", "edge.jpg", "dim.jpg"]
    assert page.locator(".tile .kind").all_inner_texts() == ["unsure"] * 4
    press(page, "3")
    assert names(page) == ["crisp.jpg"]
    press(page, "4", "0")
    set_slider(page, 0.9)
    assert status(page) == "1 of 7 flagged as blurred · 1 unsure · 1 unreadable"
    set_slider(page, 0.2)
    press(page, "2")
    assert names(page) == ["empty.jpg"]
    assert "is empty" in str(page.locator(".tile").get_attribute("aria-label"))


def test_bursts_side_by_side(page: Page, tmp_path: Path) -> None:
    ranks = {"alone": None, "b3": (1, 3, False), "b1": (1, 1, False), "b2": (1, 2, True)}
    ranks |= {"s1": (2, None, None), "s2": (2, None, None)}  # a series
    fields = ("burst", "rank", "tie")
    found = [
        dataclasses.replace(verdict(path), **dict(zip(fields, rank or (None,) * 3, strict=True)))
        for path, rank in ranks.items()
    ]
    page.goto(report(tmp_path, found))
    assert names(page) == ["alone", "b3", "b1", "b2", "s1", "s2"]
    press(page, "ArrowRight", "b")
    captions = page.locator(".stage figcaption")
    assert captions.all_inner_texts() == ["1/3 · b1", "≈ 2/3 · b2", "3/3 · b3"]
    assert page.locator(".stage .now").inner_text() == "3/3 · b3"
    press(page, "g", "Escape")  # a tie with the sharpest stays undecided
    assert names(page) == ["b1", "b2", "b3", "s1", "s2", "alone"]
    assert decisions(page) == ["✓ keep", "", "✕ reject", "", "", ""]
    assert current(page) == "s1" and status(page).endswith("1 kept, 1 rejected")
    press(page, "g")
    assert status(page).endswith("1 kept, 1 rejected")
    press(page, "u")
    assert "kept" not in status(page) and current(page) == "b1"
    page.get_by_label("Order").select_option("blurred first")
    assert names(page)[0] == "alone"


def test_full_size_shows_the_sharpest_place(page: Page, tmp_path: Path) -> None:
    original = tmp_path / "large.jpg"
    original.write_bytes(encoded(np.full((3000, 4000, 3), 90, np.uint8)))
    found = dataclasses.replace(verdict(str(original)), focus_x=0.75, focus_y=0.25)
    page.goto(report(tmp_path, [found]))
    press(page, "Enter", "z")
    until(page, "() => document.querySelector('.stage img').clientWidth === 4000")
    figure = page.locator(".stage .view")
    place = "f => [f.scrollLeft + f.clientWidth / 2, f.scrollTop + f.clientHeight / 2]"
    assert figure.evaluate(place) == pytest.approx([3000, 750], abs=2)


def test_the_page_refuses_connections_and_other_scripts(browser: Browser, tmp_path: Path) -> None:
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
    assert decisions(page) == ["✕ reject", "✕ reject", "", "✓ keep", "", ""]
    press(page, "u", "u")
    assert current(page) == "soft.jpg"
    assert status(page).endswith("0 kept, 1 rejected")
    press(page, "Control+k", "End")
    assert current(page) == "broken.jpg"
    press(page, "ArrowRight", "ArrowUp", "ArrowLeft", "Home", "ArrowDown")
    assert status(page).endswith("0 kept, 1 rejected")
    press(page, "Home", "k")  # undo restores the earlier decision
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
    page.locator(".tile", has_text="soft.jpg").tap()  # the current photo: enlarges it
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
    odd = ['a "b", c\nd.jpg', os.fsdecode(b"caf\xe9.jpg"), "日本.jpg", "=1+1.jpg", "'@x.jpg"]
    photos = [*PHOTOS, *((path, 0.2, "sharp") for path in odd)]
    page.goto(report(tmp_path, verdicts(photos)))
    press(page, "r", "ArrowRight", "k")
    page.get_by_label("Kind").select_option("motion")  # export covers hidden photos
    set_slider(page, 0.3)
    name, data = exported(page, "Export CSV")
    assert name == "out-decisions.csv"
    text = data.decode("utf-8-sig", "surrogateescape")
    assert text.startswith("path,probability,kind,verdict,decision\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row in rows:  # no formula in a spreadsheet
        assert row["path"][0] not in "=+-@\t"
        row["path"] = from_excel(row["path"])
    ordered = sorted(photos, key=lambda photo: -1 if photo[1] is None else photo[1], reverse=True)
    assert [row["path"] for row in rows] == [path for path, _, _ in ordered]
    found = {row.pop("path"): list(row.values()) for row in rows}
    assert found["trip/shaken.jpg"] == ["0.97", "motion", "blurred", "reject"]
    assert found["trip/edge.jpg"] == [str(THRESHOLD), "defocus", "blurred", "keep"]
    assert found["trip/dim.jpg"] == ["0.31", "blurred", "blurred", "none"]
    assert found["trip/crisp.jpg"] == ["0.0001", "sharp", "sharp", "none"]
    assert found["trip/broken.jpg"] == ["", "", "unreadable", "none"]
    name, data = exported(page, "Export JSON")
    assert name == "out-decisions.json"
    content = json.loads(data)
    assert content["threshold"] == 0.3
    assert [photo["path"] for photo in content["photos"]] == [path for path, _, _ in ordered]
    shaken = {"path": "trip/shaken.jpg", "probability": 0.97, "kind": "motion"}
    assert content["photos"][0] == shaken | {"verdict": "blurred", "decision": "reject"}


def test_a_report_of_no_photos(page: Page, tmp_path: Path) -> None:
    page.goto(report(tmp_path, []))
    assert status(page) == "0 of 0 flagged as blurred"
    press(page, "k", "r", "u", "Enter", "ArrowDown", "End")
    assert not page.get_by_role("dialog").is_visible()
    assert exported(page, "Export CSV")[1].count(b"\n") == 1
    assert json.loads(exported(page, "Export JSON")[1])["photos"] == []
