"""Compiled loops answer as numpy and OpenCV do."""

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from blur_fusion.cnn import spectra
from blur_fusion.cnn.spectra import FLOOR, GAIN, OFFSET, cosine_basis
from blur_fusion.errors import BlurError
from blur_fusion.features import content, pyramid, tiles
from blur_fusion.features.summary import describe
from blur_fusion.features.tiles import HORIZONTAL, VERTICAL, Kind
from blur_fusion.images import resize as averaging
from blur_fusion.images.resize import area_average, average_cells
from blur_fusion.native.library import SWITCH, library, load
from blur_fusion.params import load_params
from scan_command import run
from trees import REPOSITORY

PARAMS = load_params(REPOSITORY / "params.yaml").features


@pytest.fixture
def compiled() -> None:
    if library() is None:
        pytest.skip("nothing was compiled here")


def without(patch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """From here on these modules compute in numpy and OpenCV."""
    for module in modules:
        patch.setattr(module, "library", lambda: None)


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_compiled_where_there_is_a_compiler_unless_told_not_to() -> None:
    code = "from blur_fusion.native.library import library; raise SystemExit(library() is not None)"
    run("-c", code, **{SWITCH: "0"})
    if sys.platform == "linux" and shutil.which("gcc") and os.environ.get(SWITCH) != "0":
        assert library() is not None, "pip install -e . compiled nothing; try it without --quiet"


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    """The loops compiled for each kind of processor that this one is, instead of cloned."""
    cpuinfo = Path("/proc/cpuinfo")
    if sys.platform != "linux" or not shutil.which("gcc") or "avx2" not in cpuinfo.read_text():
        pytest.skip("no gcc, or no AVX2")
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    (module,) = settings["tool"]["setuptools"]["ext-modules"]
    headers = f"-I{sysconfig.get_paths()['include']}"
    found = []
    for name, flag in (("x86-64", "sse2"), ("x86-64-v3", "avx2"), ("x86-64-v4", "avx512vl")):
        if flag in cpuinfo.read_text():
            target = tmp_path_factory.mktemp("native") / f"{name}.so"
            options = [*module["extra-compile-args"], "-DWIDE=", f"-march={name}", headers]
            command = ["gcc", "-shared", "-fPIC", *options, *module["sources"], "-o", target]
            subprocess.run(command, cwd=REPOSITORY, check=True)
            found.append(load(target))
    return found


def test_wider_vectors_answer_alike(
    variants: list[ctypes.CDLL], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `target_clones` the loader picks one; all give the same bytes."""
    image = cv2.GaussianBlur(pixels((331, 498)), (0, 0), 0.7)
    answers = []
    for variant in variants:
        for module in (averaging, content, pyramid, spectra, tiles):
            monkeypatch.setattr(module, "library", lambda variant=variant: variant)
        measured = [describe(image, PARAMS), area_average(image, (201, 97))]
        measured.append(average_cells(image, 2, (301, 197)))
        responses = spectra.local_spectra(image.astype(np.float32), 32)
        arrays = [*measured, *responses, np.array(content.laplacian_variance(image))]
        answers.append([array.tobytes() for array in arrays])
    assert len(answers) > 1 and all(answer == answers[0] for answer in answers)


def exact(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Area average of a small picture, (H, W, channels), from the definition."""
    (height, width, channels), (across, down) = image.shape, size
    parts = image.astype(np.int64).repeat(down, axis=0).repeat(across, axis=1)
    sums = parts.reshape(down, height, across, width, channels).sum(axis=(1, 3))
    return np.floor(sums / (height * width) + 0.5).astype(np.uint8)


@pytest.mark.parametrize("native", [True, False])
def test_area_averages_are_exact(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        without(monkeypatch, averaging)
    shapes = (50, 41), (97, 33), (61, 7), (5, 64)
    for shape, size in zip(shapes, ((19, 24), (33, 10), (2, 3), (31, 2)), strict=True):
        rgb = pixels((*shape, 3))
        expected = exact(rgb, size)
        assert (area_average(rgb, size) == expected).all()
        assert (area_average(rgb[:, ::-1], size) == expected[:, ::-1]).all()
        assert (area_average(rgb[:, :, 1], size) == expected[:, :, 1]).all()


@pytest.mark.usefixtures("compiled")
def test_large_area_averages_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape, size in (((2048, 1365), (512, 768)), ((40_001, 40), (11, 3000))):
        image = np.maximum(pixels(shape), 200)  # sums as large as they get
        first = area_average(image, size)
        with monkeypatch.context() as patch:
            without(patch, averaging)
            assert (area_average(image, size) == first).all()
        near = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        assert np.abs(first.astype(int) - near).max() <= 1
    with pytest.raises(BlurError, match="side"):
        area_average(np.zeros((70_000, 3), np.uint8), (1, 999))


@pytest.mark.usefixtures("compiled")
def test_averages_of_cells_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {(331, 498): (301, 197), (1, 7): (7, 1), (9, 40): (13, 9)}
    images = {size: 255 * (pixels(shape) // 128) for shape, size in sizes.items()}
    ours = [average_cells(image, 2, size) for size, image in images.items()]
    without(monkeypatch, averaging)
    for (size, image), answer in zip(images.items(), ours, strict=True):
        assert (average_cells(image, 2, size) == answer).all()


@pytest.mark.parametrize("native", [True, False])
def test_laplacian_variance_is_exact(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        without(monkeypatch, content)
    for shape in ((1, 9), (2, 2), (3, 7), (40, 3000), (577, 769)):
        for image in (pixels(shape), 255 * (pixels(shape) // 128), pixels((9, *shape))[5]):
            edges = cv2.Laplacian(image, cv2.CV_16S).astype(np.int64)
            energy = int((edges * edges).sum())
            expected = energy / image.size - (int(edges.sum()) / image.size) ** 2
            assert content.laplacian_variance(image) == expected


def planes() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = [(16, 16), (18, 300), (64, 70), (330, 522)]
    found = [rng.integers(0, 4081, size).astype(np.int16) for size in sizes]
    found += [16 * rng.integers(0, 3, (80, 96)).astype(np.int16)]  # many equal slopes
    # Stripes of black and white give the largest differences that a picture can have.
    rows, columns = np.indices((96, 96))
    stripes = ((rows + columns) % 2, columns // 2 % 2)
    found += [(4080 * stripe).astype(np.int16) for stripe in stripes]
    return [*found, np.full((40, 48), 4080, np.int16)]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("grid", [tiles.Grid(1, 1), tiles.Grid(2, 3), tiles.Grid(3, 4)])
def test_sums_over_tiles_are_the_same(grid: tiles.Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[list[np.ndarray]]:
        found = []
        for plane in planes():
            sums = [tiles.tile_sums(plane, kind, grid) for kind in Kind]
            shapes = [(kind.count, grid.rows * grid.columns) for kind in Kind]
            assert [one.shape for one in sums] == shapes
            places = [tiles.gradient_argmax(plane, step, grid) for step in (HORIZONTAL, VERTICAL)]
            found.append([one.tolist() for one in (*sums, *places)])
        return found

    ours = answers()
    without(monkeypatch, tiles)
    assert ours == answers()


@pytest.mark.usefixtures("compiled")
def test_features_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [cv2.GaussianBlur(pixels((400, 610)), (0, 0), 1.3), np.full((120, 90), 7, np.uint8)]
    images += [pixels(shape) for shape in ((300, 201), (40, 500), (1, 1), (9, 17))]
    ours = [describe(image, PARAMS) for image in images]
    without(monkeypatch, pyramid, tiles)
    for image, measures in zip(images, ours, strict=True):
        assert (measures == describe(image, PARAMS)).all()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("size", [(32, 32), (33, 50), (47, 131), (200, 158)])
def test_local_spectra_by_definition(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pixels(size).astype(np.float32)
    even = np.pad(image, [(0, extent % 2) for extent in size], "edge")
    half = even.reshape(even.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
    kernels = cosine_basis(32)[:, :, 0].transpose(2, 0, 1).astype(np.float64)
    found = spectra.local_spectra(image, 32)
    without(monkeypatch, spectra)
    for ours, theirs in zip(found, spectra.local_spectra(image, 32), strict=True):
        assert np.abs(ours - theirs).max() < 1e-5
    for seen, answer in zip((image, half), found, strict=True):
        down, across = (-(-extent // 4) for extent in seen.shape)
        pairs = zip((down, across), seen.shape, strict=True)
        more = [4 * (count - 1) + 8 - extent for count, extent in pairs]
        around = [(total // 2, total - total // 2) for total in more]
        padded = np.pad(seen.astype(np.float64), around)
        blocks = np.lib.stride_tricks.sliding_window_view(padded, (8, 8))[::4, ::4]
        sizes = np.abs(np.einsum("ijkl,pkl->pij", blocks, kernels))
        assert answer.shape == (1, 32, down, across) and answer.dtype == np.float32
        # Of sums up to 2040 in single precision, next to the floor.
        assert np.abs(answer[0] - (np.log(sizes + FLOOR) + OFFSET / GAIN)).max() < 4e-3
        large = sizes > 5
        assert np.abs(answer[0] - np.log(sizes + FLOOR) - OFFSET / GAIN)[large].max() < 1e-4
