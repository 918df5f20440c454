"""Reader of the CERTH Image Blur Dataset's folder tree (Mavridaki and Mezaris, ICIP 2014)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.errors import require
from pipeline.data.dataset import KINDS, LabelledImage
from pipeline.data.files import image_files, read_table
from pipeline.data.sheets import read_sheet, sheet_key

TRAINING = {"Undistorted": 0, "Artificially-Blurred": 1, "Naturally-Blurred": 1}
OPTIONAL_TRAINING = {"NewDigitalBlur": 1}
EVALUATION = {"digital": "DigitalBlurSet", "natural": "NaturalBlurSet"}
KIND_OF_FILTER = {"disk": "defocus", "gaussian": "defocus", "motion": "motion"}
# 50 or 80 pixels along one direction, one or two across, and nearly flat: a straight motion.
ALONG_ONE_DIRECTION = re.compile(r"gaussianh[12]x", re.IGNORECASE)
FILTER_NAME = re.compile(r"(disk|gaussian|motion)\w*_(\d+)", re.IGNORECASE)

# The filters ran over the 30 originals in the order of a file listing: 1, 10, 11, ..., 19, 2, ...
# Compared with the pictures themselves for j = 1..3, where the mapping holds for all 15 filters.
ORIGINAL_OF_FILTER = tuple(sorted(range(1, 31), key=str))


@dataclass(frozen=True)
class _Scene:
    """What `scenes.csv` says of one image."""

    scene: str
    kind: str


def is_certh(root: Path) -> bool:
    """Whether `root` looks like the CERTH tree, or what is left of it."""
    return (root / "TrainingSet").is_dir() or (root / "EvaluationSet").is_dir()


def filter_kind(stem: str) -> str:
    """Kind of blur that a filter looks like, from its file name (`DiskR10_3`); "" for others."""
    match = FILTER_NAME.fullmatch(stem)
    if match and ALONG_ONE_DIRECTION.match(stem):
        return "motion"
    return KIND_OF_FILTER[match[1].lower()] if match else ""


def digital_scene(path: Path) -> str:
    """Scene of an image of the digital half: `<Filter>_j` shows what the j-th original shows."""
    match = FILTER_NAME.fullmatch(path.stem)
    if match and 1 <= int(match[2]) <= len(ORIGINAL_OF_FILTER):
        return f"Original_{ORIGINAL_OF_FILTER[int(match[2]) - 1]}"
    return path.stem if re.fullmatch(r"Original_\d+", path.stem) else path.name


def _image(root: Path, path: Path, label: int, subset: str, scene: str) -> LabelledImage:
    kind = filter_kind(path.stem) if label else "sharp"
    half = "train" if subset == "training" else "test"
    return LabelledImage(path, path.relative_to(root).as_posix(), label, kind, subset, scene, half)


def _training(root: Path) -> Iterator[LabelledImage]:
    top = root / "TrainingSet"
    extra = {name: label for name, label in OPTIONAL_TRAINING.items() if (top / name).is_dir()}
    for folder, label in {**TRAINING, **extra}.items():
        for path in image_files(top / folder):
            yield _image(root, path, label, "training", f"{folder}/{path.name}")


def _evaluation(root: Path, subset: str, notes: list[str]) -> Iterator[LabelledImage]:
    folder = root / "EvaluationSet" / EVALUATION[subset]
    paths = image_files(folder)
    labels = read_sheet(folder.with_suffix(".xlsx"))
    known = [path for path in paths if sheet_key(path.name) in labels]
    if len(known) < len(paths):
        left = len(paths) - len(known)
        notes.append(f"{folder.name}: {left} images have no row in the sheet: left out")
    rows = len(labels.keys() - {sheet_key(path.name) for path in paths})
    if rows:
        notes.append(f"{folder.name}.xlsx: {rows} rows have no image: left out")
    for path in known:
        scene = digital_scene(path) if subset == "digital" else path.name
        yield _image(root, path, labels[sheet_key(path.name)], subset, scene)


def _read_scenes(path: Path) -> dict[str, _Scene]:
    """The optional `scenes.csv` at the tree's root: columns path, scene, kind."""
    scenes = {}
    for line, row in read_table(path, ("path", "scene", "kind")):
        where = f"{path}: line {line}"
        require(bool(row["path"] and row["scene"]), f"{where}: path or scene is empty")
        require(row["kind"] in KINDS, f"{where}: kind '{row['kind']}' is none of {KINDS}")
        require(row["path"] not in scenes, f"{where}: '{row['path']}' is listed twice")
        scenes[row["path"]] = _Scene(row["scene"], row["kind"])
    return scenes


def read_certh(root: Path, notes: list[str]) -> list[LabelledImage]:
    """Images of the CERTH tree at `root`; `notes` gains a line for all that is left out.

    Subsets are "training", "digital" and "natural"; the first is the training half, the others the
    test half. In the digital half the scene comes from the filter's name; elsewhere an image is
    its own scene. `scenes.csv` at the root (path, scene, kind) overrules both.

    Raises
    ------
    BlurError
        A folder or label sheet is missing, a label is neither 1 nor -1, `scenes.csv` is wrong.
    """
    folders = [f"TrainingSet/{name}" for name in TRAINING]
    folders += [f"EvaluationSet/{name}" for name in EVALUATION.values()]
    missing = [name for name in folders if not (root / name).is_dir()]
    require(not missing, f"{root}: CERTH tree lacks the folder {', '.join(missing)}")
    images = list(_training(root))
    for subset in EVALUATION:
        images += _evaluation(root, subset, notes)
    table = root / "scenes.csv"
    if not table.is_file():
        return images
    scenes = _read_scenes(table)
    unknown = len(scenes.keys() - {image.name for image in images})
    if unknown:
        notes.append(f"scenes.csv: {unknown} paths are no labelled image: left out")
    return [
        replace(image, scene=known.scene, kind=known.kind)
        if (known := scenes.get(image.name))
        else image
        for image in images
    ]
