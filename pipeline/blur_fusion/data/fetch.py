"""Fetch a published data set: download it, resume after a break, unpack, count."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from blur_fusion.data.certh import is_certh
from blur_fusion.data.dataset import image_files
from blur_fusion.data.sources import CERTH_IMAGES, CERTH_PAGE, CERTH_SHEETS, CERTH_URL
from blur_fusion.data.unpack import unpack
from blur_fusion.errors import BlurError, require
from blur_fusion.files import os_errors
from blur_fusion.progress import progress_bar

ATTEMPTS = 4  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt; longer before each further one
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces
PIECE = 1 << 16
GAIN = 1 << 20  # bytes that make an attempt a success, though it broke off
BUSY = (408, 429)  # worth another try, as 500 and above are
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class DownloadError(BlurError):
    """The file cannot be downloaded; what has come so far is kept."""


class _BreakError(Exception):
    """An attempt failed, and another one may not."""


@dataclass(frozen=True)
class _Part:
    """What has come so far of the file at `url`; beside it lies a small file that says where from.

    The server is asked for the rest only, and for the whole where its file has changed since.
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
        """Ask once for what is missing, and append it."""
        try:
            offset, headers = self._request()
            with requests.get(self.url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
                if reply.status_code == 416 and _content_range(reply)[1] == offset:
                    return  # it was whole already
                if not reply.ok:
                    self._refused(reply)
                self._receive(reply, offset)
        except requests.Timeout:
            raise _BreakError("the server does not answer in time") from None
        except requests.exceptions.SSLError:
            raise self.failed("no secure connection to the server") from None
        except requests.ConnectionError:
            raise _BreakError("no connection to the server") from None
        except requests.exceptions.ChunkedEncodingError:
            raise _BreakError("the connection broke off") from None
        except requests.RequestException as error:  # a bad URL, endless redirects
            raise self.failed(error) from None

    def _request(self) -> tuple[int, dict[str, str]]:
        """Where to go on, and the request's headers."""
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
        if reply.status_code == 416:  # what we have fits the server's file no more
            self.path.unlink(missing_ok=True)
        if reply.status_code in (416, *BUSY) or reply.status_code >= 500:
            raise _BreakError(reason)
        raise self.failed(reason)

    def _receive(self, reply: requests.Response, offset: int) -> None:
        """Write the body: appended to the part if it is a range, else from the start."""
        if reply.status_code == 206:
            start, total = _content_range(reply)
            if start != offset:
                self.path.unlink(missing_ok=True)
                raise _BreakError("the server sends another range than asked for")
        else:
            offset, total = 0, reply.raw.length_remaining or 0
        free = shutil.disk_usage(self.path.parent).free
        size = f"{self.path}: {total / 1e9:.1f} GB are needed"
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
        """Note which version of the file the part holds; a weak ETag cannot tell versions apart."""
        tag = reply.headers.get("ETag", "")
        strong = tag and not tag.startswith("W/")
        version = tag if strong else reply.headers.get("Last-Modified", "")
        text = json.dumps({"url": self.url, "version": version}, sort_keys=True)
        self.origin.write_text(text + "\n", encoding="utf-8")


def _content_range(reply: requests.Response) -> tuple[int, int]:
    """First byte and whole size, of `bytes 5-9/10` or `bytes */10`; -1 and 0 where unknown."""
    match = CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", "").strip())
    start, whole = match.groups() if match else (None, None)
    return int(start or -1), int(whole) if whole and whole != "*" else 0


def download(url: str, target: Path) -> None:
    """Download `url` to the new file `target`; a download that broke off goes on where it was.

    What has come so far lies beside `target` until that is whole.

    Raises
    ------
    BlurError
        The server cannot be reached, refuses or breaks off for good; the disk is full.
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


def _refuse_existing(target: Path) -> None:
    there = os.path.lexists(target)  # a link whose end is missing is there too
    require(
        not there, f"{target}: exists already and stays as it is; move it away to fetch it again"
    )


def _unpack_tree(archive: Path, target: Path) -> None:
    """Unpack beside `target` and rename at the end: `target` is whole or not there."""
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
        _refuse_existing(target)  # the download may have taken hours
        trees[0].rename(target)  # the zip's root, or a folder in it, as in the official one


def compare(target: Path) -> tuple[int, list[str]]:
    """Number of images in the official folders, and a line for each that differs."""
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


def fetch_certh(
    target: Path, url: str = CERTH_URL, archive: Path | None = None
) -> tuple[Path, int, list[str]]:
    """Fetch CERTH into `target`, from `archive` or, where that is None, from `url`.

    The zip is kept beside `target`; one that lies there already is not downloaded again.

    Returns
    -------
    archive : Path
        The zip it came from; no longer needed.
    images : int
        How many images the official folders hold.
    mismatches : list of str
        One line for each folder or sheet that differs from what is published.

    Raises
    ------
    BlurError
        `target` exists; the zip cannot be downloaded, is damaged, unsafe or no CERTH. `target` is
        not there then.
    """
    _refuse_existing(target)
    with os_errors(target.parent, "cannot be made"):
        target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.zip")  # data/certh.zip for data/certh
    if archive is None and not beside.exists():
        try:
            download(url, beside)
        except DownloadError as failed:
            raise BlurError(
                f"{failed}; run it again to go on, or get the zip by hand (see {CERTH_PAGE}), put "
                f"it at {beside} and run it again"
            ) from None
    archive = archive or beside
    require(archive.is_file(), f"{archive}: no such zip; see {CERTH_PAGE}")
    _unpack_tree(archive, target)
    return archive, *compare(target)
