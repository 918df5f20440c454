"""`python -m benchmarks.screenshots`: the pictures in docs: an explanation, the app, the report.

Needs Chromium and Playwright (extra `dev`). Skips the report if there is none.
"""

from __future__ import annotations

import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import cv2
import skimage.data
from PIL import Image

from blur_fusion.cli.options import PATH, model_option
from blur_fusion.errors import BlurError, require, run
from blur_fusion.sample.blur import straight_motion

LENGTH, ANGLE = 17.0, -0.5  # pixels, radians
LIMIT = 200_000  # bytes of a picture
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_COLOURS = (256, 128, 64, 32)
_WAIT = 120_000  # milliseconds; TensorFlow takes seconds to begin


def _photo(folder: Path) -> Path:
    """A photograph bundled with scikit-image, blurred by a straight motion."""
    path = folder / "cat.jpg"
    picture = cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), cv2.filter2D(picture, -1, straight_motion(LENGTH, ANGLE)))
    return path


def _save(shot: bytes, path: Path) -> None:
    """Save as PNG below `LIMIT`, with as many colours as fit."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    for colours in _COLOURS:
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() < LIMIT:
            path.write_bytes(buffer.getvalue())
            click.echo(f"{path}: {buffer.tell() // 1000} kB")
            return
    raise BlurError(f"{path}: does not fit {LIMIT // 1000} kB")


def _explained(photo: Path, model: Path | None) -> bytes:
    words = [sys.executable, "-m", "blur_fusion.cli.main", "explain", photo.name]
    words += ["--model", str(model.absolute())] if model else []
    subprocess.run(words, cwd=photo.parent, check=True, stdout=subprocess.DEVNULL)
    return photo.with_name(f"{photo.stem}-explained.png").read_bytes()


def _app(page: Any, photo: Path, model: Path | None) -> bytes:
    words = [sys.executable, "-u", "-m", "blur_fusion.cli.main", "app", "--port", "0"]
    words += ["--model", str(model)] if model else []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = re.findall(r"http\S+", process.stdout.readline())
            require(bool(address), "blur app did not start")
            page.goto(address[0])
            page.set_input_files("#photos input[type=file]", str(photo), timeout=_WAIT)
            page.wait_for_selector("#seen figure", timeout=_WAIT)
            page.click("#seen summary")
            page.wait_for_timeout(1000)
            return bytes(page.screenshot(full_page=True))
        finally:
            process.send_signal(signal.SIGINT)


def _report(page: Any, report: Path) -> bytes:
    page.goto(report.absolute().as_uri())
    height = page.evaluate("document.querySelectorAll('h2')[3].getBoundingClientRect().top")
    clip = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
    return bytes(page.screenshot(full_page=True, clip=clip))


@click.command(context_settings={"show_default": True})
@click.option("--docs", type=PATH, default="docs", help="Folder of the pictures.")
@click.option("--report", type=PATH, default="artifacts/evaluate/report.html", help="Its page.")
@model_option
def screenshots_command(docs: Path, report: Path, model: Path | None) -> None:
    """Write explained.png, app.png and report.png."""
    from playwright.sync_api import sync_playwright

    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    require(browser is not None, "no Chromium on PATH")
    docs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1160, "height": 800})
        photo = _photo(Path(folder))
        _save(_explained(photo, model), docs / "explained.png")
        if report.is_file():
            _save(_report(page, report), docs / "report.png")
        _save(_app(page, photo, model), docs / "app.png")
        chromium.close()


if __name__ == "__main__":
    run(screenshots_command)
