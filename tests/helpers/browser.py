"""Chromium for tests of pages; imported by conftest.py, so that every test file has the fixtures.

Chromium is looked for on PATH, nothing is downloaded. Without one the tests skip, but fail where
CI or BLUR_REQUIRE_CHROMIUM is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _absent(reason: str) -> NoReturn:
    required = os.environ.get("BLUR_REQUIRE_CHROMIUM") or os.environ.get("CI")
    if required and required.lower() not in ("0", "false"):
        pytest.fail(f"{reason}, and it is required here", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests of a worker."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        _absent(f"no Chromium on PATH ({', '.join(NAMES)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("playwright, of the extra 'dev', is not installed")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if root else []
        )
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages of one fresh profile; an error in a page fails the test.

    Options go to the profile and count for the first page: `viewport`, `has_touch` and so on.
    """
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(**options: Any) -> Page:
        if not contexts:
            contexts.append(browser.new_context(**options))
            contexts[0].set_default_timeout(10_000)
        page: Page = contexts[0].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One page of 1280 x 800."""
    return new_page(viewport={"width": 1280, "height": 800})
