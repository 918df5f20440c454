"""`blur app` in headless Chromium: uploads, verdicts, slider, CSV; limits before decoding."""

from __future__ import annotations

import csv
import io
import re
import struct
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blur_fusion.app import serve
from blur_fusion.app.serve import Limits
from blur_fusion.errors import BlurError
from blur_fusion.explain.explainer import Explainer
from blur_fusion.model.classifier import BlurDetector
from scan_command import app_served, invoked
from trees import write_photo

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from blur_fusion.app.interface import Album

pytestmark = pytest.mark.skipif(not find_spec("gradio"), reason="the extra 'app' is not installed")


@pytest.fixture(scope="module")
def address(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A running app and the folder that it keeps its own in."""
    temporary = tmp_path_factory.mktemp("temporary")
    with app_served(model, temporary, "--max-pixels", "2") as (address, _):
        yield address, temporary


CRISP = "a ${1+1} {{value}} &lt;b&gt; <img src=x onerror=alert(1)>.jpg"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A sharp one, whose name is code, a blurred one, a text and one that is too large."""
    (tmp_path / "notes.txt").write_text("this is not an image")
    return [
        write_photo(tmp_path / CRISP, 1, size=(300, 420)),
        write_photo(tmp_path / "soft.jpg", 2, blurred=True, size=(300, 420)),
        tmp_path / "notes.txt",
        write_photo(tmp_path / "large.jpg", 5, size=(1500, 1500)),
    ]


def _upload(page: Page, paths: list[Path]) -> None:
    page.set_input_files("#photos input[type=file]", [str(path) for path in paths])
    page.wait_for_selector(f"#table tbody tr:nth-child({len(paths)})", timeout=30_000)


def _rows(page: Page) -> list[list[str]]:
    rows = page.locator("#table tbody tr")
    return [rows.nth(n).locator("td").all_inner_texts() for n in range(rows.count())]


def _csv(page: Page) -> tuple[str, list[dict[str, str]]]:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download CSV").click()
    text = Path(waiting.value.path()).read_text("utf-8")
    return waiting.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))


def test_photos_are_judged_shown_and_written(
    page: Page, address: tuple[str, Path], model: Path, photos: list[Path]
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address[0])
    assert photos[3].stat().st_size < 1_000_000
    _upload(page, photos)
    expected = [verdict.probability for verdict in BlurDetector(model).predict(photos[:2])]
    rows = _rows(page)
    assert [row[0] for row in rows[1:]] == [path.name for path in photos[1:]]
    assert "onerror=" in rows[0][0] and "2" not in rows[0][0].replace("1+1", "")
    assert page.locator("#table img").count() == page.locator("#headline img").count() == 0
    assert [row[1] for row in rows] == ["Not blurred", "Blurred", "not read", "not read"]
    assert [float(row[2]) for row in rows[:2]] == pytest.approx(expected, abs=6e-4)
    assert "is not an image" in rows[2][3] and "more than 2 million pixels" in rows[3][3]
    assert page.locator("#headline h2").inner_text() == "Not blurred"
    assert "Confidence" in page.locator("#headline").inner_text()

    page.get_by_role("button", name="soft.jpg").click()
    page.wait_for_selector("#headline h2:text-is('Blurred')")
    pictures = page.locator("#seen figure > img")
    assert pictures.count() == 2  # original and blur map
    sides = [pictures.nth(n).evaluate("i => [i.naturalWidth, i.naturalHeight]") for n in (0, 1)]
    assert sides[0] == sides[1] and min(sides[0]) > 100
    assert "dark is sharp" in page.locator("#seen .read").inner_text()

    name, lines = _csv(page)
    assert name == "verdicts.csv" and [line["path"] for line in lines] == [row[0] for row in rows]
    assert [line["blurred"] for line in lines] == ["false", "true", "", ""]
    outside = [url for url in requests if not url.startswith((address[0], "data:", "blob:"))]
    assert outside == []
    left = [path for path in address[1].rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []  # uploads are deleted once they are judged


def test_the_slider_acts_without_judging_anew(
    page: Page, address: tuple[str, Path], photos: list[Path]
) -> None:
    page.goto(address[0])
    _upload(page, photos[:2])
    before, number = _rows(page), page.locator("#threshold input[type=number]")
    for threshold, blurred in (("1", 0), ("0", 2)):
        number.fill(threshold)
        number.press("Enter")
        page.wait_for_selector(f"#summary :text('{blurred} of 2 blurred')", timeout=5_000)
        assert {row[1] for row in _rows(page)} == {"Blurred" if blurred else "Not blurred"}
    page.wait_for_selector("#headline h2:text-is('Blurred')")
    assert [row[2] for row in _rows(page)] == [row[2] for row in before]
    assert [line["blurred"] for line in _csv(page)[1]] == ["true", "true"]
    page.get_by_role("button", name="Start over").click()
    page.wait_for_selector("#headline :text('No photo yet')")


def test_it_is_readable_on_a_phone(
    new_page: Callable[..., Page], address: tuple[str, Path], photos: list[Path]
) -> None:
    page = new_page(color_scheme="dark")
    page.goto(address[0])
    _upload(page, photos[:3])
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#seen figure").first.bounding_box()["width"] > 250
    colours = page.evaluate(
        "() => { const s = getComputedStyle(document.querySelector('#headline h2'));"
        " return [s.color, getComputedStyle(document.body).backgroundColor]; }"
    )
    assert colours == ["rgb(17, 17, 17)", "rgb(255, 255, 255)"]


def test_the_page_may_fetch_from_itself_alone(address: tuple[str, Path]) -> None:
    with urllib.request.urlopen(address[0], timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = answer.read().decode()
    assert "default-src 'self'" in policy and "https:" not in policy and "*" not in policy
    assert not re.search(r"<(script|link)[^>]+(src|href)=\"https?:", page)


@pytest.fixture
def judged(model: Path, photos: list[Path]) -> tuple[Explainer, Album]:
    """The first three photos, once they are uploaded."""
    from blur_fusion.app.interface import Album, judge_upload  # with Gradio, which takes long

    explainer, album = Explainer(BlurDetector(model, threshold=0.0)), Album()
    album.add([judge_upload(explainer, path, Limits()) for path in photos[:3]])
    return explainer, album


def test_three_piles_until_the_slider_is_moved(judged: tuple[Explainer, Album]) -> None:
    from blur_fusion.app.interface import App

    explainer, album = judged
    crisp = album.predictions(0.5)[0].probability or 0.0
    app = App(explainer, 0.503, False, Limits(), band=(crisp / 2, 0.51))
    headline, table = app.words(album, 0.5)  # as the slider shows it
    assert "1 of 3 blurred, 1 unsure, 1 not read" in table and "<h2>Unsure</h2>" in headline
    assert "blurred from 51 %" in headline and "sharp below " in headline
    headline, table = app.words(album, 0.51)
    assert "1 of 3 blurred, 1 not read" in table and "<h2>Not blurred</h2>" in headline


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    data = bytearray(write_photo(tmp_path / "bomb.png", 1).read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)  # width and height, and their check
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(BlurError, match="more than 120 million pixels"):
        Limits().check(tmp_path / "bomb.png")
    with pytest.raises(BlurError, match="more than 1 million pixels"):
        Limits(pixels=1_000_000).check(write_photo(tmp_path / "a.png", 1, size=(1001, 1000)))
    Limits(pixels=1_000_000).check(write_photo(tmp_path / "b.png", 1, size=(1000, 1000)))
    with pytest.raises(BlurError, match="more than 0 MB"):
        Limits(upload=10).check(tmp_path / "b.png")


def test_verdicts_follow_the_threshold_and_are_the_detector_s(
    model: Path, photos: list[Path], judged: tuple[Explainer, Album]
) -> None:
    explainer, album = judged
    for threshold in (0.0, 0.5, 1.0):
        expected = BlurDetector(model, threshold=threshold).predict(photos[:2])
        *found, failed = album.predictions(threshold)
        for ours, theirs in zip(found, expected, strict=True):
            assert (ours.blurred, ours.probability) == (theirs.blurred, theirs.probability)
            assert ours.kind == theirs.kind and ours.path == Path(theirs.path).name
        assert failed.error and failed.blurred is None
    album.choose(1)
    first = album.explained(explainer, 0.5, False)
    second = album.explained(explainer, 1.0, False)
    assert first is not None and second is not None
    assert first.map is second.map  # looked at once
    assert first.prediction.blurred and not second.prediction.blurred and second.threshold == 1.0
    album.choose(2)
    assert album.explained(explainer, 0.5, False) is None
    album.choose(99)
    assert album.chosen == 2
    assert album.csv(0.5).count("\n") == 4


def test_without_a_model_or_gradio_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = "error: 'blur app' needs the extra 'app': pip install 'blur-fusion[app]'"
    for line in ("is not a model folder", missing):
        result = invoked("app", "--model", tmp_path, "--port", "0")
        assert result.exit_code == 1 and result.stderr.count("\n") == 1 and line in result.stderr
        monkeypatch.setattr(serve, "find_spec", lambda name: None)
