"""What the network that tells motion from defocus is trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.fusion.inputs import Inputs
from pipeline.fusion.model import motion_logit
from pipeline.fusion.table import Table

FEWEST_KINDS = 20  # training images of each kind: with fewer the model tells no kinds

Floats = npt.NDArray[np.float32]


def tells_kinds(kinds: npt.NDArray[np.str_]) -> bool:
    """Whether training images of `kinds` (n,) are enough of both to learn from."""
    return min(int((kinds == kind).sum()) for kind in ("motion", "defocus")) >= FEWEST_KINDS


def _guess(logits: npt.NDArray[np.floating]) -> Floats:
    return motion_logit(logits).astype(np.float32)


def kind_inputs(rows: Inputs, table: Table) -> Inputs:
    """Blurred training rows and their copies, labelled 1 where the blur is motion.

    The ranked series add defocus of every extent: of images known to be sharp or defocused.

    Parameters
    ----------
    rows : Inputs
        All training rows of `table`, standardised.
    table : Table
    """
    kinds = table.kinds[table.train]
    named = np.flatnonzero((kinds == "motion") | (kinds == "defocus"))
    series = (table.ranked_kinds == "sharp") | (table.ranked_kinds == "defocus")
    further = rows.ranked[series][:, 1:].reshape(-1, rows.values.shape[1])
    guess = _guess(table.ranked_logits[series][:, 1:].reshape(-1, table.logits.shape[1]))
    still = np.zeros(len(guess), np.int64)
    plain = Inputs.plain(
        np.concatenate([rows.values[named], further]),
        np.concatenate([_guess(table.logits[table.train][named]), guess]),
        np.concatenate([(kinds[named] == "motion").astype(np.int64), still]),
    )
    copies = np.concatenate([rows.copies[named], further])
    copies_base = np.concatenate([_guess(table.copied_logits[named]), guess])
    return replace(plain, copies=copies, copies_base=copies_base)
