"""A page of the worst misclassified images, to see what the network gets wrong."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from blur_fusion.evaluation.metrics import Flags, Floats, Ints
from blur_fusion.images.working import working_image

_THUMBNAIL = 320  # pixels, long side of the whole picture
_DETAIL = 240  # pixels, side of the piece at full working size
_QUALITY = 88

_HEADINGS = ((1, "Misses: blurred, called sharp"), (0, "False alarms: sharp, called blurred"))

_STYLE = """
body { max-width: 62rem; margin: 3rem auto; padding: 0 1.5rem; color: #000; background: #fff;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; font-weight: 600; margin: 3rem 0 1rem; border-top: 1px solid #000;
  padding-top: .75rem; }
p { max-width: 42rem; margin: 0; }
figure { display: grid; grid-template-columns: 320px 240px 1fr; gap: 1.25rem; margin: 0 0 2rem;
  align-items: start; }
img { display: block; max-width: 100%; }
figcaption { font-size: .9rem; overflow-wrap: anywhere; }
figcaption b { font-weight: 600; }
td { padding: 0 .75rem 0 0; font-variant-numeric: tabular-nums; }
@media (max-width: 56rem) { figure { grid-template-columns: 1fr; } }
"""


@dataclass(frozen=True)
class Mistake:
    """One misclassified image and what each model says of it."""

    path: Path
    name: str
    label: int
    subset: str
    kind: str
    cnn: float
    features: float
    fused: float


def worst_rows(labels: Ints, fused: Floats, verdicts: Flags, count: int) -> Ints:
    """Rows of the `count` worst mistakes, misses first, each group from the worst on.

    Half of them misses and half false alarms; where one group is short, the other fills up.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    fused : ndarray of float, shape (n,)
        P(blurred).
    verdicts : ndarray of bool, shape (n,)
    count : int
    """
    misses = np.flatnonzero((labels == 1) & ~verdicts)
    alarms = np.flatnonzero((labels == 0) & verdicts)
    misses = misses[np.argsort(fused[misses], kind="stable")]
    alarms = alarms[np.argsort(-fused[alarms], kind="stable")]
    half = count // 2
    kept_misses = min(len(misses), max(half, count - len(alarms)))
    return np.concatenate([misses[:kept_misses], alarms[: count - kept_misses]])


def _embedded(rgb: np.ndarray) -> str:
    """An RGB image as a data URI of a JPEG."""
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def _detail(rgb: np.ndarray) -> np.ndarray:
    """The square of the working image that holds most detail, at its own size."""
    side = min(_DETAIL, *rgb.shape[:2])
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    energy = cv2.Laplacian(grey, cv2.CV_32F) ** 2
    sums = cv2.boxFilter(energy, -1, (side, side), anchor=(0, 0), normalize=False)
    valid = sums[: rgb.shape[0] - side + 1, : rgb.shape[1] - side + 1]
    top, left = np.unravel_index(int(valid.argmax()), valid.shape)
    return rgb[top : top + side, left : left + side]


def _figure(mistake: Mistake, long_side: int) -> str:
    picture = working_image(mistake.path, long_side, colour=True)
    small = working_image(picture, _THUMBNAIL, colour=True)
    truth = "blurred" if mistake.label else "sharp"
    if mistake.label and mistake.kind:
        truth += f" ({mistake.kind})"
    name, subset = html.escape(mistake.name), html.escape(mistake.subset)
    figures = "".join(
        f"<tr><td>{model}</td><td>{value:.3f}</td></tr>"
        for model, value in (
            ("fused", mistake.fused),
            ("cnn", mistake.cnn),
            ("features", mistake.features),
        )
    )
    return (
        f'<figure><img src="{_embedded(small)}" alt="{name}">'
        f'<img src="{_embedded(_detail(picture))}" alt="detail of {name}">'
        f"<figcaption><b>{name}</b><br>subset {subset}<br>"
        f"label: {html.escape(truth)}<table>{figures}</table></figcaption></figure>\n"
    )


def page(mistakes: Sequence[Mistake], total: int, threshold: float, long_side: int) -> str:
    """The page as HTML with all pictures embedded.

    Parameters
    ----------
    mistakes : sequence of Mistake
        In the order shown; misses and false alarms are put under headings of their own.
    total : int
        Of how many test images.
    threshold : float
        Of the fused probability.
    long_side : int
        Of the working image, in pixels.
    """
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Worst mistakes</title><style>{_STYLE}</style></head><body>\n"
        "<h1>Worst mistakes</h1>\n"
        f"<p>Of {total} test images, those that the fused network judged wrongly with most "
        "confidence: each as a whole, its most detailed piece at the size the network sees, and "
        "the probability of blur by each model, where fused says blurred from "
        f"{threshold:.3f} on.</p>\n"
    ]
    for label, heading in _HEADINGS:
        group = [mistake for mistake in mistakes if mistake.label == label]
        parts.append(f"<h2>{heading}</h2>\n")
        parts += [_figure(mistake, long_side) for mistake in group] or ["<p>None.</p>\n"]
    return "".join([*parts, "</body></html>\n"])
