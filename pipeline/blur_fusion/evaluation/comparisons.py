"""Do two models differ, and do they name the kind of blur? McNemar's test, differences, kinds."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np

from blur_fusion.evaluation.intervals import Draws, difference, estimate, proportions
from blur_fusion.evaluation.metrics import Flags, Ints

KINDS = ("sharp", "defocus", "motion")
PAIRS = (("fused", "cnn"), ("fused", "features"))
COMPARED = ("log_loss", "balanced_accuracy")


def one_per_scene(codes: Ints, seed: int) -> Ints:
    """Index of one image of each scene, drawn at random: int, shape (scenes,), ascending.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Scene number of each image.
    seed : int
    """
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    _, first = np.unique(codes[shuffled], return_index=True)
    return np.sort(shuffled[first])


def mcnemar(first_right: Flags, second_right: Flags) -> dict[str, float | int]:
    """Exact two-sided McNemar test (McNemar 1947, binomial form).

    Parameters
    ----------
    first_right, second_right : ndarray of bool, shape (n,)
        Whether each model judged each image rightly.

    Returns
    -------
    dict with `images`, `first_only_right`, `second_only_right`, `p_value`
        The p-value is 1 where the models never differ.
    """
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    differing = first_only + second_only
    tail = sum(comb(differing, k) for k in range(min(first_only, second_only) + 1))
    return {
        "images": len(first_right),
        "first_only_right": first_only,
        "second_only_right": second_only,
        "p_value": min(1.0, 2 * tail / 2**differing),
    }


def compare(labels: Ints, cnn: Flags, fused: Flags, codes: Ints, seed: int) -> dict[str, object]:
    """McNemar's test of CNN against fused: on all images, and on one image of each scene.

    Images of one scene are alike, which the test over all images ignores; hence the second.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    cnn, fused : ndarray of bool, shape (n,)
        Verdicts.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    seed : int
    """
    cnn_right, fused_right = cnn == (labels == 1), fused == (labels == 1)
    one = one_per_scene(codes, seed)
    return {
        "first": "cnn",
        "second": "fused",
        "all_images": mcnemar(cnn_right, fused_right),
        "one_image_per_scene": mcnemar(cnn_right[one], fused_right[one]),
    }


def differences(draws: Draws) -> dict[str, dict[str, dict[str, Any]]]:
    """Paired differences: "fused_minus_cnn" and the like -> metric -> `difference`."""
    return {
        f"{first}_minus_{second}": {
            metric: difference(draws[first][metric], draws[second][metric]) for metric in COMPARED
        }
        for first, second in PAIRS
    }


def measure_kinds(
    known: Sequence[str], named: Sequence[str | None], codes: Ints, resamples: int, seed: int
) -> dict[str, Any]:
    """Proportion of images whose kind is named rightly, with 95 % intervals by scene.

    Parameters
    ----------
    known : sequence of str, length n
        True kinds; images of unknown kind ("") count nowhere.
    named : sequence of str, length n
        Kinds in the predictions: "sharp" where the verdict is.
    codes : ndarray of int, shape (n,)
        Scene numbers.
    resamples, seed : int

    Returns
    -------
    dict
        `images` of known kind and their `accuracy` (value, low, high); `confusion`, true kind ->
        named kind -> images; and in `blur` the same two figures for images that are blurred and
        called so: defocus against motion.
    """
    truth, answer = np.array(known, dtype=np.str_), np.array(named, dtype=np.str_)
    right = (truth == answer).astype(np.float64)

    def accuracy(chosen: Flags) -> dict[str, Any]:
        hits, ones = right[chosen], np.ones(chosen.sum())
        draws = proportions(hits, ones, codes[chosen], resamples, seed)
        return {"images": len(ones), "accuracy": estimate(draws)}

    called_blurred = np.isin(truth, KINDS[1:]) & np.isin(answer, KINDS[1:])
    return {
        **accuracy(np.isin(truth, KINDS)),
        "blur": accuracy(called_blurred),
        "confusion": {
            kind: {name: int(((truth == kind) & (answer == name)).sum()) for name in KINDS}
            for kind in KINDS
        },
    }
