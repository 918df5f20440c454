"""What is said of a prediction, for people."""

from __future__ import annotations

from blur_fusion.explain.explainer import Contribution, Explanation
from blur_fusion.model.prediction import Band, Prediction

READ_MAP = (
    "Blur map: dark is sharp, yellow is blurred; hatched areas, such as sky, hold too little "
    "detail to tell."
)
READ_HEAT = (
    "Grad-CAM: red and yellow areas drew the network towards 'blurred', blue ones hardly counted; "
    "the outer edge of a photo is not judged."
)
READ_BARS = (
    "Each bar shows how far an input moved the logit from where its usual value would leave it: to "
    "the right for blurred, to the left against."
)
BARS = "What spoke for blurred (right) and against (left)"
_SHOWN = 4  # inputs for and against
_SLIGHT = 0.05  # logit that no bar is worth


def percent(share: float) -> str:
    """A share for people: never a certainty that nobody has."""
    if share > 0.995:
        return "over 99 %"
    return "below 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")


def confidence(prediction: Prediction) -> str:
    """Calibrated probability that the prediction is right."""
    assert prediction.probability is not None
    return percent(prediction.probability if prediction.blurred else 1 - prediction.probability)


def headline(prediction: Prediction) -> str:
    """In a word or two."""
    if prediction.probability is None:
        return "Not read"
    return {"blurred": "Blurred", "unsure": "Unsure"}.get(prediction.pile, "Not blurred")


def surely(prediction: Prediction, threshold: float, band: Band | None = None) -> str:
    """For example "probability of blur 93 %, blurred from 72 %"; with a band, both ends.

    Parameters
    ----------
    prediction : Prediction
    threshold : float
    band : tuple of float, optional
        See `blur_fusion.model.prediction.verdict_at`.
    """
    assert prediction.probability is not None
    low, high = band or (threshold, threshold)
    sharp = f"sharp below {percent(low)}, " if low < high else ""
    probability = percent(prediction.probability)
    return f"probability of blur {probability}; {sharp}blurred from {percent(high)}"


def _pixels(extent: float, prediction: Prediction) -> str:
    long_side = max(prediction.width or 0, prediction.height or 0)
    share = f" ({100 * extent / long_side:.1f} % of the long side)" if long_side else ""
    return f"about {extent:.{0 if extent >= 3 else 1}f} pixels{share}"


def kind_line(explanation: Explanation) -> str:
    """The kind of blur with its direction and extent, one sentence or two."""
    prediction, spread = explanation.prediction, explanation.spread
    if prediction.pile == "unsure" and prediction.note:
        return f"{prediction.note[0].upper()}{prediction.note[1:]}."
    if not prediction.blurred:
        return "Not blurred as a whole; the map shows where it is soft."
    if spread is None:
        return "Blurred; this model does not tell which kind."
    if prediction.kind == "defocus":
        if spread.extent is None:
            return "Out of focus; this photo does not tell how far."
        return f"Out of focus: points are disks of {_pixels(2 * spread.extent, prediction)} across."
    if spread.angle is None:
        return "Motion blur; no single direction stands out."
    way = f"{spread.angle:.0f} degrees (counterclockwise from level)"
    if spread.extent is None:
        return f"Motion blur at {way}; this photo does not tell its length."
    return f"Motion blur at {way}, {_pixels(spread.extent, prediction)} long."


def strongest(found: list[Contribution]) -> list[Contribution]:
    """Those that spoke most for blurred and most against, for first."""
    forth = [one for one in found if one.logit >= _SLIGHT][:_SHOWN]
    against = [one for one in found if one.logit <= -_SLIGHT][:_SHOWN]
    return forth + against[::-1]
