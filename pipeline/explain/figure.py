"""An explanation as one picture: photo, maps with their scales, verdict, bars."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.explain import words
from pipeline.explain.canvas import INK, PALE, SOFT, Canvas
from pipeline.explain.colours import (
    ATTENTION,
    BLURRED,
    Pixels,
    fitted,
    heat_picture,
    map_picture,
    scale_picture,
)
from pipeline.explain.contributions import Contribution
from pipeline.explain.explanation import Explanation

PANEL = 560  # pixels, long side of each picture
_MARGIN, _GAP, _SCALE = 28, 20, 14
_BAR, _NAME = 24, 190  # height of a bar's line, width of its name


def _marked(photo: Pixels, angle: float | None) -> Pixels:
    """`photo` with a line along the motion in its corner."""
    if angle is None:
        return photo
    marked, reach = photo.copy(), 30
    centre = np.array([reach + 14, marked.shape[0] - reach - 14])
    turn = np.radians(angle)
    step = np.array([np.cos(turn), -np.sin(turn)]) * reach
    ends = [tuple(int(v) for v in np.round(centre + sign * step)) for sign in (-1, 1)]
    for thickness, shade in ((7, 0), (3, 255)):
        for first, second in (ends, ends[::-1]):
            colour = (shade, shade, shade)
            cv2.arrowedLine(marked, first, second, colour, thickness, cv2.LINE_AA, tipLength=0.25)
    return marked


def panels(explanation: Explanation) -> list[tuple[str, Pixels, int | None, tuple[str, str]]]:
    """Title, picture, colour map and the words at its ends, for each picture shown."""
    motion = explanation.motion
    photo = _marked(fitted(explanation.photo, PANEL), motion.angle if motion else None)
    ends = (words.SHARP_END, words.BLURRED_END)
    found: list[tuple[str, Pixels, int | None, tuple[str, str]]] = [
        ("Photo", photo, None, ("", "")),
    ]
    if explanation.grad_cam is not None:
        heat = fitted(heat_picture(explanation.photo, explanation.grad_cam), PANEL)
        found.append(("Grad-CAM", heat, ATTENTION, (words.LOW_END, words.HIGH_END)))
    found.append(("Blur map", fitted(map_picture(explanation.map), PANEL), BLURRED, ends))
    return found


def _bars(canvas: Canvas, top: int, left: int, width: int, shown: list[Contribution]) -> None:
    """One line for each contribution, around a common zero."""
    if not shown:
        return
    largest = max(abs(one.logit) for one in shown)
    zero = left + _NAME + (width - _NAME - 60) // 2
    reach = (width - _NAME - 60) // 2 - 50
    for number, one in enumerate(shown):
        y = top + number * _BAR
        length = max(1, round(abs(one.logit) / largest * reach))
        first = zero if one.logit > 0 else zero - length
        canvas.text(one.shown, left, y + 17, 16)
        canvas.box(first, y + 4, length, _BAR - 9, INK if one.logit > 0 else SOFT)
        beside = first + length + 6 if one.logit > 0 else first - 48
        canvas.text(f"{one.logit:+.1f}", beside, y + 17, 14, SOFT)
    canvas.box(zero, top, 1, len(shown) * _BAR, INK)


def figure(explanation: Explanation) -> npt.NDArray[np.uint8]:
    """Draw all that is known of one photo.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB, black on white.
    """
    verdict, found = explanation.verdict, panels(explanation)
    wide = max(found[0][1].shape[1], 320)
    tall = found[0][1].shape[0]
    shown = words.strongest(explanation.contributions)
    width = max(2 * _MARGIN + len(found) * wide + (len(found) - 1) * _GAP, 1000)
    head, below = 128, tall + 60
    notes = [words.READ_MAP, *([words.READ_HEAT] if len(found) > 2 else []), words.READ_BARS]
    probe = Canvas(width, 40)
    lines = [line for note in notes for line in probe.wrapped(note, width - 2 * _MARGIN, 15)]
    height = head + below + 40 + len(shown) * _BAR + 30 + 21 * len(lines) + _MARGIN
    canvas = Canvas(width, height)
    canvas.text(words.headline(verdict), _MARGIN, 48, 34, bold=True)
    canvas.text(words.surely(verdict, explanation.threshold), _MARGIN, 78, 18, SOFT)
    canvas.text(words.kind_line(explanation), _MARGIN, 104, 18)
    canvas.text(canvas.shortened(verdict.path, width // 2, 16), width // 2, 48, 16, SOFT)
    for number, (title, picture, colours, ends) in enumerate(found):
        left = _MARGIN + number * (wide + _GAP)
        canvas.picture(picture, left, head)
        y = head + tall + 10
        if colours is None:
            canvas.text(title, left, y + 12, 15)
            continue
        canvas.text(f"{title}: {ends[0]}", left, y + 12, 15)
        start = left + canvas.width_of(f"{title}: {ends[0]}", 15) + 8
        length = min(160, max(40, left + wide - start - canvas.width_of(ends[1], 15) - 10))
        canvas.picture(scale_picture(colours, length, _SCALE), start, y)
        canvas.text(ends[1], start + length + 8, y + 12, 15)
    top = head + below
    canvas.box(_MARGIN, top - 14, width - 2 * _MARGIN, 1, PALE)
    canvas.text("What spoke for blurred (right) and against (left)", _MARGIN, top + 12, 17)
    _bars(canvas, top + 28, _MARGIN, min(width - 2 * _MARGIN, 900), shown)
    top += 28 + len(shown) * _BAR + 26
    for number, line in enumerate(lines):
        canvas.text(line, _MARGIN, top + 21 * number, 15, SOFT)
    return canvas.pixels
