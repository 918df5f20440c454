"""The stack without one of its parts, trained on what the stages `cnn` and `features` wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from operator import eq, ne
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.benchmarks.paired import Held, Variant
from pipeline.config import Params
from pipeline.data.store import Store
from pipeline.evaluation.intervals import scene_codes
from pipeline.fusion.ensemble import Ensemble
from pipeline.fusion.model import BLURRED
from pipeline.fusion.table import Table, read_table
from pipeline.fusion.train import fit_stack

Logits = dict[str, npt.NDArray[np.float64]]
Groups = list[tuple[Variant, list[Variant]]]

FUSED, FEATURES, CNN = "fused (default)", "features alone", "CNN alone"
SIMPLEST = "laplacian_variance"


def read_validation(artifacts: Path, seed: int) -> tuple[Table, Held]:
    """The table that `fuse` reads, kinds left out, and its validation rows' labels and scenes."""
    store = Store.open(artifacts / "load")
    kinds = np.full_like(store.kinds, "")  # no network for kinds: it would take a third of the time
    table = read_table(artifacts / "cnn", artifacts / "features", store.labels, store.splits, kinds)
    rows = table.index[~table.train]
    codes = scene_codes([store.rows[int(row)].key for row in rows])
    return table, Held.split(table.labels[~table.train], codes, seed)


def with_measures(table: Table, keep: Callable[[str], bool]) -> Table:
    """`table` with those columns alone whose measure `keep` takes."""
    chosen = np.flatnonzero([keep(measure_of(name)) for name in table.names])
    return dataclasses.replace(
        table,
        measures=table.measures[:, chosen],
        names=tuple(table.names[column] for column in chosen),
        ranked_measures=table.ranked_measures[:, :, chosen],
        copied_measures=table.copied_measures[:, chosen],
    )


def measure_of(name: str) -> str:
    """The measure that a column named `measure.level.p50` belongs to."""
    return name.split(".")[0]


def measures_of(table: Table) -> list[str]:
    """The measures of a table, in order."""
    return list(dict.fromkeys(measure_of(name) for name in table.names))


def cnn_alone(table: Table) -> Variant:
    """The CNN's own logit of the validation rows."""
    return Variant(CNN, table.logits[~table.train, BLURRED])


def trained_logits(table: Table, params: Params) -> Logits:
    """Train a stack; raw logits (n,) of the validation rows by judge.

    Judges are those of the stack, and "first member" of the fused one.
    """
    stack, _ = fit_stack(table, params)
    held = ~table.train
    rows = table.logits[held], table.measures[held]
    one = dataclasses.replace(
        stack,
        features=Ensemble(stack.features.members[:1]),
        both=Ensemble(stack.both.members[:1]),
    )
    return {**stack.logits(*rows), "first member": one.logits(*rows)["fused"]}


def _trainings(table: Table, params: Params) -> dict[str, tuple[Table, Params]]:
    """What to train, by a name that says what is left out."""
    unranked = dataclasses.replace(params, fuse=dataclasses.replace(params.fuse, rank_weight=0.0))
    return {
        "": (table, params),
        "ranking": (table, unranked),
        "all but Laplacian variance": (with_measures(table, partial(eq, SIMPLEST)), params),
        **{m: (with_measures(table, partial(ne, m)), params) for m in measures_of(table)},
    }


def stack_variants(table: Table, params: Params, parts: bool = True) -> Groups:
    """Train the default and, for each of its `parts`, the stack that lacks it.

    Returns
    -------
    list of (reference, variants)
        The fused judge with what it is compared with; then the features alone, likewise.
    """
    trainings = _trainings(table, params) if parts else {"": (table, params)}
    logits: dict[str, Logits] = {name: trained_logits(*of) for name, of in trainings.items()}
    default = logits.pop("")
    fused, alone = Variant(FUSED, default["fused"]), Variant(FEATURES, default["features"])
    one = Variant(f"fused, 1 member of {params.fuse.members}", default["first member"])
    first = [Variant(f"fused - {name}", of["fused"]) for name, of in logits.items()]
    second = [Variant(f"features - {name}", of["features"]) for name, of in logits.items()]
    return [(fused, [cnn_alone(table), alone, one, *first]), (alone, second)]
