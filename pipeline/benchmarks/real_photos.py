"""`python -m pipeline.benchmarks.real_photos SHARED_DATA`: the trained model on real photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from pipeline.cli.options import params_option, workers_option
from pipeline.config.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.config import Params
    from pipeline.fusion.predict import Pixels, Scores

json_file_option = click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures to this file too.",
)


class Judge(Protocol):
    """What is needed of `pipeline.fusion.predict.Detector`."""

    def predict(
        self, images: Iterable[Pixels], progress: Callable[[int], object] | None = None
    ) -> Scores:
        """Scores of working images."""


def _part(scores: Scores, rows: slice) -> Scores:
    return replace(
        scores,
        cnn=scores.cnn[rows],
        features=scores.features[rows],
        fused=scores.fused[rows],
        logit=scores.logit[rows],
        kind=scores.kind[rows],
    )


def judge_photos(root: Path, detector: Judge, params: Params, workers: int = 0) -> dict[str, Any]:
    """Judge everything that `find_photos` lists below `root`.

    Returns
    -------
    dict
        `pooled` and `pooled_with_certh_other` (None where that set is missing): see
        :func:`pipeline.benchmarks.photo_figures.pooled`; `sets`, `kinds`, `stacks`, `wrong`,
        `missing`, `thresholds`.

    Raises
    ------
    BlurError
        No set is there, one class is, or a photo cannot be read: a figure on fewer photos would
        pass for one on all.
    """
    from pipeline.benchmarks import photo_figures as figures
    from pipeline.benchmarks.photo_sets import BESIDE, POOLED, find_photos
    from pipeline.evaluation.stream import ordered_map, shown
    from pipeline.images import working_image

    found = find_photos(root)
    photos = sorted(found.photos, key=lambda photo: photo.subset not in POOLED)  # others last
    steps = [step for stack in found.stacks.values() for step in stack]
    paths = [*(photo.path for photo in photos), *(step.path for step in steps)]

    def images() -> Iterator[Pixels]:
        side = params.image.long_side
        read = ordered_map(lambda path: working_image(path, side), paths, workers)
        yield from shown(read, len(paths), "real photos")

    scores = detector.predict(images())
    labelled, start = _part(scores, slice(len(photos))), len(photos)
    stacks = {}
    for name, stack in found.stacks.items():
        logits = scores.logit[start : start + len(stack)]
        stacks[name] = figures.along_stack([step.step for step in stack], logits)
        start += len(stack)
    resamples, seed = params.evaluate.resamples, params.seed
    ranking = figures.ranking_scores(labelled)
    count = sum(photo.subset in POOLED for photo in photos)
    first = {judge: values[:count] for judge, values in ranking.items()}
    beside = BESIDE not in found.missing
    return {
        "pooled": figures.pooled(photos[:count], first, resamples, seed),
        "pooled_with_certh_other": figures.pooled(photos, ranking, resamples, seed)
        if beside
        else None,
        "sets": figures.by_set(photos, labelled),
        "kinds": figures.by_kind(photos, labelled, resamples, seed),
        "stacks": stacks,
        "wrong": figures.wrongly_judged(photos, labelled),
        "missing": list(found.missing),
        "thresholds": dict(scores.thresholds),
    }


@click.command()
@click.argument("shared_data", type=click.Path(path_type=Path))
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    help="Folder that holds the trained model's cnn and fuse.",
)
@params_option
@workers_option
@json_file_option
def real_photos_command(
    shared_data: Path, models: Path, params_file: Path, workers: int, json_file: Path | None
) -> None:
    """Judge the real photos below SHARED_DATA with the trained model, its threshold as it stands.

    Prints pooled AUC and recall at 1 % false alarms with 95 % intervals, verdicts by set, kinds of
    blur, the order of focus stacks, and every photo judged wrongly. Nothing is fitted to them.
    """
    from pipeline.benchmarks.photo_text import as_text
    from pipeline.config import load_params
    from pipeline.evaluation.heldout import load_detector
    from pipeline.evaluation.report import as_json

    params = load_params(params_file)
    found = judge_photos(shared_data, load_detector(models, params), params, workers)
    if json_file is not None:
        json_file.write_text(as_json(found), encoding="utf-8")
    click.echo(as_text(found))


if __name__ == "__main__":
    run(real_photos_command)
