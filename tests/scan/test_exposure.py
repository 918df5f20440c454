"""`blur scan --exposure`: dark, overexposed and low-contrast photos beside blurred ones."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.features.content import EXPOSURES, exposure
from blur_fusion.model.prediction import FIELDS, WITH_EXPOSURE
from scan_command import blur, emptied, found
from trees import write_photo

WANTED = {"dark": 0.15, "low-contrast": 0.12, "normal": 1.0, "overexposed": 0.1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo of each exposure, named after it, and one that cannot be read."""
    folder = tmp_path / "photos"
    for name, scale in WANTED.items():
        path = write_photo(folder / f"{name}.png", seed=1)
        low = {"overexposed": 225.0, "low-contrast": 110.0}.get(name, 0.0)
        image = np.clip(low + scale * cv2.imread(str(path)).astype(float), 0, 255)
        cv2.imwrite(str(path), image.astype(np.uint8))
    (folder / "unread.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((0, 255), "normal"),
        ((0, 63), "dark"),
        ((0, 64), "normal"),
        ((40, 60), "dark"),  # low in contrast as well
        ((170, 255), "overexposed"),
        ((169, 255), "normal"),
        ((100, 150), "low-contrast"),
        ((100, 151), "normal"),
    ],
)
def test_thresholds(levels: tuple[int, int], expected: str) -> None:
    assert expected in EXPOSURES
    working = np.repeat(np.array(levels, np.uint8), 50).reshape(10, 10)
    assert exposure(working) == expected


def test_few_bright_pixels_leave_it_dark_and_many_clipped_ones_overexpose_it() -> None:
    night, sky = (np.full((100, 100), level, np.uint8) for level in (10, 40))
    night[:2] = sky[:51] = 255
    assert (exposure(night), exposure(sky)) == ("dark", "overexposed")
    assert exposure(np.ascontiguousarray(sky[::2])[:, ::3]) == "overexposed"  # no copy needed


def test_field_is_there_only_where_asked_for(photos: Path, model: Path) -> None:
    given = (photos, "--model", model, "--format", "csv")
    plain, exposed = (
        list(csv.DictReader(io.StringIO(blur(*given, *more).stdout.decode())))
        for more in ((), ("--exposure",))
    )
    assert [tuple(row) for row in plain] == [FIELDS] * 5
    assert [tuple(row) for row in exposed] == [WITH_EXPOSURE] * 5
    assert [row["exposure"] for row in exposed] == [*sorted(WANTED), ""]
    assert [{name: row[name] for name in FIELDS} for row in exposed] == plain


def test_table_and_summary(photos: Path, model: Path) -> None:
    lines = blur(photos, "--model", model, "--exposure").stdout.decode().splitlines()
    assert lines[0].split() == ["verdict", "probability", "kind", "exposure", "path"]
    flagged = [name for name in WANTED if any(f" {name} " in line for line in lines[1:-1])]
    assert flagged == ["dark", "low-contrast", "overexposed"]
    assert lines[-1].endswith("1 unread; exposure: 1 dark, 1 low-contrast, 1 overexposed")
    one = blur(photos / "normal.png", "--model", model, "--exposure").stdout.decode()
    assert one.splitlines()[-1].endswith("; exposure: all normal")


def test_cache_and_videos_have_it(photos: Path, model: Path, clip: Path, tmp_path: Path) -> None:
    given = (photos / "dark.png", clip, "--model", model, "--cache", tmp_path / "cache")
    plain = found(*given)
    emptied([photos / "dark.png"])
    known = found(*given, "--exposure")
    assert known[0] == {**plain[0], "exposure": "dark"} and len(known) == 3
    assert all(row["exposure"] in EXPOSURES for row in known)
