"""Unpack a zip that nobody has vouched for: no path escapes, no links, no bombs."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.parallel import shown

SMALL = 1 << 20  # bytes; a small file may be as compressible as it likes
ENCRYPTED = 0x1
DAMAGES = (BadZipFile, EOFError, ValueError, struct.error, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most: entries, bytes unpacked, bytes unpacked by byte packed."""

    entries: int = 20_000
    size: int = 16 << 30
    ratio: float = 100.0


def _path(archive: Path, info: ZipInfo) -> str:
    """Path of an entry that stays inside, whoever reads it; but file and folder all is refused.

    Backslashes count as slashes: some Windows programs write them.
    """
    name = info.filename.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    where = f"{archive}: entry {info.filename[:80]!r}"
    drive = any(re.match("[A-Za-z]:", part) for part in parts)
    outside = name.startswith("/") or ".." in parts or drive
    require(bool(parts) and not outside, f"{where} points outside the folder; nothing is unpacked")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where no Unix wrote it
    special = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    require(not special, f"{where} is a link or a device; nothing is unpacked")
    require(not info.flag_bits & ENCRYPTED, f"{where} is encrypted; nothing is unpacked")
    return "/".join(parts) + "/" * name.endswith("/")


def _check_sizes(archive: Path, infos: list[ZipInfo], folder: Path, limits: Limits) -> None:
    """Refuse bombs by the sizes that the entries declare; `zipfile` never writes more than those.

    The sum is held against the archive's own size, so that entries which share their bytes do not
    pass either.
    """
    refused = "; nothing is unpacked"
    entries = f"{archive}: holds {len(infos)} entries"
    require(len(infos) <= limits.entries, f"{entries}, more than {limits.entries}{refused}")
    size = sum(info.file_size for info in infos)
    total = f"{archive}: would unpack to {size / 1e9:.2f} GB"
    require(size <= limits.size, f"{total}, more than {limits.size / 1e9:.2f} GB{refused}")
    for info in infos:
        bomb = info.file_size > max(SMALL, limits.ratio * info.compress_size)
        name = f"{archive}: entry {info.filename[:80]!r}"
        require(not bomb, f"{name} would grow more than {limits.ratio:.0f} times{refused}")
    bomb = size > max(SMALL, limits.ratio * archive.stat().st_size)
    require(not bomb, f"{total}, more than {limits.ratio:.0f} times its own size{refused}")
    free = shutil.disk_usage(folder).free
    require(size <= free, f"{total}; {free / 1e9:.2f} GB are free on the disk{refused}")


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack the zip `archive` into the empty `folder`, once all its entries are checked.

    Raises
    ------
    BlurError
        No zip, or damaged; an entry would land outside `folder`, is a link, a device or encrypted;
        the whole is a bomb, exceeds `limits` or the disk. What is written by then is the caller's
        to remove.
    """
    try:
        with os_errors(archive, "cannot be unpacked"), ZipFile(archive) as opened:
            infos = opened.infolist()
            _check_sizes(archive, infos, folder, limits or Limits())
            paths = [_path(archive, info) for info in infos]
            entries = zip(infos, paths, strict=True)
            for info, path in shown(entries, len(infos), "unpack", "file"):
                place, is_folder = folder / path, path.endswith("/")
                (place if is_folder else place.parent).mkdir(parents=True, exist_ok=True)
                if not is_folder:
                    with opened.open(info) as source, place.open("xb") as sink:
                        shutil.copyfileobj(source, sink, SMALL)
    except DAMAGES as error:
        raise BlurError(
            f"{archive}: is not a complete zip ({error}); delete it and get it again"
        ) from None
    except RuntimeError as error:  # a packing method that Python does not know
        raise BlurError(f"{archive}: cannot be unpacked here ({error})") from None
