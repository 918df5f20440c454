"""What an explanation says, in words: for pictures, pages and the app alike."""

from __future__ import annotations

from pipeline.explain.contributions import Contribution
from pipeline.explain.explanation import Explanation
from pipeline.serving.verdict import Verdict

READ_MAP = (
    "Blur map: dark places are sharp, yellow ones blurred; hatched ones, such as sky, hold nothing "
    "to tell by."
)
READ_HEAT = (
    "Grad-CAM: red and yellow places drew the network towards 'blurred', blue ones hardly counted; "
    "the outer edge of a photo is not judged."
)
READ_BARS = (
    "Each bar is how far the verdict's logit would move if that input were as usual in training: "
    "to the right it spoke for blurred, to the left against."
)
SHARP_END, BLURRED_END = "sharp", "blurred"
LOW_END, HIGH_END = "low attention", "high attention"
_SHOWN = 4  # inputs for and against
_SLIGHT = 0.05  # logit that no bar is worth


def confidence(probability: float, blurred: bool) -> float:
    """Calibrated probability that the verdict is right."""
    return probability if blurred else 1 - probability


def percent(share: float) -> str:
    """A share for people: never a certainty that nobody has."""
    if share > 0.995:
        return "over 99 %"
    return "below 1 %" if share < 0.005 else f"{share:.0%}".replace("%", " %")


def headline(verdict: Verdict) -> str:
    """For example "Blurred"."""
    return "Blurred" if verdict.blurred else "Not blurred"


def surely(verdict: Verdict, threshold: float) -> str:
    """For example "probability of blur 93 %, blurred from 72 % on"."""
    assert verdict.probability is not None
    return (
        f"probability of blur {percent(verdict.probability)}, "
        f"called blurred from {percent(threshold)} on"
    )


def _pixels(extent: float, verdict: Verdict) -> str:
    long_side = max(verdict.width or 0, verdict.height or 0)
    share = f" ({100 * extent / long_side:.1f} % of the long side)" if long_side else ""
    return (
        f"about {extent:.0f} pixels{share}" if extent >= 3 else f"about {extent:.1f} pixels{share}"
    )


def kind_line(explanation: Explanation) -> str:
    """The kind of blur with its direction and extent, one sentence or two."""
    verdict, motion, defocus = explanation.verdict, explanation.motion, explanation.defocus
    if not verdict.blurred:
        return "Not blurred as a whole; the map shows where it is soft."
    if motion is not None:
        if motion.angle is None:
            return "Motion blur; no single direction stands out."
        line = (
            f"Motion blur along {motion.angle:.0f} degrees "
            "(0 is level, 90 upright, counterclockwise)"
        )
        if motion.length is None:
            return f"{line}; its length cannot be told from this photo."
        return f"{line}, {_pixels(motion.length, verdict)} long."
    if defocus is not None:
        if defocus.radius is None:
            return "Out of focus; how far cannot be told from this photo."
        return f"Out of focus: points are disks of {_pixels(2 * defocus.radius, verdict)} across."
    return "Blurred; this model tells no kinds."


def strongest(found: list[Contribution]) -> list[Contribution]:
    """Those that spoke most for blurred and most against, for first."""
    forth = [one for one in found if one.logit >= _SLIGHT][:_SHOWN]
    against = [one for one in found if one.logit <= -_SLIGHT][:_SHOWN]
    return forth + against[::-1]
