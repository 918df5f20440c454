"""Captions, date stamps, watermarks and frames, drawn over a finished picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_LETTERS = list("ABCDEFGHIKLMNOPRSTUVWabcdefghiklmnoprstuvw0123456789")
_FONTS = 8  # of OpenCV's Hershey fonts


def _words(rng: np.random.Generator) -> str:
    """A date, or a few words of random letters."""
    if rng.random() < 0.3:
        return f"{rng.integers(1998, 2026)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    lengths = rng.integers(2, 9, int(rng.integers(1, 6)))
    return " ".join("".join(rng.choice(_LETTERS, int(length))) for length in lengths)


def _cover(shape: tuple[int, int], text: str, rng: np.random.Generator) -> Picture:
    """`text` in white on black, as large as fits; shape (height, width)."""
    font = int(rng.integers(_FONTS))
    (across, tall), below = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(0.95 * shape[1] / across, rng.uniform(0.5, 0.9) * shape[0] / (tall + below))
    plane = np.zeros(shape, np.uint8)
    stroke = max(1, round(rng.uniform(0.8, 2.5) * scale))
    left = int(rng.uniform(0, max(0.0, shape[1] - across * scale)))
    corner = (left, int((shape[0] + (tall - below) * scale) / 2))
    cv2.putText(plane, text, corner, font, scale, 255, stroke, cv2.LINE_AA)
    return plane


def _paint(part: Picture, cover: Picture, level: float, opacity: float) -> None:
    """Mix `level` into `part` (h, w[, 3]) where `cover` (h, w) is white."""
    share = (opacity / 255 * cover)[..., *[None] * (part.ndim - 2)]
    part[:] = np.rint(part * (1 - share) + level * share).astype(np.uint8)


def _place(extent: int, length: int, rng: np.random.Generator) -> slice:
    start = int(rng.integers(extent - length + 1))
    return slice(start, start + length)


def _strip(result: Picture, rng: np.random.Generator) -> None:
    height, width = result.shape[:2]
    tall = min(height, max(8, int(rng.uniform(0.03, 0.13) * height)))
    part = result[:tall] if rng.random() < 0.25 else result[-tall:]
    dark, light = rng.uniform(0, 60), rng.uniform(180, 255)
    paper, ink = (dark, light) if rng.random() < 0.5 else (light, dark)
    part[:] = round(paper)
    _paint(part, _cover((tall, width), _words(rng), rng), ink, 1.0)


def _written(result: Picture, rng: np.random.Generator) -> None:
    """A date stamp or a watermark: letters straight on the picture."""
    height, width = result.shape[:2]
    tall = min(height, max(8, int(rng.uniform(0.03, 0.2) * height)))
    across = min(width, max(24, int(rng.uniform(0.2, 0.9) * width)))
    part = result[_place(height, tall, rng), _place(width, across, rng)]
    level = 255.0 if rng.random() < 0.6 else float(rng.uniform(0, 255))
    _paint(part, _cover((tall, across), _words(rng), rng), level, rng.uniform(0.25, 1.0))


def _border(result: Picture, rng: np.random.Generator) -> None:
    thick = max(1, int(rng.uniform(0.008, 0.05) * max(result.shape[:2])))
    level = float(rng.choice([0.0, 128.0, 255.0, rng.uniform(0, 255)]))
    for part in (result[:thick], result[-thick:], result[:, :thick], result[:, -thick:]):
        part[:] = round(level)


def _tiled(result: Picture, rng: np.random.Generator) -> None:
    """A watermark repeated over the whole picture, mostly on a slant."""
    height, width = result.shape[:2]
    tall, across = max(8, int(rng.uniform(0.03, 0.1) * height)), max(24, int(0.3 * width))
    gap = ((int(rng.uniform(0.5, 4) * tall), 0), (int(rng.uniform(0.1, 0.6) * across), 0))
    tile = np.pad(_cover((tall, across), _words(rng), rng), gap)
    side = height + width
    repeats = (-(-side // tile.shape[0]), -(-side // tile.shape[1]))
    sheet = np.tile(tile, repeats)[:side, :side]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.choice([0, 30, 45, -30])), 1)
    turn[:, 2] -= ((side - width) / 2, (side - height) / 2)
    cover = cv2.warpAffine(sheet, turn, (width, height))
    _paint(result, np.asarray(cover, np.uint8), 255.0 * (rng.random() < 0.8), rng.uniform(0.1, 0.5))


def _cctv(result: Picture, rng: np.random.Generator) -> None:
    """Date, place or number in two or three corners, with or without a box."""
    height, width = result.shape[:2]
    tall = min(height // 3, max(8, int(rng.uniform(0.025, 0.07) * height)))
    across = min(width // 2, max(12, int(rng.uniform(0.12, 0.4) * width)))
    boxed, edge = rng.random() < 0.4, int(rng.uniform(0, 0.02) * height)
    for corner in rng.permutation(4)[: int(rng.integers(2, 4))].tolist():
        row = edge if corner < 2 else height - edge - tall
        column = edge if corner % 2 else width - edge - across
        part = result[row : row + tall, column : column + across]
        if boxed:
            part[:] = 0
        _paint(part, _cover((tall, across), _words(rng)[:12], rng), 255.0, 1.0)


def _round_frame(result: Picture, rng: np.random.Generator) -> None:
    """Black outside an ellipse that holds most of the picture: fisheye, scope, peephole."""
    height, width = result.shape[:2]
    inside = np.zeros((height, width), np.uint8)
    reach = rng.uniform(0.9, 1.15, 2) / 2 * (width, height)
    centre = (width // 2, height // 2)
    cv2.ellipse(inside, centre, reach.astype(int).tolist(), 0, 0, 360, 255, -1, cv2.LINE_AA)
    _paint(result, 255 - inside, 0.0, 1.0)


def overlay(picture: Picture, rng: np.random.Generator) -> Picture:
    """`picture` with captions, letters, a border or a round frame; now and then with two of them.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w) or (h, w, 3)
        Left as it is.
    rng : Generator

    Returns
    -------
    ndarray of uint8, same shape
    """
    result = picture.copy()
    draw = (_strip, _strip, _written, _written, _border, _tiled, _cctv, _round_frame)
    for _ in range(1 + int(rng.random() < 0.2)):
        draw[int(rng.integers(len(draw)))](result, rng)
    return result
