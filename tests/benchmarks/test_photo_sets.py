"""Which real photos there are, with their labels, kinds and scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.real_photos import POOLED, find_photos
from blur_fusion.errors import BlurError
from shared_photos import write_shared
from trees import write_photo


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return write_shared(tmp_path / "data")


def test_sets_labels_kinds_and_scenes(shared: Path) -> None:
    found = find_photos(shared)
    told = {(p.subset, p.path.name): (p.label, p.kind, p.scene) for p in found.photos}
    assert len(told) == len(found.photos) == 3 + 1 + 3 + 5 + 4
    assert ("photos", "p3.jpg") not in told  # ambiguous
    assert told["photos", "p2.jpg"][0] == 1 and told["photos", "p0.jpg"][0] == 0
    assert told["kodak", "01.png"][:2] == (0, "sharp")
    assert told["kwentar", "0_PHONE_S.JPG"] == (0, "sharp", "0_PHONE")
    assert told["kwentar", "0_PHONE_F.JPG"] == (1, "defocus", "0_PHONE")
    assert told["kwentar", "0_PHONE_M.JPG"] == (1, "motion", "0_PHONE")
    assert told["certh_digital", "Original_10.jpg"] == (0, "sharp", "Original_10")
    assert told["certh_digital", "MotionL50Th90_2.jpg"] == (1, "motion", "Original_10")
    assert told["certh_digital", "DiskR8_1.jpg"] == (1, "defocus", "Original_1")
    assert told["certh_other", "DiskR10_4.jpg"] == (1, "defocus", "Original_12")
    assert told["certh_other", "Original_12.jpg"] == (0, "sharp", "Original_12")
    assert told["certh_other", "Original_5.jpg"][:2] == (1, "")
    assert [one.step for one in found.stacks["smear"]] == [0, -1, 1, -2, 2]
    assert found.missing == ()


def test_missing_sets_are_named_and_none_is_an_error(shared: Path, tmp_path: Path) -> None:
    for path in sorted((shared / "kodak").iterdir()):
        path.unlink()
    (shared / "kodak").rmdir()
    assert find_photos(shared).missing == ("kodak",)
    with pytest.raises(BlurError, match="holds none of the sets photos, kodak"):
        find_photos(tmp_path / "nothing")
    write_photo(shared / "focus_stacks/chart" / "near.png", 1)
    with pytest.raises(BlurError, match="near.png: name is no whole number"):
        find_photos(shared)


def test_the_real_folder_holds_what_its_readme_says(shared_data: Path) -> None:
    found = find_photos(shared_data)
    sets = [photo.subset for photo in found.photos]
    assert {name: sets.count(name) for name in (*POOLED, "certh_other")} == {
        **{"photos": 75, "kodak": 24, "kwentar": 24, "certh_digital": 48, "certh_other": 21}
    }
    sharp = [photo.subset for photo in found.photos if not photo.label]
    assert [sharp.count(name) for name in POOLED] == [74, 24, 8, 3]
    assert len({p.key for p in found.photos if p.subset in POOLED}) == 75 + 24 + 8 + 3
    assert {name: len(stack) for name, stack in found.stacks.items()} == {"smear": 19, "chart": 6}
