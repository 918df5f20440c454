"""The rooms of the library: each imports only rooms before it in the list."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from trees import REPOSITORY

LIBRARY = REPOSITORY / "pipeline" / "blur_fusion"
ROOMS = (
    *("startup", "errors", "files", "params", "progress", "parallel", "native", "images", "data"),
    *("sample", "features", "cnn", "fusion", "model", "evaluation", "actions", "scan", "explain"),
    *("report", "app", "presets", "cli"),
)


def _modules(tree: ast.AST) -> Iterator[str]:
    """Dotted names that are imported, in functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported(room: str) -> set[str]:
    """Other rooms that `room` imports."""
    place = LIBRARY / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    names = {name for file in files for name in _modules(ast.parse(file.read_text("utf-8")))}
    words = (name.split(".") for name in names)
    return {parts[1] for parts in words if parts[0] == "blur_fusion"} & set(ROOMS) - {room}


def test_every_room_has_its_place() -> None:
    found = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert found - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_look_to_rooms_before(room: str) -> None:
    assert _imported(room) <= set(ROOMS[: ROOMS.index(room)])


def test_a_room_opens_with_a_docstring_alone() -> None:
    for path in LIBRARY.glob("*/__init__.py"):
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree) and len(tree.body) == 1, path
