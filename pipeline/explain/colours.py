"""Maps as pictures, and pictures as files."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.config.errors import require
from pipeline.explain.blur_map import BlurMap

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
