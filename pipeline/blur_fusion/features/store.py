"""Describe the training and validation images of a store; test images stay unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from blur_fusion.data.augment import STEPS, perturbed_copies, ranked_rows, ranked_series
from blur_fusion.data.store import Store
from blur_fusion.features.planes import SCALE, Plane, thread_scratch
from blur_fusion.features.polar import LEVELS, SHAPE, polar_planes, polar_spectrum
from blur_fusion.features.summary import describe, feature_names
from blur_fusion.images.working import middle
from blur_fusion.params import Params
from blur_fusion.progress import progress_bar
from blur_fusion.sample.blur import natural_blur

_TASK = 48  # rows that a worker process is given at a time
OWN, RANKED, COPIED = "own", "ranked", "copied"

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@lru_cache(maxsize=1)
def opened(folder: Path) -> Store:
    """The store, read once in a worker."""
    return Store.open(folder)


def portions(rows: Indices) -> list[list[int]]:
    """`rows` (n,) as the tasks of workers."""
    return [rows[start : start + _TASK].tolist() for start in range(0, len(rows), _TASK)]


def _pictures(store: Store, part: str, rows: list[int], seed: int) -> Iterable[Pixels]:
    if part == RANKED:
        return ranked_series(store, rows, seed)
    if part == COPIED:
        return perturbed_copies(store, rows, seed)
    return (np.asarray(store.image(row)) for row in rows)


def _describe(folder: Path, part: str, rows: list[int], params: Params) -> Floats:
    """In a worker: measures (n, F) of the pictures that `part` makes of `rows`."""
    cv2.setNumThreads(1)
    pictures = _pictures(opened(folder), part, rows, params.seed)
    return np.asarray([describe(picture, params.features) for picture in pictures], np.float32)


def measure_store(store: Store, target: Path, params: Params) -> int:
    """Write `target`/features.npz: index (n,), values (n, F) float32, names (F,).

    Also ranked_index (r,) and ranked_values (r, STEPS, F): see `blur_fusion.data.augment`; and
    copied_values (t, F) of the t training rows: see `blur_fusion.data.augment`.

    Returns
    -------
    int
        Number of images described.
    """
    splits = np.asarray(store.splits)
    index, train = np.flatnonzero(splits != "test"), np.flatnonzero(splits == "train")
    ranked = ranked_rows(store, params.fuse.ranked, params.seed)
    tasks = [
        (part, portion)
        for part, rows in ((OWN, index), (RANKED, ranked), (COPIED, train))
        for portion in portions(rows)
    ]
    run = Parallel(n_jobs=params.compute.workers or -1, return_as="generator")
    found = run(delayed(_describe)(store.folder, part, rows, params) for part, rows in tasks)
    names = feature_names(params.features)
    empty = np.zeros((0, len(names)), np.float32)
    values: dict[str, list[Floats]] = {OWN: [empty], RANKED: [empty], COPIED: [empty]}
    with progress_bar(len(index) + STEPS * len(ranked) + len(train), "features") as bar:
        for (part, _), measured in zip(tasks, found, strict=True):
            values[part].append(measured)
            bar.update(len(measured))
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "features.npz",
        index=index,
        values=np.concatenate(values[OWN]),
        names=np.array(names),
        ranked_index=ranked,
        ranked_values=np.concatenate(values[RANKED]).reshape(len(ranked), STEPS, len(names)),
        copied_values=np.concatenate(values[COPIED]),
    )
    return len(index)


MADE = ("motion", "defocus") * 2  # blurs laid over each sharp image
_NOISE = (0.15, 1.25)  # grey levels at half size
_GAMMA = np.float32(2.2)
_LIGHT = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)


def _half(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    height, width = plane.shape
    size = max(1, width // 2), max(1, height // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def blurred_planes(image: Pixels, kind: str, rng: np.random.Generator) -> list[Plane]:
    """Planes of `LEVELS` of a sharp image under a random blur of `kind`, with noise.

    The finest level is not among them, so the blur is laid over half the size: a quarter of the
    work.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w)
        Middle of a working image.
    kind : str
        "defocus" or "motion".
    rng : Generator
    """
    light = np.asarray(cv2.LUT(_half(image), _LIGHT), np.float32)
    blur = natural_blur(0.5, rng)
    while blur.kind != kind:
        blur = natural_blur(0.5, rng)
    level = 255 * np.clip(blur.apply(light), 0, 1) ** (1 / _GAMMA)
    level += rng.standard_normal(level.shape, np.float32) * np.float32(rng.uniform(*_NOISE))
    planes = [np.rint(SCALE * np.clip(level, 0, 255)).astype(np.int16)]
    while len(planes) < len(LEVELS):
        planes.append(_half(planes[-1]).astype(np.int16))
    return planes


def _own(folder: Path, rows: Sequence[int]) -> Floats:
    store = opened(folder)
    return np.asarray([polar_spectrum(np.asarray(store.image(row))) for row in rows], np.float32)


def _made(folder: Path, rows: Sequence[int], seed: int) -> Floats:
    """Spectra (n, len(MADE), *SHAPE) of sharp images under blurs of their own."""
    cv2.setNumThreads(1)
    store, scratch, found = opened(folder), thread_scratch(), []
    for row in rows:
        rng = np.random.default_rng([seed, 4, row])
        image = middle(np.asarray(store.image(row)))
        scratch.begin(*image.shape)
        found.append([polar_planes(blurred_planes(image, kind, rng), scratch) for kind in MADE])
    return np.asarray(found, np.float32)


def _joined(parts: list[Floats], shape: tuple[int, ...]) -> Floats:
    return np.concatenate([np.zeros((0, *shape), np.float32), *parts])


def polar_store(store: Store, target: Path, params: Params) -> int:
    """Write `target`/polar.npz from training images alone.

    index (n,) and values (n, *SHAPE) of images known to be motion or defocus; made_values
    (m, len(MADE), *SHAPE) of sharp images under blurs of the kinds `MADE`; nothing where no kinds
    are known.

    Returns
    -------
    int
        Number of spectra.
    """
    splits, kinds = np.asarray(store.splits), np.asarray(store.kinds)
    named = np.flatnonzero((splits == "train") & ((kinds == "motion") | (kinds == "defocus")))
    sharp = np.flatnonzero((splits == "train") & (kinds == "sharp"))[: None if len(named) else 0]
    own, made = portions(named), portions(sharp)
    jobs = [delayed(_own)(store.folder, rows) for rows in own]
    jobs += [delayed(_made)(store.folder, rows, params.seed) for rows in made]
    run = Parallel(n_jobs=params.compute.workers or -1, return_as="generator")
    parts: list[Floats] = []
    with progress_bar(len(named) + len(sharp), "kinds") as bar:
        for part in run(jobs):
            parts.append(part)
            bar.update(len(part))
    target.mkdir(parents=True, exist_ok=True)
    np.savez(
        target / "polar.npz",
        index=named,
        values=_joined(parts[: len(own)], SHAPE),
        made_values=_joined(parts[len(own) :], (len(MADE), *SHAPE)),
        made_kinds=np.array(MADE),
    )
    return len(named) + len(MADE) * len(sharp)
