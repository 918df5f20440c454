"""Downloads that break off, against a local server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acquisition_server import CONTENT, Serve, Site, serving
from blur_fusion.data import fetch as download
from blur_fusion.data.fetch import DownloadError, ResumingDownloader
from blur_fusion.errors import BlurError

BREAK = 200_000


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    with serving(monkeypatch) as start:
        yield start


def _fetch(site: Site, folder: Path) -> bytes:
    whole = folder / "set.zip"
    ResumingDownloader(folder / "set.zip.part")(site.url, str(whole))
    assert [path.name for path in folder.iterdir()] == ["set.zip"]
    return whole.read_bytes()


def test_a_break_is_gone_on_from(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(breaks=[BREAK]))
    assert _fetch(site, tmp_path) == CONTENT
    assert "range" not in site.asked[0]
    assert 0 < int(site.asked[1]["range"].removeprefix("bytes=").removesuffix("-")) <= BREAK
    assert site.asked[1]["if-range"] == '"first"'


def test_many_breaks_are_no_failure_while_bytes_come(serve: Serve, tmp_path: Path) -> None:
    long = CONTENT * 20
    piece = download.GAIN + 2 * download.PIECE
    site = serve(Site(content=long, breaks=[piece] * (download.ATTEMPTS + 1)))
    assert _fetch(site, tmp_path) == long
    assert len(site.asked) == download.ATTEMPTS + 2


def test_a_later_run_goes_on(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(breaks=[BREAK] + [0] * (download.ATTEMPTS - 1)))
    with pytest.raises(DownloadError, match="broke off"):
        _fetch(site, tmp_path)
    kept = (tmp_path / "set.zip.part").read_bytes()
    assert kept and CONTENT.startswith(kept)
    assert _fetch(site, tmp_path) == CONTENT
    assert site.asked[-1]["range"] == f"bytes={len(kept)}-"


def test_without_range_it_starts_over(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(ranges=False, breaks=[BREAK]))
    assert _fetch(site, tmp_path) == CONTENT
    assert len(site.asked) == 2


def test_without_range_it_gives_up_in_the_end(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(ranges=False, breaks=[BREAK] * 50))
    with pytest.raises(DownloadError, match="broke off"):
        _fetch(site, tmp_path)
    assert len(site.asked) <= download.ATTEMPTS + 1


def test_a_changed_file_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(breaks=[BREAK] + [0] * (download.ATTEMPTS - 1)))
    with pytest.raises(DownloadError):
        _fetch(site, tmp_path)
    site.content, site.tag = CONTENT[::-1], '"second"'
    assert _fetch(site, tmp_path) == CONTENT[::-1]


def test_another_address_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(b"of another file")
    (tmp_path / "set.zip.part.json").write_text('{"url": "http://elsewhere/", "version": ""}')
    site = serve(Site())
    assert _fetch(site, tmp_path) == CONTENT
    assert "range" not in site.asked[0]


def _part(folder: Path, site: Site, content: bytes) -> None:
    (folder / "set.zip.part").write_bytes(content)
    (folder / "set.zip.part.json").write_text(f'{{"url": "{site.url}", "version": ""}}')


def test_a_whole_part_is_taken(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site())
    _part(tmp_path, site, CONTENT)
    assert _fetch(site, tmp_path) == CONTENT
    assert len(site.asked) == 1


def test_a_part_that_is_too_long_is_begun_again(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site())
    _part(tmp_path, site, CONTENT + b"more")
    assert _fetch(site, tmp_path) == CONTENT


def test_a_wrong_range_is_not_appended(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(wrong_start=True))
    _part(tmp_path, site, CONTENT[:BREAK])
    assert _fetch(site, tmp_path) == CONTENT
    assert "range" in site.asked[0] and "range" not in site.asked[1]


def test_unknown_size(serve: Serve, tmp_path: Path) -> None:
    assert _fetch(serve(Site(sized=False)), tmp_path) == CONTENT


def test_a_busy_server_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(statuses=[503, 429]))
    assert _fetch(site, tmp_path) == CONTENT


def test_a_missing_file_is_not_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(statuses=[404]))
    with pytest.raises(DownloadError, match="HTTP 404 Not Found"):
        _fetch(site, tmp_path)
    assert len(site.asked) == 1


def test_a_full_disk_is_seen_before_the_download(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BlurError, match="are free on the disk"):
        _fetch(serve(Site()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/hostname", "ftp://127.0.0.1/a.zip"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="cannot be downloaded") as caught:
        ResumingDownloader(tmp_path / "part")(url, str(tmp_path / "whole"))
    assert "\n" not in str(caught.value)
