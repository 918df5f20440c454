"""Tables, CSV and JSON; files that are whole or not there."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from blur_fusion.errors import BlurError
from blur_fusion.model.prediction import FIELDS, Verdict
from blur_fusion.scan.output import SORTS, Formatter, Output, Tally, in_order, shown

ODD = os.fsdecode(b"two\nlines, \"quoted\" 'and' \xff\xc3\xa9\x1b[31m.jpg")
VERDICTS = [
    Verdict("b.jpg", True, 0.9, "motion", 2.2, 12.5, 4000, 3000),
    Verdict(ODD, False, 0.1, "sharp", -2.2, 800.0, 20, 10),
    Verdict.failed("c.jpg", "is an empty file"),
    Verdict("a.jpg", True, 0.7, "defocus", 0.8, 30.0, 100, 100),
]


def text(style: str, verdicts: list[Verdict] = VERDICTS) -> str:
    formatter = Formatter(style)
    return formatter.head() + "".join(map(formatter.row, verdicts)) + formatter.tail()


@pytest.mark.parametrize("style", ["json", "jsonl"])
def test_json_holds_every_field(style: str) -> None:
    written = text(style)
    written.encode()  # valid UTF-8 although a name is not
    found = json.loads(written) if style == "json" else list(map(json.loads, written.splitlines()))
    assert [list(one) for one in found] == [list(FIELDS)] * 4
    assert [Verdict(**one) for one in found] == VERDICTS
    assert json.loads(text("json", [])) == []


def test_csv_reads_back() -> None:
    written = text("csv").encode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8", "surrogateescape"))))
    assert [row["path"] for row in rows] == [verdict.path for verdict in VERDICTS]
    assert [row["blurred"] for row in rows] == ["true", "false", "", "true"]
    assert float(rows[0]["probability"]) == 0.9 and rows[0]["width"] == "4000"
    assert rows[2]["error"] == "is an empty file"


def test_table_is_one_line_for_each() -> None:
    lines = text("table").splitlines()
    assert len(lines) == 1 + len(VERDICTS)
    assert lines[1].split() == ["blurred", "0.900", "motion", "b.jpg"]
    assert lines[3].startswith("unread") and lines[3].endswith("c.jpg: is an empty file")
    assert all(line.isprintable() for line in lines)


def test_shown_names() -> None:
    assert shown("Äpfel 写真.jpg") == "Äpfel 写真.jpg"
    assert shown(ODD) == "two\\nlines, \"quoted\" 'and' \\xffé\\x1b[31m.jpg"


def test_summary() -> None:
    tally = Tally()
    for verdict in VERDICTS:
        tally.add(verdict)
    assert tally.line() == "4 photos: 2 blurred (1 defocus, 1 motion), 1 sharp, 1 unread"
    assert Tally(sharp=1).line() == "1 photo: 0 blurred, 1 sharp"


@pytest.mark.parametrize("key", SORTS)
def test_sorting(key: str) -> None:
    ordered = in_order(VERDICTS, key)
    assert sorted(map(id, ordered)) == sorted(map(id, VERDICTS))
    if key not in ("given", "path"):
        assert ordered[-1].error is not None
    if key in ("probability", "logit"):
        assert [verdict.path for verdict in ordered[:2]] == ["b.jpg", "a.jpg"]
    if key == "laplacian_variance":
        assert [verdict.path for verdict in ordered[:2]] == ["b.jpg", "a.jpg"]
    if key == "path":
        assert [verdict.path for verdict in ordered[:3]] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with pytest.raises(KeyboardInterrupt), Output("json", path) as output:
        output.add(VERDICTS[0])
        assert not path.exists()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with Output("json", path) as output:
        for verdict in VERDICTS:
            output.add(verdict)
    assert list(tmp_path.iterdir()) == [path]
    assert len(json.loads(path.read_text())) == 4


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(BlurError, match="exists; name another file, or say --force"):
        Output("csv", path).__enter__()
    assert path.read_text() == "mine"
    with Output("csv", path, force=True) as output:
        output.add(VERDICTS[0])
    assert path.read_text().startswith("path,blurred")


def test_a_file_made_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    said = pytest.raises(BlurError, match="exists since; the verdicts are in")
    with said as caught, Output("csv", path) as output:
        output.add(VERDICTS[0])
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    spare = Path(str(caught.value).rsplit(" in ", 1)[1])
    assert spare.read_text().startswith("path,blurred")


def test_wrong_targets(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match="is a folder"):
        Output("csv", tmp_path).__enter__()
    with pytest.raises(BlurError, match="no such folder"):
        Output("csv", tmp_path / "no" / "out.csv").__enter__()
