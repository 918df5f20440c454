"""`python -m benchmarks.ablation`: what each part of the model adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq, ne
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.real_photos import json_file_option
from blur_fusion.cli.options import params_option
from blur_fusion.data.store import Store
from blur_fusion.errors import run
from blur_fusion.evaluation.intervals import estimate, scene_codes, scene_weights
from blur_fusion.evaluation.metrics import Flags, Floats, Ints, weighted_auc
from blur_fusion.fusion.calibration import fit_calibration
from blur_fusion.fusion.stack import BLURRED, Ensemble
from blur_fusion.fusion.train import Table, fit_stack, read_table
from blur_fusion.params import Params


@dataclass(frozen=True)
class Held:
    """Validation images.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    codes : ndarray of int, shape (n,)
        Scene numbers.
    half : ndarray of bool, shape (n,)
        Half of the scenes: each half is calibrated on the other.
    """

    labels: Ints
    codes: Ints
    half: Flags

    @classmethod
    def split(cls, labels: Ints, codes: Ints, seed: int) -> Held:
        """Deal the scenes into halves at random."""
        scenes = np.unique(codes)
        chosen = np.random.default_rng([seed, 4]).permutation(scenes)[: len(scenes) // 2]
        return cls(labels, codes, np.isin(codes, chosen))


@dataclass(frozen=True)
class Variant:
    """Logits (n,) of one way to judge the validation images, higher where more blurred."""

    name: str
    logits: npt.NDArray[np.floating]


def losses(held: Held, logits: npt.NDArray[np.floating]) -> Floats:
    """Log-loss of each image, shape (n,), calibrated on the other half of the scenes.

    Temperature and bias fitted to the very images that are scored would flatter.

    Raises
    ------
    BlurError
        A half holds one class only.
    """
    found = np.zeros(len(held.labels))
    for judged in (held.half, ~held.half):
        fitted = fit_calibration(held.labels[~judged], logits[~judged])
        scaled = fitted.scaled(logits[judged])
        found[judged] = np.logaddexp(0, scaled) - held.labels[judged] * scaled
    return found


def _auc(held: Held, logits: npt.NDArray[np.floating], weights: Floats) -> Floats:
    return weighted_auc(held.labels, np.asarray(logits, np.float64), weights)


def compare(
    held: Held, reference: Variant, variants: Iterable[Variant], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """The reference, then each variant with what it differs by, on the same resamples of scenes.

    Parameters
    ----------
    held : Held
    reference : Variant
    variants : iterable of Variant
    resamples, seed : int

    Returns
    -------
    list of dict
        `name`, `log_loss`, `auc`; of variants also `log_loss_difference` and `auc_difference`
        (value, low, high), variant minus reference: paired bootstrap by scene, the scenes'
        calibrations held.
    """
    blocks = list(scene_weights(held.codes, resamples, seed))

    def drawn(variant: Variant) -> tuple[Floats, Floats]:
        each = losses(held, variant.logits)
        loss = [block @ each / block.sum(axis=1) for block in blocks]
        area = [_auc(held, variant.logits, block) for block in blocks]
        return np.concatenate(loss), np.concatenate(area)

    base = drawn(reference)
    rows: list[dict[str, Any]] = [
        {"name": reference.name, "log_loss": float(base[0][0]), "auc": float(base[1][0])}
    ]
    for variant in variants:
        loss, area = drawn(variant)
        rows.append(
            {
                "name": variant.name,
                "log_loss": float(loss[0]),
                "auc": float(area[0]),
                "log_loss_difference": estimate(loss - base[0]),
                "auc_difference": estimate(area - base[1]),
            }
        )
    return rows


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


def stack_variants(table: Table, params: Params) -> Groups:
    """Train the default and, for each of its parts, the stack that lacks it.

    Returns
    -------
    list of (reference, variants)
        The fused judge with what it is compared with; then the features alone, likewise.
    """
    trainings = _trainings(table, params)
    logits: dict[str, Logits] = {name: trained_logits(*of) for name, of in trainings.items()}
    default = logits.pop("")
    fused, alone = Variant(FUSED, default["fused"]), Variant(FEATURES, default["features"])
    one = Variant(f"fused, 1 member of {params.fuse.members}", default["first member"])
    first = [Variant(f"fused - {name}", of["fused"]) for name, of in logits.items()]
    second = [Variant(f"features - {name}", of["features"]) for name, of in logits.items()]
    return [(fused, [cnn_alone(table), alone, one, *first]), (alone, second)]


_FIRST = 32


def measure_variants(artifacts: Path, params: Params) -> dict[str, Any]:
    """Train every variant and compare it with the default on the validation images.

    Parameters
    ----------
    artifacts : Path
        Holds load, cnn and features.
    params : Params
        Those that they were made with.

    Returns
    -------
    dict
        `images`, `scenes`, and `groups`: lists of rows as of :func:`compare`, the reference first.
    """
    table, held = read_validation(artifacts, params.seed)
    groups = stack_variants(table, params)
    return {
        "images": len(held.labels),
        "scenes": len(set(held.codes.tolist())),
        "groups": [
            compare(held, first, others, params.evaluate.resamples, params.seed)
            for first, others in groups
        ],
    }


def _row(cells: Sequence[str]) -> str:
    first, loss, more, area, less = cells
    return f"{first:<{_FIRST}}{loss:>10}{more:>29}{area:>10}{less:>29}".rstrip()


def _shown_difference(cell: dict[str, float | None]) -> str:
    value, low, high = (cell[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "n/a"
    star = "*" if low > 0 or high < 0 else " "
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]{star}"


def as_text(found: dict[str, Any]) -> str:
    """One table: each reference, and below it what it is compared with."""
    lines = [
        f"{found['images']} validation images of {found['scenes']} scenes; each half of the scenes "
        "is calibrated on the other",
        "differences: variant minus the reference above it, 95 % intervals resampled by scene; "
        "* excludes zero",
        "a part helps where log-loss grows and AUC falls without it; one training each, so "
        "chance between trainings is in them",
        "",
        _row(["", "log-loss", "difference [95 %] ", "AUC", "difference [95 %] "]),
    ]
    for rows in found["groups"]:
        for row in rows:
            reference = "auc_difference" not in row
            lines.append(
                _row(
                    [
                        row["name"],
                        f"{row['log_loss']:.4f}",
                        "" if reference else _shown_difference(row["log_loss_difference"]),
                        f"{row['auc']:.4f}",
                        "" if reference else _shown_difference(row["auc_difference"]),
                    ]
                )
            )
        lines.append("")
    return "\n".join(lines).rstrip()


@click.command()
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    help="Folder that holds load, cnn and features.",
)
@params_option
@json_file_option
def ablation_command(artifacts: Path, params_file: Path, json_file: Path | None) -> None:
    """Leave out one part of the stack at a time and compare on the validation images.

    No test image is seen. Each variant takes a minute to train.
    """
    from blur_fusion.evaluation.report import as_json
    from blur_fusion.params import load_params

    found = measure_variants(artifacts, load_params(params_file))
    if json_file is not None:
        json_file.write_text(as_json(found), encoding="utf-8")
    click.echo(as_text(found))


if __name__ == "__main__":
    run(ablation_command)
