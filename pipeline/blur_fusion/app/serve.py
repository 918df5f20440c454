"""Start the app: on this machine alone unless told otherwise, and nothing sent elsewhere."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blur_fusion.app.album import Limits
from blur_fusion.app.guard import HOSTS, LOOPBACK, guarded
from blur_fusion.errors import BlurError, require

_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime reports to Microsoft otherwise
    "OPENCV_LOG_LEVEL": "ERROR",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# Whatever a page or a new release of Gradio asks for, the browser fetches from here alone.
_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    b"font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Attributes
    ----------
    model : Path or None
    host : str
    port : int
        0 takes a free one.
    share : bool
        Through a public address that Gradio's servers tunnel to this machine.
    grad_cam : bool or None
        None where TensorFlow is installed.
    threshold : float or None
    browser : bool
        Open the page.
    limits : Limits
    """

    model: Path | None = None
    host: str = LOOPBACK
    port: int = 7860
    share: bool = False
    grad_cam: bool | None = None
    threshold: float | None = None
    browser: bool = False
    limits: Limits = Limits()


def _warm(explainer: Any) -> None:
    """Load TensorFlow and the network meanwhile; what fails is said when a photo asks for it."""
    import numpy as np

    blank = np.zeros((64, 64, 3), np.uint8)
    with suppress(Exception):
        explainer.grad_cam(blank[..., 0], blank)


def serve(settings: Settings, said: Callable[[str], object]) -> None:
    """Serve until Ctrl-C; uploads live in a folder that is then deleted.

    Parameters
    ----------
    settings : Settings
    said : callable
        Told the address.

    Raises
    ------
    BlurError
        Gradio or TensorFlow is missing, the model is no model, or the port is taken.
    """
    line = "'blur app' needs the extra 'app': pip install 'blur-fusion[app]'"
    require(find_spec("gradio") is not None, line)
    # Before the libraries are imported: they are silent, and pictures bounded.
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
        line = f"port {settings.port}: cannot be served ({reason}); try --port 0"
        raise BlurError(line) from None
    for address in filter(None, (local, public)):
        said(address)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
