"""Write the embedded data set with the folders, label sheets and file names of CERTH."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from pathlib import Path

import cv2
from joblib import Parallel, delayed
from openpyxl import Workbook

from blur_fusion.parallel import shown
from blur_fusion.params import SampleParams
from blur_fusion.sample.photographs import EVALUATION_PHOTOGRAPHS, TRAINING_PHOTOGRAPHS
from blur_fusion.sample.shots import ScenePlan, Written, take_shots

_WRITTEN = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _without_times(data: bytes) -> bytes:
    """Rewrite the archive `data` with fixed dates; openpyxl stores the current time."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copy:
        for name in sorted(source.namelist()):
            content = _WRITTEN.sub(rb"\g<1>1980-01-01T00:00:00Z", source.read(name))
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            copy.writestr(entry, content)
    return target.getvalue()


def write_sheet(path: Path, header: tuple[str, str | None], rows: list[tuple[str, int]]) -> None:
    """Write (name, 1 blurred or -1 sharp) rows under `header` to the .xlsx file `path`."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(header)
    for row in rows:
        sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    path.write_bytes(_without_times(target.getvalue()))


UNDISTORTED = "TrainingSet/Undistorted"
ARTIFICIAL = "TrainingSet/Artificially-Blurred"
NATURALLY = "TrainingSet/Naturally-Blurred"
DIGITAL = "EvaluationSet/DigitalBlurSet"
NATURAL = "EvaluationSet/NaturalBlurSet"

# Crops of one photograph in a full-sized sample: (training, evaluation).
CROPS = (14, 12)
# The numbers of CERTH's digital scenes, in the order that its filter images follow.
STRING_ORDER = sorted(str(number) for number in range(1, 31))


def _training_plan(number: int, photo: str) -> ScenePlan:
    """Half the shots are sharp; the camera blurs most others, CERTH's filters some."""
    folders = {"sharp": UNDISTORTED, "natural": NATURALLY, "artificial": ARTIFICIAL}
    sorts = ["sharp", "natural"] * (CROPS[0] // 2)
    if not photo:
        second = "artificial" if number % 4 == 3 else "natural"
        sorts = ["sharp", second, "sharp" if number % 2 else "natural"]
    paths = [f"{folders[sort]}/DSC{number:04d}{k:02d}.JPG" for k, sort in enumerate(sorts)]
    return ScenePlan(number, f"scene{number:04d}", photo, tuple(zip(paths, sorts, strict=True)))


def _natural_plan(number: int, photo: str) -> ScenePlan:
    sorts = ["sharp", "natural"] * (CROPS[1] // 2 if photo else 1)
    paths = [f"{NATURAL}/IMG_{number:04d}{k:02d}.jpg" for k in range(len(sorts))]
    return ScenePlan(number, f"scene{number:04d}", photo, tuple(zip(paths, sorts, strict=True)))


def plan_scenes(params: SampleParams) -> list[ScenePlan]:
    """Plan every scene of the data set; a photograph is one scene of its half."""
    plans: list[ScenePlan] = []
    for plan, count, photographs in (
        (_training_plan, params.training_scenes, TRAINING_PHOTOGRAPHS),
        (_natural_plan, params.natural_scenes, EVALUATION_PHOTOGRAPHS),
    ):
        photos = photographs[: max(1, count // 10)][:count]
        for photo in (*photos, *[""] * (count - len(photos))):
            plans.append(plan(len(plans), photo))
    for order, original in enumerate(STRING_ORDER[: params.digital_scenes], 1):
        shots = ((f"{DIGITAL}/{{}}_{order}.jpg", "filters"),)
        plans.append(ScenePlan(len(plans), f"Original_{original}", "", shots))
    return plans


def _take(root: Path, plan: ScenePlan, params: SampleParams, seed: int) -> list[Written]:
    """Render one scene in a worker."""
    cv2.setNumThreads(1)  # the workers use all cores
    # Evenly spread and fixed by the number, so that no other change shifts it.
    large = (plan.number * 0.618034) % 1 < params.supersampled
    side = params.long_side * 3 // 2 if large else params.long_side
    return take_shots(root, plan, (side * 3 // 4, side), seed)


def _write_labels(root: Path, written: list[Written]) -> None:
    """Write both sheets of the evaluation half, and `scenes.csv`, which CERTH lacks."""
    digital = [w for w in written if w.path.startswith(DIGITAL)]
    natural = [w for w in written if w.path.startswith(NATURAL)]
    codes = {"sharp": -1, "defocus": 1, "motion": 1}
    rows = [(Path(w.path).name, codes[w.kind]) for w in digital]
    write_sheet(root / f"{DIGITAL}.xlsx", ("MyDigital Blur", None), rows)
    rows = [(Path(w.path).stem, codes[w.kind]) for w in natural]
    write_sheet(root / f"{NATURAL}.xlsx", ("Image Name", "Blur Label"), rows)
    with (root / "scenes.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "scene", "kind"])
        table.writerows((w.path, w.scene, w.kind) for w in written if w not in digital)


def write_sample(root: Path, params: SampleParams, seed: int, workers: int) -> int:
    """Render the embedded data set below `root`; the same bytes for any number of workers.

    Returns the number of images.
    """
    for folder in (UNDISTORTED, ARTIFICIAL, NATURALLY, DIGITAL, NATURAL):
        (root / folder).mkdir(parents=True, exist_ok=True)
    plans = plan_scenes(params)
    run = Parallel(n_jobs=workers or os.cpu_count(), return_as="generator")
    results = run(delayed(_take)(root, plan, params, seed) for plan in plans)
    scenes = shown(results, len(plans), "sample", "scene")
    written = [file for files in scenes for file in files]
    _write_labels(root, sorted(written, key=lambda w: w.path))
    return len(written)
