"""Polar spectra to learn kinds of blur from: of blurred training images, and of sharp ones shaken.

A data set has too few blurred images to learn the looks of all paths and apertures from, and any
number of blurs can be laid over its sharp ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from pipeline.config import Params
from pipeline.config.progress import progress_bar
from pipeline.data.store import Store
from pipeline.features.measure_store import opened, portions
from pipeline.features.planes import SCALE, Plane, thread_scratch
from pipeline.features.polar import LEVELS, SHAPE, polar_planes, polar_spectrum
from pipeline.images import middle
from pipeline.synthesis.blurs import natural_blur

MADE = ("motion", "defocus") * 2  # blurs laid over each sharp image
_NOISE = (0.15, 1.25)  # grey levels at half size
_GAMMA = np.float32(2.2)
_LIGHT = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


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
