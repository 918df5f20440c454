"""Artefacts with random weights, and the model that is exported from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from blur_fusion.model.export import export_model
from export_project import make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    target = project / "model"
    assert export_model(target, project / "artifacts", project / "params.yaml") == []
    return target
