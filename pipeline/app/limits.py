"""What the app takes: bytes, pixels and number of photos, checked before a photo is decoded."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.errors import BlurError, require

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Largest upload in bytes, largest photo in pixels, photos of one visitor."""

    upload: int = 60 * MEGA
    pixels: int = 120 * MEGA
    photos: int = 500

    def check(self, path: Path) -> None:
        """Refuse a file that is too large, by its header alone where Pillow knows the format.

        Others, such as RAW, are bounded by their bytes and by OpenCV's own limit of pixels.

        Raises
        ------
        BlurError
            It has too many bytes or pixels, or cannot be read.
        """
        from PIL import Image, UnidentifiedImageError

        try:
            size = path.stat().st_size
        except OSError as error:
            raise BlurError(f"cannot be read ({error.strerror or error})") from None
        require(size <= self.upload, f"has more than {self.upload // MEGA} MB")
        line = f"has more than {self.pixels // MEGA} million pixels"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's own limit is not ours
                with Image.open(path) as picture:
                    width, height = picture.size
        except Image.DecompressionBombError:
            raise BlurError(line) from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
            return
        require(width * height <= self.pixels, line)
