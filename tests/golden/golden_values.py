"""What the library answers to fixed inputs.

All knowledge of the library's names is here: a refactoring changes these calls, never golden.json.
Where results, or the shipped model, were meant to change, record these groups anew:
`python tests/golden/golden_values.py shipped`; without a name, all of them.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

from blur_fusion import params

FILE = Path(__file__).with_name("golden.json")
REPOSITORY = Path(__file__).resolve().parents[2]
LONG_SIDE = 768
SEED = 11
FEATURES = params.FeatureParams(levels=3, tiles=8, percentiles=(25, 50, 75, 95))
# All that the training code does is asked for, though on a tiny scale.
SMALL = {"patterns": 16, "filters": (8, 12), "epochs": 2, "steps_per_epoch": 10}
CROPS = {"crop_side": 64, "crops": 8, "wide_crop_side": 96, "wide_crops": 4, "wide_every": 3}
RATES = {"dropout": 0.1, "learning_rate": 0.005, "weight_decay": 0.01, "label_smoothing": 0.02}
MORE = {"kind_weight": 0.3, "augment": True, "overlays": 0.4, "ranked": 4, "rank_weight": 1.0}
CNN = params.CnnParams(**SMALL, **CROPS, **RATES, **MORE, check_images=60)
DENSE = {"hidden": (16, 8), "epochs": 5, "batch": 32, "members": 2, "clip": 3.0}
DROPPED = {"dropout": 0.25, "base_dropout": 0.2, "learning_rate": 0.02, "weight_decay": 0.001}
EXTRA = {"ranked": 20, "rank_weight": 0.5, "copy_weight": 1.0, "agreement_weight": 0.3}
FUSE = params.FuseParams(**DENSE, **DROPPED, **EXTRA, kind_members=1, fold_members=1)

Pixels = np.ndarray
Values = dict[str, Any]  # a text, a list of numbers, or numbers by name


def _grid(height: int, width: int) -> tuple[Pixels, Pixels]:
    y, x = np.indices((height, width), dtype=np.int64)
    return y, x


def _mixed(y: Pixels, x: Pixels) -> Pixels:
    """Numbers 0..255 without any order, by integer arithmetic."""
    value = (x * 73856093 ^ y * 19349663) & 0xFFFFFF
    return (value * (value + 12345) >> 9) & 255


def _smoothed(image: Pixels, down: int, across: int) -> Pixels:
    """Box means of int64, rounded down; the picture wraps around."""
    for axis, count in ((0, down), (1, across)):
        image = sum(np.roll(image, shift, axis) for shift in range(count)) // count
    return image


def _patches(height: int, width: int, side: int) -> Pixels:
    """Rectangles of any grey, with texture in every third one."""
    y, x = _grid(height, width)
    ground = _mixed(y // side + 3, (x + y // 4) // (side + 5) + 7)
    return np.where(ground % 3 == 0, (3 * ground + _mixed(y, x)) // 4, ground)


def pictures() -> dict[str, Pixels]:
    """Several sizes, shapes and depths; sharp, blurred, smooth and noisy."""
    y, x = _grid(480, 640)
    colours = [_patches(1000, 620, side) for side in (23, 31, 47)]
    blurred = [_smoothed(_patches(340, 1100, side), 5, 5) for side in (19, 19, 53)]
    return {
        "detailed": _patches(600, 800, 29).astype(np.uint8),
        "smooth": np.abs((x + 2 * y) // 3 % 510 - 255).astype(np.uint8),
        "moved": _smoothed(_patches(480, 640, 17), 1, 6).astype(np.uint8),
        "slight": _smoothed(_patches(700, 700, 37), 2, 2).astype(np.uint8),
        "tall": np.stack(colours, axis=2).astype(np.uint8),
        "wide": np.stack(blurred, axis=2).astype(np.uint8),
        "small": _patches(40, 56, 9).astype(np.uint8),
        "deep": (_smoothed(_patches(360, 420, 21), 3, 3) * 40 + 9000).astype(np.uint16),
    }


def _working() -> dict[str, Pixels]:
    from blur_fusion.images.photo import working_image

    return {name: working_image(image, LONG_SIDE) for name, image in pictures().items()}


def working() -> Values:
    """Digests of working images, grey and in colour."""
    from blur_fusion.images.photo import working_image

    found = _working()
    for name, image in pictures().items():
        found[f"{name}, colour"] = working_image(image, LONG_SIDE, colour=True)
    return {n: f"{i.shape} {hashlib.sha256(i.tobytes()).hexdigest()}" for n, i in found.items()}


def features() -> Values:
    from blur_fusion.features.summary import describe, feature_names

    names = feature_names(FEATURES)
    return {
        name: dict(zip(names, describe(image, FEATURES).tolist(), strict=True))
        for name, image in _working().items()
    }


def shipped() -> Values:
    """Logits and probabilities of the shipped model, by compiled code and by ONNX alone."""
    from blur_fusion.cnn import spectra
    from blur_fusion.model.classifier import load
    from blur_fusion.model.folder import SHIPPED, read_folder
    from blur_fusion.model.network import OnnxNetwork

    images = list(_working().values())
    contents, _ = read_folder(SHIPPED)
    network = OnnxNetwork(contents.network, "golden")
    said = {}
    for judge in ("cnn", "features", "fused"):
        answers = load(judge=judge).predict(pictures().values())
        said[judge] = {n: one.probability for n, one in zip(pictures(), answers, strict=True)}
    logits = network.logits(images)
    with patch.object(spectra, "library", lambda: None):
        plain = network.logits(images)
    return {
        "cnn logits": logits.ravel().tolist(),
        "cnn logits, all in ONNX": plain.ravel().tolist(),  # its beginning in NumPy
        "probability by cnn": said["cnn"],
        "probability by features": said["features"],
        "probability": said["fused"],
        "threshold": [load().threshold],
        "unsure between": list(load().band),
    }


def _blocks(image: Pixels) -> list[float]:
    """Means of blocks of 16x16 pixels; what is left over at the ends is not looked at."""
    tall, wide = (extent // 16 for extent in image.shape[:2])
    cut = image[: 16 * tall, : 16 * wide].astype(np.float64).reshape(tall, 16, wide, 16, -1)
    return cut.mean(axis=(1, 3, 4)).ravel().tolist()


def scenes() -> Values:
    """Six rendered scenes of other families, in focus and with shallow focus."""
    from blur_fusion.sample.scenes import render_scene

    found: Values = {}
    number = 0
    while len(found) < 6:
        family, views = render_scene((128, 176), np.random.default_rng([SEED, number]))
        found.setdefault(family, _blocks(np.minimum(views[-1], 4.0)))
        number += 1
    return found


def shots() -> Values:
    """What the camera makes of some scenes, and one of CERTH's filters' pictures."""
    from blur_fusion.sample.shots import ScenePlan, take_shots

    sorts = ("sharp", "natural", "artificial", "natural")
    found: Values = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            files = tuple((f"{number}_{k}_{sort}.jpg", sort) for k, sort in enumerate(sorts))
            plan = ScenePlan(number, f"scene{number}", "", files)
            for shot in take_shots(Path(folder), plan, (192, 256), SEED):
                image = cv2.imread(f"{folder}/{shot.path}")
                found[shot.path] = _blocks(image / 255)
    return found


def _read(rows: list[Pixels]) -> Any:
    """All of a store that rows are blurred, perturbed or trained from."""
    return SimpleNamespace(image=lambda row: rows[row], splits=np.array(["train"] * len(rows)))


def _material() -> list[Pixels]:
    """Twelve grey pictures: sharp, out of focus, moved, in turn."""
    blurs = ((1, 1), (5, 5), (1, 1), (1, 9))
    return [
        _smoothed(_patches(112 + 8 * k, 150, 11 + k), *blurs[k % 4]).astype(np.uint8)
        for k in range(12)
    ]


def learning_material() -> Values:
    """Copies and series that the stack learns from, which rows they are of, and the split."""
    from blur_fusion.data.augment import pictures, ranked_rows
    from blur_fusion.data.dataset import DataSet, LabelledImage
    from blur_fusion.data.split import assign_splits

    store = _read(_material())
    images = [
        LabelledImage(Path(f"{k}"), f"{k}", k % 2, "", "all", f"{k // 3}", "") for k in range(240)
    ]
    split = params.SplitParams(validation_fraction=0.2, test_fraction=0.2, folds=3)
    rows = assign_splits(DataSet("all", Path("."), tuple(images)), split, SEED)
    copies = enumerate(pictures(store, "copied", range(12), SEED))
    series = enumerate(pictures(store, "ranked", range(6), SEED))
    return {
        "split": " ".join(f"{row.split[0]}{row.fold}" for row in rows),
        "ranked rows": " ".join(map(str, ranked_rows(store, 7, SEED))),
        **{f"copy {k}": _blocks(image / 255) for k, image in copies},
        **{f"series {k}": _blocks(image / 255) for k, image in series},
    }


def cnn() -> Values:
    """A tiny network after twenty steps."""
    from blur_fusion.cnn.fit import Material, Network, fit_network, make_deterministic

    make_deterministic(SEED, 1)
    store = _read(_material())
    kinds = ("sharp", "defocus", "sharp", "motion", "", "") * 2
    labels = np.array([0, 1, 0, 1] * 3)
    train, validation = np.arange(9), np.arange(9, 12)
    material = Material(store.image, labels, kinds, train, validation)
    model, history = fit_network("golden", material, CNN, SEED)
    seen = [image for name, image in _working().items() if name in ("small", "moved")]
    return {
        "logits": Network(model).logits(seen).ravel().tolist(),
        "loss": [line["loss"] for line in history],
        "validation loss": [line["validation_loss"] for line in history],
    }


def stack() -> Values:
    """The stack after five epochs on a made-up table, and its calibration."""
    from blur_fusion.fusion.train import Table, calibrate, fit_stack

    rng, count, width = np.random.default_rng(SEED), 220, 6
    labels = rng.integers(0, 2, count)
    train = np.arange(count) < 160
    sign = np.float32(2 * labels - 1)[:, None]

    def noise(*shape: int) -> Pixels:
        return rng.standard_normal(shape, dtype=np.float32)

    growth = np.arange(3, dtype=np.float32)[None, :, None]
    logits, measures = sign + noise(count, 4), sign + 2 * noise(count, width)
    table = Table(
        index=np.arange(count),
        labels=labels,
        train=train,
        kinds=np.array([""] * count),
        names=tuple(f"m{k}" for k in range(width)),
        own=np.concatenate([logits, measures], axis=1),
        ranked=np.concatenate([noise(20, 3, 4), noise(20, 3, width)], axis=2) + growth,
        folds=np.arange(count) % 3,
        ranked_rows=np.arange(20),
        copied=np.concatenate(
            [logits[train] + noise(160, 4) / 2, measures[train] + noise(160, width) / 2], axis=1
        ),
    )
    wanted = params.Params(
        seed=SEED,
        compute=params.ComputeParams(threads=1, workers=1),
        fuse=FUSE,
        threshold=params.ThresholdParams(max_false_alarm_rate=0.05),
    )
    trained, history = fit_stack(table, wanted)
    found = trained.logits(logits[-10:], measures[-10:])
    model, _ = calibrate(trained, table, wanted)
    return {
        **{f"logits of {judge}": values.tolist() for judge, values in found.items()},
        "losses": [line["loss"] for line in history],
        "thresholds": model.thresholds,
        "temperatures": {judge: one.temperature for judge, one in model.calibrations.items()},
        "biases": {judge: one.bias for judge, one in model.calibrations.items()},
    }


def calibration() -> Values:
    """Temperature, bias and threshold of made-up logits."""
    from blur_fusion.fusion.calibration import choose_threshold, fit_calibration

    place = np.arange(150)
    labels = (place * 7 % 10 < 5).astype(np.int64)
    logits = (_mixed(place, place * 3) - 128) / 32 + 3 * labels - 0.5
    found = fit_calibration(labels, logits)
    probability = found.probability(logits)
    return {
        "temperature": [found.temperature],
        "bias": [found.bias],
        "thresholds": [choose_threshold(labels, probability, rate) for rate in (0.0, 0.05, 0.2)],
    }


# What is compared, and within what: relative to 1 plus the number's size.
GROUPS: dict[str, tuple[Callable[[], Values], float]] = {
    "working": (working, 0.0),
    "features": (features, 1e-5),
    "shipped": (shipped, 1e-4),
    "scenes": (scenes, 1e-4),
    "shots": (shots, 8e-3),  # two grey levels: OpenCV rounds otherwise with and without IPP
    "learning_material": (learning_material, 1e-4),
    "cnn": (cnn, 1e-4),
    "stack": (stack, 1e-4),
    "calibration": (calibration, 1e-6),
}


def _rounded(values: Values) -> Values:
    return json.loads(json.dumps(values), parse_float=lambda text: float(f"{float(text):.8g}"))


def _record(groups: list[str]) -> None:
    values = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    values |= {group: _rounded(GROUPS[group][0]()) for group in groups}
    parts = []
    for group in GROUPS:  # a line for each name
        rows = [
            f"  {json.dumps(n)}: {json.dumps(v, allow_nan=False)}" for n, v in values[group].items()
        ]
        parts.append(f' "{group}": {{\n' + ",\n".join(rows) + "\n }")
    FILE.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[variable] = "1"  # as in tests/conftest.py
    _record(sys.argv[1:] or list(GROUPS))
