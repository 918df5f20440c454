"""Do two models differ on the same images? McNemar's exact test."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest  # type: ignore[import-untyped]

from pipeline.evaluation.metrics import Flags, Ints


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
    p_value = float(binomtest(first_only, differing, 0.5).pvalue) if differing else 1.0
    return {
        "images": len(first_right),
        "first_only_right": first_only,
        "second_only_right": second_only,
        "p_value": p_value,
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
