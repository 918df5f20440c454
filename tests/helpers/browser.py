"""Chromium for tests of pages; imported by conftest.py, so that every test file has the fixtures.

Chromium is looked for on PATH, nothing is downloaded. Without one the tests skip, but fail where
CI or BLUR_REQUIRE_CHROMIUM is set.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _absent(reason: str) -> NoReturn:
    required = os.environ.get("BLUR_REQUIRE_CHROMIUM") or os.environ.get("CI") or "0"
    if required.lower() in ("0", "false"):
        pytest.skip(reason)
    pytest.fail(f"{reason}, and it is required here", pytrace=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _absent(f"no Chromium on PATH ({', '.join(NAMES)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("playwright, of the extra 'dev', is not installed")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has none for root
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages of one fresh profile; an error in a page fails the test.

    Options go to the profile and count for the first page: `viewport`, `has_touch` and so on.
    """
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(**options: Any) -> Any:
        if not contexts:
            contexts.append(browser.new_context(**options))
            contexts[0].set_default_timeout(30_000)
        page = contexts[0].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    return new_page(viewport={"width": 1280, "height": 800})
