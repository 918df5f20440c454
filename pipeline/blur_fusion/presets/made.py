"""Data sets in the layouts of two presets, made from any folder of photos."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from blur_fusion.data.dataset import image_files
from blur_fusion.data.layouts import METADATA, THREE, open_dataset
from blur_fusion.errors import BlurError, require
from blur_fusion.evaluation.curves import write_csv
from blur_fusion.images.photo import working_image
from blur_fusion.parallel import shown
from blur_fusion.params import Params
from blur_fusion.presets.examples import Pixels, blurred

SIDE, QUALITY = 32, 95  # pixels and JPEG quality of the three-class pictures
SIGMA = (1.0, 2.0)  # pixels of the small picture
CIFAR = "cifar10"
_PHOTO_SIDE, _PHOTO_SIGMA = 1024, (2.0, 8.0)  # of the pictures beside a metadata.csv


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder that gets the name `target` once it is whole.

    Raises
    ------
    BlurError
        `target` exists and is not empty, or cannot be written.
    """
    empty = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    require(empty, f"{target}: exists and is not empty; name a new folder")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        if target.exists():
            target.rmdir()
        part.rename(target)
    except OSError as error:
        raise BlurError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, picture: Pixels) -> None:
    """Write an RGB picture as JPEG."""
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def _sharpened(picture: Pixels) -> Pixels:
    """Unsharp masking by one pixel, at full strength."""
    soft = blurred(picture, 1.0).astype(np.float32)
    return np.clip(np.rint(2.0 * picture - soft), 0, 255).astype(np.uint8)


def _cifar() -> Iterator[Pixels]:
    """CIFAR-10's training pictures (Krizhevsky 2009), downloaded and checked by Keras."""
    import keras

    try:
        (pictures, _), _ = keras.datasets.cifar10.load_data()
    except Exception as error:  # urllib's, tarfile's and Keras' own
        reason = " ".join(str(error).split())[:160]
        line = f"cifar10: Keras cannot download it ({reason}); name a folder of photos instead"
        raise BlurError(line) from None
    yield from pictures


def _pictures(source: str, images: int, seed: int) -> tuple[int, Iterable[Pixels]]:
    """How many pictures of side `SIDE`, and those, drawn once for each seed."""
    if source == CIFAR:
        every = list(_cifar())
        drawn = np.random.default_rng(seed).permutation(len(every))[:images]
        return len(drawn), (every[place] for place in np.sort(drawn))
    paths = image_files(Path(source), deep=True)
    require(bool(paths), f"{source}: holds no image")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(paths))[:images])

    def one(path: Path) -> Pixels:
        photo = working_image(path, 8 * SIDE, colour=True)
        small = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)

    return len(drawn), (one(paths[place]) for place in drawn)


def make_three_class(
    source: str, target: Path, images: int = 500, sharpen: bool = False, seed: int = 11
) -> int:
    """Write folders blurry, original and sharp of 32x32 JPEGs; files of one name are one picture.

    Parameters
    ----------
    source : str
        A folder of photos, which should be sharp, or "cifar10".
    target : Path
        A new folder.
    images : int
        How many pictures to draw; fewer where `source` holds fewer.
    sharpen : bool
        Sharpen the third class. Without it "sharp" is the same file as "original", and no judge
        can be right about more than two thirds.
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
    rng = np.random.default_rng([seed, 1])
    with _whole_folder(target) as folder:
        count, pictures = _pictures(source, images, seed)
        for number, picture in enumerate(shown(pictures, count, "three-class")):
            name = f"{number:05d}.jpg"
            third = _sharpened(picture) if sharpen else picture
            versions = (blurred(picture, float(rng.uniform(*SIGMA))), picture, third)
            for where, version in zip(THREE, versions, strict=True):
                _write(folder / where / name, version)
    return count


def make_label_csv(source: Path, target: Path, params: Params) -> tuple[int, int]:
    """Write photos and Gaussian-blurred copies of the sharp ones beside a metadata.csv.

    Photos are shrunk to 1024 pixels. 0 is blur, 1 is focus; a photo and its copy share a scene.

    Parameters
    ----------
    source : Path
        A data set of a known layout, such as images beside a labels.csv.
    target : Path
        A new folder.
    params : Params

    Returns
    -------
    tuple of int
        Images of label 0 and of label 1.
    """
    dataset = open_dataset(source, "auto", params.dataset)
    rng = np.random.default_rng([params.seed, 2])
    rows: list[tuple[str, int, str]] = []
    with _whole_folder(target) as folder:
        for number, image in enumerate(shown(dataset, len(dataset), "label-csv")):
            photo = working_image(image.path, _PHOTO_SIDE, colour=True)
            versions = [(f"{number:05d}.jpg", photo, 1 - image.label)]
            if not image.label:
                copy = blurred(photo, float(rng.uniform(*_PHOTO_SIGMA)))
                versions.append((f"{number:05d}_blur.jpg", copy, 0))
            for name, picture, label in versions:
                _write(folder / name, picture)
                rows.append((name, label, f"{image.subset} {image.scene}"))
        write_csv(folder / METADATA, ("filename", "label", "scene"), rows)
    focus = sum(label for _, label, _ in rows)
    return len(rows) - focus, focus
