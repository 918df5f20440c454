"""What a data set holds, for `blur data check`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from blur_fusion.data.dataset import DataSet
from blur_fusion.data.layouts import LAYOUTS


def describe(dataset: DataSet) -> dict[str, Any]:
    """Counts of a data set.

    Returns
    -------
    dict
        `name`, `root`, `layout`, `digest`, `images`, `scenes`, `notes`, and for each subset in
        `subsets` its counts of images by label, half and kind, and of scenes.
    """
    subsets: dict[str, Any] = {}
    for name in sorted({image.subset for image in dataset}):
        images = [image for image in dataset if image.subset == name]
        kinds = [image.kind or "unknown" for image in images if image.label]
        halves = [image.half or "none" for image in images]
        subsets[name] = {
            "images": len(images),
            "blurred": sum(image.label for image in images),
            "sharp": sum(not image.label for image in images),
            "scenes": len({image.key for image in images}),
            "kinds_of_blur": dict(sorted(Counter(kinds).items())),
            "halves": dict(sorted(Counter(halves).items())),
        }
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "digest": dataset.digest,
        "images": len(dataset),
        "scenes": len({image.key for image in dataset}),
        "subsets": subsets,
        "notes": list(dataset.notes),
    }


def as_text(found: dict[str, Any]) -> str:
    """The counts of :func:`describe` as lines of text."""
    lines = [
        f"data set {found['name']} {found['digest'][:12]}: {found['images']} images of "
        f"{found['scenes']} scenes",
        f"layout: {found['layout']} ({LAYOUTS[found['layout']].about}) at {found['root']}",
        "",
        f"{'subset':<20}{'images':>8}{'blurred':>9}{'sharp':>7}{'scenes':>8}  half, kinds of blur",
    ]
    for name, counts in found["subsets"].items():
        details = [f"{half} half" for half in counts["halves"] if half != "none"]
        details += [f"{kind} {count}" for kind, count in counts["kinds_of_blur"].items()]
        lines.append(
            f"{name:<20}{counts['images']:>8}{counts['blurred']:>9}{counts['sharp']:>7}"
            f"{counts['scenes']:>8}  {', '.join(details)}".rstrip()
        )
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])
