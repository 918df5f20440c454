"""The page of the app, in Gradio."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from blur_fusion.app.album import MEGA, Album, Limits, judge_upload
from blur_fusion.explain import explanation as words
from blur_fusion.explain.explanation import Explanation, PhotoExplainer
from blur_fusion.explain.page import PARTS_STYLE, bars, pictures, text
from blur_fusion.model.prediction import Verdict

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
CSS = (
    PARTS_STYLE
    + """
.gradio-container { width: 100% !important; max-width: 68rem !important;
  margin: 0 auto !important; background: #fff; }
.gradio-container, .gradio-container * { color-scheme: light; }
.gradio-container .main { max-width: none !important; }
.gradio-container :is(h1, h2, p, summary) { color: #111 !important; }
.gradio-container h1 { font-size: 1.5rem; font-weight: 650; margin: .5rem 0 0; }
.gradio-container h2 { font-size: 2rem; font-weight: 650; margin: .25rem 0 0; }
.gradio-container p { margin: 0 0 .3rem; max-width: 46rem; overflow-wrap: anywhere; }
.gradio-container :is(.soft, figcaption) { color: #555 !important; }
.gradio-container .html-container { padding: 0 !important; }
.counts { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; }
.counts a { color: #111; text-decoration: underline; }
.wide { overflow-x: auto; contain: inline-size; }  /* a wide table does not widen the page */
.gradio-container .wide :is(table, tr, thead, tbody) { border: 0; }
.gradio-container .wide table { border-collapse: collapse; width: 100%; color: #111; }
.gradio-container .wide :is(th, td) { padding: .35rem 1rem .35rem 0; vertical-align: top;
  text-align: left; border: 0; border-bottom: 1px solid #ddd; font-size: .95rem; }
.gradio-container .wide th { font-weight: 600; border-bottom-color: #111; }
.gradio-container .wide td:first-child { min-width: 8rem; }
.gradio-container .wide td:nth-child(3) { font-variant-numeric: tabular-nums; }
.wide button { all: unset; cursor: pointer; text-decoration: underline; overflow-wrap: anywhere; }
.wide button[aria-current] { font-weight: 650; text-decoration: none; }
.wide button:focus-visible, .counts a:focus-visible, summary:focus-visible {
  outline: 3px solid #0b57d0; outline-offset: 2px; }
summary { cursor: pointer; color: #111; margin: .5rem 0; }
@media (max-width: 40rem) { .gradio-container h2 { font-size: 1.6rem; } }
"""
)


EMPTY = "<p class='soft'>No photo yet.</p>"


def headline(verdict: Verdict, threshold: float, explanation: Explanation | None) -> str:
    """The verdict of one photo: calibrated confidence, kind, direction and extent."""
    name = f"<p class='soft name'>{text(verdict.path)}</p>"
    if verdict.probability is None or verdict.blurred is None:
        return f"<h2>Not read</h2>{name}<p>{text(verdict.error or '')}</p>"
    sure = words.percent(words.confidence(verdict.probability, verdict.blurred))
    kind = "" if explanation is None else f"<p>{words.kind_line(explanation)}</p>"
    return (
        f"<h2>{words.headline(verdict)}</h2>{name}"
        f"<p><b>Confidence {sure}</b>: {words.surely(verdict, threshold)}.</p>{kind}"
    )


def seen(explanation: Explanation | None) -> str:
    """Photo beside its Grad-CAM or its blur map, how to read it, and what spoke for the verdict."""
    if explanation is None:
        return ""
    heat = explanation.grad_cam is not None
    note = words.READ_HEAT if heat else words.READ_MAP
    more = f"<p>{words.READ_MAP}</p>" if heat else ""
    return (
        f"{pictures(explanation)}<p class='read'>{note}</p>{more}"
        "<details><summary>What spoke for blurred (right) and against (left)</summary>"
        f"{bars(explanation.contributions)}<p class='soft'>{words.READ_BARS}</p></details>"
    )


def _row(number: int, verdict: Verdict, chosen: bool) -> str:
    name = text(verdict.path)
    if verdict.probability is None:
        cells = f"<td>not read</td><td></td><td class='soft'>{text(verdict.error or '')}</td>"
    else:
        word = "<b>Blurred</b>" if verdict.blurred else "Not blurred"
        kind = text(verdict.kind or "") if verdict.blurred else ""
        cells = f"<td>{word}</td><td>{verdict.probability:.3f}</td><td>{kind}</td>"
    current = " aria-current='true'" if chosen else ""
    button = f"<button type='button' data-number='{number}'{current}>{name}</button>"
    return f"<tr><td>{button}</td>{cells}</tr>"


def table(verdicts: list[Verdict], chosen: int) -> str:
    """All photos; a click on a name shows that photo."""
    if not verdicts:
        return ""
    rows = "".join(_row(number, one, number == chosen) for number, one in enumerate(verdicts))
    head = "<tr><th>photo</th><th>verdict</th><th>probability of blur</th><th>kind</th></tr>"
    return f"<div class='wide'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def summary(verdicts: list[Verdict], csv: str) -> str:
    """Counts, and the CSV file as an address of its own: nothing is left on the server."""
    if not verdicts:
        return EMPTY
    unread = sum(one.probability is None for one in verdicts)
    blurred = sum(bool(one.blurred) for one in verdicts)
    line = f"{blurred} of {len(verdicts)} blurred" + (f", {unread} not read" if unread else "")
    data = base64.b64encode(csv.encode("utf-8", "replace")).decode("ascii")
    link = f"<a download='verdicts.csv' href='data:text/csv;base64,{data}'>Download CSV</a>"
    return f"<p class='counts'><span>{line}</span> {link}</p>"


TITLE = "Blurred or not?"
CACHE_SECONDS = 300  # an upload that nobody judged, since the visitor left, is deleted after that
ALBUM_SECONDS = 3600


@dataclass(frozen=True)
class App:
    """What the page calls.

    Attributes
    ----------
    explainer : PhotoExplainer
        With threshold 0; verdicts are settled by the slider.
    threshold : float
        Where the slider stands at first.
    grad_cam : bool
    limits : Limits
    """

    explainer: PhotoExplainer
    threshold: float
    grad_cam: bool
    limits: Limits

    def words(self, album: Album, threshold: float) -> tuple[str, str, str]:
        """All that depends on the threshold: headline, counts, table."""
        verdicts = album.verdicts(threshold)
        if not verdicts:
            return EMPTY, "", ""
        found = album.explained(self.explainer, threshold, self.grad_cam)
        return (
            headline(verdicts[album.chosen], threshold, found),
            summary(verdicts, album.csv(threshold)),
            table(verdicts, album.chosen),
        )

    def page(self, album: Album, threshold: float) -> tuple[Any, ...]:
        """Everything: the album, its pictures, and :meth:`words`."""
        found = album.explained(self.explainer, threshold, self.grad_cam)
        return album, seen(found), *self.words(album, threshold)

    def judge(
        self,
        files: list[str] | str | None,
        album: Album,
        threshold: float,
        progress: Any = gr.Progress(),  # noqa: B008  (how Gradio finds it)
    ) -> tuple[Any, ...]:
        """Judge uploads, delete them, show the first."""
        paths = [Path(name) for name in ([files] if isinstance(files, str) else files or [])]
        room = max(0, self.limits.photos - len(album.photos))
        if len(paths) > room:
            gr.Warning(f"Only {self.limits.photos} photos at a time; the rest was left out.")
        photos = []
        try:
            for number, path in enumerate(paths[:room]):
                progress((number, len(paths[:room])), desc="Judging", unit="photos")
                photos.append(judge_upload(self.explainer, path, self.limits))
        finally:
            for path in paths:
                with suppress(OSError):
                    path.unlink()
                    path.parent.rmdir()
        album.add(photos)
        return None, *self.page(album, threshold)

    def choose(self, album: Album, threshold: float, event: gr.EventData) -> tuple[Any, ...]:
        """Show the photo whose name was clicked."""
        number = event._data.get("number") if isinstance(event._data, dict) else None
        if isinstance(number, int):
            album.choose(number)
        return self.page(album, threshold)


def build(app: App) -> gr.Blocks:
    """Lay out the page and connect it to `app`."""
    deleting = (CACHE_SECONDS, CACHE_SECONDS)
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=deleting, fill_width=True
    ) as blocks:
        album = gr.State(Album(), time_to_live=ALBUM_SECONDS)
        gr.HTML(f"<h1>{TITLE}</h1><p class='soft'>{_about(app.limits)}</p>")
        files = gr.File(file_count="multiple", label="Photos", height=150, elem_id="photos")
        with gr.Accordion("Take a photo", open=False):
            camera = gr.Image(
                sources=["webcam"], type="filepath", image_mode=None, label="Camera", height=320
            )
        threshold = gr.Slider(
            *(0, 1, round(app.threshold, 2)),
            step=0.01,
            label="Blurred from this probability on",
            elem_id="threshold",
        )
        headline = gr.HTML(EMPTY, elem_id="headline")
        seen = gr.HTML(elem_id="seen")
        summary = gr.HTML(elem_id="summary")
        table = gr.HTML(elem_id="table", js_on_load=CLICKS)
        again = gr.Button("Start over", size="sm", variant="secondary")
        words = [headline, summary, table]
        page = [album, seen, *words]
        for source, happened in ((files, files.upload), (camera, camera.input)):
            happened(
                app.judge, [source, album, threshold], [source, *page], api_visibility="private"
            )
        threshold.input(
            *(app.words, [album, threshold], words),
            show_progress="hidden",
            trigger_mode="always_last",
            api_visibility="private",
        )
        table.click(app.choose, [album, threshold], page, api_visibility="private")
        again.click(
            *(lambda value: app.page(Album(), value), [threshold], page), api_visibility="private"
        )
    return blocks


def _about(limits: Limits) -> str:
    return (
        "Drop one photo or many. They stay on this computer's server, are judged there and deleted "
        f"at once; at most {limits.upload // MEGA} MB and {limits.pixels // MEGA} million pixels "
        "each."
    )
