"""`blur scan`: formats, exit codes, thresholds, actions, Ctrl-C, what it imports."""

import csv
import dataclasses
import json
import os
import re
import signal
import sqlite3
import sys
import urllib.parse
from pathlib import Path

import cv2
import numpy as np
import pytest
from pytest import MonkeyPatch

from blur_fusion.features.content import EXPOSURES, exposure
from blur_fusion.model.classifier import load
from blur_fusion.model.prediction import FIELDS, WITH_EXPOSURE
from scan_command import blur, emptied, found, imported, invoked, linked, rows, started
from tiny_model import with_band
from trees import contents, write_photo


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_formats_agree(photos: Path, model: Path, tmp_path: Path) -> None:
    ran = blur(photos, "--model", model)
    assert ran.returncode == 0 and ran.stderr == b""  # no progress bar where nobody watches
    *rest, summary = ran.stdout.decode().splitlines()
    assert len(rest) == 1 + 6
    assert summary.startswith("6 photos: 2 blurred (") and summary.endswith("), 4 sharp")
    given = ("scan", photos, "--model", model)
    lines = found(*given[1:])
    assert [list(row) for row in lines] == [list(FIELDS)] * 6
    assert json.loads(invoked(*given, "--format", "json").stdout) == lines
    out = ("--output", tmp_path / "out.csv")
    ran = invoked(*given, "--format", "csv", *out)
    written = table(out[1].read_text())
    assert [row["path"] for row in written] == [row["path"] for row in lines]
    assert ran.stdout == "" and "6 photos: 2 blurred" in ran.stderr
    again = invoked(*given, *out)
    assert (again.exit_code, again.stdout, again.stderr.count("\n")) == (2, "", 1)
    assert "exists" in again.stderr
    assert invoked(*given, *out, "--force").exit_code == 0


def test_exit_codes(photos: Path, model: Path) -> None:
    assert blur(photos, "--model", model, "--fail-on-blurred").returncode == 3
    given, gone = ("--model", model, "--fail-on-blurred"), photos / "gone.jpg"
    assert invoked("scan", photos / "01.jpg", *given).exit_code == 0
    assert invoked("scan", photos, gone, *given).exit_code == 3
    unread = invoked("scan", photos, gone, "--model", model, "--format", "jsonl")
    assert unread.exit_code == 1 and len(rows(unread)) == 7
    assert rows(unread)[-1]["error"] == "cannot be read (No such file or directory)"


HERE = "--scheduler tcp://127.0.0.1:1"
DASK = f"{HERE} --backend dask"
WRONG = ["--model .", "--threshold 2", "--threshold .5 --max-false-alarms .1", "--move a --copy b"]
WRONG += ["--dry-run", "--unsure a", "--unsure a --tag", "--report .", "--backend dask"]


@pytest.mark.parametrize("wrong", [*WRONG, HERE, DASK, f"{DASK} --workers 2"])
def test_wrong_usage(photos: Path, model: Path, wrong: str, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr("blur_fusion.scan.pool._CONNECT", 0.5)
    said = invoked("scan", photos, "--model", model, *wrong.split())
    assert (said.exit_code, said.stdout) == (2, "")
    assert "rror: " in said.stderr and "Traceback" not in said.stderr


def test_thresholds_from_one_cache(photos: Path, model: Path, tmp_path: Path) -> None:
    paths, thresholds = sorted(photos.iterdir()), (None, 0.0, 0.02, 0.98, 1.0)
    expected = [
        [dataclasses.asdict(one) for one in load(model, threshold=threshold).predict(paths)]
        for threshold in thresholds
    ]
    given = (photos, "--model", model, "--exposure", "--cache", tmp_path / "cache")
    assert found(*given) == expected[0]
    emptied(paths)
    for threshold, rows_then in zip(thresholds[1:], expected[1:], strict=True):
        assert found(*given, "--threshold", threshold) == rows_then


def test_list_on_standard_input_and_sorting(photos: Path, model: Path) -> None:
    listed = b"\n".join(os.fsencode(path) for path in sorted(photos.iterdir()))
    ran = blur("-", "--model", model, "--format", "jsonl", "--sort", "probability", given=listed)
    probabilities = [row["probability"] for row in rows(ran)]
    assert len(probabilities) == 6 and probabilities == sorted(probabilities, reverse=True)


@pytest.fixture
def doubting(photos: Path, model: Path, tmp_path: Path) -> Path:
    """A model that is sure of one blurred photo and of three sharp ones."""
    said = load(model).predict(sorted(photos.iterdir()))
    ranked = sorted((one.probability or 0.0 for one in said), reverse=True)
    low, high = ((ranked[place] + ranked[place + 1]) / 2 for place in (2, 0))
    return with_band(model, tmp_path / "doubting", low, high)


def test_a_verdict_is_the_same_on_every_way(photos: Path, doubting: Path, tmp_path: Path) -> None:
    expected = load(doubting).predict(sorted(photos.iterdir()))
    words = [one.verdict for one in expected]
    assert sorted(map(str, words)) == ["blurred", "sharp", "sharp", "sharp", "unsure", "unsure"]
    given = (photos, "--model", doubting)
    cache = ("--cache", tmp_path / "cache")
    page = ("--report", tmp_path / "page.html")
    for more in (("--workers", "1"), ("--workers", "2"), cache, cache, page):
        lines = found(*given, *more, "--exposure")
        assert lines == [dataclasses.asdict(one) for one in expected]
    ran = invoked("scan", *given).stdout
    assert ran.splitlines()[-1].startswith("6 photos: 1 blurred (")
    assert ran.endswith("), 2 unsure, 3 sharp\n")
    assert [line.split()[0] for line in ran.splitlines()[1:-1]] == words
    for closed in (("--threshold", "0.5"), ("--max-false-alarms", "0.1")):
        assert "unsure" not in {row["verdict"] for row in found(*given, *closed)}
    highest = max(expected, key=lambda one: one.probability or 0.0)
    others = [path for path in photos.iterdir() if str(path) != highest.path]
    assert invoked("scan", *given, "--fail-on-blurred").exit_code == 3
    assert invoked("scan", *others, "--model", doubting, "--fail-on-blurred").exit_code == 0


@pytest.mark.parametrize("kind", ["move", "copy", "link"])
def test_unsure_photos_go_where_they_are_asked_to(
    photos: Path, doubting: Path, tmp_path: Path, kind: str
) -> None:
    words = {Path(row["path"]).name: row["verdict"] for row in found(photos, "--model", doubting)}
    before, blurred, unsure = contents(photos), tmp_path / "blurred", tmp_path / "unsure"
    given = ("scan", photos, "--model", doubting, f"--{kind}", blurred)
    dry = invoked(*given, "--unsure", unsure, "--dry-run")
    assert dry.exit_code == 0 and dry.stdout.count(f"{kind} {photos}") == 3
    assert not blurred.exists() and not unsure.exists()
    assert invoked(*given, "--unsure", unsure).exit_code == 0
    for folder, word in ((blurred, "blurred"), (unsure, "unsure")):
        moved = {path.name for path in folder.glob("*.jpg")}
        assert moved == {name for name, verdict in words.items() if verdict == word}
    assert (contents(photos) == before) == (kind != "move")
    (journal,) = tmp_path.rglob("blur-journal-*.jsonl")  # one for both
    assert journal.parent == blurred and invoked("undo", journal).exit_code == 0
    assert contents(photos) == before
    assert not list(blurred.glob("*.jpg")) and not list(unsure.glob("*.jpg"))


def test_a_report_leads_to_moved_photos(photos: Path, model: Path, tmp_path: Path) -> None:
    """Also where a name holds what frames of videos have."""
    (photos / "00.jpg").rename(photos / "0#t=1.000.jpg")
    target, page = tmp_path / "blurred", tmp_path / "page.html"
    more = ("--move", target, "--report", page)
    dry = invoked("scan", photos, "--model", model, *more, "--dry-run")
    links = re.findall(r'"link":"(.*?)"', page.read_text())
    assert dry.exit_code == 0 and {link.rpartition("/")[0] for link in links} == {"photos"}
    ran = invoked("scan", photos, "--model", model, *more, "--force")
    assert ran.exit_code == 0 and ran.stderr.count("\n") == 1
    links = re.findall(r'"link":"(.*?)"', page.read_text())
    there = [tmp_path / urllib.parse.unquote(link) for link in links]
    assert len(there) == 6 and all(path.is_file() for path in there)
    assert {path.name for path in there if path.parent == target} == {"0#t=1.000.jpg", "03.jpg"}


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_ctrl_c_keeps_what_was_judged(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    photos = linked(write_photo(tmp_path / "many" / "0000.jpg", 1, size=(1200, 1600)), 400)
    running = started(photos, "--model", model, "--cache", cache, start_new_session=True)
    assert running.stdout is not None
    first = running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: its processes get it too
    rest, said = running.communicate(timeout=60)
    assert running.returncode == 130
    summary, line = said.decode().splitlines()
    assert " photo" in summary and line.startswith("interrupted; what was judged is in")
    seen = [json.loads(row) for row in (first + rest).splitlines()]
    assert 1 <= len(seen) < 400 and all(row["error"] is None for row in seen)
    known = sqlite3.connect(cache).execute("SELECT count(*) FROM verdicts").fetchone()[0]
    assert len(seen) <= known < 400


def test_imports_only_what_is_needed(photos: Path, model: Path, tmp_path: Path) -> None:
    """Or the first verdict would be long in coming: TensorFlow takes seconds, pandas a second."""
    needed = {"blur_fusion", "click", "cv2", "numpy", "onnxruntime"}
    assert imported("scan", photos, "--model", model) <= needed
    more = ("--cache", tmp_path / "c", "--report", tmp_path / "r.html", "--tag")
    all_of_it = imported("scan", photos, "--model", model, *more, "--copy", tmp_path / "copies")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count('"thumbnail":"UklG') >= 6 and "03.jpg" in page  # WebP
    assert all_of_it <= needed | {"jinja2", "markupsafe", "tqdm", "__mp_main__"}


WANTED = {"dark": 0.15, "low-contrast": 0.12, "normal": 1.0, "overexposed": 0.1}


@pytest.fixture
def exposures(tmp_path: Path) -> Path:
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
    ("low", "high", "expected"),
    [
        *((0, 255, "normal"), (0, 63, "dark"), (0, 64, "normal")),
        (40, 60, "dark"),  # low in contrast as well
        *((170, 255, "overexposed"), (169, 255, "normal")),
        *((100, 150, "low-contrast"), (100, 151, "normal")),
    ],
)
def test_exposure_of_grey_levels(low: int, high: int, expected: str) -> None:
    assert exposure(np.repeat(np.array([low, high], np.uint8), 50).reshape(10, 10)) == expected


def test_few_bright_pixels_leave_it_dark_and_many_clipped_ones_overexpose_it() -> None:
    night, sky = (np.full((100, 100), level, np.uint8) for level in (10, 40))
    night[:2] = sky[:51] = 255
    assert (exposure(night), exposure(sky)) == ("dark", "overexposed")
    assert exposure(sky[::2, ::3]) == "overexposed"  # of any memory layout


def test_exposure_is_there_only_where_asked_for(exposures: Path, model: Path) -> None:
    given = ("scan", exposures, "--model", model)
    plain = table(invoked(*given, "--format", "csv").stdout)
    exposed = table(invoked(*given, "--format", "csv", "--exposure").stdout)
    assert [tuple(row) for row in plain] == [FIELDS] * 5
    assert [tuple(row) for row in exposed] == [WITH_EXPOSURE] * 5
    assert [row["exposure"] for row in exposed] == [*sorted(WANTED), ""]
    assert [{name: row[name] for name in FIELDS} for row in exposed] == plain
    lines = invoked(*given, "--exposure").stdout.splitlines()
    assert lines[0].split() == ["verdict", "probability", "kind", "exposure", "path"]
    flagged = [name for name in WANTED if any(f" {name} " in line for line in lines[1:-1])]
    assert flagged == ["dark", "low-contrast", "overexposed"]
    assert lines[-1].endswith("1 unread; exposure: 1 dark, 1 low-contrast, 1 overexposed")
    one = invoked("scan", exposures / "normal.png", "--model", model, "--exposure").stdout
    assert one.splitlines()[-1].endswith("; exposure: all normal")


def test_cached_and_videos_have_it_too(
    exposures: Path, model: Path, clip: Path, tmp_path: Path
) -> None:
    given = (exposures / "dark.png", clip, "--model", model, "--cache", tmp_path / "cache")
    plain = found(*given)
    emptied([exposures / "dark.png"])
    known = found(*given, "--exposure")
    assert known[0] == {**plain[0], "exposure": "dark"} and len(known) == 3
    assert all(row["exposure"] in EXPOSURES for row in known)
