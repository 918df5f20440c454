"""Explanations as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator

from pipeline.explain import words
from pipeline.explain.colours import data_uri, scale_picture
from pipeline.explain.contributions import Contribution
from pipeline.explain.explanation import Explanation
from pipeline.explain.figure import panels
from pipeline.serving.verdict import Verdict

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
PARTS_STYLE = """
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr));
  gap: 1rem; margin: 1rem 0; }
figure { margin: 0; }
figure > img { display: block; width: 100%; height: auto; }
figcaption { font-size: .85rem; margin-top: .35rem; display: flex; flex-wrap: wrap; gap: 0 .5rem;
  align-items: center; }
figcaption img { width: 7rem; height: .7rem; }
.soft, figcaption { color: #555; }
.bars { display: grid; grid-template-columns: max-content minmax(6rem, 22rem) 3rem; gap: 0 .75rem;
  font-size: .9rem; align-items: center; margin: .25rem 0 0; }
.bars svg { width: 100%; height: 1.05rem; display: block; }
.bars span:nth-child(3n) { text-align: right; font-variant-numeric: tabular-nums; color: #555; }
"""
STYLE = (
    """
body { max-width: 76rem; margin: 2.5rem auto; padding: 0 1.25rem; color: #111; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; font-weight: 650; margin: 0 0 .5rem; }
section { margin: 2.5rem 0 0; border-top: 1px solid #111; padding-top: .75rem; }
h2 { font-size: 1.3rem; font-weight: 650; margin: 0; }
p { margin: 0 0 .25rem; max-width: 46rem; overflow-wrap: anywhere; }
"""
    + PARTS_STYLE
)


def text(value: str) -> str:
    """`value` as HTML in ASCII: a file's name is never markup, and need not be UTF-8."""
    return html.escape(value).encode("ascii", "xmlcharrefreplace").decode()


def bars(found: list[Contribution]) -> str:
    """The strongest contributions as bars around a common zero, HTML."""
    shown = words.strongest(found)
    if not shown:
        return ""
    largest = max(abs(one.logit) for one in shown)
    rows = []
    for one in shown:
        length = 98 * abs(one.logit) / largest
        start = 100 if one.logit > 0 else 100 - length
        colour = "#111" if one.logit > 0 else "#767676"
        rows.append(
            f"<span>{text(one.shown)}</span>"
            '<svg viewBox="0 0 200 10" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect x="{start:.1f}" y="1" width="{length:.1f}" height="8" fill="{colour}"/>'
            '<rect x="99.7" y="0" width=".6" height="10" fill="#111"/></svg>'
            f"<span>{one.logit:+.1f}</span>"
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def pictures(explanation: Explanation) -> str:
    """Photo and maps side by side, with their scales, HTML."""
    parts = []
    for title, picture, colours, (low, high) in panels(explanation):
        scale = ""
        if colours is not None:
            uri = data_uri(scale_picture(colours, 128, 1), ".png")
            scale = f'<span>{low}</span><img src="{uri}" alt="scale"><span>{high}</span>'
        parts.append(
            f'<figure><img src="{data_uri(picture)}" alt="{title}">'
            f"<figcaption><b>{title}</b>{scale}</figcaption></figure>"
        )
    return f'<div class="panels">{"".join(parts)}</div>'


def section(explanation: Explanation) -> str:
    """One photo, HTML."""
    verdict = explanation.verdict
    return (
        f"<section><h2>{words.headline(verdict)}</h2><p>{text(verdict.path)}</p>"
        f'<p class="soft">{words.surely(verdict, explanation.threshold)}</p>'
        f"<p>{words.kind_line(explanation)}</p>{pictures(explanation)}"
        "<p>What spoke for blurred (right) and against (left):</p>"
        f"{bars(explanation.contributions)}</section>\n"
    )


def failure(verdict: Verdict) -> str:
    """A photo that could not be read, HTML."""
    line = f"{text(verdict.path)}: {text(verdict.error or '')}"
    return f"<section><h2>Not read</h2><p>{line}</p></section>\n"


def page_parts(sections: Iterable[str], heat: bool) -> Iterator[str]:
    """The page piece by piece, so that memory stays flat.

    Parameters
    ----------
    sections : iterable of str
        From :func:`section` and :func:`failure`.
    heat : bool
        Whether Grad-CAM is shown.
    """
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Why blurred or not</title><style>{STYLE}</style></head><body>\n"
        f"<h1>Why blurred or not</h1>\n<p>{words.READ_MAP}</p>"
    )
    if heat:
        yield f"<p>{words.READ_HEAT}</p>"
    yield f"<p>{words.READ_BARS}</p>\n"
    yield from sections
    yield "</body></html>\n"
