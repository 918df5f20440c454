"""What is said of one photo."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from blur_fusion.errors import TOO_LARGE, BlurError

Band = tuple[float, float]  # surely sharp below the first probability, blurred from the second on


def verdict_at(probability: float, band: Band) -> str:
    """The word: "sharp" below the band, "blurred" from its upper end on, "unsure" within.

    Examples
    --------
    >>> [verdict_at(probability, (0.2, 0.9)) for probability in (0.1, 0.2, 0.9)]
    ['sharp', 'unsure', 'blurred']
    """
    if probability >= band[1]:
        return "blurred"
    return "sharp" if probability < band[0] else "unsure"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one photo, or why it says nothing; what is not known is None.

    Attributes
    ----------
    path : str
        As it was given.
    blurred : bool
        Whether `probability` reaches the threshold.
    probability : float
        Calibrated probability of blurred, 0..1.
    kind : str
        "sharp", "defocus" or "motion"; "blurred" from a classifier that tells no kinds.
    logit : float
        Calibrated logit; finer than the probability near 0 and 1.
    laplacian_variance : float
        Of the grey picture that was judged, squared grey levels.
    width, height : int
        Of the photo as decoded and oriented, in pixels.
    error : str
        One line.
    note : str
        One line on what was judged, where that is not the whole photo.
    frame_s : float
        Of a video, the time of the frame that was judged, in seconds; None of a photo.
    exposure : str
        One of `blur_fusion.features.content.EXPOSURES`; written where it is asked for, not in
        `FIELDS`.
    verdict : str
        "sharp", "blurred", or "unsure" where the probability settles neither.
    focus_x, focus_y : float
        Where the photo is sharpest, from left and top: 0..1 of the whole, oriented photo.
    burst : int
        Number of the group of like photos that it belongs to, from 1; None of one that is alone.
    rank : int
        In its burst, 1 the sharpest.
    tie : bool
        Whether it cannot be told apart from the sharpest of its burst.

    Examples
    --------
    >>> Prediction.failed("a.jpg", "a.jpg: is an empty file").error
    'is an empty file'
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
    note: str | None = None
    frame_s: float | None = None
    exposure: str | None = None
    verdict: str | None = None
    focus_x: float | None = None
    focus_y: float | None = None
    burst: int | None = None
    rank: int | None = None
    tie: bool | None = None

    @classmethod
    def failed(cls, path: str, error: str) -> Prediction:
        """Nothing on `path`; `error` in one line, without repeating the path."""
        line = " ".join(error.split())
        return cls(path, error=line.removeprefix(f"{path}: ") or "cannot be judged")

    @classmethod
    def caught(cls, path: str, error: Exception, what: str = "judged") -> Prediction:
        """Nothing on `path`, as `error` was raised: no odd file ends a run."""
        if isinstance(error, BlurError):
            return cls.failed(path, str(error))
        if isinstance(error, MemoryError):
            return cls.failed(path, TOO_LARGE)
        return cls.failed(path, f"cannot be {what} ({type(error).__name__}: {error})")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height; None where they are not known."""
        return (self.width, self.height) if self.width and self.height else None

    @property
    def pile(self) -> str:
        """The verdict; of a classifier that gave none, what `blurred` says; "unread"."""
        if self.error is not None or self.probability is None:
            return "unread"
        return self.verdict or ("blurred" if self.blurred else "sharp")

    def settled(self, threshold: float, band: Band | None = None) -> Prediction:
        """The same under another threshold.

        Only for a prediction of a classifier with this threshold and band, or with a lower one and
        none: its `kind` is then the likely kind of blur, and it is unsure only of a photo that
        holds nothing to judge.

        Parameters
        ----------
        threshold : float
            Blurred where the probability reaches it.
        band : tuple of float, optional
            See :func:`verdict_at`; by default nothing is unsure but what holds nothing to judge.
        """
        if self.probability is None:
            return self
        blurred, verdict = self.probability >= threshold, self.verdict
        if verdict != "unsure":
            verdict = verdict_at(self.probability, band or (threshold, threshold))
        if (blurred, verdict) == (self.blurred, self.verdict):
            return self
        kind = self.kind if blurred or not self.blurred else "sharp"
        return replace(self, blurred=blurred, kind=kind, verdict=verdict)


def is_loser(prediction: Prediction) -> bool:
    """Whether another photo of its burst is sharper, and not by chance."""
    return (prediction.rank or 0) > 1 and not prediction.tie


EXPOSURE = "exposure"
AMONG_OTHERS = ("burst", "rank", "tie")  # which the other photos of a scan decide
FIELDS = tuple(field.name for field in fields(Prediction) if field.name != EXPOSURE)
WITH_EXPOSURE = (*FIELDS, EXPOSURE)

Verdict = Prediction  # its name of before, for one release
