"""`python -m benchmarks.seeds SHARED_DATA --folder FOLDER`: how much results depend on the seed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.real_photos import json_file_option, tell
from benchmarks.speed import our_environment
from blur_fusion.cli.options import PATH, params_option
from blur_fusion.errors import require, run
from blur_fusion.evaluation.metrics import figure
from blur_fusion.fusion.stack import JUDGES
from blur_fusion.params import load_params

STAGES = ("sample", "load", "cnn", "features", "fuse")
SEEDS = (11, 12, 13, 14, 15)
SAMPLE = "data/sample"


def figures(run: Mapping[str, Any]) -> dict[str, float | None]:
    """The columns of the table; the last ones count photos judged wrongly."""
    photos, validation = run["photos"], run["validation"]
    judged = {name: of["fused"] for name, of in photos["sets"].items()}
    return {
        **{f"AUC {judge}": photos["pooled"][judge]["auc"]["value"] for judge in JUDGES},
        "recall 1 %": photos["pooled"]["fused"]["recall"]["value"],
        "smear": photos["stacks"].get("smear", {}).get("spearman"),
        "val AUC": validation["fused"]["auc"],
        "val loss": validation["fused"]["log_loss"],
        **{name: of["flagged"] + of["blurred"] - of["found"] for name, of in judged.items()},
    }


def spreads(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Smallest, mean, largest and spread of each column; None if a run lacks it."""
    rows = [figures(run) for run in runs]
    found: dict[str, dict[str, float | None]] = {}
    for name in rows[0]:
        values = np.array([row.get(name) for row in rows], np.float64)  # NaN for None
        of = {"smallest": values.min(), "mean": values.mean(), "largest": values.max()}
        of["spread"] = np.ptp(values)
        found[name] = {key: None if np.isnan(value) else float(value) for key, value in of.items()}
    return found


def as_text(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line a run, then the spread of each column."""
    spread = spreads(runs)
    widths = {name: max(11, len(name) + 2) for name in spread}

    def line(first: object, row: Mapping[str, float | None]) -> str:
        cells = f"{first:<10}"
        for name, width in widths.items():
            shown = figure({"value": row.get(name)}, ".4f").removesuffix(".0000")
            cells += f"{shown:>{width}}"
        return cells

    yield (
        "AUC, recall at 1 % false alarms (fused), Spearman of smear: real photos; "
        "val: embedded validation images (fused)"
    )
    yield "last columns: photos of a set judged wrongly by fused at the run's own threshold\n"
    yield f"{'seed':<10}" + "".join(f"{name:>{width}}" for name, width in widths.items())
    yield from (line(run["seed"], figures(run)) for run in runs)
    yield ""
    for key in ("smallest", "mean", "largest", "spread"):
        yield line(key, {name: of[key] for name, of in spread.items()})


def with_seed(text: str, seed: int) -> str:
    """Replace the seed in the text of a params.yaml."""
    changed, count = re.subn(r"(?m)^seed:.*$", f"seed: {seed}", text)
    require(count == 1, f"params: {count} lines begin with 'seed:', needs one")
    return changed


def _run(folder: Path, module: str, *words: str) -> None:
    command = [sys.executable, "-m", module, *words]
    status = subprocess.run(command, cwd=folder, env=our_environment(), check=False).returncode
    require(status == 0, f"{folder}: {module} ended with status {status}")


def run_seed(folder: Path, shared_data: Path, seed: int, params_text: str) -> dict[str, Any]:
    """Run the pipeline with one seed in `folder`, unless it has finished there.

    Gives `photos`, see `judge_photos`, and `validation`: AUC and log-loss of each judge on the
    embedded validation images.
    """
    text = with_seed(params_text, seed)
    params, photos = folder / "params.yaml", folder / "photos.json"
    same = not params.is_file() or params.read_text(encoding="utf-8") == text
    require(same, f"{params}: not the parameters asked for; name another folder")
    if not photos.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        params.write_text(text, encoding="utf-8")
        for stage in STAGES:
            _run(folder, f"stages.{stage}")
        shutil.rmtree(folder / SAMPLE, ignore_errors=True)
        words = (str(shared_data.resolve()), "--model", "artifacts/fuse", "--json", photos.name)
        _run(folder, "benchmarks.real_photos", *words)
    with np.load(folder / "artifacts" / "fuse" / "validation.npz") as rows:
        labels = rows["label"]
        validation = {
            judge: {
                "auc": roc_auc_score(labels, rows[judge]),
                "log_loss": log_loss(labels, rows[judge], labels=[0, 1]),
            }
            for judge in JUDGES
        }
    found = json.loads(photos.read_text(encoding="utf-8"))
    return {"seed": seed, "photos": found, "validation": validation}


@click.command(context_settings={"show_default": True})
@click.argument("shared_data", type=PATH)
@click.option("--folder", type=PATH, required=True, help="Folder of the runs, which are kept.")
@click.option("--seed", "seeds", type=click.IntRange(0), multiple=True, default=SEEDS)
@params_option
@json_file_option
def seeds_command(
    shared_data: Path, folder: Path, seeds: Sequence[int], params_file: Path, json_file: Path | None
) -> None:
    """Run the whole pipeline for each seed, and judge the real photos below SHARED_DATA.

    The seed decides data set, split and training. Prints a line for each seed, and the spread.
    """
    dataset = load_params(params_file).dataset
    chosen = f"{dataset.root}/{dataset.name}"
    require(chosen == SAMPLE, f"{params_file}: names {chosen}; this needs the embedded {SAMPLE}")
    text = params_file.read_text(encoding="utf-8")
    runs = [run_seed(folder / f"seed_{n}", shared_data, n, text) for n in dict.fromkeys(seeds)]
    tell(as_text(runs), {"seeds": runs, "spread": spreads(runs)}, json_file)


if __name__ == "__main__":
    run(seeds_command)
