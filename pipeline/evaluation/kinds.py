"""Is the kind of blur named rightly, where it is known?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.metrics import Ints
from pipeline.evaluation.shares import share_cell

KINDS = ("sharp", "defocus", "motion")


def measure_kinds(
    known: Sequence[str], named: Sequence[str], codes: Ints, resamples: int, seed: int
) -> dict[str, Any]:
    """Share of images whose kind is named rightly, with 95 % intervals, resampled by scene.

    Parameters
    ----------
    known : sequence of str, length n
        True kinds; images of unknown kind ("") count nowhere.
    named : sequence of str, length n
        What the detector says: "sharp" where the fused verdict does.
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
    rows = np.flatnonzero(np.isin(truth, KINDS))
    blur = np.flatnonzero(np.isin(truth, KINDS[1:]) & np.isin(answer, KINDS[1:]))
    right = (truth == answer).astype(np.float64)
    return {
        "images": len(rows),
        "accuracy": share_cell(right[rows], codes[rows], resamples, seed),
        "blur": {
            "images": len(blur),
            "accuracy": share_cell(right[blur], codes[blur], resamples, seed),
        },
        "confusion": {
            kind: {name: int(((truth == kind) & (answer == name)).sum()) for name in KINDS}
            for kind in KINDS
        },
    }
