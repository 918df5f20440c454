"""The page of the app, in Gradio: the photos of a visitor are judged once, and shown."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
import numpy.typing as npt

from blur_fusion.app.serve import MEGA, Limits
from blur_fusion.errors import BlurError
from blur_fusion.explain.explainer import Explainer, Explanation, View
from blur_fusion.images.photo import Photo
from blur_fusion.images.thumbnails import encoded
from blur_fusion.model.prediction import Band, Prediction
from blur_fusion.report.explained import SHOWN
from blur_fusion.report.pages import fragment
from blur_fusion.scan.output import Formatter

Pixels = npt.NDArray[np.uint8]

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
# Light in the browser's dark mode too: photos and their maps are judged on white.
LIGHT = "() => { document.body.classList.remove('dark'); }"
# Out of reach of the style sheets that Gradio accepts.
HEAD = "<style>html, body { background: #fff !important; color-scheme: light; }</style>"
# Tells Python which photo was clicked.
CLICKS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-number]');
  if (button) trigger('click', { number: Number(button.dataset.number) });
});
"""
EMPTY = "<p class='soft'>No photo yet.</p>"
TITLE = "Blurred or not?"
CACHE_SECONDS = 300  # after which uploads are deleted that nobody judged
ALBUM_SECONDS = 3600


@dataclass(frozen=True)
class Upload:
    """One photo, whose file has been deleted; no pictures if it could not be read."""

    prediction: Prediction  # with threshold 0: its kind is the likely kind of blur
    working: bytes = b""  # the working image, grey as PNG
    shown: bytes = b""  # in colour as JPEG


def judge_upload(explainer: Explainer, path: Path, limits: Limits) -> Upload:
    """Judge an uploaded file by a classifier with threshold 0; errors are failed predictions."""
    photo = Photo(path, path.name)
    try:
        limits.check(path)
        view = explainer.view(photo)
        return Upload(view.prediction, encoded(view.working, ".png"), encoded(view.photo))
    except Exception as error:
        return Upload(Prediction.caught(path.name, error))


def _decoded(data: bytes, flag: int) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flag), dtype=np.uint8)


@dataclass
class Album:
    """Photos in the order of their upload, and which one is shown."""

    uploads: list[Upload] = field(default_factory=list)
    chosen: int = 0
    _kept: tuple[int, Explanation] | None = None

    def add(self, uploads: list[Upload]) -> None:
        """Append photos and show the first of them."""
        if uploads:
            self.chosen = len(self.uploads)
            self.uploads.extend(uploads)

    def choose(self, number: int) -> None:
        """Show another photo, if there is one of this number."""
        if 0 <= number < len(self.uploads):
            self.chosen = number

    def predictions(self, threshold: float, band: Band | None = None) -> list[Prediction]:
        """All predictions at a threshold and band; nothing is judged again."""
        return [upload.prediction.settled(threshold, band) for upload in self.uploads]

    def csv(self, threshold: float, band: Band | None = None) -> str:
        """All predictions as `blur scan --format csv` writes them."""
        lines = Formatter("csv")
        return lines.head() + "".join(map(lines.row, self.predictions(threshold, band)))

    def explained(
        self, explainer: Explainer, threshold: float, grad_cam: bool, band: Band | None = None
    ) -> Explanation | None:
        """Explanation of the photo shown, made once; None if there is none.

        With Grad-CAM if wanted and possible for this network.
        """
        if not self.uploads or not self.uploads[self.chosen].working:
            return None
        upload = self.uploads[self.chosen]
        if self._kept is None or self._kept[0] != self.chosen:
            working = _decoded(upload.working, cv2.IMREAD_GRAYSCALE)
            view = View(upload.prediction, working, _decoded(upload.shown, cv2.IMREAD_COLOR_RGB))
            try:
                found = explainer.explain_view(view, grad_cam)
            except BlurError:
                found = explainer.explain_view(view)
            self._kept = self.chosen, found
        prediction = upload.prediction.settled(threshold, band)
        known = self._kept[1]
        return replace(known, prediction=prediction, threshold=threshold, band=band)


@dataclass(frozen=True)
class App:
    """What the page calls."""

    explainer: Explainer  # of a classifier with threshold 0; the slider settles predictions
    threshold: float
    grad_cam: bool
    limits: Limits
    band: Band | None = None  # of unsure probabilities, until the slider is moved

    @property
    def start(self) -> float:
        """Where the slider begins."""
        return round(self.threshold, 2)

    def settings(self, slider: float) -> tuple[float, Band | None]:
        """Threshold and band for a position of the slider."""
        return (self.threshold, self.band) if slider == self.start else (slider, None)

    def words(self, album: Album, slider: float) -> tuple[str, str]:
        """What depends on the threshold: headline and table."""
        threshold, band = self.settings(slider)
        predictions = album.predictions(threshold, band)
        if not predictions:
            return EMPTY, ""
        found = album.explained(self.explainer, threshold, self.grad_cam, band)
        shown = predictions[album.chosen], found, threshold
        # The CSV file is a data URI: nothing is left on the server.
        csv = base64.b64encode(album.csv(threshold, band).encode("utf-8", "replace")).decode()
        return (
            fragment("parts.html", "said", *shown, **SHOWN),
            fragment("app.html", "table", predictions, album.chosen, csv, **SHOWN),
        )

    def page(self, album: Album, slider: float) -> tuple[Any, ...]:
        """The album, its pictures with explanations, and :meth:`words`."""
        threshold, band = self.settings(slider)
        found = album.explained(self.explainer, threshold, self.grad_cam, band)
        seen = "" if found is None else fragment("app.html", "seen", found, **SHOWN)
        return album, seen, *self.words(album, slider)

    def judge(
        self,
        files: list[str] | str | None,
        album: Album,
        threshold: float,
        progress: Any = gr.Progress(),  # noqa: B008  (how Gradio finds it)
    ) -> tuple[Any, ...]:
        """Judge uploads, delete them, show the first."""
        paths = [Path(name) for name in ([files] if isinstance(files, str) else files or [])]
        room = max(0, self.limits.photos - len(album.uploads))
        if len(paths) > room:
            gr.Warning(f"Only {self.limits.photos} photos at a time; the rest was left out.")
        uploads = []
        try:
            for number, path in enumerate(paths[:room]):
                progress((number, len(paths[:room])), desc="Judging", unit="photos")
                uploads.append(judge_upload(self.explainer, path, self.limits))
        finally:
            for path in paths:
                with suppress(OSError):
                    path.unlink()
                    path.parent.rmdir()
        album.add(uploads)
        return None, *self.page(album, threshold)

    def choose(self, album: Album, threshold: float, event: gr.EventData) -> tuple[Any, ...]:
        """Show the photo whose name was clicked."""
        number = event._data.get("number") if isinstance(event._data, dict) else None
        if isinstance(number, int):
            album.choose(number)
        return self.page(album, threshold)


def build(app: App) -> gr.Blocks:
    """Lay out the page and connect it to `app`."""
    every = CACHE_SECONDS, CACHE_SECONDS
    blocks = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=every, fill_width=True)
    with blocks:
        album = gr.State(Album(), time_to_live=ALBUM_SECONDS)
        upload, pixels = app.limits.upload // MEGA, app.limits.pixels // MEGA
        about = (
            "Drop one photo or many. They stay on this computer's server, are judged there and "
            f"deleted at once; at most {upload} MB and {pixels} million pixels each."
        )
        gr.HTML(f"<h1>{TITLE}</h1><p class='soft'>{about}</p>")
        files = gr.File(file_count="multiple", label="Photos", height=150, elem_id="photos")
        with gr.Accordion("Take a photo", open=False):
            camera = gr.Image(
                sources=["webcam"], type="filepath", image_mode=None, label="Camera", height=320
            )
        threshold = gr.Slider(
            0,
            1,
            app.start,
            step=0.01,
            label="Blurred from this probability on",
            elem_id="threshold",
        )
        headline = gr.HTML(EMPTY, elem_id="headline")
        seen = gr.HTML(elem_id="seen")
        table = gr.HTML(elem_id="table", js_on_load=CLICKS)
        again = gr.Button("Start over", size="sm", variant="secondary")
        private: dict[str, Any] = {"api_visibility": "private"}
        words = [headline, table]
        page = [album, seen, *words]
        for source, happened in ((files, files.upload), (camera, camera.input)):
            happened(app.judge, [source, album, threshold], [source, *page], **private)
        quick: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
        threshold.input(app.words, [album, threshold], words, **quick, **private)
        table.click(app.choose, [album, threshold], page, **private)
        again.click(lambda value: app.page(Album(), value), [threshold], page, **private)
    return blocks
