"""`blur test`: judge a held-out data set."""

from __future__ import annotations

from pathlib import Path

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.errors import require
from blur_fusion.evaluation import report
from blur_fusion.evaluation.baselines import known_baselines
from blur_fusion.evaluation.report import OURS, Report, Said
from blur_fusion.evaluation.table import render
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.params import Params

METRICS_FILE = Path("artifacts/evaluate/metrics.json")
NO_BASELINES = f"{METRICS_FILE}: no such file, so there are no thresholds for the baselines"


def held_out(dataset: DataSet) -> tuple[list[LabelledImage], list[str]]:
    """The images to judge, without a layout's own training half, and notes."""
    images = [image for image in dataset if image.half != "train"]
    notes, left = list(dataset.notes), len(dataset) - len(images)
    require(bool(images), f"{dataset.root}: holds a training half only, nothing to test on")
    if left:
        notes.append(f"{left} images of the training half: left out")
    return images, notes


def open_classifiers(
    model: Path | None, judge: str, artifacts: Path | None
) -> tuple[dict[str, Classifier], str]:
    """The rows of the table, and which of them judges; see :func:`judge_held_out`."""
    metrics = artifacts / "evaluate" / "metrics.json" if artifacts else METRICS_FILE
    known = artifacts is not None or metrics.is_file()
    baselines = known_baselines(report.read_report(metrics)) if known else {}
    if model is None and artifacts is not None:
        model = artifacts / "fuse"
    chosen = load(model, judge=judge)
    if chosen.name not in OURS:
        return {**baselines, chosen.name: chosen}, chosen.name
    return {**baselines, **{name: load(model, judge=name) for name in OURS}}, judge


def judge_held_out(
    dataset: DataSet,
    params: Params,
    *,
    model: Path | None = None,
    judge: str = "fused",
    artifacts: Path | None = None,
    workers: int = 0,
) -> Report:
    """Judge a held-out data set, all thresholds as they are.

    Parameters
    ----------
    dataset : DataSet
    params : Params
    model : Path, optional
        Folder of a model or a trained preset; by default that in `artifacts`, else the shipped
        one.
    judge : str
        "fused", "cnn" or "features"; all three are rows, unless the model is a preset.
    artifacts : Path, optional
        Holds `fuse` and `evaluate`, where the baselines' thresholds are; without it they come
        from `METRICS_FILE`, if there is one.
    workers : int
        Threads; 0 is one per core.

    Returns
    -------
    dict
        As metrics.json, with the row `laplacian_470` and without `robustness`; and `judge`, what
        it judged `wrong` with probabilities of all models, `unreadable`, `notes`.

    Raises
    ------
    BlurError
        A model is missing, or no image can be read.
    """
    classifiers, judge = open_classifiers(model, judge, artifacts)
    images, notes = held_out(dataset)
    photos = (Photo(image.path) for image in images)
    every = report.predict_each(classifiers, photos, len(images), "test", workers)
    judged: list[tuple[LabelledImage, Said]] = []
    unreadable: list[str] = []
    for image, one in zip(images, every, strict=True):
        if errors := [found.error for found in one.values() if found.error is not None]:
            unreadable.append(f"{image.path}: {errors[0]}")
        else:
            judged.append((image, one))
    require(bool(judged), f"{dataset.root}: none of its {len(images)} images can be read")
    read, said = zip(*judged, strict=True)
    named = {"name": dataset.name, "digest": dataset.digest}
    built = report.build(read, classifiers, said, named, params, judge)
    models = [name for name in classifiers if name in (*OURS, judge)]
    wrong = [
        {
            **{key: getattr(image, key) for key in ("name", "label", "subset", "kind")},
            **{model: one[model].probability for model in models},
        }
        for image, one in judged
        if one[judge].blurred != bool(image.label)
    ]
    if "laplacian" not in classifiers:
        notes.append(NO_BASELINES)
    more = {"judge": judge, "wrong": wrong, "unreadable": unreadable, "notes": notes}
    return report.rounded({**built, **more})


def as_text(found: Report) -> str:
    """The table, then the images judged wrongly."""
    wrong, judge = found["wrong"], found["judge"]
    lines = [render(found), "", *(f"note: {note}" for note in found["notes"])]
    if found["unreadable"]:
        lines.append(f"unreadable: {len(found['unreadable'])} images, left out of all figures")
    lines.append(
        f"judged wrongly by {judge}: {len(wrong)} (probability of blur; blurred from "
        f"{found[judge]['threshold']:.3f})"
    )
    for mistake in wrong:
        truth = "blurred" if mistake["label"] else "sharp"
        lines.append(f"  {mistake[judge]:.3f}  {truth:<8} {mistake['name']}")
    return "\n".join(lines)
