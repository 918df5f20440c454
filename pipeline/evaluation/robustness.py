"""Does the verdict stay when the picture is sized, noised, turned or decorated? The trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Params, require
from pipeline.data.split import Row
from pipeline.evaluation.baselines import LaplacianBaseline, laplacian_of
from pipeline.evaluation.mcnemar import one_per_scene
from pipeline.evaluation.metrics import Flags, Floats, Ints
from pipeline.evaluation.perturbations import PERTURBATIONS, Perturbation, Picture
from pipeline.evaluation.stream import ordered_map, shown
from pipeline.images import working_image

if TYPE_CHECKING:
    from pipeline.fusion.predict import Detector

JUDGES = ("fused", "cnn", "features", "laplacian")
UNPERTURBED = "unperturbed"
_FULL_SIZE = 1 << 30  # no picture is longer, so that none is shrunk


@dataclass(frozen=True)
class Trials:
    """Some images, unperturbed and perturbed, and what each judge says of each.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Numbers of the images in the data set.
    rows : tuple of Row, length n
    codes : ndarray of int, shape (n,)
        Scene numbers.
    perturbations : tuple of str
        All that were asked for, also where no image was large enough.
    made : tuple of (int, str), length t
        Each picture judged: its place among `rows`, and what was done to it.
    scores : dict of ndarray of float, shape (t,)
        P(blurred) by fused, cnn and features; the variance by laplacian.
    verdicts : dict of ndarray of bool, shape (t,)
        True is "blurred"; judges as in `scores`.
    """

    index: Ints
    rows: tuple[Row, ...]
    codes: Ints
    perturbations: tuple[str, ...]
    made: tuple[tuple[int, str], ...]
    scores: dict[str, Floats]
    verdicts: dict[str, Flags]


def choose_images(labels: Ints, codes: Ints, count: int, seed: int) -> Ints:
    """At most `count` images, half sharp and half blurred, one of each class from a scene at most.

    Where a class has fewer scenes than that, the other does not fill up.

    Parameters
    ----------
    labels, codes : ndarray of int, shape (n,)
        Labels, 1 is blurred, and scene numbers.
    count, seed : int

    Returns
    -------
    ndarray of int, shape (m,), ascending
    """
    chosen = []
    for label, wanted in ((0, count // 2), (1, count - count // 2)):
        members = np.flatnonzero(labels == label)
        alone = members[one_per_scene(codes[members], seed)]
        chosen.append(np.random.default_rng([seed, label]).permutation(alone)[:wanted])
    return np.sort(np.concatenate(chosen))


def _variants(
    path: Path, number: int, params: Params, perturbations: Sequence[Perturbation]
) -> list[tuple[str, Picture, float]]:
    """Name, grey working image and Laplacian variance: of the picture itself, then perturbed."""
    picture = working_image(path, _FULL_SIZE, colour=True)
    side, made = params.image.long_side, []
    fitting = [one for one in perturbations if one.fits(picture.shape, side)]
    for one in (None, *fitting):
        other = one.apply(picture, params.seed, number) if one else picture
        name = one.name if one else UNPERTURBED
        made.append((name, working_image(other, side), laplacian_of(other)))
    return made


def run_trials(
    rows: Sequence[Row],
    index: Ints,
    codes: Ints,
    detector: Detector,
    laplacian: LaplacianBaseline,
    params: Params,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> Trials:
    """Judge images as they are and perturbed, on the way that every array takes.

    Parameters
    ----------
    rows : sequence of Row, length n
        Their files are read in colour at full size.
    index, codes : ndarray of int, shape (n,)
        Their numbers in the data set, and scene numbers.
    detector : Detector
    laplacian : LaplacianBaseline
        With the threshold from our validation images.
    params : Params
    perturbations : sequence of Perturbation

    Raises
    ------
    BlurError
        There is no image, or a file is unreadable.
    """
    require(len(rows) > 0, "robustness: no test image to perturb; give the data set more scenes")
    made: list[tuple[int, str]] = []
    variances: list[float] = []

    def variants(place: int) -> list[tuple[str, Picture, float]]:
        return _variants(rows[place].path, int(index[place]), params, perturbations)

    def pictures() -> Iterator[Picture]:
        ready = ordered_map(variants, range(len(rows)), params.compute.workers)
        for place, of_one in enumerate(shown(ready, len(rows), "robustness")):
            for name, working, variance in of_one:
                made.append((place, name))
                variances.append(variance)
                yield working

    scores = detector.predict(pictures())
    values = {judge: np.asarray(getattr(scores, judge)) for judge in JUDGES[:3]}
    verdicts = {judge: values[judge] >= scores.thresholds[judge] for judge in values}
    measured = np.array(variances, dtype=np.float64)
    return Trials(
        index=index,
        rows=tuple(rows),
        codes=codes,
        perturbations=tuple(one.name for one in perturbations),
        made=tuple(made),
        scores={**values, "laplacian": measured},
        verdicts={**verdicts, "laplacian": laplacian.verdicts(measured)},
    )
