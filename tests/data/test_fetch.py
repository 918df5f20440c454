"""`blur data fetch`, from a local server to a counted tree."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result

from acquisition_server import Serve, Site, serving
from blur_fusion.cli.main import blur
from blur_fusion.data import fetch as download
from blur_fusion.data.sources import CERTH_IMAGES, CERTH_SHEETS, CERTH_URL

INNER = "CERTH_ImageBlurDataset/"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    with serving(monkeypatch) as start:
        yield start


def _official(inner: str = INNER, lacking: tuple[str, ...] = ()) -> bytes:
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


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(blur, ["data", "fetch", *map(str, arguments)])


def _error(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_certh_from_a_server_that_breaks_off(serve: Serve, tmp_path: Path) -> None:
    content = _official()
    site = serve(Site(content=content, breaks=[len(content) // 2]))
    target = tmp_path / "data" / "certh"
    result = _run("certh", "--url", site.url, "--target", target)
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
    lacking = ("TrainingSet/Undistorted/0.JPG", CERTH_SHEETS[0])
    archive = tmp_path / "by hand.zip"
    archive.write_bytes(_official("", lacking))
    target = tmp_path / "certh"
    result = _run("certh", "--zip", archive, "--target", target)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == [
        f"warning: {target / 'TrainingSet/Undistorted'}: expected 630 images, found 629",
        f"warning: {target / CERTH_SHEETS[0]}: expected the label sheet, found none",
    ]
    assert result.stdout.startswith(f"{target}: 2479 images, not the published numbers")
    assert (target / CERTH_SHEETS[1]).is_file()


def test_a_zip_beside_the_target_is_not_downloaded(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site())
    (tmp_path / "certh.zip").write_bytes(_official())
    assert _run("certh", "--url", site.url, "--target", tmp_path / "certh").exit_code == 0
    assert not site.asked


def test_an_existing_target_stays_as_it_is(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(content=_official()))
    (tmp_path / "certh").mkdir()
    (tmp_path / "certh" / "mine.txt").write_text("mine")
    error = _error(_run("certh", "--url", site.url, "--target", tmp_path / "certh"))
    assert "is there already" in error
    assert not site.asked
    assert (tmp_path / "certh" / "mine.txt").read_text() == "mine"
    assert len(list(tmp_path.rglob("*"))) == 2


def test_a_broken_link_is_a_target_too(tmp_path: Path) -> None:
    (tmp_path / "certh").symlink_to(tmp_path / "absent")
    assert "is there already" in _error(_run("certh", "--target", tmp_path / "certh"))


def test_without_network_it_says_where_to_put_the_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/set.zip"
        error = _error(_run("certh", "--url", url))
    assert f"{url}: cannot be downloaded (no connection to the server)" in error
    assert "https://mklab.iti.gr/" in error
    assert f"put it at {Path('data') / 'certh.zip'}" in error
    assert not list((tmp_path / "data").iterdir())


def test_a_page_instead_of_the_zip(serve: Serve, tmp_path: Path) -> None:
    site = serve(Site(content=b"<html>please log in</html>"))
    error = _error(_run("certh", "--url", site.url, "--target", tmp_path / "certh"))
    assert "is no whole zip" in error and "delete it" in error
    assert not (tmp_path / "certh").exists()


def test_a_missing_zip_is_one_line(tmp_path: Path) -> None:
    absent = tmp_path / "absent.zip"
    error = _error(_run("certh", "--zip", absent, "--target", tmp_path / "certh"))
    assert f"{absent}: no such zip" in error


def test_a_target_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(_official())
    error = _error(_run("certh", "--zip", archive, "--target", tmp_path / ("x" * 300)))
    assert "cannot be written (" in error


def test_missing_pooch_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    error = _error(_run("certh", "--target", tmp_path / "certh"))
    assert "blur-fusion[train]" in error


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "cannot be made" in _error(_run("certh", "--target", tmp_path / "data" / "certh"))


def test_help_names_the_official_address() -> None:
    assert CERTH_URL in _run("certh", "--help").stdout.replace("\n", "").replace(" ", "")


def test_kwentar_is_one_line() -> None:
    result = _run("kwentar")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert "kaggle.com/datasets/kwentar/blur-dataset" in result.stdout
    assert "data/kwentar" in result.stdout
