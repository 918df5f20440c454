"""Sources that are no images, and files with odd names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images.photo import working_image
from pictures import noise, save


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty file"),
        (b"Dear diary, this is no picture.\n", "no image"),
        (b"\xff\xd8\xff\xe0 cut off", "no image"),
        (b"\0" * 4096, "no image"),
        (None, "cannot be read"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "diary.jpg"
    if content is not None:
        path.write_bytes(content)
    for colour in (False, True):
        with pytest.raises(BlurError) as caught:
            working_image(path, 64, colour)
        line = str(caught.value)
        assert str(path) in line and why in line and "\n" not in line


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=r"folder\.jpg: cannot be read"):
        (tmp_path / "folder.jpg").mkdir()
        working_image(tmp_path / "folder.jpg", 64)


@pytest.mark.parametrize("name", ["Ferienfoto für Äöü.jpg", "写真 1.png", "снимок.jpg", "📷.png"])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    image = cv2.GaussianBlur(noise(30, 40), (0, 0), 2)
    path = save(tmp_path / name, image)
    expected = working_image(image[:, :, ::-1], 64)
    assert np.abs(working_image(path, 64).astype(int) - expected).max() <= 4
    path.write_bytes(b"")
    with pytest.raises(BlurError, match="empty file") as caught:
        working_image(path, 64)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.full((8, 8), 1.5, np.float32),
        np.full((8, 8), np.nan),
        np.zeros((8, 8), np.int64),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((8, 8, 5), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((0, 8), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(BlurError, match="array of"):
        working_image(array, 64)
