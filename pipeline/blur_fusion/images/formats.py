"""File suffixes of pictures."""

from __future__ import annotations

import os


def _named(endings: str) -> frozenset[str]:
    return frozenset(f".{ending}" for ending in endings.split())


def suffix(name: str) -> str:
    """The suffix of a file's name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


RAW = _named(
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw "
    "x3f"
)
PICTURES = RAW | _named(
    "jpg jpeg jpe jfif mpo png webp tif tiff bmp dib gif avif jp2 pgm ppm pnm heic heif hif jxl"
)
# Pictures that cannot be read; a scan says how many it found.
OTHER_PICTURES = _named(
    "afphoto ai bpg cdr cin dcm djvu dpx eps exr fit fits gpr hdr icns ico jxr kra ora pcx psb "
    "psd qoi svg tga wdp xcf"
)
