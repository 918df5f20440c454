"""What tests of scans share: a few photos, a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip import clip  # noqa: F401
from fake_classifier import album


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos."""
    album(tmp_path / "photos")
    return tmp_path / "photos"
