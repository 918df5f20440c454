"""The report's HTML; every part comes with how to read it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.table import HEADINGS, MODELS, counted
from pipeline.explain.colours import BLURRED, data_uri, scale_picture

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { max-width: 64rem; margin: 3rem auto; padding: 0 1.25rem; color: #111; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; font-weight: 650; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 2.5rem 0 .5rem; border-top: 1px solid #111;
  padding-top: .75rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 1.25rem 0 .5rem; }
p { max-width: 46rem; margin: 0 0 .6rem; }
.soft, small { color: #555; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: right; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; }
th { font-weight: 600; border-bottom-color: #111; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td small { display: block; white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1rem; } .charts svg { width: 100%; max-width: 32rem; height: auto; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr));
  gap: 1.25rem 1.5rem; }
.pair { margin: 0; display: grid; grid-template-columns: 1fr 1fr; gap: .4rem;
  align-content: start; }
.pair img { width: 100%; display: block; } figcaption { grid-column: 1 / -1; font-size: .8rem;
  color: #555; overflow-wrap: anywhere; }
.scale { width: 9rem; height: .7rem; vertical-align: middle; }
"""


def escaped(value: object) -> str:
    """As HTML in ASCII."""
    return html.escape(str(value)).encode("ascii", "xmlcharrefreplace").decode()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are HTML."""
    first = "".join(f"<th>{escaped(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody>'
        "</table></div>\n"
    )


def _cell(figure: Mapping[str, float | None], percent: bool = False) -> str:
    """A figure with its interval below."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return "n/a"
    shown = (lambda number: f"{100 * number:.1f} %") if percent else (lambda n: f"{n:.3f}")
    spread = "" if low is None or high is None else f"<small>{shown(low)} to {shown(high)}</small>"
    return shown(value) + spread


def results(report: Mapping[str, Any]) -> str:
    """All models by all metrics."""
    models = [model for model in MODELS if model in report]
    rows = [
        [escaped(model), *(_cell(report[model]["overall"][metric]) for metric in HEADINGS)]
        for model in models
    ]
    counts = "".join(
        f"<br>{escaped(model)}: {counted(report[model]['overall']['counts'])}" for model in models
    )
    return table(["", *HEADINGS.values()], rows) + f'<p class="soft">{counts[4:]}</p>'


def confusion(report: Mapping[str, Any]) -> str:
    """Fused verdicts against the truth, and kinds against named kinds."""
    counts = report["fused"]["overall"]["counts"]
    found, flagged = counts["found"], counts["flagged"]
    rows = [
        ["blurred", f"<b>{found}</b>", str(counts["blurred"] - found)],
        ["sharp", str(flagged), f"<b>{counts['sharp'] - flagged}</b>"],
    ]
    parts = [table(["is", "called blurred", "called sharp"], rows)]
    kinds = report.get("kinds", {}).get("confusion")
    if kinds:
        names = list(kinds)
        lines = [
            [escaped(true), *(_right(kinds[true][name], true == name) for name in names)]
            for true in names
        ]
        parts.append(table(["is", *(f"named {name}" for name in names)], lines))
    return f'<div class="charts">{"".join(parts)}</div>'


def _right(count: int, right: bool) -> str:
    return f"<b>{count}</b>" if right else str(count)


def robustness(found: Mapping[str, Any]) -> str:
    """Share of verdicts that flip, by perturbation and judge."""
    judges = list(found["mean"])
    rows = [
        [escaped(row["name"]), str(row["images"]), *(_cell(row[judge], True) for judge in judges)]
        for row in found["perturbations"]
        if row["images"]
    ]
    mean = ["<b>mean</b>", "", *(_cell(found["mean"][judge], True) for judge in judges)]
    return table(["", "images", *judges], [*rows, mean])


def scale() -> str:
    """The blur map's colours from sharp to blurred."""
    uri = data_uri(scale_picture(BLURRED, 144, 1), ".png")
    return f'<p>sharp <img class="scale" src="{uri}" alt="scale"> blurred</p>'


def section(title: str, reading: str, body: str) -> str:
    """A part of the page: what it is, how to read it, and itself."""
    return f"<h2>{escaped(title)}</h2>\n<p>{escaped(reading)}</p>\n{body}\n"


def page(title: str, about: str, sections: Sequence[str]) -> str:
    """The whole page; it needs no other file and fetches nothing."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{escaped(title)}</h1>\n<p class="soft">{escaped(about)}</p>\n'
        + "".join(sections)
        + "</body></html>\n"
    )
