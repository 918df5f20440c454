"""Fetch a published data set: download with resume, unpack safely, count the images."""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import stat
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile, ZipInfo

import requests

from blur_fusion.data.certh import is_certh
from blur_fusion.data.dataset import image_files
from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.parallel import progress_bar, shown

CERTH_PAGE = "https://mklab.iti.gr/results/certh-image-blur-dataset/"
# Images by folder (Mavridaki and Mezaris, ICIP 2014); some copies add TrainingSet/NewDigitalBlur.
CERTH_IMAGES = {
    "TrainingSet/Undistorted": 630,
    "TrainingSet/Artificially-Blurred": 150,
    "TrainingSet/Naturally-Blurred": 220,
    "EvaluationSet/DigitalBlurSet": 480,
    "EvaluationSet/NaturalBlurSet": 1000,
}
CERTH_SHEETS = ("EvaluationSet/DigitalBlurSet.xlsx", "EvaluationSet/NaturalBlurSet.xlsx")

ATTEMPTS = 4  # in a row without progress
PAUSE = 1.0  # seconds before the second attempt; longer before each further one
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces
PIECE = 1 << 16
GAIN = 1 << 20  # bytes that count as progress
BUSY = (408, 429)  # worth another try, as 500 and above are
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")

# The most that a zip may hold: entries, unpacked bytes, and unpacked bytes per packed byte.
MOST_ENTRIES, MOST_BYTES, MOST_GROWTH = 20_000, 16 << 30, 100
SMALL = 1 << 20  # bytes; smaller files are never bombs
ENCRYPTED = 0x1
DAMAGES = (BadZipFile, EOFError, ValueError, struct.error, zlib.error, lzma.LZMAError)


class DownloadError(BlurError):
    """The file cannot be downloaded; the part that has arrived is kept."""


class _BreakError(Exception):
    """An attempt failed; another one may succeed."""


@dataclass(frozen=True)
class _Part:
    """The part of the file at `url` that has arrived, and a file beside it that records the source.

    Only the rest is requested, or all of it if the server's file has changed.
    """

    url: str
    path: Path

    @property
    def origin(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def failed(self, reason: object) -> DownloadError:
        return DownloadError(f"{self.url}: cannot be downloaded ({reason})")

    def extend(self) -> None:
        """Request the missing rest once, and append it."""
        try:
            offset, headers = self._request()
            with requests.get(self.url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
                if reply.status_code == 416 and _content_range(reply)[1] == offset:
                    return  # it was complete
                if not reply.ok:
                    self._refused(reply)
                self._receive(reply, offset)
        except requests.Timeout:
            raise _BreakError("the server timed out") from None
        except requests.exceptions.SSLError:
            raise self.failed("no secure connection to the server") from None
        except requests.ConnectionError:
            raise _BreakError("no connection to the server") from None
        except requests.exceptions.ChunkedEncodingError:
            raise _BreakError("the connection broke off") from None
        except requests.RequestException as error:  # a bad URL, endless redirects
            raise self.failed(error) from None

    def _request(self) -> tuple[int, dict[str, str]]:
        """The offset to resume from, and the request's headers."""
        headers = {"Accept-Encoding": "identity"}  # offsets count the file's own bytes
        try:
            origin = json.loads(self.origin.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            origin = {}
        offset = self.size()
        if not offset or not isinstance(origin, dict) or origin.get("url") != self.url:
            return 0, headers
        headers["Range"] = f"bytes={offset}-"
        if origin.get("version"):
            headers["If-Range"] = origin["version"]  # the whole file if it has changed since
        return offset, headers

    def _refused(self, reply: requests.Response) -> None:
        reason = f"HTTP {reply.status_code} {reply.reason}".strip()
        if reply.status_code == 416:  # the server's file has changed
            self.path.unlink(missing_ok=True)
        if reply.status_code in (416, *BUSY) or reply.status_code >= 500:
            raise _BreakError(reason)
        raise self.failed(reason)

    def _receive(self, reply: requests.Response, offset: int) -> None:
        """Write the body: append a range, replace the part by anything else."""
        if reply.status_code == 206:
            start, total = _content_range(reply)
            if start != offset:
                self.path.unlink(missing_ok=True)
                raise _BreakError("the server sent a different range")
        else:
            offset, total = 0, reply.raw.length_remaining or 0
        free = shutil.disk_usage(self.path.parent).free
        size = f"{self.path}: needs {total / 1e9:.1f} GB"
        require(total - offset <= free, f"{size}, {free / 1e9:.1f} GB are free on the disk")
        with self.path.open("ab" if offset else "wb") as file:
            self._note_origin(reply)
            with progress_bar(total, "download", "B") as bar:
                bar.unit_scale, bar.initial, bar.n = True, offset, offset
                for piece in reply.iter_content(PIECE):
                    file.write(piece)
                    bar.update(len(piece))
        if self.size() < total:
            raise _BreakError("the connection broke off")

    def _note_origin(self, reply: requests.Response) -> None:
        """Record the file's version; a weak ETag cannot tell versions apart."""
        tag = reply.headers.get("ETag", "")
        strong = tag and not tag.startswith("W/")
        version = tag if strong else reply.headers.get("Last-Modified", "")
        text = json.dumps({"url": self.url, "version": version}, sort_keys=True)
        self.origin.write_text(text + "\n", encoding="utf-8")


def _content_range(reply: requests.Response) -> tuple[int, int]:
    """First byte and total size in `bytes 5-9/10` or `bytes */10`; -1 and 0 if unknown."""
    match = CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
    start, whole = match.groups() if match else (None, None)
    return int(start or -1), int(whole) if whole and whole != "*" else 0


def download(url: str, target: Path) -> None:
    """Download `url` to the new file `target`; resume an earlier download that broke off.

    The part that has arrived is kept beside `target` until it is complete.

    Raises
    ------
    BlurError
        The server cannot be reached, refuses or keeps breaking off; the disk is full.
    """
    part = _Part(url, target.with_name(f"{target.name}.part"))
    with os_errors(part.path):
        failures, best = 0, part.size()
        while True:
            try:
                part.extend()
                break
            except _BreakError as broken:
                gained, best = part.size() - best, max(best, part.size())
                failures = 1 if gained >= GAIN else failures + 1
                if failures >= ATTEMPTS:
                    raise part.failed(broken) from None
            time.sleep(PAUSE * failures)
        os.replace(part.path, target)
        part.origin.unlink(missing_ok=True)


def _path(archive: Path, info: ZipInfo) -> str:
    """Path of an entry; refuse what points outside, and all but files and folders.

    Backslashes count as slashes: some Windows programs write them.
    """
    name = info.filename.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    where = f"{archive}: entry {info.filename[:80]!r}"
    drive = any(re.match("[A-Za-z]:", part) for part in parts)
    outside = name.startswith("/") or ".." in parts or drive
    require(bool(parts) and not outside, f"{where} points outside the folder; nothing is unpacked")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 unless written on Unix
    special = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    require(not special, f"{where} is a link or a device; nothing is unpacked")
    require(not info.flag_bits & ENCRYPTED, f"{where} is encrypted; nothing is unpacked")
    return "/".join(parts) + "/" * name.endswith("/")


def _check_sizes(archive: Path, infos: list[ZipInfo], folder: Path) -> None:
    """Refuse bombs by the declared sizes; `zipfile` never writes more than those.

    The sum is compared with the archive's own size, since entries may share their bytes.
    """
    refused = "; nothing is unpacked"
    entries = f"{archive}: holds {len(infos)} entries"
    require(len(infos) <= MOST_ENTRIES, f"{entries}, more than {MOST_ENTRIES}{refused}")
    size = sum(info.file_size for info in infos)
    total = f"{archive}: would unpack to {size / 1e9:.2f} GB"
    require(size <= MOST_BYTES, f"{total}, more than {MOST_BYTES / 1e9:.2f} GB{refused}")
    for info in infos:
        bomb = info.file_size > max(SMALL, MOST_GROWTH * info.compress_size)
        name = f"{archive}: entry {info.filename[:80]!r}"
        require(not bomb, f"{name} would grow more than {MOST_GROWTH} times{refused}")
    bomb = size > max(SMALL, MOST_GROWTH * archive.stat().st_size)
    require(not bomb, f"{total}, more than {MOST_GROWTH} times its own size{refused}")
    free = shutil.disk_usage(folder).free
    require(size <= free, f"{total}; {free / 1e9:.2f} GB are free on the disk{refused}")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the untrusted zip `archive` into the empty `folder`, after checking all entries.

    Raises
    ------
    BlurError
        Not a zip, or damaged; an entry points outside `folder`, is a link, a device or encrypted;
        the archive is a bomb, too large or exceeds the disk. What is written by then stays.
    """
    try:
        with os_errors(archive, "cannot be unpacked"), ZipFile(archive) as opened:
            infos = opened.infolist()
            _check_sizes(archive, infos, folder)
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
            f"{archive}: not a complete zip ({error}); delete it and download it again"
        ) from None
    except RuntimeError as error:  # an unknown compression method
        raise BlurError(f"{archive}: cannot be unpacked here ({error})") from None


def _unpack_tree(archive: Path, target: Path) -> None:
    """Unpack beside `target` and rename at the end."""
    with (
        os_errors(target),
        TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place,
    ):
        stage = Path(place) / "tree"  # with the usual permissions, unlike `place`
        stage.mkdir()
        unpack(archive, stage)
        trees = [folder for folder in (stage, *sorted(stage.iterdir())) if is_certh(folder)]
        absent = f"{archive}: holds no TrainingSet or EvaluationSet; nothing is unpacked"
        require(bool(trees), absent)
        trees[0].rename(target)  # the zip's root, or a folder in it, as in the official one


def compare(target: Path) -> tuple[int, list[str]]:
    """Count the images in the official folders; a line for each that differs."""
    total, lines = 0, []
    for name, published in CERTH_IMAGES.items():
        found = len(image_files(target / name)) if (target / name).is_dir() else 0
        total += found
        if found != published:
            lines.append(f"{target / name}: expected {published} images, found {found}")
    for name in CERTH_SHEETS:
        if not (target / name).is_file():
            lines.append(f"{target / name}: expected the label sheet, found none")
    return total, lines


def fetch_certh(target: Path, url: str, archive: Path | None) -> tuple[Path, int, list[str]]:
    """Fetch CERTH into the new folder `target`, from the zip `archive` or, if None, from `url`.

    The zip is kept beside `target`, and not downloaded again if it is there.

    Returns
    -------
    archive : Path
        The zip it came from; no longer needed.
    images : int
        Images in the official folders.
    mismatches : list of str
        One line for each folder or sheet that differs from what is published.

    Raises
    ------
    BlurError
        `target` exists; the zip cannot be downloaded, is damaged, unsafe or not CERTH. Then
        `target` is not written.
    """
    line = f"{target}: exists and is not changed; move it away to fetch it again"
    require(not os.path.lexists(target), line)
    with os_errors(target.parent, "cannot be made"):
        target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.zip")  # data/certh.zip for data/certh
    if archive is None and not beside.exists():
        try:
            download(url, beside)
        except DownloadError as failed:
            raise BlurError(
                f"{failed}; run it again to resume, or download the zip by hand (see {CERTH_PAGE}),"
                f" put it at {beside} and run it again"
            ) from None
    archive = archive or beside
    require(archive.is_file(), f"{archive}: no such zip; see {CERTH_PAGE}")
    _unpack_tree(archive, target)
    return archive, *compare(target)
