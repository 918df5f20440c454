"""Decoding at reduced scale changes no verdict on real photos, and no probability by .02."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.images import decode as jpeg
from blur_fusion.images.decode import read_bytes
from blur_fusion.model.classifier import BlurDetector

BOUND = 0.02


def test_probabilities_hold(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        detector = BlurDetector()
    except BlurError as error:
        pytest.skip(f"no shipped model yet: {error}")
    moved = []
    for path in sorted(shared_data.rglob("*")):
        size = (
            jpeg.jpeg_size(read_bytes(path)) if path.suffix.lower() in (".jpg", ".jpeg") else None
        )
        if size is None or jpeg.reduction(size, detector.spec.side) == 1:
            continue
        (first,) = detector.predict(path)
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "MARGIN", float("inf"))
            (second,) = detector.predict(path)
        assert (first.width, first.height) == (second.width, second.height)
        assert first.blurred == second.blurred, path.name
        assert first.probability is not None and second.probability is not None
        moved.append(abs(first.probability - second.probability))
        assert moved[-1] <= BOUND, f"{path.name}: {moved[-1]:.3f}"
    assert len(moved) >= 3  # the largest photos
    assert np.mean(moved) < BOUND / 4
