"""What the networks on polar spectra are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config import BlurError, require
from pipeline.fusion.kinds import tells_kinds

BATCH = 128
OWN_SHARE = 0.3  # of a batch: images of the data set itself; the others are sharp ones, blurred

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PolarRows:
    """Spectra (n, a, c) with labels (n,), 1 for motion: of the data set's images, and made ones."""

    own: Floats
    own_labels: npt.NDArray[np.int64]
    made: Floats
    made_labels: npt.NDArray[np.int64]

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A batch, each picture turned and mirrored at random: spectra, and labels (n, 1)."""
        few = round(BATCH * OWN_SHARE) if len(self.made) else BATCH
        own, made = (
            rng.integers(max(1, len(rows)), size=count)
            for rows, count in ((self.own, few), (self.made, BATCH - few))
        )
        spectra = np.concatenate([self.own[own], self.made[made]])
        labels = np.concatenate([self.own_labels[own], self.made_labels[made]])
        angles = spectra.shape[1]
        way = rng.choice([-1, 1], size=(BATCH, 1))
        places = (way * np.arange(angles) + rng.integers(angles, size=(BATCH, 1))) % angles
        turned = np.take_along_axis(spectra, places[:, :, None], axis=1)
        return turned, labels[:, None].astype(np.float32)


def read_polar(path: Path, kinds: npt.NDArray[np.str_]) -> PolarRows | None:
    """Rows from polar.npz of the stage `features`; None where too few kinds are known.

    Parameters
    ----------
    path : Path
    kinds : ndarray of str, shape (n,)
        Of all images of the store.

    Raises
    ------
    BlurError
        The file is missing, damaged, or of other images.
    """
    try:
        with np.load(path) as arrays:
            index, own = arrays["index"], arrays["values"]
            made, sorts = arrays["made_values"], arrays["made_kinds"]
    except (OSError, ValueError, KeyError) as error:
        raise BlurError(f"{path}: cannot be read ({error}); run the stage features") from None
    known = len(index) == 0 or (index[-1] < len(kinds) and np.isin(kinds[index], sorts).all())
    require(bool(known), f"{path}: of other images than the store's; run 'dvc repro'")
    if not tells_kinds(kinds[index]):
        return None
    motion = (kinds[index] == "motion").astype(np.int64)
    made_motion = np.tile((sorts == "motion").astype(np.int64), len(made))
    return PolarRows(own, motion, made.reshape(-1, *own.shape[1:]), made_motion)
