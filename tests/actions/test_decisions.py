"""Decisions read from what the pages export."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_fusion.actions.decisions import Decision, read_decisions
from blur_fusion.errors import BlurError

ROWS = [
    Decision("trip/a.jpg", keep=False),
    Decision('\'=1+1, "q".jpg', keep=True),
    Decision("-no utf \udcff.jpg", keep=None),
]
CSV = (
    "\ufeffpath,probability,kind,verdict,decision\n"
    "trip/a.jpg,0.97,motion,blurred,reject\n"
    '"\'\'=1+1, ""q"".jpg",0.1,sharp,sharp,keep\n'
    "'-no utf \udcff.jpg,,,unread,none\n"
)


SPREADSHEET = "decision;stars;path\nreject;3;Bär.jpg\n;;\nkeep;;b,c.jpg\n"
WORDS = {True: "keep", False: "reject", None: "none"}
PHOTOS = [{"path": one.path, "kind": None, "decision": WORDS[one.keep]} for one in ROWS]


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "decisions"
    path.write_bytes(text.encode(encoding, "surrogateescape"))
    return path


@pytest.mark.parametrize(
    "text",
    [
        *(CSV, CSV.replace("\n", "\r\n").removeprefix("\ufeff")),
        CSV.replace("decision", "Decision ").replace("none", ""),
        *(json.dumps(PHOTOS), json.dumps({"report": "x", "photos": PHOTOS})),
    ],
)
def test_what_pages_export_reads_back(tmp_path: Path, text: str) -> None:
    assert read_decisions(written(tmp_path, text)) == ROWS


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16")])
def test_what_a_spreadsheet_makes_of_it(tmp_path: Path, separator: str, encoding: str) -> None:
    path = written(tmp_path, SPREADSHEET.replace(";", separator), encoding)
    assert read_decisions(path) == [Decision("Bär.jpg", False), Decision("b,c.jpg", True)]


def test_ratings_labels_and_the_last_word(tmp_path: Path) -> None:
    rows = [
        {"path": "a.jpg", "decision": "reject"},
        {"path": "b.jpg", "rating": 4, "label": "Green"},
        {"path": "a.jpg", "decision": "KEEP", "rating": "-1", "label": ""},
    ]
    expected = [Decision("a.jpg", True, -1), Decision("b.jpg", None, 4, "Green")]
    assert read_decisions(written(tmp_path, json.dumps(rows))) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a file of decisions"),
        ("<!doctype html>\n", "not a file of decisions"),
        ("path,probability\na.jpg,1\n", "no column 'decision'"),
        ("path,decision\na.jpg,keep\nb.jpg\n", "line 3 is cut off"),
        ("path,decision\n,keep\n", "line 2 names no photo"),
        ("path,decision\na\0b,keep\n", "line 2 names no photo"),
        ("path,decision\na.jpg,maybe\n", "line 2: decision 'maybe' must be one of"),
        ("path,rating\na.jpg,6\n", "line 2: rating '6'"),
        ("path,rating\na.jpg,2.5\n", "line 2: rating '2.5'"),
        ('{"photos": [{"path": "a"}, {"path": "b", "rating": [1]}]}', "photo 2: rating"),
        ('{"photos": [{"path": "a"', "is damaged"),
        ('{"photos": {}}', "no list of photos"),
        ("[1]", "photo 1 is not a JSON object"),
        ("[" * 100_000, "is damaged"),
        ("path,decision\n" + "x" * 200_000, "is damaged"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BlurError) as caught:
        read_decisions(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and why in line and "\n" not in line and len(line) < 500
    with pytest.raises(BlurError, match="cannot be read"):
        read_decisions(tmp_path / "none.csv")


KEYS = st.sampled_from(["path", "rating", "photos"])
TEXT = st.text(max_size=60).map(lambda text: f"path,decision\n{text}".encode("utf-8", "replace"))
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps({"photos": value}).encode())


@settings(deadline=None)
@given(st.binary(max_size=80) | TEXT | VALUES)
def test_any_file_is_decisions_or_one_line(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            assert all(isinstance(one, Decision) for one in read_decisions(file.name))
        except BlurError as error:
            assert "\n" not in str(error) and str(error).startswith(f"{file.name}: ")
