"""An explanation for people: captions, maps in colour, and all of it as one picture."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.explain.blur_map import BlurMap
from blur_fusion.explain.explainer import Contribution, Explanation
from blur_fusion.model.prediction import Band, Prediction

READ_MAP = (
    "Blur map: dark is sharp, yellow is blurred; hatched areas, such as sky, hold too little "
    "detail to tell."
)
READ_HEAT = (
    "Grad-CAM: red and yellow areas drew the network towards 'blurred', blue ones hardly counted; "
    "the outer edge of a photo is not judged."
)
READ_BARS = (
    "Each bar shows how far an input moved the logit from what its usual value would give: right "
    "for blurred, left against."
)
BARS = "What spoke for blurred (right) and against (left)"
BLURRED = cv2.COLORMAP_VIRIDIS  # perceptually uniform: dark violet, green, yellow
ATTENTION = cv2.COLORMAP_JET  # blue, green, yellow, red, as is usual for Grad-CAM
_SHOWN = 4  # inputs for and against
_SLIGHT = 0.05  # a smaller logit is not shown

_PANEL = 560  # pixels, long side of each picture
_EMPTY = (208, 222)  # grey levels of the hatching
_HATCH = 8  # pixels from stripe to stripe
_HEAT = 0.5  # share of heat in an overlay
_INK, _SOFT, _PALE = 17, 95, 200  # grey levels
_MARGIN, _GAP, _SCALE = 28, 20, 14
_BAR, _NAME, _LINE = 24, 190, 21  # height of a bar, width of its name, height of a line

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_OUTLINES = hasattr(cv2, "FontFace")  # OpenCV 5 has all letters, OpenCV 4 only ASCII
_LETTER = 27.6 if _OUTLINES else 32.0  # pixels that the font is high

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def percent(share: float) -> str:
    """A share for people, never 0 % or 100 %."""
    if share > 0.995:
        return "over 99 %"
    return "below 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")


def confidence(prediction: Prediction) -> str:
    """Calibrated probability that the prediction is right."""
    assert prediction.probability is not None
    return percent(prediction.probability if prediction.blurred else 1 - prediction.probability)


def headline(prediction: Prediction) -> str:
    """The verdict in a word or two."""
    if prediction.probability is None:
        return "Not read"
    return {"blurred": "Blurred", "unsure": "Unsure"}.get(prediction.pile, "Not blurred")


def surely(prediction: Prediction, threshold: float, band: Band | None = None) -> str:
    """For example "probability of blur 93 %; blurred from 72 %"; with a band, both ends."""
    assert prediction.probability is not None
    low, high = band or (threshold, threshold)
    sharp = f"sharp below {percent(low)}, " if low < high else ""
    probability = percent(prediction.probability)
    return f"probability of blur {probability}; {sharp}blurred from {percent(high)}"


def _pixels(extent: float, prediction: Prediction) -> str:
    long_side = max(prediction.width or 0, prediction.height or 0)
    share = f" ({100 * extent / long_side:.1f} % of the long side)" if long_side else ""
    return f"about {extent:.{0 if extent >= 3 else 1}f} pixels{share}"


def kind_line(explanation: Explanation) -> str:
    """The kind of blur with its direction and extent."""
    prediction, spread = explanation.prediction, explanation.spread
    if prediction.pile == "unsure" and prediction.note:
        return f"{prediction.note[0].upper()}{prediction.note[1:]}."
    if not prediction.blurred:
        return "Not blurred as a whole; the map shows where it is soft."
    if spread is None:
        return "Blurred; this model does not know which kind."
    if prediction.kind == "defocus":
        if spread.extent is None:
            return "Out of focus; how far cannot be told from this photo."
        return f"Out of focus: points are disks of {_pixels(2 * spread.extent, prediction)} across."
    if spread.angle is None:
        return "Motion blur; no single direction stands out."
    way = f"Motion blur, {spread.angle:.0f} degrees counterclockwise from horizontal"
    if spread.extent is None:
        return f"{way}; its length cannot be told from this photo."
    return f"{way}, {_pixels(spread.extent, prediction)} long."


def strongest(found: list[Contribution]) -> list[Contribution]:
    """Those that spoke most for blurred and most against; those for come first."""
    forth = [one for one in found if one.logit >= _SLIGHT][:_SHOWN]
    against = [one for one in found if one.logit <= -_SLIGHT][:_SHOWN]
    return forth + against[::-1]


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


def _heat_picture(photo: Pixels, heat: Floats) -> Pixels:
    """Heat 0..1 laid over an RGB photo: red is high, blue is low.

    Grey and RGB working images of a cut-off JPEG or a RAW file may differ by a pixel in size.
    """
    size = photo.shape[1], photo.shape[0]
    wide = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32)
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))[..., None].astype(np.float32)
    mixed = (1 - _HEAT) * grey + _HEAT * coloured(wide, ATTENTION)
    return np.asarray(mixed + 0.5, dtype=np.uint8)


def scale_picture(colours: int, width: int = 128, height: int = 1) -> Pixels:
    """A colour map from 0 to 1, left to right."""
    return coloured(np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1)), colours)


def fitted(picture: Pixels, side: int = _PANEL) -> Pixels:
    """RGB `picture` shrunk to at most `side` pixels, never enlarged."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@dataclass(frozen=True)
class Panel:
    """A picture of an explanation; maps have colours, and labels at the ends of their scale."""

    title: str
    picture: Pixels
    colours: int | None = None
    low: str = ""
    high: str = ""


def _marked(photo: Pixels, angle: float) -> Pixels:
    """`photo` with an arrow along the motion in its corner."""
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
        heat = fitted(_heat_picture(explanation.photo, explanation.grad_cam))
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
    """RGB pixels, white at first; text stands on its baseline and is `size` pixels high."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Pixels = np.full((height, width, 3), 255, np.uint8)

    def text(
        self, text: str, left: int, baseline: int, size: int, shade: int = _INK, bold: bool = False
    ) -> None:
        scale, colour, thickness = size / _LETTER, (shade, shade, shade), 2 if bold else 1
        place, line = (left, baseline), _drawable(text)
        cv2.putText(self.pixels, line, place, _FONT, scale, colour, thickness, cv2.LINE_AA)

    def box(self, left: int, top: int, width: int, height: int, shade: int) -> None:
        self.pixels[top : top + height, left : left + width] = shade

    def picture(self, picture: Pixels, left: int, top: int) -> None:
        self.pixels[top : top + picture.shape[0], left : left + picture.shape[1]] = picture

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
    """Draw an explanation: RGB of uint8, shape (h, w, 3), black on white."""
    prediction, found = explanation.prediction, panels(explanation)
    wide, tall = max(found[0].picture.shape[1], 320), found[0].picture.shape[0]
    width = max(2 * _MARGIN + len(found) * (wide + _GAP) - _GAP, 1000)
    inner = width - 2 * _MARGIN
    shown = strongest(explanation.contributions)
    notes = [READ_MAP, READ_BARS]
    if explanation.grad_cam is not None:
        notes.insert(1, READ_HEAT)
    lines = [line for note in notes for line in wrap(note, inner // 8)]  # a letter is narrower
    head, bars = 128, 128 + tall + 60
    foot = bars + 28 + len(shown) * _BAR + 26
    canvas = _Canvas(width, foot + _LINE * len(lines) + _MARGIN)
    canvas.text(headline(prediction), _MARGIN, 48, 34, bold=True)
    probability = surely(prediction, explanation.threshold, explanation.band)
    canvas.text(probability, _MARGIN, 78, 18, _SOFT)
    canvas.text(kind_line(explanation), _MARGIN, 104, 18)
    fits = width // 20  # letters of a path in half the width
    path = prediction.path if len(prediction.path) <= fits else f"...{prediction.path[-fits:]}"
    canvas.text(path, width // 2, 48, 16, _SOFT)
    for number, panel in enumerate(found):
        canvas.panel(panel, _MARGIN + number * (wide + _GAP), head, head + tall + 10, wide)
    canvas.box(_MARGIN, bars - 14, inner, 1, _PALE)
    canvas.text(BARS, _MARGIN, bars + 12, 17)
    canvas.bars(bars + 28, _MARGIN, min(inner, 900), shown)
    for number, line in enumerate(lines):
        canvas.text(line, _MARGIN, foot + _LINE * number, 15, _SOFT)
    return canvas.pixels
