"""From photos and classifiers to predictions, and to the contents of metrics.json."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blur_fusion.data.dataset import LabelledImage
from blur_fusion.errors import BlurError
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.baselines import settings
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier
from blur_fusion.model.prediction import Prediction
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.params import Params

Report = dict[str, Any]
OURS = ("cnn", "features", "fused")
Said = dict[str, Prediction]  # of one photo, by classifier


def predict_each(
    classifiers: Mapping[str, Classifier],
    photos: Iterable[Photo],
    total: int,
    what: str,
    workers: int = 0,
) -> Iterator[Said]:
    """Every classifier's prediction of each photo, in threads (0: one per core).

    `total` and `what` are for the progress bar.
    """

    def said(photo: Photo) -> Said:
        return {name: one.predict([photo])[0] for name, one in classifiers.items()}

    return shown(ordered_map(said, photos, workers), total, what)


def build(
    images: Sequence[LabelledImage],
    classifiers: Mapping[str, Classifier],
    said: Sequence[Said],
    dataset: Mapping[str, str],
    params: Params,
    judge: str = "fused",
) -> Report:
    """Everything that the table shows.

    Parameters
    ----------
    images : sequence of LabelledImage, length n
    classifiers : mapping of Classifier
        The rows of the table.
    said : sequence of dict, length n
        Predictions of each image by classifier.
    dataset : mapping
        `name` and `digest`.
    params : Params
    judge : str
        The classifier whose doubt and kinds of blur are measured.

    Returns
    -------
    dict
        For each classifier its `settings`, `overall` and `subsets`: metric -> value, low, high
        (95 % interval; None where undefined) and `counts`. Beside them `dataset`, `interval`,
        `doubt`, `kinds` and, if all of ours are there, `differences` and `mcnemar`.
    """
    answers = {name: metrics.Answers.of([one[name] for one in said]) for name in classifiers}
    overall, draws = metrics.measured(images, answers, params)
    report: Report = {
        name: {**settings(one), "overall": overall[name], "subsets": {}}
        for name, one in classifiers.items()
    }
    subsets = Counter(sorted(image.subset for image in images))
    for subset in subsets:
        rows = [place for place, image in enumerate(images) if image.subset == subset]
        some = {name: one.at(rows) for name, one in answers.items()}
        figures, _ = metrics.measured([images[place] for place in rows], some, params)
        for name in classifiers:
            report[name]["subsets"][subset] = figures[name]
    labels, codes = metrics.labels_of(images), metrics.scenes_of(images)
    report["dataset"] = {
        "name": dataset["name"],
        "digest": dataset["digest"],
        "images": len(images),
        "blurred": int(labels.sum()),
        "scenes": len(np.unique(codes)),
        "subsets": dict(subsets),
    }
    resamples, seed = params.evaluate.resamples, params.seed
    report["interval"] = {"level": 0.95, "resamples": resamples, "unit": "scene"}
    chosen = [one[judge] for one in said]
    report["kinds"] = metrics.measure_kinds(images, [one.kind for one in chosen], resamples, seed)
    report["doubt"] = metrics.measure_doubt(images, chosen, resamples, seed)
    if set(OURS) <= answers.keys():
        report["differences"] = metrics.differences(draws)
        cnn, fused = answers["cnn"].verdicts, answers["fused"].verdicts
        report["mcnemar"] = metrics.compare(labels, cnn, fused, codes, seed)
    return report


def rounded(value: Any) -> Any:
    """`value` with every float rounded to 6 decimals, so files are reproducible."""
    if isinstance(value, float):
        return round(value, 6) + 0.0  # no -0.0
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(item) for item in value]
    return value


def as_json(value: Any) -> str:
    """Rounded JSON with sorted keys and a final newline."""
    return json.dumps(rounded(value), indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header; floats have 6 decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in row])


def read_report(path: Path) -> Report:
    """Read metrics.json. Raises a BlurError if it is missing or something else."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BlurError(f"{path}: no such file; run `make repro` first") from None
    except ValueError as error:  # of the encoding, or of JSON
        raise BlurError(f"{path}: is not JSON ({error}); run `make repro` again") from None
    if not isinstance(report, dict) or "dataset" not in report or "fused" not in report:
        raise BlurError(f"{path}: is not a report of the stage evaluate; run `make repro` again")
    return report
