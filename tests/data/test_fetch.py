"""Downloads that break off, and `blur data fetch` from a local server to a counted tree."""

import hashlib
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zipfile import ZipFile

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
)
from blur_fusion.errors import BlurError
from scan_command import invoked

FETCH = ("data", "fetch", "certh")
BREAK = 200_000
LAST_WORDS = [BREAK] + [0] * (ATTEMPTS - 1)  # one part comes, and then no more
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
        start, size = self._start(site), len(site.content)
        if site.statuses:
            self._head(site.statuses.pop(0))
        elif start >= size:
            self._head(416, {"Content-Range": f"bytes */{size}"})
        else:
            headers = {"ETag": site.tag}
            if start:
                first = start + 1 if site.wrong_start else start
                headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
            if site.sized:
                headers["Content-Length"] = str(size - start)
            self._head(206 if start else 200, headers)
            end = start + site.breaks.pop(0) if site.breaks else size
            self.wfile.write(site.content[start:end])

    def _head(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _start(self, site: Site) -> int:
        wanted = self.headers.get("Range")
        if not wanted or not site.ranges or self.headers.get("If-Range", site.tag) != site.tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


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


def _official(inner: str = "CERTH_ImageBlurDataset/", lacking: tuple[str, ...] = ()) -> bytes:
    """A zip with the official folders and counts; the images are a few bytes each."""
    names = [f"{folder}/{i}.JPG" for folder, n in CERTH_IMAGES.items() for i in range(n)]
    names += [*CERTH_SHEETS, "TrainingSet/Undistorted/.DS_Store"]
    packed = io.BytesIO()
    with ZipFile(packed, "w") as archive:
        for name in names:
            if name not in lacking:
                archive.writestr(inner + name, name.encode())
        archive.writestr("__MACOSX/._x", b"x")
    return packed.getvalue()


def _error(*arguments: str | Path) -> str:
    """The line with which `blur data fetch certh` fails."""
    result = invoked(*FETCH, *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("error: ")
    return result.stderr


def test_certh_from_a_server_that_breaks_off(serve: Serve, tmp_path: Path) -> None:
    content = _official()
    site = serve(Site(content=content, breaks=[len(content) // 2]))
    target = tmp_path / "data" / "certh"
    assert CERTH_URL in invoked(*FETCH, "--help").stdout.replace("\n", "").replace(" ", "")
    result = invoked(*FETCH, "--url", site.url, "--target", target)
    assert result.exit_code == 0, result.output
    archive = tmp_path / "data" / "certh.zip"
    assert result.stdout == f"{target}: 2480 images, as published; {archive} may be deleted now\n"
    assert "warning" not in result.stderr
    assert archive.read_bytes() == content
    assert len(site.asked) == 2 and "range" in site.asked[1]
    assert sorted(path.name for path in target.parent.iterdir()) == ["certh", "certh.zip"]
    name = "EvaluationSet/NaturalBlurSet/999.JPG"
    assert (target / name).read_bytes() == name.encode()
    assert sorted(path.name for path in target.iterdir()) == ["EvaluationSet", "TrainingSet"]


def test_counts_that_differ_are_warnings(tmp_path: Path) -> None:
    archive = tmp_path / "by hand.zip"
    archive.write_bytes(_official("", ("TrainingSet/Undistorted/0.JPG", CERTH_SHEETS[0])))
    target = tmp_path / "certh"
    result = invoked(*FETCH, "--zip", archive, "--target", target)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == [
        f"warning: {target / 'TrainingSet/Undistorted'}: expected 630 images, found 629",
        f"warning: {target / CERTH_SHEETS[0]}: expected the label sheet, found none",
    ]
    assert result.stdout.startswith(f"{target}: 2479 images, not the published numbers")
    assert (target / CERTH_SHEETS[1]).is_file()
    # A zip beside the target is not downloaded: nobody serves this address.
    archive.write_bytes(_official())
    archive.rename(tmp_path / "own.zip")
    result = invoked(*FETCH, "--url", "http://127.0.0.1:9/a.zip", "--target", tmp_path / "own")
    assert result.exit_code == 0


@pytest.mark.parametrize("link", [False, True])
def test_an_existing_target_stays_as_it_is(serve: Serve, tmp_path: Path, link: bool) -> None:
    site, target = serve(Site(content=_official())), tmp_path / "certh"
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
    absent, archive = tmp_path / "absent.zip", tmp_path / "set.zip"
    assert f"{absent}: no such zip" in _error("--zip", absent, "--target", tmp_path / "certh")
    archive.write_bytes(_official())
    error = _error("--zip", archive, "--target", tmp_path / ("x" * 300))
    assert "cannot be written (" in error
    assert "cannot be made" in _error("--target", archive / "certh")


def test_kwentar_is_one_line() -> None:
    result = invoked("data", "fetch", "kwentar")
    assert result.exit_code == 0 and result.stdout.count("\n") == 1
    assert "kaggle.com/datasets/kwentar/blur-dataset" in result.stdout
    assert "data/kwentar" in result.stdout
