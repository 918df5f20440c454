"""`python -m benchmarks.ablation`: what each part of the stack adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.real_photos import json_file_option, tell
from blur_fusion.cli.options import PATH, params_option
from blur_fusion.data.store import Store
from blur_fusion.errors import run
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.metrics import Floats, Ints, estimate, weighted_auc, with_interval
from blur_fusion.fusion.calibration import fit_calibration
from blur_fusion.fusion.stack import JUDGES, LOGIT_NAMES
from blur_fusion.fusion.train import Table, fit_stack, read_table
from blur_fusion.params import Params, load_params

SIMPLEST = "laplacian_variance"


def losses(labels: Ints, logits: Floats, codes: Ints, seed: int) -> Floats:
    """Log-loss of each image, shape (n,), calibrated on the other half of the scenes."""
    scenes = np.unique(codes)
    chosen = np.random.default_rng([seed, 4]).permutation(scenes)[: len(scenes) // 2]
    half = np.isin(codes, chosen)
    found = np.zeros(len(labels))
    for judged in (half, ~half):
        scaled = fit_calibration(labels[~judged], logits[~judged]).scaled(logits[judged])
        found[judged] = np.logaddexp(0, scaled) - labels[judged] * scaled
    return found


def compare(
    labels: Ints, codes: Ints, variants: dict[str, Floats], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Compare the log-loss and AUC of logits, by name, with those of the first.

    Paired bootstrap over scenes, whose numbers are `codes`; calibrations are not refitted.

    Returns
    -------
    list of dict
        `name`, `log_loss`, `auc`, and for both `_difference`: variant minus the first (value, low,
        high).
    """
    blocks = list(metrics.scene_weights(codes, resamples, seed))
    rows: list[dict[str, Any]] = []
    reference: dict[str, Floats] = {}
    for name, logits in variants.items():
        each = losses(labels, logits, codes, seed)
        drawn = {
            "log_loss": np.concatenate([block @ each / block.sum(axis=1) for block in blocks]),
            "auc": np.concatenate([weighted_auc(labels, logits, block) for block in blocks]),
        }
        reference = reference or drawn
        more = {f"{key}_difference": estimate(drawn[key] - reference[key]) for key in drawn}
        rows.append({"name": name, **{key: float(drawn[key][0]) for key in drawn}, **more})
    return rows


def measure_of(name: str) -> str:
    """The measure of a column named `measure.level.p50`."""
    return name.split(".")[0]


def with_measures(table: Table, measures: list[str]) -> Table:
    """Keep the columns of these measures alone."""
    chosen = [measure_of(name) in measures for name in table.names]
    columns = [True] * len(LOGIT_NAMES) + chosen
    names = tuple(compress(table.names, chosen))
    parts = {part: getattr(table, part)[..., columns] for part in ("own", "ranked", "copied")}
    return dataclasses.replace(table, names=names, **parts)


def trained_logits(table: Table, params: Params) -> dict[str, npt.NDArray[np.float64]]:
    """Train a stack; raw logits (n,) of the validation rows by judge."""
    return table.held_logits(fit_stack(table, params)[0])


def trainings(table: Table, params: Params) -> Iterator[tuple[str, Table, Params]]:
    """The stacks to train, each after the name of what is left out."""
    unranked = dataclasses.replace(params, fuse=dataclasses.replace(params.fuse, rank_weight=0.0))
    measures = list(dict.fromkeys(map(measure_of, table.names)))
    yield "nothing", table, params
    yield "ranking", table, unranked
    yield f"all but {SIMPLEST}", with_measures(table, [SIMPLEST]), params
    for left in measures:
        yield left, with_measures(table, [name for name in measures if name != left]), params


def stack_inputs(artifacts: Path) -> tuple[Store, Table]:
    """What the stack learns from, without kinds: their networks take a third of the time."""
    store = Store.open(artifacts / "load")
    known = store.labels, store.splits, np.full_like(store.kinds, ""), store.folds
    return store, read_table(artifacts / "cnn", artifacts / "features", *known)


def measure_variants(artifacts: Path, params: Params) -> dict[str, Any]:
    """Train every variant and compare it with the default on the validation images.

    Returns
    -------
    dict
        `images`, `scenes`; `judges`, `fused` and `features`: rows of :func:`compare`.
    """
    store, table = stack_inputs(artifacts)
    held = table.index[~table.train]
    codes = metrics.scenes_of([store.rows[int(row)] for row in held])
    todo = trainings(table, params)
    found = {name: trained_logits(rows, changed) for name, rows, changed in todo}
    whole = found["nothing"]
    contests = {"judges": {judge: whole[judge] for judge in reversed(JUDGES)}}
    for judge in ("fused", "features"):
        contests[judge] = {f"{judge} without {name}": by[judge] for name, by in found.items()}
    again = params.evaluate.resamples, params.seed
    labels = table.labels[~table.train]
    rows = {name: compare(labels, codes, of, *again) for name, of in contests.items()}
    return {"images": len(held), "scenes": len(set(codes.tolist())), **rows}


def table_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Format rows of :func:`compare`, below an empty line."""
    yield f"\n{'':<44}{'log-loss':>9}{'difference':>30}{'AUC':>9}{'difference':>30}"
    for row in rows:
        cells = f"{row['name']:<44}"
        for key in ("log_loss", "auc"):
            apart = with_interval(row[f"{key}_difference"], "+.4f")
            cells += f"{row[key]:>9.4f}{apart:>30}"
        yield cells


def as_text(found: Mapping[str, Any]) -> Iterator[str]:
    """One table for each comparison, its reference first."""
    yield (
        f"{found['images']} validation images of {found['scenes']} scenes; each half of the scenes "
        "is calibrated on the other"
    )
    yield "differences from the first line of a block, 95 % intervals resampled by scene"
    yield (
        "a part helps where log-loss grows and AUC falls without it; one training each, so "
        "chance between trainings is in them"
    )
    for contest in ("judges", "fused", "features"):
        yield from table_lines(found[contest])


artifacts_option = click.option(
    "--artifacts", type=PATH, default="artifacts", help="Folder that holds load, cnn and features."
)


@click.command(context_settings={"show_default": True})
@artifacts_option
@params_option
@json_file_option
def ablation_command(artifacts: Path, params_file: Path, json_file: Path | None) -> None:
    """Leave out one part of the stack at a time and compare on the validation images.

    No test image is seen. Each variant takes a minute to train.
    """
    found = measure_variants(artifacts, load_params(params_file))
    tell(as_text(found), found, json_file)


if __name__ == "__main__":
    run(ablation_command)
