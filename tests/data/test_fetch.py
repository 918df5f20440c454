"""Downloads that break off, zips that are damaged or hostile, and `blur data fetch`."""

import hashlib
import json
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from pytest import MonkeyPatch

from blur_fusion.cli.train import CERTH_URL
from blur_fusion.data import fetch
from blur_fusion.data.fetch import (
    ATTEMPTS,
    CERTH_IMAGES,
    CERTH_SHEETS,
    GAIN,
    PIECE,
    DownloadError,
    download,
    fetch_certh,
    unpack,
)
from blur_fusion.errors import BlurError
from scan_command import invoked
from trees import contents

FETCH = ("data", "fetch", "certh")
BREAK = 200_000
LAST_WORDS = [BREAK] + [0] * (ATTEMPTS - 1)  # one part comes, and then no more
GOOD = "CERTH_ImageBlurDataset/TrainingSet/Undistorted/a.jpg"
CONTENT = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(12_000))


@dataclass
class Site:
    """What the server serves, how it misbehaves, and the headers it was sent."""

    content: bytes = CONTENT
    ranges: bool = True
    sized: bool = True
    breaks: list[int] = field(default_factory=list)  # bytes sent before each of the first breaks
    statuses: list[int] = field(default_factory=list)  # instead of the first answers
    tag: str = '"first"'
    wrong_start: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    log_message = Mock()

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append({name.lower(): value for name, value in self.headers.items()})
        start, size, headers = 0, len(site.content), {"ETag": site.tag}
        if site.ranges and self.headers.get("If-Range", site.tag) == site.tag:
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        status = site.statuses.pop(0) if site.statuses else 206 if start else 200
        if start >= size:
            status, headers = 416, {"Content-Range": f"bytes */{size}"}
        elif start:
            first = start + 1 if site.wrong_start else start
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        if site.sized and status < 300:
            headers["Content-Length"] = str(size - start)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status < 300:
            end = start + site.breaks.pop(0) if site.breaks else size
            self.wfile.write(site.content[start:end])


Serve = Callable[[Site], Site]


@pytest.fixture
def serve(monkeypatch: MonkeyPatch) -> Iterator[Serve]:
    """Start a server for a :class:`Site`, and fill in its address."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    with ExitStack() as servers:

        def start(site: Site) -> Site:
            server = servers.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.site = site  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.callback(server.shutdown)
            site.url = f"http://127.0.0.1:{server.server_port}/set.zip"
            return site

        yield start


def _fetch(site: Site, folder: Path) -> bytes:
    download(site.url, folder / "set.zip")
    assert [path.name for path in folder.iterdir()] == ["set.zip"]
    return (folder / "set.zip").read_bytes()


@pytest.mark.parametrize(
    ("site", "part", "ranged"),
    [
        ({"breaks": [BREAK]}, b"", [False, True]),
        ({"breaks": [BREAK], "ranges": False}, b"", [False, True]),  # the whole comes again
        ({"sized": False}, b"", [False]),
        ({"statuses": [503, 429]}, b"", [False] * 3),
        (
            # Many breaks are no failure as long as there is progress.
            {"content": CONTENT * 20, "breaks": [GAIN + 2 * PIECE] * (ATTEMPTS + 1)},
            *(b"", [False] + [True] * (ATTEMPTS + 1)),
        ),
        ({}, CONTENT, [True]),  # complete
        # Parts that do not fit start again.
        ({}, CONTENT + b"more", [True, False]),
        ({"wrong_start": True}, CONTENT[:BREAK], [True, False]),
        ({"url": "http://elsewhere/"}, b"of another file", [False]),
    ],
)
def test_what_comes_in_the_end_is_whole(
    serve: Serve, tmp_path: Path, site: dict[str, Any], part: bytes, ranged: list[bool]
) -> None:
    served = serve(Site(**site))
    if part:
        origin = {"url": site.get("url", served.url), "version": ""}
        (tmp_path / "set.zip.part").write_bytes(part)
        (tmp_path / "set.zip.part.json").write_text(json.dumps(origin))
    assert _fetch(served, tmp_path) == served.content
    assert ["range" in headers for headers in served.asked] == ranged


@pytest.mark.parametrize("changed", [False, True])
def test_a_later_run_goes_on_unless_it_changed(serve: Serve, tmp_path: Path, changed: bool) -> None:
    site = serve(Site(breaks=list(LAST_WORDS)))
    with pytest.raises(DownloadError, match="broke off"):
        _fetch(site, tmp_path)
    kept = (tmp_path / "set.zip.part").read_bytes()
    assert kept and CONTENT.startswith(kept)
    if changed:
        site.content, site.tag = CONTENT[::-1], '"second"'
    assert _fetch(site, tmp_path) == site.content
    assert site.asked[-1]["range"] == f"bytes={len(kept)}-"
    assert site.asked[-1]["if-range"] == '"first"'


@pytest.mark.parametrize(
    ("site", "message", "most"),
    [
        ({"ranges": False, "breaks": [BREAK] * 50}, "broke off", ATTEMPTS + 1),
        ({"statuses": [404]}, "HTTP 404 Not Found", 1),
    ],
)
def test_it_gives_up_in_the_end(
    serve: Serve, tmp_path: Path, site: dict[str, Any], message: str, most: int
) -> None:
    served = serve(Site(**site))
    with pytest.raises(DownloadError, match=message):
        _fetch(served, tmp_path)
    assert len(served.asked) <= most


def test_a_full_disk_is_seen_before_the_download(
    serve: Serve, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: Mock(free=1000))
    with pytest.raises(BlurError, match="are free on the disk"):
        _fetch(serve(Site()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/hostname", "ftp://127.0.0.1/a.zip"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="cannot be downloaded") as caught:
        download(url, tmp_path / "whole")
    assert "\n" not in str(caught.value)


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in {GOOD: b"a", **entries}.items():
            info = ZipInfo(name)
            info.filename = name  # unlike the constructor, changes nothing
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A zip with the official folders and counts; the images are a few bytes each."""
    path, inner = tmp_path_factory.mktemp("official") / "a.zip", "CERTH_ImageBlurDataset/"
    names = [f"{folder}/{i}.JPG" for folder, n in CERTH_IMAGES.items() for i in range(n)]
    names += [*CERTH_SHEETS, "TrainingSet/Undistorted/.DS_Store"]
    with ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(inner + name, name)
        archive.writestr("__MACOSX/._x", "x")
    return path.read_bytes()


def _error(*arguments: str | Path) -> str:
    """The line with which `blur data fetch certh` fails."""
    result = invoked(*FETCH, *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("error: ")
    return result.stderr


def test_certh_from_a_server_that_breaks_off(serve: Serve, tmp_path: Path, official: bytes) -> None:
    site = serve(Site(content=official, breaks=[len(official) // 2]))
    target = tmp_path / "data" / "certh"
    assert CERTH_URL in invoked(*FETCH, "--help").stdout.replace("\n", "").replace(" ", "")
    result = invoked(*FETCH, "--url", site.url, "--target", target)
    assert result.exit_code == 0, result.output
    archive = tmp_path / "data" / "certh.zip"
    assert result.stdout == f"{target}: 2480 images, as published; {archive} may be deleted now\n"
    assert "warning" not in result.stderr
    assert archive.read_bytes() == official
    assert len(site.asked) == 2 and "range" in site.asked[1]
    assert sorted(path.name for path in target.parent.iterdir()) == ["certh", "certh.zip"]
    name = "EvaluationSet/NaturalBlurSet/999.JPG"
    assert (target / name).read_bytes() == name.encode()
    assert sorted(path.name for path in target.iterdir()) == ["EvaluationSet", "TrainingSet"]


def test_counts_that_differ_are_warnings(tmp_path: Path) -> None:
    target, names = tmp_path / "certh", ("TrainingSet/Undistorted/0.JPG", CERTH_SHEETS[1])
    archive = _zip(tmp_path / "by hand.zip", dict.fromkeys(names, b"x"))
    result = invoked(*FETCH, "--zip", archive, "--target", target)
    assert result.exit_code == 1
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == len(CERTH_IMAGES) + 1
    undistorted, sheet = target / "TrainingSet/Undistorted", target / CERTH_SHEETS[0]
    assert warnings[0] == f"warning: {undistorted}: expected 630 images, found 1"
    assert warnings[-1] == f"warning: {sheet}: expected the label sheet, found none"
    assert result.stdout.startswith(f"{target}: 1 images, not the published numbers")
    assert (target / CERTH_SHEETS[1]).is_file()
    # A zip beside the target is not downloaded: nobody serves this address.
    archive.rename(tmp_path / "own.zip")
    own = tmp_path / "own"
    result = invoked(*FETCH, "--url", "http://127.0.0.1:9/a.zip", "--target", own)
    assert result.stdout.startswith(f"{own}: 1 images")


@pytest.mark.parametrize("link", [False, True])
def test_an_existing_target_stays_as_it_is(serve: Serve, tmp_path: Path, link: bool) -> None:
    site, target = serve(Site()), tmp_path / "certh"
    if link:  # a broken one is there too
        target.symlink_to(tmp_path / "absent")
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert "exists and is not changed" in _error("--url", site.url, "--target", target)
    assert not site.asked and sorted(tmp_path.rglob("*")) == before
    assert link or (target / "mine.txt").read_text() == "mine"


def test_without_network_a_place_is_said(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/set.zip"
        error = _error("--url", url)
    assert f"{url}: cannot be downloaded (no connection to the server)" in error
    assert "https://mklab.iti.gr/" in error
    assert f"put it at {Path('data') / 'certh.zip'}" in error
    assert not list((tmp_path / "data").iterdir())


def test_paths_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    absent, archive = tmp_path / "absent.zip", _zip(tmp_path / "set.zip", {})
    assert f"{absent}: no such zip" in _error("--zip", absent, "--target", tmp_path / "certh")
    long = tmp_path / ("x" * 300)
    assert "cannot be written (" in _error("--zip", archive, "--target", long)
    assert "cannot be made" in _error("--target", archive / "certh")


def test_kwentar_is_one_line() -> None:
    result = invoked("data", "fetch", "kwentar")
    assert result.exit_code == 0 and result.stdout.count("\n") == 1
    assert "kaggle.com/datasets/kwentar/blur-dataset" in result.stdout
    assert "data/kwentar" in result.stdout


def _refused(archive: Path) -> str:
    """The line with which fetching `archive` ends; only the zip is left."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(BlurError) as caught:
        fetch_certh(archive.parent / "data", "", archive)
    assert sorted(archive.parent.iterdir()) == before
    line = str(caught.value)
    assert line.startswith(f"{archive}: ") and "\n" not in line
    return line


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    entries = {"b/": b"", "b/c.jpg": b"c" * 5000, "./d.jpg": b"d", "e\\f.jpg": b"f"}
    archive = _zip(tmp_path / "set.zip", entries)
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(archive, folder)
    assert contents(folder) == {GOOD: b"a", "b/c.jpg": b"c" * 5000, "d.jpg": b"d", "e/f.jpg": b"f"}


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "/evil.jpg", "\\\\host\\evil.jpg"),
        *("C:/evil.jpg", "c:evil.jpg", "a/C:/evil.jpg", "../evil\nfolder/", "./"),
    ],
)
def test_a_path_outside_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "deep"
    place.mkdir()
    assert "points outside the folder" in _refused(_zip(place / "set.zip", {name: b"evil"}))
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = _zip(tmp_path / "set.zip", {})
    info = ZipInfo("TrainingSet/link")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with ZipFile(archive, "a") as opened:
        opened.writestr(info, b"/etc")
        opened.writestr("TrainingSet/link/evil.jpg", b"evil")
    assert "is a link or a device" in _refused(archive)


@pytest.mark.parametrize(
    ("files", "size", "limits", "line"),
    [
        (1, 4 << 20, {}, "'0.jpg' would grow more than 100 times"),
        (8, 1 << 20, {}, "times its own size"),
        (3, 3, {"MOST_ENTRIES": 2}, "holds 4 entries, more than 2"),
        (3, 3, {"MOST_BYTES": 5}, "more than 0.00 GB"),
        (3, 3, {"shutil": Mock(disk_usage=lambda _: Mock(free=0))}, "GB are free on the disk"),
    ],
)
def test_what_is_too_much_is_refused(
    tmp_path: Path,
    monkeypatch: MonkeyPatch,
    files: int,
    size: int,
    limits: dict[str, Any],
    line: str,
) -> None:
    archive = _zip(tmp_path / "set.zip", {f"{i}.jpg": bytes(size) for i in range(files)})
    assert archive.stat().st_size < 10_000
    for name, value in limits.items():
        monkeypatch.setattr(fetch, name, value)
    assert line in _refused(archive)


Change = Callable[[bytes], bytes]


def _declared(place: int, value: bytes) -> Change:
    """Put `value` at `place` of the zip's directory entry for its first file."""

    def change(content: bytes) -> bytes:
        at = content.index(b"PK\x01\x02") + place
        return content[:at] + value + content[at + len(value) :]

    return change


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda content: content[: len(content) // 2], "not a complete zip"),
        (lambda _: b"<html>please log in</html>", "not a complete zip"),
        (lambda content: content.replace(b"pixels", b"PIXELS"), "not a complete zip"),
        (_declared(24, struct.pack("<I", 1)), "not a complete zip"),  # a size of one byte
        (_declared(8, struct.pack("<H", 1)), "is encrypted"),
        (_declared(10, struct.pack("<H", 77)), "cannot be unpacked here"),  # by no known method
        (lambda content: content.replace(b"Training", b"Holidays"), "holds no TrainingSet or"),
    ],
)
def test_a_damaged_zip_is_one_line(tmp_path: Path, change: Change, line: str) -> None:
    archive = tmp_path / "set.zip"
    with ZipFile(archive, "w") as opened:
        opened.writestr(GOOD, b"pixels")
    archive.write_bytes(change(archive.read_bytes()))
    assert line in _refused(archive)


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    twice = _zip(tmp_path / "twice.zip", {"a.jpg": b"a", "./a.jpg": b"b"})
    assert "cannot be unpacked (File exists)" in _refused(twice)
