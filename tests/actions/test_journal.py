"""`blur undo`, and what a journal must look like to be obeyed."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from action_trees import Tree, acted, fill, look, names
from blur_fusion.actions import journal
from blur_fusion.actions.journal import undo
from blur_fusion.errors import BlurError
from scan_command import invoked


@pytest.fixture
def moved(tmp_path: Path) -> tuple[Path, Path, Tree]:
    """A tree with moved photos: its root, the journal, and how it looked before."""
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "trip/b.jpg")
    before = look(tmp_path)
    report = acted(root, "I.JPG", "trip/b.jpg", move=tmp_path / "out", tag=True)
    return root, report.journal, before


def test_the_command(tmp_path: Path, moved: tuple[Path, Path, Tree]) -> None:
    root, journal, before = moved
    (root / "I.JPG").write_bytes(b"new")
    result = invoked("undo", journal)
    assert result.exit_code == 1
    assert result.stderr.startswith("warning: ") and result.stderr.count("\n") == 1
    assert (root / "I.JPG").read_bytes() == b"new" and names(tmp_path / "out") == {"I.JPG"}
    (root / "I.JPG").unlink()
    result = invoked("undo", journal)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 files put back\n", "")
    assert look(tmp_path) == before
    assert "already" in invoked("undo", journal).stdout


def test_journals_of_one_second_are_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(journal, "datetime", Still)
    found = [journal.create(tmp_path, []).path.name for _ in range(3)]
    assert found == [f"blur-journal-20260101T000000Z{end}.jsonl" for end in ("", "-2", "-3")]


def test_a_journal_of_the_first_release(tmp_path: Path) -> None:
    """Line by line as that wrote them: a move, a copy, a link, a sidecar and what failed."""
    root, out = fill(tmp_path / "photos", "b.jpg", "c.jpg", "d.jpg"), tmp_path / "out"
    kept = look(root)
    fill(out, "a.jpg")
    sha256 = hashlib.sha256(b"kept").hexdigest()
    for path in (out / "b.jpg", root / "d.jpg.xmp"):
        path.write_bytes(b"kept")
    (out / "c.jpg").symlink_to(root / "c.jpg")
    stat = (out / "a.jpg").stat()
    facts = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    copied = {"size": 4, "mtime_ns": 1, "sha256": sha256}
    steps: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
        ("mkdir", "", "out", {}, {}),
        ("move", "photos/a.jpg", "out/a.jpg", facts, {}),
        ("copy", "photos/b.jpg", "out/b.jpg", {"size": 15, "mtime_ns": 0}, copied),
        ("link", "photos/c.jpg", "out/c.jpg", {"text": f"{root}/c.jpg"}, {}),
        ("tag", "photos/d.jpg", "photos/d.jpg.xmp", {"before": None, "sha256": sha256}, {}),
    ]
    lines: list[dict[str, Any]] = [{"journal": "blur", "version": 1, "id": "20260101T000000Z"}]
    for number, (kind, source, target, before, after) in enumerate(steps, 1):
        source, target = source and str(tmp_path / source), str(tmp_path / target)
        lines.append({"do": number, "kind": kind, "source": source, "target": target, **before})
        lines.append({"done": number, **after})
    gone = {"source": f"{root}/e.jpg", "target": f"{out}/e.jpg"}
    lines += [{"do": 6, "kind": "move", **gone}, {"failed": 6}]
    journal = tmp_path / "blur-journal-20260101T000000Z.jsonl"
    torn = '{"do": 7, "kind": "mo'  # a crash cut it off: it was never acted on
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + torn)
    report = undo(journal)
    assert (report.done, report.lines) == (4, ()) and not out.exists()
    assert kept.items() <= look(root).items() and names(root) == {f"{x}.jpg" for x in "abcd"}


HEAD = b'{"journal": "blur", "version": 1, "id": "X"}\n'
NO_JOURNAL = [HEAD.replace(b"X", b"../x"), HEAD.replace(b"1", b"9"), b"", b"photos\n", b"[]\n"]
NO_JOURNAL += [b"\xff\n"] + [
    HEAD + step + b"\n"
    for step in (
        b'{"do": 1, "kind": "erase", "source": "/a", "target": "/b"}',
        b'{"do": 1, "kind": "move", "source": "/a", "target": "b"}',
        b'{"do": 2, "kind": "move", "source": "/a", "target": "/b"}',
        *(b'{"done": 1}', b'{"done": 0}', b"[" * 100_000),
    )
]


@pytest.mark.parametrize("content", NO_JOURNAL)
def test_what_is_no_journal_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(BlurError, match="journal.jsonl: (is not a|was written by another version)"):
        undo(path)
    assert path.read_bytes() == content
    with pytest.raises(BlurError, match="cannot be read"):
        undo(tmp_path / "absent")
