"""`blur undo`, and what a journal must look like to be obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from action_trees import Tree, acted, fill, look
from blur_fusion.actions.undo import undo
from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError


@pytest.fixture
def moved(tmp_path: Path) -> tuple[Path, Path, Tree]:
    """A tree with moved photos: its root, the journal, and how it looked before."""
    root = fill(tmp_path / "photos", "I.CR2", "I.JPG", "trip/b.jpg")
    before = look(tmp_path)
    report = acted(root, "I.JPG", "trip/b.jpg", move=tmp_path / "out", tag=True)
    return root, report.journal, before


def test_a_torn_last_line_is_dropped(tmp_path: Path, moved: tuple[Path, Path, Tree]) -> None:
    _, journal, before = moved
    journal.write_bytes(journal.read_bytes()[:-5])
    assert undo(journal).lines == ()
    assert look(tmp_path) == before


def test_the_command(tmp_path: Path, moved: tuple[Path, Path, Tree]) -> None:
    root, journal, before = moved
    (root / "I.JPG").write_bytes(b"new")
    result = CliRunner().invoke(blur, ["undo", str(journal)])
    assert result.exit_code == 1
    assert result.stderr.startswith("warning: ") and result.stderr.count("\n") == 1
    (root / "I.JPG").unlink()
    result = CliRunner().invoke(blur, ["undo", str(journal)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 files put back\n", "")
    assert look(tmp_path) == before
    again = CliRunner().invoke(blur, ["undo", str(journal)])
    assert again.exit_code == 0 and "already" in again.stdout


HEAD = b'{"journal": "blur", "version": 1, "id": "X"}\n'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"photos\n",
        b"[]\n",
        b'{"journal": "blur", "version": 1, "id": "../x"}\n',
        b'{"journal": "blur", "version": 9, "id": "X"}\n',
        HEAD + b'{"do": 1, "kind": "erase", "source": "/a", "target": "/b"}\n',
        HEAD + b'{"do": 1, "kind": "move", "source": "/a", "target": "b"}\n',
        HEAD + b'{"do": 2, "kind": "move", "source": "/a", "target": "/b"}\n',
        HEAD + b'{"done": 1}\n',
        HEAD + b'{"done": 0}\n',
        HEAD + b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_what_is_no_journal_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(BlurError, match="journal.jsonl: is (no journal|of another version)"):
        undo(path)
    assert path.read_bytes() == content
    with pytest.raises(BlurError, match="cannot be read"):
        undo(tmp_path / "absent")
