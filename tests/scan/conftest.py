"""What tests of scans share: a few photos, a video, a small model as a job."""

from pathlib import Path

import pytest

from blur_fusion.model.classifier import Classifier, load
from blur_fusion.scan.tasks import JobSpec
from fake_classifier import album
from pictures import write_clip


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos."""
    album(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi")


@pytest.fixture(scope="session")
def classifier(model: Path) -> Classifier:
    return load(model, threshold=0.0)


@pytest.fixture(scope="session")
def job(model: Path, classifier: Classifier) -> JobSpec:
    return JobSpec(str(model), classifier.fingerprint)
