"""From decisions to measured photos, and from what was learned to a model folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_fusion.actions.decisions import Decision, photos_below, read_decisions
from blur_fusion.bursts.capture import read_capture
from blur_fusion.bursts.groups import Pixels, Shot, chains, scenes, small_picture
from blur_fusion.errors import BlurError, require
from blur_fusion.files import write_whole
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import BlurDetector, load
from blur_fusion.model.folder import PROVENANCE, ModelFolder, as_json, write_folder
from blur_fusion.model.prediction import Prediction
from blur_fusion.parallel import ordered_map, shown
from blur_fusion.personal.learn import Outcome, Rows
from blur_fusion.startup import one_opencv_thread


def in_folders(keep: Path, reject: Path) -> list[Decision]:
    """The photos below two folders, as decisions; BlurError if they overlap or are not folders."""
    for folder in (keep, reject):
        require(folder.is_dir(), f"{folder}: no such folder")
    real = [folder.resolve() for folder in (keep, reject)]
    apart = not real[0].is_relative_to(real[1]) and not real[1].is_relative_to(real[0])
    require(apart, f"{keep} and {reject}: one is inside the other")
    return [
        Decision(path, folder is keep) for folder in (keep, reject) for path in photos_below(folder)
    ]


def taught(sources: Iterable[Path]) -> list[Decision]:
    """Kept and rejected photos of files and folders; if one is named twice, the last counts.

    BlurError: see `blur_fusion.actions.decisions.read_decisions`.
    """
    found = {os.path.abspath(one.path): one for path in sources for one in read_decisions(path)}
    return [one for one in found.values() if one.keep is not None]


def bursts_of(paths: Sequence[str], pictures: Sequence[Pixels]) -> npt.NDArray[np.int64]:
    """Number of the burst or scene of each photo, from its :func:`small_picture`.

    Folders do not count: one burst may have kept and rejected photos in different ones.
    """
    # The first path orders the photos by name, the second says which one it is.
    shots = [
        Shot((os.path.basename(path), str(place)), read_capture(path))
        for place, path in enumerate(paths)
    ]
    numbers = np.arange(len(paths))
    for chain in chains(shots):
        shown_in = (pictures[int(shot.paths[1])] for shot in chain)
        for scene in scenes(chain, shown_in):
            places = [int(shot.paths[1]) for shot in scene]
            numbers[places] = min(places)
    return numbers


def measure(
    decisions: Sequence[Decision], classifier: BlurDetector, workers: int = 0
) -> tuple[Rows, list[Prediction]]:
    """Measure kept and rejected photos in `workers` threads; 0 is one for each core.

    Returns
    -------
    rows : Rows
    unread : list of Prediction
        Photos that cannot be read, each with its error.
    """

    def one(decision: Decision) -> Any:
        photo = Photo(decision.path)
        try:
            picture = small_picture(photo.image(classifier.spec)).copy()
            return picture, classifier.logits(photo)[0], classifier.measures(photo)[0]
        except Exception as error:  # decoders raise anything on damaged files
            return Prediction.caught(decision.path, error)

    with one_opencv_thread():
        answers = list(shown(ordered_map(one, decisions, workers), len(decisions), "measure"))
    unread = [answer for answer in answers if isinstance(answer, Prediction)]
    read = [
        (decision, answer)
        for decision, answer in zip(decisions, answers, strict=True)
        if not isinstance(answer, Prediction)
    ]
    require(bool(read), "none of the photos can be read; run where the scan ran")
    pictures, logits, measures = zip(*(answer for _, answer in read), strict=True)
    labels = np.array([decision.keep is False for decision, _ in read], dtype=np.int64)
    bursts = bursts_of([decision.path for decision, _ in read], pictures)
    return Rows(labels, np.stack(logits), np.stack(measures), bursts), unread


def detector(folder: Path | None) -> BlurDetector:
    """The classifier to teach; BlurError if it cannot be read, or is of another kind."""
    found = load(folder)
    if not isinstance(found, BlurDetector):
        line = f"{folder}: is a preset; only a model of 'blur export' learns from decisions"
        raise BlurError(line)
    return found


def write_model(target: Path, classifier: BlurDetector, outcome: Outcome, rows: Rows) -> None:
    """Write what was learned as a model folder that records its origin."""
    assert outcome.model is not None
    contents: ModelFolder = dataclasses.replace(classifier.contents, model=outcome.model)
    origin = {
        "learned": list(outcome.adopted),
        "from": {"model": classifier.digest, "provenance": classifier.provenance},
        "decisions": {"kept": int((rows.labels == 0).sum()), "rejected": int(rows.labels.sum())},
        "bursts": len(np.unique(rows.bursts)),
        "before": outcome.before,
        "after": outcome.after,
    }
    write_folder(target, contents)
    with write_whole(target / PROVENANCE, force=True) as file:
        file.write(as_json(origin))
