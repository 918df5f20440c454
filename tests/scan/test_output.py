"""Tables, CSV and JSON; files that are whole or not there."""

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from blur_fusion.model.prediction import FIELDS, Prediction
from blur_fusion.scan.output import Formatter, Tally, in_order, on_terminal, open_output

ODD = os.fsdecode(b"two\nlines, \"quoted\" 'and' \xff\xc3\xa9\x1b[31m.jpg")
MEASURED = ("probability", "logit", "laplacian_variance")
PREDICTIONS = [
    Prediction("b.jpg", True, 0.9, "motion", 2.2, 12.5, 4000, 3000),
    Prediction(ODD, False, 0.1, "sharp", -2.2, 800.0, 20, 10),
    Prediction.failed("c.jpg", "is an empty file"),
    Prediction("a.jpg", True, 0.7, "defocus", 0.8, 30.0, 100, 100),
]


def text(style: str, predictions: list[Prediction] = PREDICTIONS) -> str:
    formatter = Formatter(style)
    return formatter.head() + "".join(map(formatter.row, predictions)) + formatter.tail()


@pytest.mark.parametrize("style", ["json", "jsonl"])
def test_json_holds_every_field(style: str) -> None:
    written = text(style)
    written.encode()  # valid UTF-8 although a name is not
    found = json.loads(written) if style == "json" else list(map(json.loads, written.splitlines()))
    assert [list(one) for one in found] == [list(FIELDS)] * 4
    assert [Prediction(**one) for one in found] == PREDICTIONS
    assert json.loads(text("json", [])) == []


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(text("csv"))))
    assert [row["path"] for row in rows] == [prediction.path for prediction in PREDICTIONS]
    assert [row["blurred"] for row in rows] == ["true", "false", "", "true"]
    assert float(rows[0]["probability"]) == 0.9 and rows[0]["width"] == "4000"
    assert rows[2]["error"] == "is an empty file"


def test_table_is_one_line_for_each() -> None:
    lines = text("table").splitlines()
    assert len(lines) == 1 + len(PREDICTIONS)
    assert lines[1].split() == ["blurred", "0.900", "motion", "b.jpg"]
    assert lines[3].startswith("unread") and lines[3].endswith("c.jpg: is an empty file")
    assert all(line.isprintable() for line in lines)


def test_a_terminal_shows_each_photo_in_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "/media/somebody/Photos/" + "2026/" * 22 + "IMG_0001.jpg"
    (line,) = text("table", [Prediction(long, True, 0.9, "motion")]).splitlines()[1:]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = on_terminal(line, long)
        assert shown.startswith("\x1b[31mblurred\x1b[0m ") and shown.endswith("/IMG_0001.jpg")
        assert len(re.sub("\x1b.*?m", "", shown)) == columns
    monkeypatch.setenv("COLUMNS", "200")
    assert on_terminal(line, long).endswith(long)
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal(line, long) == line


def summary(*predictions: Prediction) -> str:
    tally = Tally()
    for prediction in predictions:
        tally.add(prediction)
    return tally.line()


def test_summary() -> None:
    assert text("table", []) == "" and summary() == "no photos found"
    assert summary(PREDICTIONS[1]) == "1 photo: 0 blurred, 1 sharp"
    said = "4 photos: 2 blurred (1 defocus, 1 motion), 1 sharp, 1 unread"
    assert summary(*PREDICTIONS) == said
    piles = [replace(PREDICTIONS[0], verdict=word) for word in ("blurred", "unsure", "sharp")]
    assert summary(*piles) == "3 photos: 1 blurred (1 motion), 1 unsure, 1 sharp"
    rows = [line.split() for line in text("table", piles).splitlines()[1:]]
    assert [row[0] for row in rows] == ["blurred", "unsure", "sharp"] and rows[0][2] == "motion"


def test_a_model_that_tells_no_kinds_shows_none() -> None:
    blurred = replace(PREDICTIONS[0], kind="blurred")
    assert (blurred.kind_of_blur, PREDICTIONS[0].kind_of_blur) == ("", "motion")
    assert summary(blurred) == "1 photo: 1 blurred, 0 sharp"
    assert text("table", [blurred]).count("blurred") == 1


@pytest.mark.parametrize("key", FIELDS[: FIELDS.index("error")])
def test_sorting(key: str) -> None:
    ordered = in_order(PREDICTIONS, key)
    paths = [prediction.path for prediction in ordered]
    assert sorted(map(id, ordered)) == sorted(map(id, PREDICTIONS))
    assert key == "path" or ordered[-1].error is not None
    assert paths[:2] == ["b.jpg", "a.jpg"] or key not in MEASURED
    assert paths[:3] == ["a.jpg", "b.jpg", "c.jpg"] or key != "path"


@pytest.mark.parametrize("sort", ["given", "path"])
def test_a_file_is_whole_or_not_there(tmp_path: Path, sort: str) -> None:
    """Never overwritten without `force`, as `write_whole` has it."""
    path = tmp_path / "out.json"
    with pytest.raises(KeyboardInterrupt), open_output(Formatter("json"), path, sort=sort) as add:
        add(PREDICTIONS[0], None)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with open_output(Formatter("json"), path, sort=sort) as add:
        for prediction in PREDICTIONS:
            add(prediction, None)
    ordered = PREDICTIONS if sort == "given" else in_order(PREDICTIONS, sort)
    assert [row["path"] for row in json.loads(path.read_text())] == [one.path for one in ordered]


@pytest.mark.parametrize("sort", ["given", "probability"])
def test_standard_output_is_whole_after_ctrl_c_too(
    sort: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with pytest.raises(KeyboardInterrupt), open_output(Formatter("json"), sort=sort) as add:
        for prediction in PREDICTIONS[::-1]:
            add(prediction, None)
        raise KeyboardInterrupt
    assert len(json.loads(capfdbinary.readouterr().out)) == 4
