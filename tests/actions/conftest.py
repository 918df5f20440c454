from pathlib import Path

import pytest

from action_trees import fill


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", "a.jpg", "trip/b.jpg", "trip/c.jpg")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A target folder, not yet there."""
    return tmp_path / "out"
