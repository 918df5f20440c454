"""How the page looks: black on white, calm, no font or file from elsewhere."""

from __future__ import annotations

from pipeline.explain.page import PARTS_STYLE

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
