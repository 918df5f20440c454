"""What a preset is trained and tested on; data sets made in the layouts of two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_fusion.data.dataset import DataSet, LabelledImage, image_files
from blur_fusion.data.layouts import METADATA, THREE, open_dataset
from blur_fusion.data.split import Row, assign_splits
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError, one_line, require
from blur_fusion.evaluation.metrics import Ints
from blur_fusion.evaluation.report import write_csv
from blur_fusion.files import write_whole_folder
from blur_fusion.images.photo import Photo, working_image
from blur_fusion.images.thumbnails import encoded
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params
from blur_fusion.presets.params import LayoutParams, Preset

WHOLE = 1_000_000  # a long side that no photo reaches: nothing is shrunk
SIDE, QUALITY = 32, 95  # pixels and JPEG quality of the three-class pictures
SIGMA = (1.0, 2.0)  # pixels of the small picture
SUBJECT, BACKGROUND = 0.3, 0.02  # of the short side: radius of what stays sharp, blur of the rest

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """Labelled rows with their splits; `name` and `digest` of the data set are in `about`.

    If `three`, the first folder of a row's name is one of the three classes.
    """

    rows: tuple[Row, ...]
    about: dict[str, Any]
    three: bool = False

    def part(self, split: str) -> list[Row]:
        """The rows of a split."""
        return [row for row in self.rows if row.split == split]


def read_layout(root: Path, layout: LayoutParams, params: Params) -> DataSet:
    """Open the data set at `root` in the preset's own layout.

    Raises
    ------
    BlurError
        The folder is missing or laid out differently; two classes hold the same image.
    """
    require(root.is_dir(), f"{root}: no such folder")
    number = min(1, layout.classes.index(layout.blurred))
    dataset = open_dataset(root, layout.reader, replace(params.dataset, blurred_label=number))
    first: dict[str, LabelledImage] = {}
    for image, sha in zip(dataset.images, dataset.content, strict=True):
        other = first.setdefault(sha, image)
        line = f"'{other.name}' and '{image.name}' are the same image in two classes; delete one"
        require(other.label == image.label, f"{root}: {line}")
    return dataset


def read_any(root: Path, layout: LayoutParams, params: Params) -> DataSet:
    """Open a data set of any known layout, to test on."""
    own = layout.reader == "metadata" and (root / METADATA).is_file()
    return read_layout(root, layout, params) if own else open_dataset(root, "auto", params.dataset)


def open_source(data: Path | None, layout: LayoutParams, params: Params) -> Source:
    """Rows to train and test on: those of `data`, or those that the stage `load` stored.

    Both are split as in our own stages: by scene, or with the layout's own test half.
    """
    if data is None:
        store = Store.open()
        return Source(tuple(store.rows), store.dataset)
    dataset = read_layout(data, layout, params)
    rows = assign_splits(dataset, params.split, params.seed)
    about = {"name": dataset.name, "digest": dataset.digest}
    return Source(tuple(rows), about, layout.reader == "three-class")


@dataclass(frozen=True)
class Example:
    """A picture to learn from: a file, its class, and the blur to apply."""

    path: Path
    target: int
    sigma: float = 0.0


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Blur by a Gaussian of standard deviation `sigma` pixels; 0 changes nothing."""
    if sigma <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)


def blurred_background(picture: Pixels) -> Pixels:
    """Blur all but a disk around the place with the most detail, as a fast lens would.

    The edge of the disk is soft. A photographer calls the result sharp.
    """
    height, width = picture.shape[:2]
    short = min(height, width)
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    energy = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    reach = max(3, int(SUBJECT * short))
    where = cv2.boxFilter(energy, -1, (reach, reach), borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(where.argmax()), where.shape)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - row, columns - column)
    mask = np.clip((1.15 * reach - distance) / (0.3 * reach), 0, 1).astype(np.float32)
    mask = mask if picture.ndim == 2 else mask[..., None]
    far = blurred(picture, BACKGROUND * short).astype(np.float32)
    return np.rint(mask * picture + (1 - mask) * far).astype(np.uint8)


def read_example(example: Example, preset: Preset) -> Pixels:
    """Read one example: uint8, (side, side) or (side, side, 3)."""
    photo, at_source = Photo(example.path), preset.layout.pairs == "source"
    if at_source and example.sigma:
        picture = working_image(example.path, WHOLE, preset.input.colour)
        photo = Photo(blurred(picture, example.sigma))
    pixels = photo.image(preset.input.spec)
    return pixels if at_source else blurred(pixels, example.sigma)


def read(
    examples: Sequence[Example], preset: Preset, workers: int, what: str
) -> tuple[Pixels, Ints]:
    """Read pixels (n, side, side, 1 or 3) and class numbers (n,), in threads."""
    side, channels = preset.input.side, 3 if preset.input.colour else 1
    pixels = np.empty((len(examples), side, side, channels), np.uint8)
    pictures = ordered_map(lambda example: read_example(example, preset), examples, workers)
    for place, picture in enumerate(shown(pictures, len(examples), f"read {what}")):
        pixels[place] = picture.reshape(side, side, channels)
    return pixels, np.array([example.target for example in examples])


def _drawn(labels: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """Draw `count` indices, sorted; each label keeps its proportion."""
    place = np.zeros(len(labels))
    for label in set(labels):
        held = np.flatnonzero(np.array(labels) == label)
        place[rng.permutation(held)] = (np.arange(len(held)) + 0.5) / len(held)
    return [int(index) for index in np.sort(np.argsort(place, kind="stable")[:count])]


def of_rows(rows: Sequence[Row], preset: Preset, three: bool, seed: int) -> list[Example]:
    """Choose what `preset` learns from `rows`; `three` as in :class:`Source`.

    At most `recipe.images` pictures are drawn, before pairs are made; each class keeps its
    proportion.

    Raises
    ------
    BlurError
        A class has no picture.
    """
    layout, rng = preset.layout, np.random.default_rng([seed, 7])
    made = layout.pairs != "none" and not three
    usable = [row for row in rows if not (made and row.label)]
    limit = preset.recipe.images * (3 if three else 1)
    if limit and len(usable) > limit:
        usable = [usable[place] for place in _drawn([row.label for row in usable], limit, rng)]
    found: list[Example] = []
    for row in usable:
        if made:  # the sharp picture in each class, blurred in one of them
            sigma = float(rng.uniform(layout.sigma[0], layout.sigma[1]))
            found += [
                Example(row.path, target, sigma if name == layout.blurred else 0.0)
                for target, name in enumerate(layout.classes)
            ]
        elif three:
            found.append(Example(row.path, layout.classes.index(row.name.split("/")[0])))
        else:
            which = layout.classes.index(layout.blurred)
            found.append(Example(row.path, which if row.label else 1 - which))
    there = {example.target for example in found}
    missing = [name for place, name in enumerate(layout.classes) if place not in there]
    line = f"preset {preset.name}: needs pictures of class {', '.join(missing)} to train on"
    require(not missing, line)
    return found


def is_free(target: Path) -> bool:
    """Whether there is nothing at `target`, or an empty folder."""
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))


def _check_new(target: Path) -> None:
    require(is_free(target), f"{target}: exists and is not empty; name a new folder")


def _cifar() -> Sequence[Pixels]:
    """CIFAR-10's training pictures (Krizhevsky 2009), downloaded and verified by Keras."""
    import keras

    try:
        (pictures, _), _ = keras.datasets.cifar10.load_data()
    except Exception as error:  # urllib's, tarfile's and Keras' own
        line = f"Keras cannot download it ({one_line(error)}); name a folder of photos instead"
        raise BlurError(f"cifar10: {line}") from None
    return list(pictures)


def make_three_class(
    source: str, target: Path, images: int = 500, sharpen: bool = False, seed: int = 11
) -> int:
    """Write folders blurry, original and sharp of 32x32 JPEGs; one name is one picture.

    Parameters
    ----------
    source : str
        A folder of sharp photos, or "cifar10".
    target : Path
        A new folder.
    images : int
        The most pictures to draw.
    sharpen : bool
        Sharpen the third class. Without it "sharp" equals "original", and no classifier can be
        right about more than two thirds.
    seed : int

    Returns
    -------
    int
        Pictures in each folder.

    Raises
    ------
    BlurError
        `source` holds no image or one that cannot be read, or `target` is not new.
    """
    _check_new(target)
    every = _cifar() if source == "cifar10" else image_files(Path(source), deep=True)
    require(bool(every), f"{source}: holds no image")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(every))[:images])
    rng = np.random.default_rng([seed, 1])
    with write_whole_folder(target) as folder:
        for where in THREE:
            (folder / where).mkdir()
        for number, place in enumerate(shown(drawn, len(drawn), "three-class")):
            picture = working_image(every[place], 8 * SIDE, colour=True)
            small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8)
            third = small
            if sharpen:  # unsharp masking by one pixel
                soft = blurred(small, 1.0).astype(np.float32)
                third = np.clip(np.rint(2.0 * small - soft), 0, 255).astype(np.uint8)
            versions = (blurred(small, float(rng.uniform(*SIGMA))), small, third)
            for where, version in zip(THREE, versions, strict=True):
                path = folder / where / f"{number:05d}.jpg"
                path.write_bytes(encoded(version, quality=QUALITY))
    return len(drawn)


def make_label_csv(source: Path, target: Path, params: Params) -> tuple[int, int]:
    """Write photos and Gaussian-blurred copies of the sharp ones beside a metadata.csv.

    Photos are shrunk to 1024 pixels. 0 is blur, 1 is focus; a photo and its copy share a scene.

    Returns
    -------
    tuple of int
        Number of images with label 0 and with label 1.
    """
    _check_new(target)
    dataset = open_dataset(source, "auto", params.dataset)
    rng = np.random.default_rng([params.seed, 2])
    rows: list[tuple[str, int, str]] = []
    with write_whole_folder(target) as folder:
        for number, image in enumerate(shown(dataset, len(dataset), "label-csv")):
            photo = working_image(image.path, 1024, colour=True)
            versions = {f"{number:05d}.jpg": (photo, 1 - image.label)}
            if not image.label:
                copy = blurred(photo, float(rng.uniform(2.0, 8.0)))
                versions[f"{number:05d}_blur.jpg"] = copy, 0
            for name, (picture, label) in versions.items():
                (folder / name).write_bytes(encoded(picture, quality=QUALITY))
                rows.append((name, label, f"{image.subset} {image.scene}"))
        write_csv(folder / METADATA, ("filename", "label", "scene"), rows)
    focus = sum(label for _, label, _ in rows)
    return len(rows) - focus, focus
