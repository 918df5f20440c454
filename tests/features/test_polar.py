"""Polar spectra: they turn with the picture and show what moved."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from blur_fusion.data.layouts import open_dataset
from blur_fusion.data.split import assign_splits
from blur_fusion.data.store import Store, write_store
from blur_fusion.features.planes import SCALE
from blur_fusion.features.polar import ANGLES, LEVELS, SHAPE, in_polar_form, polar_spectrum
from blur_fusion.features.store import MADE, blurred_planes, polar_store
from blur_fusion.features.summary import describe, describe_twice
from blur_fusion.params import FeatureParams, ImageParams, LoadParams, SplitParams, load_params
from blur_fusion.sample.blur import disk, straight_motion
from trees import REPOSITORY, Tree, write_photo


def leaves(seed: int = 3, side: int = 448) -> np.ndarray:
    """Overlapping disks of random grey."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), 128, np.float32)
    for _ in range(900):
        centre = int(rng.integers(0, side)), int(rng.integers(0, side))
        cv2.circle(image, centre, int(3 + 30 * rng.random() ** 3), float(rng.uniform(50, 205)), -1)
    return image


def blurred(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, picture.shape)
    mixed = cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.clip(mixed + noise + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (64, 64), (333, 500)])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_any_size_and_content_gives_finite_values(shape: tuple[int, int], kind: str) -> None:
    image = np.full(shape, 255 if kind == "white" else 0, np.uint8)
    if kind == "noise":
        image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    found = polar_spectrum(image)
    assert found.shape == SHAPE and found.dtype == np.float32 and np.isfinite(found).all()
    assert np.array_equal(found, polar_spectrum(image))


@pytest.mark.parametrize("levels", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (333, 501)])
def test_with_the_measures_at_once_it_is_the_same(shape: tuple[int, int], levels: int) -> None:
    params = FeatureParams(levels=levels, tiles=8, percentiles=(25, 75))
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    measures, common = describe_twice(image, params)
    assert np.array_equal(measures, describe(image, params))
    assert np.array_equal(in_polar_form(common), polar_spectrum(image))


def test_a_turned_picture_has_the_rows_moved_around() -> None:
    image = blurred(leaves(), straight_motion(14, 0.3))
    plain, turned = polar_spectrum(image), polar_spectrum(np.rot90(image).copy())
    apart = np.abs(plain - turned).mean()
    moved = np.abs(np.roll(plain, ANGLES // 2, axis=0) - turned).mean()
    assert moved < 0.25 * apart


def test_motion_takes_power_along_its_direction() -> None:
    def by_angle(kernel: np.ndarray) -> np.ndarray:
        return np.asarray(polar_spectrum(blurred(leaves(), kernel)).mean(axis=1))

    for angle in (0.2, 1.1, 2.4):
        found = by_angle(straight_motion(16, angle))
        place = int(angle / np.pi * ANGLES)  # of the row that lies along the motion
        distance = abs((int(found.argmin()) - place + ANGLES // 2) % ANGLES - ANGLES // 2)
        assert distance <= 2
        assert np.ptp(found) > 2 * np.ptp(by_angle(disk(5)))


@pytest.mark.parametrize("kind", ["motion", "defocus"])
def test_made_planes_halve_and_lose_detail(kind: str) -> None:
    image = np.clip(leaves(), 0, 255).astype(np.uint8)[:301, :403]
    planes = blurred_planes(image, kind, np.random.default_rng(4))
    assert len(planes) == len(LEVELS)
    assert [plane.shape for plane in planes] == [(150, 201), (75, 100), (37, 50)]
    assert all(plane.dtype == np.int16 for plane in planes)
    again = blurred_planes(image, kind, np.random.default_rng(4))
    assert all(np.array_equal(a, b) for a, b in zip(planes, again, strict=True))
    half = cv2.resize(image, (201, 150), interpolation=cv2.INTER_AREA).astype(np.float32)

    def detail(picture: np.ndarray) -> float:
        return sum(float(np.abs(np.diff(picture, axis=axis)).mean()) for axis in (0, 1))

    assert detail(planes[0] / SCALE) < detail(half)


def test_store_of_spectra(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for number in range(10):
        for folder, blurry in (("sharp", 0), ("motion_blurred", 1), ("defocused_blurred", 1)):
            write_photo(
                root / folder / f"{folder[0]}{number}.jpg", number, bool(blurry), (150, 200)
            )
    dataset = open_dataset(root)
    rows = assign_splits(dataset, SplitParams(0.2, 0.2, 3), seed=1)
    write_store(dataset, rows, tmp_path / "load", ImageParams(192), LoadParams(8), 2)
    store, params = Store.open(tmp_path / "load"), load_params(REPOSITORY / "params.yaml")
    count = polar_store(store, tmp_path / "first", params)
    one = dataclasses.replace(params, compute=dataclasses.replace(params.compute, workers=1))
    polar_store(store, tmp_path / "second", one)
    content = (tmp_path / "first" / "polar.npz").read_bytes()
    assert content == (tmp_path / "second" / "polar.npz").read_bytes()
    with np.load(tmp_path / "first" / "polar.npz") as found:
        index, values, made = found["index"], found["values"], found["made_values"]
    train, kinds = store.splits == "train", store.kinds
    assert index.tolist() == np.flatnonzero(train & (kinds != "sharp")).tolist()
    assert np.array_equal(values[1], polar_spectrum(np.asarray(store.image(int(index[1])))))
    sharp = int((train & (kinds == "sharp")).sum())
    assert made.shape == (sharp, len(MADE), *SHAPE) and np.isfinite(made).all()
    assert count == len(index) + made.shape[0] * made.shape[1]


def test_no_kinds_no_spectra(folder_tree: Tree, tmp_path: Path) -> None:
    dataset = open_dataset(folder_tree())
    rows = assign_splits(dataset, SplitParams(0.2, 0.2, 3), seed=1)
    rows = [dataclasses.replace(row, kind="" if row.label else "sharp") for row in rows]
    write_store(dataset, rows, tmp_path / "load", ImageParams(64), LoadParams(8), 2)
    params = load_params(REPOSITORY / "params.yaml")
    assert polar_store(Store.open(tmp_path / "load"), tmp_path / "features", params) == 0
