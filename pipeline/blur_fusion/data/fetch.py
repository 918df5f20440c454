"""Fetch a published data set: download it, resume after a break, unpack, count."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from blur_fusion.data.certh import is_certh
from blur_fusion.data.dataset import image_files
from blur_fusion.data.sources import CERTH_IMAGES, CERTH_PAGE, CERTH_SHEETS, CERTH_URL
from blur_fusion.data.unpack import unpack
from blur_fusion.errors import BlurError, needs_train_line, require
from blur_fusion.progress import progress_bar

ATTEMPTS = 4  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt; longer before each further one
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces
PIECE = 1 << 16
GAIN = 1 << 20  # bytes that make an attempt a success, though it broke off
BUSY = (408, 429)  # worth another try, as 500 and above are


class DownloadError(BlurError):
    """The file cannot be downloaded; what has come so far is kept."""


class _AttemptError(Exception):
    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True)
class ResumingDownloader:
    """A downloader for pooch, whose own starts over after every break.

    Attributes
    ----------
    part : Path
        Holds what has come so far; beside it lies a small file that says where from. Both go once
        the file is whole.
    """

    part: Path

    def __call__(self, url: str, output_file: str, pooch: object = None) -> None:
        """Download `url` to `output_file`.

        Raises
        ------
        BlurError
            The server cannot be reached, refuses or breaks off for good; the disk is full.
        """
        failures, best = 0, self._size()
        while True:
            try:
                self._attempt(url)
                break
            except _AttemptError as failed:
                gained, best = self._size() - best, max(best, self._size())
                failures = 1 if gained >= GAIN else failures + 1
                if not failed.again or failures >= ATTEMPTS:
                    raise DownloadError(f"{url}: cannot be downloaded ({failed})") from None
            except OSError as error:
                raise BlurError(
                    f"{self.part}: cannot be written ({error.strerror or error})"
                ) from None
            time.sleep(PAUSE * failures)
        os.replace(self.part, output_file)
        self._origin.unlink(missing_ok=True)

    def _attempt(self, url: str) -> None:
        """Ask once for what is missing, and append it."""
        try:
            offset, headers = self._request(url)
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
                if reply.status_code == 416 and _whole_size(reply.headers) == offset:
                    return  # it was whole already
                if not reply.ok:
                    self._refused(reply)
                self._receive(url, reply, offset)
        except requests.Timeout:
            raise _AttemptError("the server does not answer in time", again=True) from None
        except requests.exceptions.SSLError:
            raise _AttemptError("no secure connection to the server", again=False) from None
        except requests.ConnectionError:
            raise _AttemptError("no connection to the server", again=True) from None
        except requests.exceptions.ChunkedEncodingError:
            raise _AttemptError("the connection broke off", again=True) from None
        except requests.RequestException as error:  # a bad URL, endless redirects
            raise _AttemptError(str(error), again=False) from None

    def _request(self, url: str) -> tuple[int, dict[str, str]]:
        """Where to go on, and the request's headers."""
        headers = {"Accept-Encoding": "identity"}  # offsets count the file's own bytes
        offset, origin = self._size(), self._read_origin()
        if not offset or origin.get("url") != url:
            return 0, headers
        headers["Range"] = f"bytes={offset}-"
        if origin.get("version"):
            headers["If-Range"] = origin["version"]  # the whole file if it has changed since
        return offset, headers

    def _refused(self, reply: requests.Response) -> None:
        if reply.status_code == 416:  # what we have fits the server's file no more
            self.part.unlink(missing_ok=True)
        again = reply.status_code in (416, *BUSY) or reply.status_code >= 500
        raise _AttemptError(f"HTTP {reply.status_code} {reply.reason}".strip(), again)

    def _receive(self, url: str, reply: requests.Response, offset: int) -> None:
        """Write the body: appended to the part if it is a range, else from the start."""
        if reply.status_code == 206:
            total = _whole_size(reply.headers)
            if _range_start(reply.headers) != offset:
                self.part.unlink(missing_ok=True)
                raise _AttemptError("the server sends another range than asked for", again=True)
        else:
            offset, total = 0, _number(reply.headers.get("Content-Length"))
        free = shutil.disk_usage(self.part.parent).free
        size = f"{self.part}: {total / 1e9:.1f} GB are needed"
        require(total - offset <= free, f"{size}, {free / 1e9:.1f} GB are free on the disk")
        with self.part.open("ab" if offset else "wb") as file:
            self._write_origin(url, reply.headers)
            with progress_bar(total, "download", "B") as bar:
                bar.unit_scale, bar.initial, bar.n = True, offset, offset
                for piece in reply.iter_content(PIECE):
                    file.write(piece)
                    bar.update(len(piece))
        if self._size() < total:
            raise _AttemptError("the connection broke off", again=True)

    @property
    def _origin(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _read_origin(self) -> dict[str, str]:
        try:
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return origin if isinstance(origin, dict) else {}

    def _write_origin(self, url: str, headers: Mapping[str, str]) -> None:
        """Note which version of the file the part holds; a weak ETag cannot tell versions apart."""
        tag = headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        text = json.dumps({"url": url, "version": version}, sort_keys=True)
        self._origin.write_text(text + "\n", encoding="utf-8")


def _number(text: str | None) -> int:
    """A header's number of bytes; 0 where unknown."""
    return int(text) if text and text.isdecimal() else 0


def _whole_size(headers: Mapping[str, str]) -> int:
    """The whole file's size from `Content-Range: bytes 5-9/10` or `bytes */10`; 0 if unknown."""
    return _number(headers.get("Content-Range", "").rpartition("/")[2])


def _range_start(headers: Mapping[str, str]) -> int:
    """The first byte from `Content-Range: bytes 5-9/10`; -1 if unknown."""
    match = re.fullmatch(r"bytes (\d+)-\d+/.*", headers.get("Content-Range", "").strip())
    return int(match[1]) if match else -1


@dataclass(frozen=True)
class Fetched:
    """A data set that has been unpacked.

    Attributes
    ----------
    target : Path
        Its folder.
    archive : Path
        The zip it came from; no longer needed.
    images : int
        How many images the official folders hold.
    mismatches : tuple of str
        One line for each folder or sheet that differs from what is published.
    """

    target: Path
    archive: Path
    images: int
    mismatches: tuple[str, ...]


def archive_beside(target: Path) -> Path:
    """Where the zip lies: `data/certh.zip` for `data/certh`."""
    return target.with_name(f"{target.name}.zip")


def _refuse_existing(target: Path) -> None:
    there = os.path.lexists(target)  # a link whose end is missing is there too
    require(not there, f"{target}: is there already and stays as it is; move it away to fetch anew")


def _download(url: str, archive: Path) -> None:
    """Download `url` to `archive`, unless that is there already."""
    try:
        import pooch

    except ImportError:
        raise BlurError(needs_train_line("'blur data fetch certh'")) from None
    pooch.get_logger().setLevel("WARNING")  # it would log a hash that nobody can compare
    downloader = ResumingDownloader(archive.with_name(f"{archive.name}.part"))
    try:
        pooch.retrieve(url, None, fname=archive.name, path=archive.parent, downloader=downloader)
    except DownloadError as failed:
        raise BlurError(
            f"{failed}; run it again to go on, or get the zip by hand (see {CERTH_PAGE}), put it "
            f"at {archive} and run it again"
        ) from None
    except OSError as error:
        raise BlurError(f"{archive}: cannot be written ({error})") from None


def _find_tree(folder: Path, archive: Path) -> Path:
    """The folder that holds the tree: `folder` itself or one in it, as in the official zip."""
    for place in (folder, *sorted(folder.iterdir())):
        if is_certh(place):
            return place
    raise BlurError(f"{archive}: holds no TrainingSet or EvaluationSet; nothing is unpacked")


def _unpack_tree(archive: Path, target: Path) -> None:
    """Unpack beside `target` and rename at the end: `target` is whole or not there."""
    try:
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
            stage = Path(place) / "tree"  # with the usual permissions, unlike `place`
            stage.mkdir()
            unpack(archive, stage)
            tree = _find_tree(stage, archive)
            _refuse_existing(target)  # the download may have taken hours
            tree.rename(target)
    except OSError as error:
        raise BlurError(f"{target}: cannot be written ({error.strerror or error})") from None


def compare(target: Path) -> tuple[int, tuple[str, ...]]:
    """Number of images in the official folders, and a line for each that differs."""
    counts = {
        folder: len(image_files(target / folder)) if (target / folder).is_dir() else 0
        for folder in CERTH_IMAGES
    }
    lines = [
        f"{target / folder}: expected {CERTH_IMAGES[folder]} images, found {found}"
        for folder, found in counts.items()
        if found != CERTH_IMAGES[folder]
    ]
    lines += [
        f"{target / sheet}: expected the label sheet, found none"
        for sheet in CERTH_SHEETS
        if not (target / sheet).is_file()
    ]
    return sum(counts.values()), tuple(lines)


def fetch_certh(target: Path, url: str = CERTH_URL, archive: Path | None = None) -> Fetched:
    """Fetch CERTH into `target`, from `archive` or, where that is None, from `url`.

    The zip is kept beside `target`; one that lies there already is not downloaded again.

    Raises
    ------
    BlurError
        `target` exists; the zip cannot be downloaded, is damaged, unsafe or no CERTH. `target` is
        not there then.
    """
    _refuse_existing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BlurError(f"{target.parent}: cannot be made ({error.strerror or error})") from None
    if archive is None:
        archive = archive_beside(target)
        _download(url, archive)
    require(archive.is_file(), f"{archive}: no such zip; see {CERTH_PAGE}")
    _unpack_tree(archive, target)
    return Fetched(target, archive, *compare(target))
