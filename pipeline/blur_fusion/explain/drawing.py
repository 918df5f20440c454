"""An explanation as one picture: photo, maps with their scales, verdict, bars."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.errors import require
from blur_fusion.explain import explanation as words
from blur_fusion.explain.blur_map import BlurMap
from blur_fusion.explain.explanation import Contribution, Explanation

INK, SOFT, PALE = 17, 95, 200  # grey levels
_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
_WEIGHT, _BOLD = 400, 650


class Canvas:
    """RGB pixels, white at first; text stands on its baseline, `size` pixels high.

    OpenCV 5 brings an outline font; with OpenCV 4 text is drawn in strokes, and what they lack
    is a question mark.
    """

    def __init__(self, width: int, height: int) -> None:
        self.pixels: npt.NDArray[np.uint8] = np.full((height, width, 3), 255, np.uint8)
        self._face: Any = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None

    def text(
        self, text: str, left: int, baseline: int, size: int, shade: int = INK, bold: bool = False
    ) -> None:
        """Write one line."""
        place, colour = (left, baseline), (shade, shade, shade)
        line = _printable(text)
        if self._face is not None:
            weight = _BOLD if bold else _WEIGHT
            cv2.putText(self.pixels, line, place, colour, self._face, size, weight)
            return
        thickness = 2 if bold else 1
        plain = line.encode("ascii", "replace").decode()
        cv2.putText(self.pixels, plain, place, _HERSHEY, size / 32, colour, thickness, cv2.LINE_AA)

    def width_of(self, text: str, size: int) -> int:
        """Pixels that a line takes."""
        line = _printable(text)
        if self._face is not None:
            box = cv2.getTextSize((4096, 256), line, (0, 128), self._face, size, _WEIGHT)
            return int(box[2])
        plain = line.encode("ascii", "replace").decode()
        return int(cv2.getTextSize(plain, _HERSHEY, size / 32, 1)[0][0])

    def shortened(self, text: str, width: int, size: int) -> str:
        """The end of `text` that fits `width` pixels."""
        if self.width_of(text, size) <= width:
            return text
        kept = text[-200:]
        while len(kept) > 1 and self.width_of(f"...{kept}", size) > width:
            kept = kept[1:]
        return f"...{kept}"

    def wrapped(self, text: str, width: int, size: int) -> list[str]:
        """`text` in lines of at most `width` pixels."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width_of(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def box(self, left: int, top: int, width: int, height: int, shade: int) -> None:
        """A filled box."""
        self.pixels[max(0, top) : top + height, max(0, left) : left + width] = shade

    def picture(self, picture: npt.NDArray[np.uint8], left: int, top: int) -> None:
        """An RGB picture; what would stand out is cut off."""
        height = min(picture.shape[0], self.pixels.shape[0] - top)
        width = min(picture.shape[1], self.pixels.shape[1] - left)
        self.pixels[top : top + height, left : left + width] = picture[:height, :width]


def _printable(text: str) -> str:
    """One line without surrogates, which no font can draw."""
    clean = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in clean)


Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

BLURRED = cv2.COLORMAP_VIRIDIS  # perceptually uniform: dark violet, green, yellow
ATTENTION = cv2.COLORMAP_JET  # blue, green, yellow, red: what people expect of Grad-CAM
_EMPTY = (208, 222)  # grey levels of the hatching where there is nothing to see
_HATCH = 8  # pixels from stripe to stripe
_HEAT = 0.5  # how much of an overlay is heat
_QUALITY = 88


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


def scale_picture(colours: int, width: int, height: int) -> Pixels:
    """A colour map from 0 to 1, left to right."""
    line = np.linspace(0, 1, width, dtype=np.float32)
    return coloured(np.ascontiguousarray(np.broadcast_to(line, (height, width))), colours)


def fitted(picture: Pixels, side: int) -> Pixels:
    """RGB `picture` shrunk to at most `side` pixels; nothing is enlarged."""
    scale = side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encoded(picture: Pixels, ending: str = ".jpg") -> bytes:
    """RGB `picture` as a JPEG or PNG file."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if ending == ".jpg" else []
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(ending, bgr, settings)
    require(bool(done), f"OpenCV could not write a {ending[1:].upper()} picture")
    return data.tobytes()


def data_uri(picture: Pixels, ending: str = ".jpg") -> str:
    """RGB `picture` as the address of itself, for a page that needs no other file."""
    kind = "jpeg" if ending == ".jpg" else "png"
    return f"data:image/{kind};base64," + base64.b64encode(encoded(picture, ending)).decode("ascii")


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
