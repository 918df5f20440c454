"""A white sheet to draw on with OpenCV, which starts faster than Matplotlib."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

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
