"""The page of the app, in Gradio."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from blur_fusion.app.album import MEGA, Album, Limits, judge_upload
from blur_fusion.explain.explainer import Explainer
from blur_fusion.model.prediction import Band
from blur_fusion.report.explained import SHOWN
from blur_fusion.report.pages import fragment

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
# Light in the browser's dark mode too: photos and their maps are judged on white.
LIGHT = "() => { document.body.classList.remove('dark'); }"
# Outside of what Gradio lets style sheets reach.
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
CACHE_SECONDS = 300  # an upload that nobody judged, since the visitor left, is deleted after that
ALBUM_SECONDS = 3600


@dataclass(frozen=True)
class App:
    """What the page calls.

    Attributes
    ----------
    explainer : Explainer
        Of a classifier with threshold 0; predictions are settled by the slider.
    threshold : float
        Where the slider stands at first, before it is rounded.
    grad_cam : bool
    limits : Limits
    band : tuple of float, optional
        Probabilities of which the verdict is unsure, as long as the slider stands where it stood.
    """

    explainer: Explainer
    threshold: float
    grad_cam: bool
    limits: Limits
    band: Band | None = None

    @property
    def start(self) -> float:
        """Where the slider stands at first."""
        return round(self.threshold, 2)

    def settings(self, slider: float) -> tuple[float, Band | None]:
        """Threshold and band where the slider stands there."""
        return (self.threshold, self.band) if slider == self.start else (slider, None)

    def words(self, album: Album, slider: float) -> tuple[str, str]:
        """All that depends on the threshold: headline and table."""
        threshold, band = self.settings(slider)
        predictions = album.predictions(threshold, band)
        if not predictions:
            return EMPTY, ""
        found = album.explained(self.explainer, threshold, self.grad_cam, band)
        shown = predictions[album.chosen], found, threshold
        # The CSV file is an address of its own: nothing is left on the server.
        csv = base64.b64encode(album.csv(threshold, band).encode("utf-8", "replace")).decode()
        return (
            fragment("parts.html", "said", *shown, **SHOWN),
            fragment("app.html", "table", predictions, album.chosen, csv, **SHOWN),
        )

    def page(self, album: Album, slider: float) -> tuple[Any, ...]:
        """Everything: the album, its pictures with what they mean, and :meth:`words`."""
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
            *(0, 1, app.start),
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
