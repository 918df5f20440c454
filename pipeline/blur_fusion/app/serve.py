"""Start the app: for this machine alone unless told otherwise, with nothing sent elsewhere."""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blur_fusion.app.guard import HOSTS, LOOPBACK, guarded
from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.startup import quiet

_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
# Whatever a new release of Gradio asks for, the browser fetches from here alone.
_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    b"font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Largest upload in bytes, largest photo in pixels, most photos of one visitor."""

    upload: int = 60 * MEGA
    pixels: int = 120 * MEGA
    photos: int = 500

    def check(self, path: Path) -> None:
        """Refuse a file that is too large with a BlurError, before anything is decoded.

        Pixels are counted in headers that Pillow knows; OpenCV's own limit bounds the rest.
        """
        from PIL import Image, UnidentifiedImageError

        with os_errors(path.name, "cannot be read"):
            size = path.stat().st_size
        require(size <= self.upload, f"has more than {self.upload // MEGA} MB")
        line = f"has more than {self.pixels // MEGA} million pixels"
        try:
            # Pillow warns about a limit of its own.
            with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
                width, height = picture.size
        except Image.DecompressionBombError:
            raise BlurError(line) from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return
        require(width * height <= self.pixels, line)


@dataclass(frozen=True)
class Settings:
    """How to serve; see `blur app --help`."""

    model: Path | None
    host: str
    port: int  # 0 takes a free one
    share: bool  # through a public address that Gradio's servers tunnel to this machine
    grad_cam: bool | None  # None: if TensorFlow is installed
    threshold: float | None
    browser: bool  # open the page
    limits: Limits


def _warm(explainer: Any) -> None:
    """Load TensorFlow and the network in advance; errors are reported with the first photo."""
    import numpy as np

    blank = np.zeros((64, 64, 3), np.uint8)
    with suppress(Exception):
        explainer.grad_cam(blank[..., 0], blank)


def serve(settings: Settings, said: Callable[[str], object]) -> None:
    """Serve until Ctrl-C and pass the address to `said`; uploads are deleted.

    Raises
    ------
    BlurError
        Gradio or TensorFlow is missing, the model cannot be loaded, or the port is taken.
    """
    line = "'blur app' needs the extra 'app': pip install 'blur-fusion[app]'"
    require(find_spec("gradio") is not None, line)
    quiet()
    os.environ.update(_QUIET, OPENCV_IO_MAX_IMAGE_PIXELS=str(settings.limits.pixels))
    from blur_fusion.explain.explainer import Explainer, grad_cam_missing
    from blur_fusion.model.classifier import load

    classifier = load(settings.model, threshold=settings.threshold)
    missing = grad_cam_missing(classifier)
    if settings.grad_cam and missing:
        raise BlurError(missing)
    heat = missing is None if settings.grad_cam is None else settings.grad_cam
    explainer = Explainer(classifier.at(0.0))
    if heat:
        threading.Thread(target=_warm, args=(explainer,), daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="blur-app-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from blur_fusion.app.interface import App, build

        blocks = build(App(explainer, classifier.threshold, heat, settings.limits, classifier.band))
        try:
            _launch(blocks, settings, said)
        finally:
            blocks.close(verbose=False)


def _launch(blocks: Any, settings: Settings, said: Callable[[str], object]) -> None:
    import gradio as gr
    from starlette.middleware import Middleware

    from blur_fusion.app.interface import FONT, HEAD, LIGHT, MONO
    from blur_fusion.report.pages import FOLDER, STYLE

    own = HOSTS if settings.host in (LOOPBACK, "localhost") else ()
    hosts = None if settings.share else own
    theme = gr.themes.Base(primary_hue="neutral", font=FONT, font_mono=MONO)
    blocks.queue(default_concurrency_limit=2)
    try:
        _, local, public = blocks.launch(
            server_name=settings.host,
            server_port=settings.port or None,
            share=settings.share,
            inbrowser=settings.browser,
            prevent_thread_lock=True,
            quiet=True,
            max_file_size=settings.limits.upload,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            app_kwargs={"middleware": [Middleware(guarded, hosts=hosts, policy=_POLICY)]},
            theme=theme,
            css_paths=FOLDER / STYLE,
            head=HEAD,
            js=LIGHT,
        )
    except OSError as error:
        reason = str(error).splitlines()[0]
        line = f"port {settings.port}: cannot be used ({reason}); try --port 0"
        raise BlurError(line) from None
    for address in filter(None, (local, public)):
        said(address)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
