"""`python -m benchmarks.seeds SHARED_DATA --folder FOLDER`: how far seeds differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.real_photos import json_file_option
from benchmarks.stage_runs import (
    Step,
    codes_of,
    prepare,
    read_params_text,
    run_from_sample,
    stage,
    with_seed,
)
from blur_fusion.cli.options import params_option
from blur_fusion.errors import run
from blur_fusion.fusion.stack import JUDGES

if TYPE_CHECKING:
    from collections.abc import Sequence


_FIRST, _WIDTH = 10, 11


def mistakes(run: Mapping[str, Any], judge: str = "fused") -> dict[str, int]:
    """Photos that `judge` gets wrong at its own threshold, by set."""
    return {
        name: of[judge]["flagged"] + of[judge]["blurred"] - of[judge]["found"]
        for name, of in run["photos"]["sets"].items()
    }


def _figures(run: Mapping[str, Any]) -> dict[str, float | None]:
    """What is compared between runs, by column."""
    photos, validation = run["photos"], run["validation"]
    smear = photos["stacks"].get("smear")
    return {
        **{f"AUC {judge}": photos["pooled"][judge]["auc"]["value"] for judge in JUDGES},
        "recall 1 %": photos["pooled"]["fused"]["recall"]["value"],
        "smear": smear["spearman"] if smear else None,
        "val AUC": validation["fused"]["auc"],
        "val loss": validation["fused"]["log_loss"],
        **{name: float(count) for name, count in mistakes(run).items()},
    }


def spreads(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Smallest, mean, largest and largest minus smallest of each column; None where undefined."""
    columns = [_figures(run) for run in runs]
    found: dict[str, dict[str, float | None]] = {}
    for name in columns[0]:
        values = [value for of in columns if (value := of.get(name)) is not None]
        whole = len(values) == len(runs)
        found[name] = {
            "smallest": min(values) if whole else None,
            "mean": sum(values) / len(values) if whole else None,
            "largest": max(values) if whole else None,
            "largest_minus_smallest": max(values) - min(values) if whole else None,
        }
    return found


def _shown(value: float | None, whole: bool = False) -> str:
    if value is None:
        return "n/a"
    return f"{value:.0f}" if whole else f"{value:.4f}"


def as_text(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line a run, then the spread of each column."""
    spread, sets = spreads(runs), set(mistakes(runs[0]))
    columns = list(spread)

    def line(first: str, cells: Sequence[str]) -> str:
        pairs = zip(cells, columns, strict=True)
        return f"{first:<{_FIRST}}" + "".join(f"{c:>{max(_WIDTH, len(n) + 2)}}" for c, n in pairs)

    lines = [
        "AUC, recall at 1 % false alarms (fused), Spearman of smear: real photos; val: embedded "
        "validation images (fused)",
        f"last {len(sets)} columns: photos judged wrongly by fused at the run's own threshold",
        "",
        line("seed", columns),
    ]
    for each in runs:
        values = _figures(each)
        cells = [_shown(values.get(name), name in sets) for name in columns]
        lines.append(line(str(each["seed"]), cells))
    lines.append("")
    names = {"smallest": "smallest", "mean": "mean", "largest": "largest"}
    for kind, title in {**names, "largest_minus_smallest": "spread"}.items():
        whole = kind != "mean"
        cells = [_shown(spread[name][kind], whole and name in sets) for name in columns]
        lines.append(line(title, cells))
    codes = {code for each in runs for code in each["code"]}
    if len(codes) > 1:
        lines += ["", "note: the code changed between stages or seeds; this is no spread of seeds"]
    return "\n".join(lines)


PHOTOS = "real_photos"
STAGES = ("sample", "load", "cnn", "features", "fuse")
SEEDS = (11, 12, 13, 14, 15)


def _validation(path: Path) -> dict[str, Any]:
    """AUC and log-loss of each judge on the embedded validation images."""
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score

    from blur_fusion.fusion.stack import JUDGES

    with np.load(path) as rows:
        labels = rows["label"]
        return {
            judge: {
                "auc": float(roc_auc_score(labels, rows[judge])),
                "log_loss": float(log_loss(labels, rows[judge], labels=[0, 1])),
            }
            for judge in JUDGES
        }


def run_seed(folder: Path, shared_data: Path, seed: int, params_text: str) -> dict[str, Any]:
    """The whole pipeline with one seed in `folder`, or what of it is not done there yet.

    The rendered data set is deleted once its working images are stored.

    Returns
    -------
    dict
        `seed`, `photos` (as `judge_photos` gives it), `validation`, `code`.
    """
    prepare(folder, with_seed(params_text, seed))
    photos = folder / f"{PHOTOS}.json"
    words = (str(shared_data.resolve()), "--json", photos.name)
    judged = Step(PHOTOS, f"benchmarks.{PHOTOS}", words)
    run_from_sample(folder, [*(stage(name) for name in STAGES), judged])
    return {
        "seed": seed,
        "photos": json.loads(photos.read_text(encoding="utf-8")),
        "validation": _validation(folder / "artifacts" / "fuse" / "validation.npz"),
        "code": sorted(codes_of(folder)),
    }


class _ManySeeds(click.Command):
    """Lets `--seeds 11 12 13` stand for `--seeds 11 --seeds 12 --seeds 13`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each whole number that follows it."""
        spelt: list[str] = []
        inside = False
        for word in args:
            more = inside and word.isdigit() and spelt[-1] != "--seeds"
            spelt += ["--seeds", word] if more else [word]
            inside = word == "--seeds" or (inside and word.isdigit())
        return super().parse_args(ctx, spelt)


@click.command(cls=_ManySeeds)
@click.argument("shared_data", type=click.Path(path_type=Path))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the runs lie; what is done there is kept.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=0),
    multiple=True,
    default=SEEDS,
    show_default=True,
    help="Seeds, as in --seeds 11 12 13.",
)
@params_option
@json_file_option
def seeds_command(
    shared_data: Path,
    folder: Path,
    seeds: Sequence[int],
    params_file: Path,
    json_file: Path | None,
) -> None:
    """Run the whole pipeline once for each seed and judge the real photos below SHARED_DATA.

    Data set, split, training: all of it is drawn anew. Prints one line for each seed, and the
    spread. Each run lies in FOLDER/seed_N; a run that was broken off goes on with the stage at
    which it was.
    """
    from blur_fusion.evaluation.report import as_json

    text = read_params_text(params_file)
    runs = [run_seed(folder / f"seed_{n}", shared_data, n, text) for n in dict.fromkeys(seeds)]
    if json_file is not None:
        found = {"seeds": runs, "spread": spreads(runs)}
        json_file.write_text(as_json(found), encoding="utf-8")
    click.echo(as_text(runs))


if __name__ == "__main__":
    run(seeds_command)
