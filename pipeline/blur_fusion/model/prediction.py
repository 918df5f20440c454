"""The prediction for one photo."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from blur_fusion.errors import TOO_LARGE, BlurError

Band = tuple[float, float]  # sharp below the first probability, blurred from the second on


def verdict_at(probability: float, band: Band) -> str:
    """The verdict: "sharp" below the band, "blurred" from its upper end on, else "unsure".

    >>> [verdict_at(probability, (0.2, 0.9)) for probability in (0.1, 0.2, 0.9)]
    ['sharp', 'unsure', 'blurred']
    """
    if probability >= band[1]:
        return "blurred"
    return "sharp" if probability < band[0] else "unsure"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one photo, or why it cannot; unknown values are None.

    Attributes
    ----------
    path : str
        As given.
    blurred : bool
        Whether `probability` reaches the threshold.
    probability : float
        Calibrated probability of blurred, 0..1.
    kind : str
        "sharp", "defocus" or "motion"; "blurred" where the classifier tells no kinds.
    logit : float
        Calibrated logit; finer than the probability near 0 and 1.
    laplacian_variance : float
        Of the grey picture that was judged, squared grey levels.
    width, height : int
        Of the oriented photo, in pixels.
    error : str
        One line.
    note : str
        One line on what was judged, where that is not the whole photo.
    frame_s : float
        Time of the video frame that was judged, in seconds.
    exposure : str
        One of `blur_fusion.features.content.EXPOSURES`; optional in output, so not in `FIELDS`.
    verdict : str
        "sharp", "blurred", or "unsure" where the probability lies in the band of doubt.
    focus_x, focus_y : float
        Where the photo is sharpest, from left and top: 0..1 of the oriented photo.
    burst : int
        Number of its group of similar photos, from 1; None if it is alone.
    rank : int
        In its burst; 1 is the sharpest.
    tie : bool
        Whether it is as sharp as the sharpest of its burst, within the measure's noise.

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
        """No prediction for `path`; `error` in one line, without repeating the path."""
        line = " ".join(error.split())
        return cls(path, error=line.removeprefix(f"{path}: ") or "cannot be judged")

    @classmethod
    def caught(cls, path: str, error: Exception, what: str = "judged") -> Prediction:
        """No prediction for `path`, since `error` was raised."""
        if isinstance(error, BlurError):
            return cls.failed(path, str(error))
        if isinstance(error, MemoryError):
            return cls.failed(path, TOO_LARGE)
        return cls.failed(path, f"cannot be {what} ({type(error).__name__}: {error})")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, if known."""
        return (self.width, self.height) if self.width and self.height else None

    @property
    def pile(self) -> str:
        """The verdict; without one, what `blurred` says; "unread" for a failed prediction."""
        if self.error is not None or self.probability is None:
            return "unread"
        return self.verdict or ("blurred" if self.blurred else "sharp")

    @property
    def kind_of_blur(self) -> str:
        """Of a photo in the pile of blurred ones: "defocus" or "motion", empty if none is told."""
        told = self.pile == "blurred" and self.kind not in (None, "blurred")
        return str(self.kind) if told else ""

    def settled(self, threshold: float, band: Band | None = None) -> Prediction:
        """The same at another threshold and band; by default without doubt.

        Only for a prediction with this threshold and band, or with a lower threshold and no band:
        its `kind` is then the likely kind of blur, and only a photo with nothing to judge is
        unsure.
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
    """Whether another photo of its burst is clearly sharper."""
    return (prediction.rank or 0) > 1 and not prediction.tie


EXPOSURE = "exposure"
AMONG_OTHERS = ("burst", "rank", "tie")  # depend on the other photos of a scan
FIELDS = tuple(field.name for field in fields(Prediction) if field.name != EXPOSURE)
WITH_EXPOSURE = (*FIELDS, EXPOSURE)

Verdict = Prediction  # former name, kept for one release
