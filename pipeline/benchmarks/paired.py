"""Variants of a model on the same validation images: paired differences, resampled by scene."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.intervals import scene_weights, weighted_auc
from pipeline.evaluation.metrics import Flags, Floats, Ints
from pipeline.evaluation.shares import Cell, cell
from pipeline.fusion.calibration import fit_calibration


@dataclass(frozen=True)
class Held:
    """Validation images.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    codes : ndarray of int, shape (n,)
        Scene numbers.
    half : ndarray of bool, shape (n,)
        Half of the scenes: each half is calibrated on the other.
    """

    labels: Ints
    codes: Ints
    half: Flags

    @classmethod
    def split(cls, labels: Ints, codes: Ints, seed: int) -> Held:
        """Deal the scenes into halves at random."""
        scenes = np.unique(codes)
        chosen = np.random.default_rng([seed, 4]).permutation(scenes)[: len(scenes) // 2]
        return cls(labels, codes, np.isin(codes, chosen))


@dataclass(frozen=True)
class Variant:
    """Logits (n,) of one way to judge the validation images, higher where more blurred."""

    name: str
    logits: npt.NDArray[np.floating]


def losses(held: Held, logits: npt.NDArray[np.floating]) -> Floats:
    """Log-loss of each image, shape (n,), calibrated on the other half of the scenes.

    Temperature and bias fitted to the very images that are scored would flatter.

    Raises
    ------
    BlurError
        A half holds one class only.
    """
    found = np.zeros(len(held.labels))
    for judged in (held.half, ~held.half):
        fitted = fit_calibration(held.labels[~judged], logits[~judged])
        scaled = fitted.scaled(logits[judged])
        found[judged] = np.logaddexp(0, scaled) - held.labels[judged] * scaled
    return found


def _auc(held: Held, logits: npt.NDArray[np.floating], weights: Floats) -> Floats:
    return weighted_auc(held.labels, np.asarray(logits, np.float64), weights)


def _difference(first: Floats, second: Floats) -> Cell:
    """Of values whose first entry is that of all images and whose others are resamples."""
    difference = first - second
    return cell(float(difference[0]), difference[1:])


def compare(
    held: Held, reference: Variant, variants: Iterable[Variant], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """The reference, then each variant with what it differs by, on the same resamples of scenes.

    Parameters
    ----------
    held : Held
    reference : Variant
    variants : iterable of Variant
    resamples, seed : int

    Returns
    -------
    list of dict
        `name`, `log_loss`, `auc`; of variants also `log_loss_difference` and `auc_difference`
        (value, low, high), variant minus reference: paired bootstrap by scene, the scenes'
        calibrations held.
    """
    once = np.ones((1, len(held.labels)))
    blocks = [once, *scene_weights(held.codes, resamples, seed)]

    def drawn(variant: Variant) -> tuple[Floats, Floats]:
        each = losses(held, variant.logits)
        loss = [block @ each / block.sum(axis=1) for block in blocks]
        area = [_auc(held, variant.logits, block) for block in blocks]
        return np.concatenate(loss), np.concatenate(area)

    base = drawn(reference)
    rows: list[dict[str, Any]] = [
        {"name": reference.name, "log_loss": float(base[0][0]), "auc": float(base[1][0])}
    ]
    for variant in variants:
        loss, area = drawn(variant)
        rows.append(
            {
                "name": variant.name,
                "log_loss": float(loss[0]),
                "auc": float(area[0]),
                "log_loss_difference": _difference(loss, base[0]),
                "auc_difference": _difference(area, base[1]),
            }
        )
    return rows
