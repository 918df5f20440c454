"""Maps in colour, and an explanation as one picture: photo, maps with their scales, bars."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.explain import captions
from blur_fusion.explain.blur_map import BlurMap
from blur_fusion.explain.explainer import Contribution, Explanation

BLURRED = cv2.COLORMAP_VIRIDIS  # perceptually uniform: dark violet, green, yellow
ATTENTION = cv2.COLORMAP_JET  # blue, green, yellow, red: what people expect of Grad-CAM
PANEL = 560  # pixels, long side of each picture
_EMPTY = (208, 222)  # grey levels of the hatching where there is nothing to see
_HATCH = 8  # pixels from stripe to stripe
_HEAT = 0.5  # how much of an overlay is heat

_INK, _SOFT, _PALE = 17, 95, 200  # grey levels
_MARGIN, _GAP, _SCALE = 28, 20, 14
_BAR, _NAME, _LINE = 24, 190, 21  # height of a bar, width of its name, height of a line

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_OUTLINES = hasattr(cv2, "FontFace")  # of OpenCV 5, with all letters; OpenCV 4 draws strokes
_LETTER = 27.6 if _OUTLINES else 32.0  # pixels that the font is high

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def coloured(values: Floats, colours: int) -> Pixels:
    """Values 0..1 as RGB by one of OpenCV's colour maps."""
    levels = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, colours)[..., ::-1], dtype=np.uint8)


def map_picture(found: BlurMap) -> Pixels:
    """A blur map as RGB: yellow is blurred, dark is sharp, hatched is empty."""
    picture = coloured(found.blurred, BLURRED)
    rows, columns = np.nonzero(found.empty)
    stripe = (rows + columns) // (_HATCH // 2) % 2
    picture[rows, columns] = np.asarray(_EMPTY, np.uint8)[stripe][:, None]
    return picture


def heat_picture(photo: Pixels, heat: Floats) -> Pixels:
    """Heat 0..1 (any size) laid over an RGB photo: red and yellow are high, blue is low."""
    size = (photo.shape[1], photo.shape[0])
    wide = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))[..., None].astype(np.float32)
    mixed = (1 - _HEAT) * grey + _HEAT * coloured(wide, ATTENTION)
    return np.asarray(mixed + 0.5, dtype=np.uint8)


def scale_picture(colours: int, width: int = 128, height: int = 1) -> Pixels:
    """A colour map from 0 to 1, left to right."""
    return coloured(np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1)), colours)


def fitted(picture: Pixels, side: int = PANEL) -> Pixels:
    """RGB `picture` shrunk to at most `side` pixels; nothing is enlarged."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass(frozen=True)
class Panel:
    """A picture of an explanation; maps have colours, and words at the ends of their scale."""

    title: str
    picture: Pixels
    colours: int | None = None
    low: str = ""
    high: str = ""


def _marked(photo: Pixels, angle: float) -> Pixels:
    """`photo` with a line along the motion in its corner."""
    marked, reach = photo.copy(), 30
    centre = np.array([reach + 14, marked.shape[0] - reach - 14])
    step = np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))]) * reach
    ends = [tuple(np.round(centre + sign * step).astype(int).tolist()) for sign in (-1, 1)]
    for colour, thickness in (((0, 0, 0), 7), ((255, 255, 255), 3)):
        for first, second in (ends, ends[::-1]):
            cv2.arrowedLine(marked, first, second, colour, thickness, cv2.LINE_AA, tipLength=0.25)
    return marked


def panels(explanation: Explanation) -> list[Panel]:
    """The photo, Grad-CAM where there is one, and the blur map."""
    spread, photo = explanation.spread, fitted(explanation.photo)
    angle = None if spread is None else spread.angle
    found = [Panel("Photo", photo if angle is None else _marked(photo, angle))]
    if explanation.grad_cam is not None:
        heat = fitted(heat_picture(explanation.photo, explanation.grad_cam))
        found.append(Panel("Grad-CAM", heat, ATTENTION, "low attention", "high attention"))
    blurred = fitted(map_picture(explanation.map))
    found.append(Panel("Blur map", blurred, BLURRED, "sharp", "blurred"))
    return found


def _drawable(text: str) -> str:
    """`text` with a question mark for what cannot be drawn."""
    clean = text.encode("utf-8" if _OUTLINES else "ascii", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in clean)


def _width(text: str, size: int) -> int:
    return int(cv2.getTextSize(_drawable(text), _FONT, size / _LETTER, 1)[0][0])


class _Canvas:
    """RGB pixels, white at first; text stands on its baseline, `size` pixels high."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Pixels = np.full((height, width, 3), 255, np.uint8)

    def text(
        self, text: str, left: int, baseline: int, size: int, shade: int = _INK, bold: bool = False
    ) -> None:
        """Write one line."""
        scale, colour, thickness = size / _LETTER, (shade, shade, shade), 2 if bold else 1
        place, line = (left, baseline), _drawable(text)
        cv2.putText(self.pixels, line, place, _FONT, scale, colour, thickness, cv2.LINE_AA)

    def box(self, left: int, top: int, width: int, height: int, shade: int) -> None:
        """A filled box."""
        self.pixels[top : top + height, left : left + width] = shade

    def picture(self, picture: Pixels, left: int, top: int) -> None:
        """An RGB picture; what would stand out is cut off."""
        place = self.pixels[top : top + picture.shape[0], left : left + picture.shape[1]]
        place[:] = picture[: place.shape[0], : place.shape[1]]

    def panel(self, panel: Panel, left: int, top: int, below: int, width: int) -> None:
        """A picture with its title and scale at the height `below`."""
        self.picture(panel.picture, left, top)
        if panel.colours is None:
            self.text(panel.title, left, below + 12, 15)
            return
        title = f"{panel.title}: {panel.low}"
        self.text(title, left, below + 12, 15)
        start = left + _width(title, 15) + 8
        length = min(160, max(40, left + width - start - _width(panel.high, 15) - 10))
        self.picture(scale_picture(panel.colours, length, _SCALE), start, below)
        self.text(panel.high, start + length + 8, below + 12, 15)

    def bars(self, top: int, left: int, width: int, shown: list[Contribution]) -> None:
        """One line for each contribution, around a common zero."""
        largest = max((abs(one.logit) for one in shown), default=1.0)
        half = (width - _NAME - 60) // 2
        zero, reach = left + _NAME + half, half - 50
        for number, one in enumerate(shown):
            y, forth = top + number * _BAR, one.logit > 0
            length = max(1, round(abs(one.logit) / largest * reach))
            first = zero if forth else zero - length
            self.text(one.shown, left, y + 17, 16)
            self.box(first, y + 4, length, _BAR - 9, _INK if forth else _SOFT)
            beside = first + length + 6 if forth else first - 48
            self.text(f"{one.logit:+.1f}", beside, y + 17, 14, _SOFT)
        self.box(zero, top, 1, len(shown) * _BAR, _INK)


def figure(explanation: Explanation) -> Pixels:
    """Draw all that is known of one photo.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB, black on white.
    """
    prediction, found = explanation.prediction, panels(explanation)
    wide, tall = max(found[0].picture.shape[1], 320), found[0].picture.shape[0]
    width = max(2 * _MARGIN + len(found) * (wide + _GAP) - _GAP, 1000)
    inner = width - 2 * _MARGIN
    shown = captions.strongest(explanation.contributions)
    notes = [captions.READ_MAP, captions.READ_BARS]
    if explanation.grad_cam is not None:
        notes.insert(1, captions.READ_HEAT)
    lines = [line for note in notes for line in wrap(note, inner // 8)]  # a letter is narrower
    head, bars = 128, 128 + tall + 60
    foot = bars + 28 + len(shown) * _BAR + 26
    canvas = _Canvas(width, foot + _LINE * len(lines) + _MARGIN)
    canvas.text(captions.headline(prediction), _MARGIN, 48, 34, bold=True)
    surely = captions.surely(prediction, explanation.threshold, explanation.band)
    canvas.text(surely, _MARGIN, 78, 18, _SOFT)
    canvas.text(captions.kind_line(explanation), _MARGIN, 104, 18)
    fits = width // 20  # letters of a path in half the width
    path = prediction.path if len(prediction.path) <= fits else f"...{prediction.path[-fits:]}"
    canvas.text(path, width // 2, 48, 16, _SOFT)
    for number, panel in enumerate(found):
        canvas.panel(panel, _MARGIN + number * (wide + _GAP), head, head + tall + 10, wide)
    canvas.box(_MARGIN, bars - 14, inner, 1, _PALE)
    canvas.text(captions.BARS, _MARGIN, bars + 12, 17)
    canvas.bars(bars + 28, _MARGIN, min(inner, 900), shown)
    for number, line in enumerate(lines):
        canvas.text(line, _MARGIN, foot + _LINE * number, 15, _SOFT)
    return canvas.pixels
