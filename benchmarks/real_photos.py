"""`python -m benchmarks.real_photos SHARED_DATA`: the trained model on real photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from sklearn.metrics import roc_curve

from blur_fusion.cli.options import params_option
from blur_fusion.data.certh import EVALUATION, digital_scene, filter_kind
from blur_fusion.data.dataset import LabelledImage, image_files
from blur_fusion.data.layouts import INNER, open_dataset
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation.metrics import (
    Floats,
    Ints,
    counts,
    estimate,
    measure_kinds,
    scene_codes,
    scene_weights,
    weighted_auc,
    with_interval,
)
from blur_fusion.fusion.stack import JUDGES
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import Classifier, load
from blur_fusion.model.prediction import Prediction
from blur_fusion.params import Params
from blur_fusion.progress import progress_bar

CERTH = f"certh/{INNER}"
DIGITAL = f"{CERTH}/EvaluationSet/{EVALUATION['digital']}"
ORIGINAL = "Original_"
STACKS = ("smear", "chart")
# What the pooled figures count; strangers' photos are the hard ones, pooled by themselves.
POOLED = ("photos", "kodak", "kwentar", "certh_digital")
STRANGERS = "strangers"


Stack = list[tuple[int, Path]]  # in order of the absolute step: 0 is in focus


@dataclass(frozen=True)
class SharedPhotos:
    """What lies below one shared-data folder.

    Attributes
    ----------
    photos : tuple of LabelledImage
        `subset` is the set; a scene's key is (set, scene).
    stacks : dict of list of (step, path)
        By name.
    missing : tuple of str
        Sets and stacks that are not there.
    """

    photos: tuple[LabelledImage, ...]
    stacks: dict[str, Stack]
    missing: tuple[str, ...]


def _image(root: Path, path: Path, label: int, kind: str, subset: str, scene: str) -> LabelledImage:
    return LabelledImage(path, path.relative_to(root).as_posix(), label, kind, subset, scene, "")


def _kodak(root: Path) -> list[LabelledImage]:
    paths = image_files(root / "kodak")
    return [_image(root, path, 0, "sharp", "kodak", path.name) for path in paths]


def _certh_digital(root: Path) -> list[LabelledImage]:
    """Originals, which are sharp, and what CERTH's filters made of them."""
    found = []
    for path in image_files(root / DIGITAL):
        label = int(not path.name.startswith(ORIGINAL))
        kind = filter_kind(path.stem) if label else "sharp"
        found.append(_image(root, path, label, kind, "certh_digital", digital_scene(path)))
    return found


def _strangers(root: Path) -> list[LabelledImage]:
    """Sets of sharp and blurred photos; one set is a subset."""
    found = []
    for folder in sorted(path for path in (root / STRANGERS).iterdir() if path.is_dir()):
        for label, name in enumerate(("sharp", "blurred")):
            for path in image_files(folder / name) if (folder / name).is_dir() else ():
                subset = f"{STRANGERS}/{folder.name}"
                found.append(_image(root, path, label, "" if label else "sharp", subset, path.name))
    return found


_READERS: dict[str, tuple[str, Callable[[Path], list[LabelledImage]]]] = {
    "photos": ("photos", lambda root: list(open_dataset(root / "photos", "labels"))),
    "kodak": ("kodak", _kodak),
    "kwentar": ("kwentar", lambda root: list(open_dataset(root / "kwentar", "folders"))),
    "certh_digital": (DIGITAL, _certh_digital),
    "strangers": (STRANGERS, _strangers),
}


def _stack(folder: Path) -> Stack:
    try:
        steps = [(int(path.stem), path) for path in image_files(folder)]
    except ValueError as error:
        raise BlurError(f"{folder}: a name is no whole number, the step ({error})") from None
    return sorted(steps, key=lambda one: (abs(one[0]), one[0]))


def find_photos(root: Path) -> SharedPhotos:
    """List what lies below `root`, laid out as its README says; sets may be missing.

    Ambiguous photos are left out. Step 0 of a focus stack is sharp, but where blur begins is not
    labelled: stacks tell order, and count in no other figure.

    Raises
    ------
    BlurError
        There is no set at all, or one is laid out otherwise.
    """
    photos: list[LabelledImage] = []
    missing = []
    for name, (folder, read) in _READERS.items():
        if (root / folder).is_dir():
            photos += read(root)
        else:
            missing.append(name)
    stacks = {name: root / "focus_stacks" / name for name in STACKS}
    missing += [name for name, folder in stacks.items() if not folder.is_dir()]
    require(bool(photos), f"{root}: holds none of the sets {', '.join(_READERS)}")
    found = {name: _stack(folder) for name, folder in stacks.items() if folder.is_dir()}
    return SharedPhotos(tuple(photos), found, tuple(missing))


FALSE_ALARMS = 0.01
OF_KNOWN_KIND = ("kwentar", "certh_digital")


def weighted_recall(labels: Ints, scores: Floats, weights: Floats, rate: float) -> Floats:
    """Recall where at most a share `rate` of the sharp images is flagged, for many weightings.

    Images of equal score are flagged together or not at all.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    scores : ndarray of float, shape (n,)
    weights : ndarray of float, shape (r, n)
        How often each image counts.
    rate : float

    Returns
    -------
    ndarray of float, shape (r,)
        NaN where a weighting holds one class only.
    """
    found = []
    for weight in weights:
        if len(set(labels[weight > 0].tolist())) < 2:
            found.append(np.nan)
            continue
        curve = roc_curve(labels, scores, sample_weight=weight, drop_intermediate=False)
        found.append(float(curve[1][curve[0] <= rate + 1e-9].max()))
    return np.array(found)


Answers = Mapping[str, Sequence[Prediction]]  # of each judge, one for each photo


def pooled(
    photos: Sequence[LabelledImage], answers: Answers, resamples: int, seed: int
) -> dict[str, Any]:
    """AUC and recall at `FALSE_ALARMS` of each judge, with intervals resampled by scene.

    Parameters
    ----------
    photos : sequence of LabelledImage, length n
    answers : dict of sequence of Prediction, length n
    resamples, seed : int

    Returns
    -------
    dict
        `photos`, `blurred`, `scenes`, `may_be_flagged`, and for each judge `auc` and `recall`
        (value, low, high).

    Raises
    ------
    BlurError
        The photos hold one class only.
    """
    labels = np.array([photo.label for photo in photos], dtype=np.int64)
    require(set(labels.tolist()) == {0, 1}, "real photos: sharp and blurred ones are needed")
    codes = scene_codes([photo.key for photo in photos])
    blocks = list(scene_weights(codes, resamples, seed))
    found: dict[str, Any] = {
        "photos": len(labels),
        "blurred": int(labels.sum()),
        "scenes": len(set(codes.tolist())),
        "may_be_flagged": int(np.floor(FALSE_ALARMS * (labels == 0).sum() + 1e-9)),
    }
    for judge, said in answers.items():
        values = np.array([one.logit for one in said])  # finer than a probability near 0 and 1
        areas = [weighted_auc(labels, values, block) for block in blocks]
        recalls = [weighted_recall(labels, values, block, FALSE_ALARMS) for block in blocks]
        found[judge] = {
            "auc": estimate(np.concatenate(areas)),
            "recall": estimate(np.concatenate(recalls)),
        }
    return found


def by_set(photos: Sequence[LabelledImage], answers: Answers) -> dict[str, dict[str, Any]]:
    """Blurred and found, sharp and flagged of each judge at its own threshold, set by set."""
    labels = np.array([photo.label for photo in photos], dtype=np.int64)
    sets = np.array([photo.subset for photo in photos])
    verdicts = {judge: np.array([one.blurred for one in said]) for judge, said in answers.items()}
    return {
        str(name): {j: counts(labels[sets == name], v[sets == name]) for j, v in verdicts.items()}
        for name in dict.fromkeys(sets.tolist())
    }


def by_kind(
    photos: Sequence[LabelledImage], said: Sequence[Prediction], resamples: int, seed: int
) -> dict[str, Any]:
    """Kinds named by the fused judge on the sets of known kind: see `measure_kinds`."""
    found = {}
    for name in OF_KNOWN_KIND:
        rows = [place for place, photo in enumerate(photos) if photo.subset == name]
        if rows:
            codes = scene_codes([photos[row].key for row in rows])
            known, named = [photos[row].kind for row in rows], [said[row].kind for row in rows]
            found[name] = measure_kinds(known, named, codes, resamples, seed)
    return found


def along_stack(steps: Sequence[int], logits: Floats) -> dict[str, Any]:
    """How the fused logit follows the defocus of one scene.

    Parameters
    ----------
    steps : sequence of int, length n
    logits : ndarray of float, shape (n,)

    Returns
    -------
    dict
        `spearman`, the rank correlation with the absolute step (None where undefined);
        `in_order`, whether each larger absolute step has larger logits than all smaller ones;
        `steps` and `logits` themselves.
    """
    out = np.abs(np.array(steps))
    varied = len(set(out.tolist())) > 1 and len(set(logits.tolist())) > 1
    correlation = float(spearmanr(out, logits).statistic) if varied else None
    levels = np.unique(out)
    pairs = zip(levels, levels[1:], strict=False)
    grows = all(logits[out == near].max() < logits[out == far].min() for near, far in pairs)
    return {
        "spearman": correlation,
        "in_order": grows,
        "steps": [int(step) for step in steps],
        "logits": [float(logit) for logit in logits],
    }


def wrongly_judged(photos: Sequence[LabelledImage], answers: Answers) -> list[dict[str, Any]]:
    """Photos that the fused judge gets wrong at its own threshold, with all probabilities."""
    return [
        {
            "set": photo.subset,
            "name": photo.name,
            "label": photo.label,
            **{judge: said[place].probability for judge, said in answers.items()},
        }
        for place, photo in enumerate(photos)
        if answers["fused"][place].blurred != bool(photo.label)
    ]


_FIRST, _WIDTH = 26, 26


def _line(first: str, cells: list[str], width: int = _WIDTH) -> str:
    return (f"{first:<{_FIRST}}" + "".join(f"{cell:>{width}}" for cell in cells)).rstrip()


def _pooled_lines(title: str, found: dict[str, Any]) -> list[str]:
    sharp = found["photos"] - found["blurred"]
    return [
        f"{title}: {found['photos']} photos of {found['scenes']} scenes, {found['blurred']} "
        f"blurred; 1 % false alarms: at most {found['may_be_flagged']} of {sharp} sharp",
        _line("", ["AUC [95 %]", "recall at 1 % [95 %]"]),
        *(
            _line(
                judge, [with_interval(found[judge][figure], ".4f") for figure in ("auc", "recall")]
            )
            for judge in JUDGES
        ),
        "",
    ]


def _set_lines(sets: dict[str, Any]) -> list[str]:
    lines = [
        "found of the blurred, flagged of the sharp, each judge at its own threshold",
        _line("", list(JUDGES), 22),
    ]
    for name, judged in sets.items():
        cells = [
            f"{c['found']}/{c['blurred']}, {c['flagged']}/{c['sharp']}"
            for c in (judged[judge] for judge in JUDGES)
        ]
        lines.append(_line(name, cells, 22))
    return [*lines, ""]


def _stack_lines(stacks: dict[str, Any]) -> list[str]:
    lines = []
    for name, found in stacks.items():
        value = found["spearman"]
        correlation = "n/a" if value is None else f"{value:.4f}"
        order = "in order" if found["in_order"] else "not in order"
        lines.append(
            f"{name}: {len(found['steps'])} pictures, fused logit against absolute step: "
            f"Spearman {correlation}, {order}"
        )
        pairs = zip(found["steps"], found["logits"], strict=True)
        lines.append("  " + "  ".join(f"{step}: {logit:.2f}" for step, logit in pairs))
    return [*lines, ""] if lines else []


def as_text(found: dict[str, Any]) -> str:
    """Everything that `judge_photos` gives, as lines of text."""
    lines = _pooled_lines("pooled", found["pooled"])
    if found["strangers"]:
        lines += _pooled_lines(STRANGERS, found["strangers"])
    lines += _set_lines(found["sets"])
    for name, kinds in found["kinds"].items():
        right = with_interval(kinds["accuracy"])
        lines.append(f"kinds on {name}: right in {right} of {kinds['images']}")
    lines += _stack_lines(found["stacks"])
    if found["missing"]:
        lines += [f"note: not there: {', '.join(found['missing'])}", ""]
    wrong, threshold = found["wrong"], found["thresholds"]["fused"]
    lines.append(
        f"judged wrongly by fused: {len(wrong)} (probability of blur by cnn, features, fused; "
        f"blurred from {threshold:.3f})"
    )
    for photo in wrong:
        three = "  ".join(f"{photo[judge]:.3f}" for judge in JUDGES)
        truth = "blurred" if photo["label"] else "sharp"
        lines.append(f"  {three}  {truth:<8} {photo['set']}: {photo['name']}")
    return "\n".join(lines)


json_file_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures to this file too.",
)


def judge_photos(root: Path, judges: Mapping[str, Classifier], params: Params) -> dict[str, Any]:
    """Judge everything that `find_photos` lists below `root`.

    Parameters
    ----------
    root : Path
    judges : dict of Classifier
        "cnn", "features" and "fused" of one model.
    params : Params

    Returns
    -------
    dict
        `pooled` and `strangers` (None where that set is missing): see :func:`pooled`; `sets`,
        `kinds`, `stacks`, `wrong`, `missing`, `thresholds`.

    Raises
    ------
    BlurError
        No set is there, one class is, or a photo cannot be read: a figure on fewer photos would
        pass for one on all.
    """
    found = find_photos(root)
    steps = [step for stack in found.stacks.values() for step in stack]
    paths = [*(photo.path for photo in found.photos), *(path for _, path in steps)]
    said: dict[str, list[Prediction]] = {judge: [] for judge in judges}
    with progress_bar(len(paths), "real photos") as bar:
        for path in paths:
            photo = Photo(path)  # what one judge has computed of it the next one takes
            for judge, classifier in judges.items():
                said[judge] += classifier.predict(photo)
                require(said[judge][-1].error is None, f"{path}: {said[judge][-1].error}")
            bar.update()
    count, stacks = len(found.photos), {}
    logits = iter([one.logit for one in said["fused"][count:]])
    for name, stack in found.stacks.items():
        values = np.array([next(logits) for _ in stack], dtype=np.float64)
        stacks[name] = along_stack([step for step, _ in stack], values)
    resamples, seed = params.evaluate.resamples, params.seed

    def figures(wanted: Callable[[str], bool]) -> dict[str, Any] | None:
        rows = [place for place in range(count) if wanted(found.photos[place].subset)]
        chosen = {judge: [answers[row] for row in rows] for judge, answers in said.items()}
        return pooled([found.photos[row] for row in rows], chosen, resamples, seed)

    return {
        "pooled": figures(POOLED.__contains__),
        "strangers": None
        if STRANGERS in found.missing
        else figures(lambda name: name.startswith(STRANGERS)),
        "sets": by_set(found.photos, {judge: answers[:count] for judge, answers in said.items()}),
        "kinds": by_kind(found.photos, said["fused"], resamples, seed),
        "stacks": stacks,
        "wrong": wrongly_judged(found.photos, said),
        "missing": list(found.missing),
        "thresholds": {judge: classifier.threshold for judge, classifier in judges.items()},
    }


@click.command()
@click.argument("shared_data", type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model folder, such as artifacts/fuse.  [default: the shipped model]",
)
@params_option
@json_file_option
def real_photos_command(
    shared_data: Path, model: Path | None, params_file: Path, json_file: Path | None
) -> None:
    """Judge the real photos below SHARED_DATA with a model, its thresholds as they stand.

    Prints pooled AUC and recall at 1 % false alarms with 95 % intervals, verdicts by set, kinds of
    blur, the order of focus stacks, and every photo judged wrongly. Nothing is fitted to them.
    """
    from blur_fusion.evaluation.report import as_json
    from blur_fusion.params import load_params

    judges = {judge: load(model, judge=judge) for judge in JUDGES}
    found = judge_photos(shared_data, judges, load_params(params_file))
    if json_file is not None:
        json_file.write_text(as_json(found), encoding="utf-8")
    click.echo(as_text(found))


if __name__ == "__main__":
    run(real_photos_command)
