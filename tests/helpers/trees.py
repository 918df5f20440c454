"""The project's folder, and small photos and label sheets for each layout."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = os.pathsep.join(map(str, (REPOSITORY / "pipeline", REPOSITORY)))  # for PYTHONPATH
Tree = Callable[..., Path]


def contents(root: Path) -> dict[str, bytes]:
    """Bytes of each file below `root`, by its path there."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def copy_checkout(folder: Path, *parts: str) -> Path:
    """Copy the working tree, or parts of it, without what Git ignores."""
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z", *parts]
    listed = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no Git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder


def refusing(patch: pytest.MonkeyPatch, call: str, number: int, where: Path) -> None:
    """Make a system call fail on `where` and the files below it."""
    true = getattr(os, call)

    def refused(path: Any, *more: Any, **named: Any) -> Any:
        if isinstance(path, int) or Path(os.fsdecode(path)).is_relative_to(where):
            raise OSError(number, os.strerror(number))
        return true(path, *more, **named)

    patch.setattr(os, call, refused)


def write_photo(
    path: Path, seed: int, blurred: bool = False, size: tuple[int, int] = (64, 96)
) -> Path:
    """Write a picture of random rectangles, fixed by `seed`; Gaussian-blurred or not."""
    generator = np.random.default_rng(seed)
    height, width = size
    image = np.full((height, width, 3), 120, np.uint8)
    for _ in range(30):
        x, y = int(generator.integers(width)), int(generator.integers(height))
        colour = [int(value) for value in generator.integers(0, 256, 3)]
        cv2.rectangle(image, (x, y), (x + width // 6, y + height // 6), colour, -1)
    if blurred:
        image = cv2.GaussianBlur(image, (0, 0), 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = path.suffix if path.suffix.lower() in (".png", ".bmp") else ".jpg"
    cv2.imencode(ending, image)[1].tofile(path)
    return path


def write_photos(
    root: Path, scenes: int = 34, sharp: str = "sharp", blurred: str = "blurred"
) -> Path:
    """Class folders of `scenes` sharp and as many blurred photos."""
    for k in range(scenes):
        write_photo(root / sharp / f"a{k}.jpg", seed=k)
        write_photo(root / blurred / f"b{k}.jpg", seed=500 + k, blurred=True)
    return root


def write_sheet(path: Path, rows: Iterable[tuple[Any, Any]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("Sheet2")
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def write_certh(folder: Path, scenes: int) -> Path:
    training, evaluation = folder / "TrainingSet", folder / "EvaluationSet"
    for k in range(scenes):
        ending = ".JPG" if k % 3 == 0 else ".jpg"
        write_photo(training / "Undistorted" / f"DSC{k:05d}{ending}", seed=k)
        write_photo(training / "Artificially-Blurred" / f"DiskR10_{k}.jpg", 100 + k, blurred=True)
        write_photo(training / "Naturally-Blurred" / f"DSC{k:05d}.jpg", 200 + k, blurred=True)
    (training / "Undistorted" / ".DS_Store").write_bytes(b"\0Bud1")
    digital: list[tuple[Any, Any]] = [("MyDigital Blur", None)]
    for j, k in ((1, 1), (2, 10), (3, 11)):
        for name in (f"Original_{k}", f"DiskR10_{j}", f"MotionL50Th90_{j}"):
            blurred = not name.startswith("Original")
            write_photo(evaluation / "DigitalBlurSet" / f"{name}.jpg", 300 + k, blurred)
            digital.append((f" {name}.jpg ", 1 if blurred else -1))
    digital.insert(5, (None, None))
    natural: list[tuple[Any, Any]] = [("Image Name", "Blur Label")]
    for k in range(1, 7):
        ending = ".JPG" if k == 1 else ".jpg"
        write_photo(evaluation / "NaturalBlurSet" / f"Original_{k}{ending}", 400 + k, k % 2 == 0)
        natural.append((f"Original_{k}", -1 if k % 2 else 1))
    write_sheet(evaluation / "DigitalBlurSet.xlsx", digital)
    write_sheet(evaluation / "NaturalBlurSet.xlsx", natural)
    return folder
