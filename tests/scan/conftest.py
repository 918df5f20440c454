"""What tests of scans share: a small model, a few photos, a video."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip import clip  # noqa: F401
from fake_classifier import album
from tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos."""
    album(tmp_path / "photos")
    return tmp_path / "photos"
