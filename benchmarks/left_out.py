"""`python -m benchmarks.left_out`: families of scenes left out of training.

Unlike another seed, a left-out family is another domain. By default stacks are trained without it;
the CNN's logits are out of fold, but its networks saw the family. With `--pooling`, networks are.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import numpy.typing as npt

from benchmarks.ablation import artifacts_option, compare, stack_inputs, table_lines
from benchmarks.real_photos import json_file_option, tell
from blur_fusion.cli.options import params_option
from blur_fusion.cnn.crossfit import Fit, fit_one, judge, parallel_fits
from blur_fusion.data.store import Store
from blur_fusion.errors import run
from blur_fusion.evaluation import metrics
from blur_fusion.evaluation.metrics import Floats, Ints
from blur_fusion.fusion.stack import BLURRED
from blur_fusion.fusion.train import Table, fit_stack
from blur_fusion.params import Params, load_params
from blur_fusion.sample.scenes import draw_family
from blur_fusion.sample.tree import plan_scenes

GROUPS = (
    ("night", "moon"),
    ("sky", "snow", "fog", "empty"),
    ("subject", "portrait"),
    ("text", "screen", "stripes"),
    ("leaves",),
    ("buildings", "fine_texture", "few_edges"),
)


def families(store: Store, index: Ints, params: Params) -> npt.NDArray[np.str_]:
    """Family of each of the rows `index` (n,); empty for photographs and other data sets."""
    known = {
        plan.scene: draw_family(np.random.default_rng([params.seed, plan.number]))
        for plan in plan_scenes(params.sample)
        if not plan.photo
    }
    return np.array([known.get(store.rows[int(row)].scene, "") for row in index])


def left_out(table: Table, away: npt.NDArray[np.bool_]) -> Table:
    """Take the training rows `away` (n,) for validation, and drop the validation rows."""
    inside, kept = table.train & ~away, table.train
    series = np.isin(table.ranked_rows, table.index[inside])
    rows = {name: getattr(table, name)[kept] for name in ("index", "labels", "kinds", "folds")}
    return dataclasses.replace(
        table,
        **rows,
        train=inside[kept],
        own=table.own[kept],
        copied=table.copied[inside[kept]],
        ranked=table.ranked[series],
        ranked_rows=table.ranked_rows[series],
    )


def judged(table: Table, params: Params) -> dict[str, Floats]:
    """Train a stack; logits of the validation rows, by judge and for the plain sum."""
    stack, _ = fit_stack(table, params)
    logits = table.held_logits(stack)
    gain = stack.networks.gains[stack.members[0], BLURRED]
    total = logits["features"] + gain * table.own[~table.train, BLURRED]
    return {"plain sum": total, **{name: logits[name] for name in ("cnn", "features", "fused")}}


def measure_families(artifacts: Path, params: Params) -> dict[str, Any]:
    """Judge each group of families with a stack trained on all others."""
    store, table = stack_inputs(artifacts)
    family = families(store, table.index, params)
    parts, index = [], []
    for group in GROUPS:
        part = left_out(table, np.isin(family, group))
        parts.append(judged(part, params))
        index.append(part.index[~part.train])
    return _compared(store, index, parts, params)


def _compared(
    store: Store, index: list[Ints], parts: list[dict[str, Floats]], params: Params
) -> dict[str, Any]:
    """Compare the logits of all groups, whose rows are `index`."""
    rows = np.concatenate(index)
    logits = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    codes = metrics.scenes_of([store.rows[int(row)] for row in rows])
    again = params.evaluate.resamples, params.seed
    return {"images": len(rows), "judges": compare(store.labels[rows], codes, logits, *again)}


def judged_by_network(
    artifacts: Path, away: Ints, params: Params, slope: float
) -> npt.NDArray[np.float64]:
    """Train a network without the training rows `away`; its logits of them (n,)."""
    from blur_fusion.cnn.network import AttentionPooling

    AttentionPooling.slope = slope
    load, none = artifacts / "load", away[:0]
    splits = Store.open(load).splits
    train = np.setdiff1d(np.flatnonzero(splits == "train"), away)
    watched = np.flatnonzero(splits == "validation")[: params.cnn.check_images]
    steps = params.cnn.steps_per_epoch
    fit = Fit(f"slope_{slope}", params.seed, steps, train, watched, away, none, none)
    with tempfile.TemporaryDirectory() as folder:
        fit_one(load, Path(folder), fit, params)
        return judge(load, Path(folder), fit, "own", params)[:, 0].astype(np.float64)


def measure_pooling(artifacts: Path, params: Params) -> dict[str, Any]:
    """Judge each group by networks trained on all others, by attention alone and as shipped."""
    from blur_fusion.cnn.network import AttentionPooling

    store = Store.open(artifacts / "load")
    train = np.flatnonzero(store.splits == "train")
    family = families(store, train, params)
    index = [train[np.isin(family, group)] for group in GROUPS]
    slopes = {"attention alone": 0.0, "as shipped": AttentionPooling.slope}
    fit = joblib.delayed(judged_by_network)
    tasks = (fit(artifacts, away, params, slope) for away in index for slope in slopes.values())
    found = iter(joblib.Parallel(parallel_fits(params.compute))(tasks))
    return _compared(store, index, [{name: next(found) for name in slopes} for _ in index], params)


def as_text(found: dict[str, Any]) -> Iterator[str]:
    """The table of :func:`measure_families`, its reference first."""
    yield f"{found['images']} training images, each of a family not seen in training"
    yield "differences from the first line, 95 % intervals resampled by scene"
    yield from table_lines(found["judges"])


@click.command(context_settings={"show_default": True})
@artifacts_option
@params_option
@click.option("--pooling", is_flag=True, help="Compare networks by how they pool; half an hour.")
@json_file_option
def left_out_command(
    artifacts: Path, params_file: Path, pooling: bool, json_file: Path | None
) -> None:
    """Judge families of the embedded data set with stacks, or networks, trained without them."""
    measure = measure_pooling if pooling else measure_families
    found = measure(artifacts, load_params(params_file))
    tell(as_text(found), found, json_file)


if __name__ == "__main__":
    run(left_out_command)
