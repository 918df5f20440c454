"""What the page shows, as HTML."""

from __future__ import annotations

import base64

from pipeline.explain import words
from pipeline.explain.explanation import Explanation
from pipeline.explain.page import bars, pictures, text
from pipeline.serving.verdict import Verdict

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
