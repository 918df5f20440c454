"""A disk of 100 kB: every command that writes reports it in one line; nothing is lost or left."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from action_trees import look
from forked import Results
from scan_command import ENVIRONMENT, command
from trees import write_photo


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system; only root can mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of about 300 kB in total."""
    folder = tmp_path_factory.mktemp("album") / "photos"
    for k in range(12):
        write_photo(folder / f"{k:02d}.jpg", k, size=(600, 800))
    return folder


WRITERS = {
    "scan --output": ["scan", "PHOTOS", "--output", "DISK/table.csv", "--format", "csv"],
    "scan --report": ["scan", "PHOTOS", "--report", "DISK/page.html"],
    "scan --cache": ["scan", "PHOTOS", "--cache", "DISK/cache"],
    "scan --move": ["scan", "PHOTOS", "--threshold", "0", "--move", "DISK/out"],
    "scan --copy": ["scan", "PHOTOS", "--threshold", "0", "--copy", "DISK/out"],
    "scan --tag": ["scan", "DISK/photos", "--threshold", "0", "--tag"],
    "explain": ["explain", "PHOTOS/00.jpg", "--no-grad-cam", "--output", "DISK"],
    "explain html": ["explain", "PHOTOS/00.jpg", "--no-grad-cam", "--output", "DISK/page.html"],
    "data make": ["data", "make", "label-csv", "PHOTOS/..", "DISK/made"],
}
BEGUN = ("scan --report", "scan --move", "scan --copy", "explain", "explain html", "data make")


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk(name: str, album: Path, small: Path, tmp_path: Path, results: Results) -> None:
    root = Path(shutil.copytree(album, tmp_path / "set" / "sharp"))
    filler = small / "filler"
    if name == "scan --tag":
        (small / "photos").mkdir()
        shutil.copy(root / "00.jpg", small / "photos")
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if name in BEGUN:
        os.truncate(filler, filler.stat().st_size - 8192)  # enough to begin
    before, kept = look(root), look(small)
    words = [w.replace("PHOTOS", str(root)).replace("DISK", str(small)) for w in WRITERS[name]]
    ran = subprocess.run(
        command(*words), cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    results.append((f"full disk: {name}", 1, 0, 0))
    assert "Traceback" not in ran.stderr
    full = "disk is full" if name == "scan --cache" else "No space left on device"  # SQLite's words
    assert full in ran.stderr, ran.stderr
    assert ran.returncode in ((0, 1) if name == "scan --cache" else (1, 2))
    left = [path for path in small.rglob("*") if ".part" in path.name]
    assert not left and look(small).keys() >= kept.keys()
    contents = [content for content, _ in {**look(root), **look(small)}.values()]
    assert all(content in contents for content, _ in before.values())
