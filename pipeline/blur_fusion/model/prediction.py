"""What is said of one photo."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Picture:
    """A working image with what its verdict repeats.

    Attributes
    ----------
    working : ndarray of uint8, shape (h, w)
        Grey, from `open_working` with the detector's `long_side`.
    path : str
    size : tuple of int
        Width and height of the photo it was made from, in pixels.
    """

    working: npt.NDArray[np.uint8]
    path: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One photo's verdict, or why there is none; what is not known is None.

    Attributes
    ----------
    path : str
        As it was given.
    blurred : bool
        Whether `probability` reaches the threshold.
    probability : float
        Calibrated probability of blurred, 0..1.
    kind : str
        "sharp", "defocus" or "motion"; "blurred" from a model that tells no kinds.
    logit : float
        Calibrated logit; finer than the probability near 0 and 1.
    laplacian_variance : float
        Of the grey working image, squared grey levels.
    width, height : int
        Of the photo as decoded and oriented, in pixels.
    error : str
        One line.
    exposure : str
        One of `blur_fusion.model.detector.EXPOSURES`; written where it is asked for, not in
        `FIELDS`.
    """

    path: str
    blurred: bool | None = None
    probability: float | None = None
    kind: str | None = None
    logit: float | None = None
    laplacian_variance: float | None = None
    width: int | None = None
    height: int | None = None
    error: str | None = None
    exposure: str | None = None

    @classmethod
    def failed(cls, path: str, error: str) -> Verdict:
        """No verdict on `path`; `error` in one line, without repeating the path."""
        line = " ".join(error.split())
        return cls(path, error=line.removeprefix(f"{path}: ") or "cannot be judged")


EXPOSURE = "exposure"
FIELDS = tuple(field.name for field in fields(Verdict) if field.name != EXPOSURE)
WITH_EXPOSURE = (*FIELDS, EXPOSURE)
