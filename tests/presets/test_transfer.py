"""A backbone: frozen, then fine-tuned; its weights from a file, or a clear line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from blur_fusion.errors import BlurError
from blur_fusion.presets.layouts import Source
from blur_fusion.presets.networks import build
from blur_fusion.presets.run import run_preset
from preset_project import (
    IMAGES,
    narrow,
    same_when_read_back,
    short_preset,
    tiny_params,
)


def test_frozen_then_fine_tuned(preset_source: Source, tmp_path: Path) -> None:
    preset = narrow(short_preset("transfer"))
    report = run_preset(preset, preset_source, tmp_path / "run", tiny_params(), "random")
    with (tmp_path / "run" / "history.csv").open(encoding="utf-8", newline="") as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["fit", "fine-tune"]
    assert report["trained_on"]["train"] == IMAGES and report["parameters"] > 2_000_000
    same_when_read_back(tmp_path / "run", preset_source)


def test_transfer_weights_from_a_file_or_a_clear_line(
    preset_source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = narrow(short_preset("transfer"))
    backbone = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    path = tmp_path / "mobilenet.weights.h5"
    backbone.save_weights(path)
    loaded = build(preset, str(path))[1]
    assert loaded is not None and not loaded.trainable
    for ours, theirs in zip(loaded.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(BlurError, match="no such file of weights"):
        build(preset, str(tmp_path / "gone.h5"))
    path.write_bytes(b"no weights")
    with pytest.raises(BlurError, match="no weights of MobileNetV2"):
        build(preset, str(path))

    def refuse(**words: Any) -> None:
        raise OSError("URL fetch failure")

    monkeypatch.setattr(keras.applications, "MobileNetV2", refuse)
    with pytest.raises(BlurError, match="ImageNet weights cannot be downloaded .* --weights FILE"):
        run_preset(preset, preset_source, tmp_path / "run", tiny_params())
    assert not (tmp_path / "run").exists()
