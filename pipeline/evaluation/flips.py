"""How often verdicts flip: from the trials of `robustness` to figures and rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.metrics import Flags, Floats, Ints
from pipeline.evaluation.robustness import JUDGES, UNPERTURBED, Trials
from pipeline.evaluation.shares import cell, share_draws

HEADER = (
    *("index", "name", "label", "subset", "scene", "kind", "perturbation"),
    *(f"{judge}_{what}" for judge in JUDGES for what in ("score", "verdict", "flips")),
)


def _originals(trials: Trials) -> Ints:
    """For each trial, the number of the trial of its unperturbed picture: int, shape (t,)."""
    first = {place: t for t, (place, name) in enumerate(trials.made) if name == UNPERTURBED}
    return np.array([first[place] for place, _ in trials.made], dtype=np.int64)


def _flipped(trials: Trials) -> dict[str, Flags]:
    """Whether each trial's verdict differs from its own judge's unperturbed one: shape (t,)."""
    origin = _originals(trials)
    return {judge: said != said[origin] for judge, said in trials.verdicts.items()}


def _grid(trials: Trials, values: Flags) -> Floats:
    """Values of trials as a table of images and perturbations, 0 where there is no trial."""
    column = {name: number for number, name in enumerate(trials.perturbations)}
    grid = np.zeros((len(trials.rows), len(column)))
    for (place, name), value in zip(trials.made, values, strict=True):
        if name != UNPERTURBED:
            grid[place, column[name]] = value
    return grid


def _mean(shares: Floats) -> Floats:
    """Mean over the perturbations that are defined: shape (r, p) to (r,), NaN where none is."""
    known = np.isfinite(shares)
    total = np.where(known, shares, 0.0).sum(axis=1)
    return np.divide(total, known.sum(axis=1), out=np.full(len(total), np.nan), where=known.any(1))


def _causes(trials: Trials, judge: str, flips: Flags) -> dict[str, Floats]:
    """Flips for the worse, by label, and flips that put a mistake right: shape (n, p) each."""
    blurred = np.array([trials.rows[place].label == 1 for place, _ in trials.made])
    said = trials.verdicts[judge]
    return {
        "sharp_flagged": _grid(trials, flips & ~blurred & said),
        "blurred_missed": _grid(trials, flips & blurred & ~said),
        "put_right": _grid(trials, flips & (said == blurred)),
    }


def _value(share: float) -> float | None:
    return float(share) if np.isfinite(share) else None


def _ratio(above: Floats, below: Floats) -> Floats:
    known = np.isfinite(above) & np.isfinite(below) & (below > 0)
    return np.divide(above, below, out=np.full(len(above), np.nan), where=known)


def measure_flips(trials: Trials, resamples: int, seed: int) -> dict[str, Any]:
    """Flip rates of each judge, with 95 % intervals by scene on common resamples.

    Parameters
    ----------
    trials : Trials
    resamples, seed : int

    Returns
    -------
    dict
        `images`: sharp, blurred, scenes. `perturbations`: a list of dicts with `name`, `images`,
        and for each judge `value`, `low`, `high` (of the rate), `flips`, and these flips split
        into `sharp_flagged`, `blurred_missed` and `put_right`. `mean`: for each judge the mean
        rate over the perturbations that any image fits. `fused_to_laplacian`: the ratio of these
        means. Undefined figures are None.
    """
    counted = _grid(trials, np.full(len(trials.made), True))
    images = counted.sum(axis=0).astype(int)
    table: list[dict[str, Any]] = [
        {"name": name, "images": int(number)}
        for name, number in zip(trials.perturbations, images, strict=True)
    ]
    mean, drawn = {}, {}
    for judge, flips in _flipped(trials).items():
        grid, causes = _grid(trials, flips), _causes(trials, judge, flips)
        count = grid.sum(axis=0)
        share = np.divide(count, images, out=np.full(len(count), np.nan), where=images > 0)
        draws = share_draws(grid, counted, trials.codes, resamples, seed)
        for number, row in enumerate(table):
            row[judge] = {
                **cell(_value(share[number]), draws[:, number]),
                "flips": int(count[number]),
                **{cause: int(split[:, number].sum()) for cause, split in causes.items()},
            }
        mean[judge], drawn[judge] = _mean(share[None]), _mean(draws)
    ratio = _ratio(mean["fused"], mean["laplacian"])[0]
    ratio_draws = _ratio(drawn["fused"], drawn["laplacian"])
    labels = [row.label for row in trials.rows]
    return {
        "images": {
            "sharp": labels.count(0),
            "blurred": labels.count(1),
            "scenes": len(np.unique(trials.codes)),
        },
        "perturbations": table,
        "mean": {judge: cell(_value(mean[judge][0]), drawn[judge]) for judge in JUDGES},
        "fused_to_laplacian": cell(_value(ratio), ratio_draws),
    }


def trial_rows(trials: Trials) -> list[list[object]]:
    """Rows for robustness.csv under `HEADER`: each picture judged, unperturbed ones too."""
    flips, lines = _flipped(trials), []
    for number, (place, name) in enumerate(trials.made):
        row = trials.rows[place]
        line: list[object] = [int(trials.index[place]), row.name, row.label, row.subset]
        line += [row.scene, row.kind, name]
        for judge in JUDGES:
            said, flip = trials.verdicts[judge][number], flips[judge][number]
            line += [float(trials.scores[judge][number]), int(said), int(flip)]
        lines.append(line)
    return lines
