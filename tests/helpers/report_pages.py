"""A small report, and how tests look at it and act on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blur_fusion.images.thumbnails import thumbnail
from blur_fusion.model.prediction import Verdict
from blur_fusion.report.review import review_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

THRESHOLD = 0.4837
PHOTOS = (  # path, probability, kind: in no order
    ("trip/dim.jpg", 0.31, "sharp"),
    ("trip/shaken.jpg", 0.97, "motion"),
    ("trip/broken.jpg", None, None),
    ("trip/soft.jpg", 0.62, "defocus"),
    ("trip/edge.jpg", THRESHOLD, "defocus"),
    ("trip/crisp.jpg", 0.0001, "sharp"),
)
ORDER = ["shaken.jpg", "soft.jpg", "edge.jpg", "dim.jpg", "crisp.jpg", "broken.jpg"]


def verdicts(photos: Sequence[tuple[str, float | None, str | None]] = PHOTOS) -> list[Verdict]:
    return [
        Verdict.failed(path, "is an empty file")
        if probability is None
        else Verdict(path, probability >= THRESHOLD, probability, kind, 0.0, 1.0, 60, 40)
        for path, probability, kind in photos
    ]


def picture(shade: int = 128) -> bytes:
    return thumbnail(np.full((40, 60, 3), shade, np.uint8))


def write_report(
    items: Iterable[tuple[Verdict, bytes | None]], path: Path, threshold: float, **options: Any
) -> None:
    with review_page(path, threshold, **options) as add:
        for item in items:
            add(*item)


def report(folder: Path, found: Sequence[Verdict] | None = None, name: str = "out.html") -> str:
    found = verdicts() if found is None else found
    write_report([(v, None if v.error else picture()) for v in found], folder / name, THRESHOLD)
    return (folder / name).as_uri()


def names(page: Page) -> list[str]:
    """Photos in the document, in the order of the grid."""
    script = "all => all.map(t => [+t.dataset.index, t.querySelector('.name').textContent])"
    return [name for _, name in sorted(page.eval_on_selector_all(".tile", script))]


def current(page: Page) -> str:
    return page.locator('.tile[aria-selected="true"] .name').inner_text()


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
    """Wait for the function `script` to be true; Playwright's own wait needs eval, refused here."""
    for _ in range(200):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")
