"""`python -m benchmarks.real_photos SHARED_DATA`: the trained model on real photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from sklearn.metrics import roc_curve

from blur_fusion.cli.options import PATH, model_option, params_option
from blur_fusion.data.certh import EVALUATION, digital_scene, filter_kind
from blur_fusion.data.dataset import Contents, LabelledImage, image_files
from blur_fusion.data.layouts import INNER, open_dataset
from blur_fusion.errors import BlurError, require, run
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.metrics import Answers, Floats, Ints, counts, readable, with_interval
from blur_fusion.evaluation.report import Said, as_json, predict_each
from blur_fusion.evaluation.table import doubt_lines
from blur_fusion.fusion.stack import JUDGES
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import NOTHING, Classifier, load
from blur_fusion.params import Params, load_params

DIGITAL = f"certh/{INNER}/EvaluationSet/{EVALUATION['digital']}"
STACKS = ("smear", "chart")
# The sets that are pooled; strangers' photos are harder and pooled separately.
POOLED = ("photos", "kodak", "kwentar", "certh_digital")
STRANGERS = "strangers"
OF_KNOWN_KIND = ("kwentar", "certh_digital")
FALSE_ALARMS = 0.01

Stack = list[tuple[int, Path]]  # sorted by absolute step; 0 is in focus


def _of_layout(name: str, layout: str) -> Callable[[Contents], None]:
    return lambda found: found.images.extend(open_dataset(found.root / name, layout))


def _kodak(found: Contents) -> None:
    for path in found.files(found.root / "kodak"):
        found.add(path, 0, "kodak", path.name)


def _certh_digital(found: Contents) -> None:
    """Sharp originals, and what CERTH's filters made of them."""
    for path in found.files(found.root / DIGITAL):
        label, kind = int(not path.name.startswith("Original_")), filter_kind(path.stem)
        found.add(path, label, "certh_digital", digital_scene(path), kind)


def _strangers(found: Contents) -> None:
    """Sets of sharp and blurred photos; each is a subset."""
    for folder in sorted((found.root / STRANGERS).iterdir()):
        for label, name in enumerate(("sharp", "blurred")):
            for path in found.files(folder / name) if (folder / name).is_dir() else ():
                found.add(path, label, f"{STRANGERS}/{folder.name}", path.name)


_READERS: dict[str, tuple[str, Callable[[Contents], None]]] = {
    "photos": ("photos", _of_layout("photos", "labels")),
    "kodak": ("kodak", _kodak),
    "kwentar": ("kwentar", _of_layout("kwentar", "folders")),
    "certh_digital": (DIGITAL, _certh_digital),
    STRANGERS: (STRANGERS, _strangers),
}


def _stack(folder: Path) -> Stack:
    try:
        steps = [(int(path.stem), path) for path in image_files(folder)]
    except ValueError as error:
        raise BlurError(f"{folder}: names must be whole numbers, the steps ({error})") from None
    return sorted(steps, key=lambda one: (abs(one[0]), one[0]))


def find_photos(root: Path) -> tuple[list[LabelledImage], dict[str, Stack], list[str]]:
    """List the photos below `root`, laid out as its README says; sets may be missing.

    Ambiguous photos are left out. Focus stacks have no labels: they only test order.

    Returns
    -------
    photos : list of LabelledImage
        `subset` is the set.
    stacks : dict of list of (step, path)
    missing : list of str
        Sets and stacks that are not there.

    Raises
    ------
    BlurError
        There is no set at all, or one is laid out differently.
    """
    sets = {name: read for name, (folder, read) in _READERS.items() if (root / folder).is_dir()}
    found = Contents(root)
    for read in sets.values():
        read(found)
    require(bool(found.images), f"{root}: holds none of the sets {', '.join(_READERS)}")
    folders = {name: root / "focus_stacks" / name for name in STACKS}
    stacks = {name: _stack(folder) for name, folder in folders.items() if folder.is_dir()}
    missing = [name for name in (*_READERS, *STACKS) if name not in {*sets, *stacks}]
    return found.images, stacks, missing


def weighted_recall(labels: Ints, scores: Floats, weights: Floats, rate: float) -> Floats:
    """Recall with at most a share `rate` of the sharp images flagged, for r weightings.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
    weights : ndarray of float, shape (r, n)
        How often each image counts.
    rate : float

    Returns
    -------
    ndarray of float, shape (r,)
        NaN where only one class has weight.
    """
    found = np.full(len(weights), np.nan)
    for row, weight in enumerate(weights):
        if len(np.unique(labels[weight > 0])) == 2:
            flagged, recall, _ = roc_curve(
                labels, scores, sample_weight=weight, drop_intermediate=False
            )
            found[row] = recall[flagged <= rate + 1e-9].max()
    return found


def pooled(
    photos: Sequence[LabelledImage], said: Sequence[Said], resamples: int, seed: int
) -> dict[str, Any]:
    """AUC and recall at `FALSE_ALARMS` of each judge, with intervals resampled by scene.

    Returns
    -------
    dict
        `photos`, `blurred`, `scenes`, `may_be_flagged`, and for each judge `auc` and `recall`
        (value, low, high).
    """
    labels, codes = metrics.labels_of(photos), metrics.scenes_of(photos)
    require(set(labels.tolist()) == {0, 1}, "real photos: needs both sharp and blurred ones")
    blocks = list(metrics.scene_weights(codes, resamples, seed))
    found: dict[str, Any] = {
        "photos": len(labels),
        "blurred": int(labels.sum()),
        "scenes": len(set(codes.tolist())),
        "may_be_flagged": int(np.floor(FALSE_ALARMS * (labels == 0).sum() + 1e-9)),
    }
    for judge in said[0]:
        values = np.array([one[judge].logit for one in said])  # finer than P(blurred) near 0 and 1
        areas = [metrics.weighted_auc(labels, values, block) for block in blocks]
        recalls = [weighted_recall(labels, values, block, FALSE_ALARMS) for block in blocks]
        figures = {"auc": areas, "recall": recalls}
        found[judge] = {k: metrics.estimate(np.concatenate(v)) for k, v in figures.items()}
    return found


def along_stack(steps: Sequence[int], logits: Floats) -> dict[str, Any]:
    """Compare logits (n,) with the steps of a focus stack.

    Returns
    -------
    dict
        `steps`; `logits`; `spearman`, their rank correlation (None if undefined); `in_order`,
        whether each larger absolute step has larger logits than all smaller ones.
    """
    out = np.abs(np.array(steps))
    levels = np.unique(out)
    varied = len(levels) > 1 and len(np.unique(logits)) > 1
    pairs = zip(levels, levels[1:], strict=False)
    return {
        "spearman": float(spearmanr(out, logits).statistic) if varied else None,
        "in_order": all(
            logits[out == near].max() < logits[out == far].min() for near, far in pairs
        ),
        "steps": list(steps),
        "logits": logits.tolist(),
    }


def _row(first: str, cells: Iterable[str], width: int) -> str:
    return (f"{first:<26}" + "".join(f"{cell:>{width}}" for cell in cells)).rstrip()


def _pooled_lines(title: str, found: Mapping[str, Any]) -> Iterator[str]:
    sharp = found["photos"] - found["blurred"]
    yield (
        f"{title}: {found['photos']} photos of {found['scenes']} scenes, {found['blurred']} "
        f"blurred; 1 % false alarms: at most {found['may_be_flagged']} of {sharp} sharp"
    )
    yield _row("", ("AUC [95 %]", "recall at 1 % [95 %]"), 26)
    for judge in JUDGES:
        figures = (found[judge]["auc"], found[judge]["recall"])
        yield _row(judge, (with_interval(figure, ".4f") for figure in figures), 26)
    yield ""


def _stack_lines(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    correlation = metrics.figure({"value": found["spearman"]}, ".4f")
    order = "in order" if found["in_order"] else "not in order"
    yield (
        f"{name}: {len(found['steps'])} pictures, fused logit against absolute step: "
        f"Spearman {correlation}, {order}"
    )
    pairs = zip(found["steps"], found["logits"], strict=True)
    yield "  " + "  ".join(f"{step}: {logit:.2f}" for step, logit in pairs)


def as_text(found: Mapping[str, Any]) -> Iterator[str]:
    """Format the result of :func:`judge_photos`."""
    for title in ("pooled", STRANGERS):
        if found[title]:
            yield from _pooled_lines(title, found[title])
    for title, doubt in found["doubt"].items():
        yield from (f"{title}, fused, {line}" for line in doubt_lines(doubt))
    yield from (f"nothing to judge: {name}" for name in found["nothing"])
    yield ""
    yield "found of the blurred, flagged of the sharp, each judge at its own threshold"
    yield _row("", JUDGES, 22)
    cell = "{found}/{blurred}, {flagged}/{sharp}"
    for name, judged in found["sets"].items():
        yield _row(name, (cell.format(**judged[judge]) for judge in JUDGES), 22)
    yield ""
    for name, kinds in found["kinds"].items():
        yield f"kinds on {name}: right in {with_interval(kinds['accuracy'])} of {kinds['images']}"
    for name, stack in found["stacks"].items():
        yield from _stack_lines(name, stack)
    if found["stacks"]:
        yield ""
    if found["missing"]:
        yield from (f"note: not there: {', '.join(found['missing'])}", "")
    yield (
        f"judged wrongly by fused: {len(found['wrong'])} (probability of blur by cnn, features, "
        f"fused; blurred from {found['thresholds']['fused']:.3f})"
    )
    for photo in found["wrong"]:
        three = "  ".join(f"{photo[judge]:.3f}" for judge in JUDGES)
        truth = "blurred" if photo["label"] else "sharp"
        yield f"  {three}  {truth:<8} {photo['set']}: {photo['name']}"


def judge_photos(root: Path, judges: Mapping[str, Classifier], params: Params) -> dict[str, Any]:
    """Judge everything below `root` with the judges "cnn", "features" and "fused" of one model.

    Returns
    -------
    dict
        `doubt`, see `metrics.measure_doubt`; photos with `nothing` to judge; `pooled` and
        `strangers` (None if missing), see :func:`pooled`; for each of the `sets` what each judge
        found and flagged at its own threshold; `kinds`; `stacks`; photos that fused got `wrong`;
        `missing`; `thresholds`.

    Raises
    ------
    BlurError
        There is no set, only one class, or a photo cannot be read.
    """
    everything, focus_stacks, missing = find_photos(root)
    paths = [photo.path for photo in everything]
    paths += [path for stack in focus_stacks.values() for _, path in stack]
    every = predict_each(judges, map(Photo, paths), len(paths), "real photos")
    said = {
        path: dict(zip(one, readable(one.values()), strict=True))
        for path, one in zip(paths, every, strict=True)
    }
    again = params.evaluate.resamples, params.seed
    sets: dict[str, Any] = dict.fromkeys(photo.subset for photo in everything)
    kinds = {}

    def of(names: Iterable[str]) -> tuple[list[LabelledImage], list[Said]]:
        photos = [photo for photo in everything if photo.subset in names]
        return photos, [said[photo.path] for photo in photos]

    for name in sets:
        photos, answered = of([name])
        labels = metrics.labels_of(photos)
        answers = {judge: Answers.of(one[judge] for one in answered) for judge in judges}
        sets[name] = {judge: counts(labels, one.verdicts) for judge, one in answers.items()}
        if name in OF_KNOWN_KIND:
            named = [one["fused"].kind for one in answered]
            kinds[name] = metrics.measure_kinds(photos, named, *again)
    strangers = [name for name in sets if name.startswith(STRANGERS)]
    groups = {"all photos": list(sets), "pooled": POOLED, STRANGERS: strangers}
    doubt = {}
    for title, names in groups.items():
        photos, answered = of(names)
        if photos:
            doubt[title] = metrics.measure_doubt(photos, [one["fused"] for one in answered], *again)
    stacks = {}
    for name, stack in focus_stacks.items():
        logits = np.array([said[path]["fused"].logit for _, path in stack], np.float64)
        stacks[name] = along_stack([step for step, _ in stack], logits)
    return {
        "doubt": doubt,
        "nothing": [p.name for p in everything if said[p.path]["fused"].note == NOTHING],
        "pooled": pooled(*of(POOLED), *again),
        "strangers": pooled(*of(strangers), *again) if STRANGERS not in missing else None,
        "sets": sets,
        "kinds": kinds,
        "stacks": stacks,
        "wrong": [
            {
                **{"set": photo.subset, "name": photo.name, "label": photo.label},
                **{judge: one.probability for judge, one in said[photo.path].items()},
            }
            for photo in everything
            if said[photo.path]["fused"].blurred != bool(photo.label)
        ],
        "missing": missing,
        "thresholds": {judge: classifier.threshold for judge, classifier in judges.items()},
    }


json_file_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures to this file too.",
)


def tell(lines: Iterable[str], figures: Any, json_file: Path | None) -> None:
    """Print `lines`, and write `figures` to the file of `json_file_option`, if any."""
    if json_file is not None:
        json_file.write_text(as_json(figures), encoding="utf-8")
    click.echo("\n".join(lines))


@click.command(context_settings={"show_default": True})
@click.argument("shared_data", type=PATH)
@model_option
@params_option
@json_file_option
def real_photos_command(
    shared_data: Path, model: Path | None, params_file: Path, json_file: Path | None
) -> None:
    """Judge the real photos below SHARED_DATA with a model and its own thresholds.

    Prints pooled AUC and recall at 1 % false alarms with 95 % intervals, how many are unsure and
    how many of the others wrong, verdicts by set, kinds of blur, the order of focus stacks, and
    every photo judged wrongly.
    """
    judges = {judge: load(model, judge=judge) for judge in JUDGES}
    found = judge_photos(shared_data, judges, load_params(params_file))
    tell(as_text(found), found, json_file)


if __name__ == "__main__":
    run(real_photos_command)
