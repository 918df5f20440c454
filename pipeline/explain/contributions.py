"""What spoke for blurred and what against, by taking away one thing at a time.

Occlusion after Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV
2014, on the inputs of the stack: a family of focus measures, or the network, is set to what is
usual in training, and the fused logit moves by what it had contributed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.fusion.model import LOGIT_NAMES, Model

NETWORK = "network"


@dataclass(frozen=True)
class Contribution:
    """What one input moved the fused logit by: above 0 it spoke for blurred.

    Attributes
    ----------
    name : str
        `NETWORK`, or a measure of `pipeline.features.table`.
    logit : float
        Calibrated.
    """

    name: str
    logit: float

    @property
    def shown(self) -> str:
        """For people."""
        return self.name.replace("_", " ")


def contributions(
    model: Model, logits: npt.NDArray[np.floating], measures: npt.NDArray[np.floating]
) -> list[Contribution]:
    """Contributions of the network and of each family of measures, the largest first.

    Parameters
    ----------
    model : Model
    logits : ndarray of float, shape (4,)
        The network's.
    measures : ndarray of float, shape (F,)
        In the order of `model.stack.names`.
    """
    families = [NETWORK] * len(LOGIT_NAMES)
    families += [name.partition(".")[0] for name in model.stack.names]
    given = np.concatenate([logits, measures]).astype(np.float64)
    usual = np.asarray(model.stack.standardiser.centre)
    names = list(dict.fromkeys(families))
    rows = [given] + [
        np.where([family == name for family in families], usual, given) for name in names
    ]
    table = np.stack(rows)
    wide = len(LOGIT_NAMES)
    raw = model.stack.logits(table[:, :wide], table[:, wide:])["fused"]
    scaled = model.calibrations["fused"].scaled(raw)
    found = [
        Contribution(name, float(scaled[0] - without))
        for name, without in zip(names, scaled[1:], strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.logit))
