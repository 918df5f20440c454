"""`blur test` and `blur data check`: judge a held-out data set; say what one holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blur_fusion.data.certh import is_certh
from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.data.layouts import TABLE
from blur_fusion.errors import BlurError
from blur_fusion.evaluation.baselines import (
    PUBLISHED_THRESHOLD,
    ConstantBaseline,
    LaplacianBaseline,
    laplacian_512,
)
from blur_fusion.evaluation.comparisons import measure_kinds
from blur_fusion.evaluation.metrics import Floats
from blur_fusion.evaluation.report import Judged, Report, Truth, build, read_report, rounded
from blur_fusion.evaluation.run import judged_constant, judged_laplacian, judged_models
from blur_fusion.evaluation.table import render
from blur_fusion.images.photo import working_image
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params

if TYPE_CHECKING:
    from blur_fusion.model.scores import Detector, Scores


LAYOUTS = {
    "certh": "the CERTH tree",
    "labels": "images beside a labels.csv",
    "folders": "class folders",
}


def _layout(dataset: DataSet, layout: str) -> str:
    """The layout that `open_dataset` found, where it was left to find out."""
    if layout != "auto":
        return layout
    if is_certh(dataset.root):
        return "certh"
    return "labels" if (dataset.root / TABLE).is_file() else "folders"


def describe(dataset: DataSet, layout: str = "auto") -> dict[str, Any]:
    """Counts of a data set.

    Parameters
    ----------
    dataset : DataSet
    layout : str
        What `open_dataset` was told.

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
            "kinds_of_blur": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
            "halves": {half: halves.count(half) for half in sorted(set(halves))},
        }
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "layout": _layout(dataset, layout),
        "digest": dataset.digest,
        "images": len(dataset),
        "scenes": len({image.key for image in dataset}),
        "subsets": subsets,
        "notes": list(dataset.notes),
    }


def contents_text(found: dict[str, Any]) -> str:
    """The counts of :func:`describe` as lines of text."""
    lines = [
        f"data set {found['name']} {found['digest'][:12]}: {found['images']} images of "
        f"{found['scenes']} scenes",
        f"layout: {found['layout']} ({LAYOUTS[found['layout']]}) at {found['root']}",
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


@dataclass
class _Read:
    """What is known of the images read so far; pixels are not kept."""

    images: list[LabelledImage] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def load_detector(models: Path, params: Params) -> Detector:
    """The detector under `models`; TensorFlow is loaded only here."""
    from blur_fusion.model.scores import Detector

    return Detector.load(models / "cnn", models / "fuse", params)


def held_out(dataset: DataSet) -> tuple[list[LabelledImage], list[str]]:
    """The images to judge, and notes: a layout's own training half is left out."""
    images = [image for image in dataset if image.half != "train"]
    notes, left = list(dataset.notes), len(dataset) - len(images)
    if not images:
        raise BlurError(f"{dataset.root}: holds a training half only, nothing to test on")
    if left:
        notes.append(f"{left} images of the training half: left out")
    return images, notes


def _pixels(
    images: list[LabelledImage], long_side: int, workers: int, read: _Read
) -> Iterator[np.ndarray]:
    """Working images one by one; what cannot be read is noted in `read` and passed over."""

    def one(image: LabelledImage) -> tuple[np.ndarray, float] | BlurError:
        try:
            return working_image(image.path, long_side), laplacian_512(image.path)
        except BlurError as error:
            return error

    answers = shown(ordered_map(one, images, workers), len(images), "test")
    for image, answer in zip(images, answers, strict=True):
        if isinstance(answer, BlurError):
            read.unreadable.append(str(answer))
            continue
        read.images.append(image)
        read.variances.append(answer[1])
        yield answer[0]


def _baselines(known: Report, variances: Floats) -> dict[str, Judged]:
    """The constant answer and both Laplacian rows, as the evaluate stage fitted them."""
    constant = ConstantBaseline(known["constant"]["share_blurred"])
    slope, intercept = known["laplacian"]["slope"], known["laplacian"]["intercept"]
    published = LaplacianBaseline(PUBLISHED_THRESHOLD, slope, intercept)
    ours = LaplacianBaseline(known["laplacian"]["threshold"], slope, intercept)
    return {
        "constant": judged_constant(constant, len(variances)),
        "laplacian_470": judged_laplacian(published, variances),
        "laplacian": judged_laplacian(ours, variances),
    }


def _wrong(images: list[LabelledImage], judged: dict[str, Judged], scores: Scores) -> list[Any]:
    """Images that the fused network judged wrongly, by name."""
    verdicts = judged["fused"].verdicts
    return [
        {
            "name": image.name,
            "label": image.label,
            "subset": image.subset,
            "kind": image.kind,
            "cnn": float(scores.cnn[place]),
            "features": float(scores.features[place]),
            "fused": float(scores.fused[place]),
        }
        for place, image in enumerate(images)
        if verdicts[place] != bool(image.label)
    ]


def judge_held_out(dataset: DataSet, params: Params, models: Path, workers: int = 0) -> Report:
    """Judge a held-out data set with the models under `models`, thresholds as they stand.

    Parameters
    ----------
    dataset : DataSet
    params : Params
    models : Path
        The folder that holds `cnn`, `fuse` and `evaluate`.
    workers : int
        Threads that decode; 0 takes one for each core.

    Returns
    -------
    dict
        As metrics.json, with the row `laplacian_470` and without `robustness`; and `wrong`,
        `unreadable`, `notes`.

    Raises
    ------
    BlurError
        The models are missing, or no image can be read.
    """
    known = read_report(models / "evaluate" / "metrics.json")
    images, notes = held_out(dataset)
    detector = load_detector(models, params)
    read = _Read()
    pixels = _pixels(images, params.image.long_side, workers, read)
    first = next(pixels, None)
    if first is None:
        raise BlurError(f"{dataset.root}: none of its {len(images)} images can be read")
    scores = detector.predict(chain([first], pixels))
    truth = Truth(
        labels=np.array([image.label for image in read.images], dtype=np.int64),
        subsets=tuple(image.subset for image in read.images),
        scenes=tuple(image.scene for image in read.images),
    )
    judged = {**_baselines(known, np.array(read.variances)), **judged_models(scores)}
    named = {"name": dataset.name, "digest": dataset.digest}
    report = build(truth, judged, named, params.evaluate, params.seed)
    kinds, resamples = [image.kind for image in read.images], params.evaluate.resamples
    measured = measure_kinds(kinds, scores.kind, truth.codes, resamples, params.seed)
    report["kinds"] = rounded(measured)
    report["wrong"] = rounded(_wrong(read.images, judged, scores))
    report["unreadable"], report["notes"] = read.unreadable, notes
    return report


def as_text(report: Report) -> str:
    """The table, then the images judged wrongly."""
    lines = [render(report), ""]
    lines += [f"note: {note}" for note in report["notes"]]
    if report["unreadable"]:
        lines.append(f"unreadable: {len(report['unreadable'])} images, in no figure above")
    wrong, threshold = report["wrong"], report["fused"]["threshold"]
    lines.append(
        f"judged wrongly by fused: {len(wrong)} (probability of blur; blurred from {threshold:.3f})"
    )
    for mistake in wrong:
        truth = "blurred" if mistake["label"] else "sharp"
        lines.append(f"  {mistake['fused']:.3f}  {truth:<8} {mistake['name']}")
    return "\n".join(lines)
