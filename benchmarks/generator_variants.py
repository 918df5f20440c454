"""Focus measures stacked on a sample that lacks one part of the generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from benchmarks.ablation import Variant, trained_logits
from benchmarks.sample_without import PARTS
from benchmarks.stage_runs import Step, prepare, run_from_sample, stage
from blur_fusion.data.store import Store
from blur_fusion.errors import require
from blur_fusion.fusion.stack import LOGIT_NAMES
from blur_fusion.fusion.train import Table
from blur_fusion.params import Params

# The test half of these samples is judged by nothing: as little of it as the layout allows.
FEWEST = {"natural_scenes": 1, "digital_scenes": 1}


def smaller_params(text: str) -> str:
    """The text of a params.yaml whose data set has next to no test half.

    The scenes of the training half are numbered first and stay as they are.
    """
    values = yaml.safe_load(text)
    values["sample"] |= FEWEST
    return str(yaml.safe_dump(values, sort_keys=False))


def path_of(folder: Path, part: str) -> Path:
    """Where the run without `part` lies."""
    return folder / part.replace(" ", "_")


def _training_rows(run: Path, table: Table, store: Store) -> Table:
    """Rows of the run's own training images, then the validation rows of `table`."""
    theirs = Store.open(run / "artifacts" / "load")
    held = {store.rows[int(row)].key for row in table.index[~table.train]}
    with np.load(run / "artifacts" / "features" / "features.npz") as found:
        index, values, ranked = found["index"], found["values"], found["ranked_values"]
        copied = found["copied_values"]
        names = tuple(str(name) for name in found["names"])
    require(names == table.names, f"{run}: other focus measures; name another folder")
    chosen = theirs.splits[index] == "train"
    scenes = {theirs.rows[int(row)].key for row in index[chosen]}
    require(
        not scenes & held, f"{run}: trains on validation scenes of the artefacts; other params?"
    )
    labels = np.concatenate([theirs.labels[index[chosen]], table.labels[~table.train]])
    measures = np.concatenate([values[chosen], table.measures[~table.train]])
    # Nothing is taken over from `table` unnamed: its own training images hold the part.
    return Table(
        index=np.arange(len(labels)),
        labels=labels,
        train=np.arange(len(labels)) < chosen.sum(),
        logits=_unheard(len(labels)),
        measures=measures,
        names=names,
        kinds=np.full(len(labels), ""),
        ranked_logits=_unheard(*ranked.shape[:2]),
        ranked_measures=ranked,
        ranked_kinds=np.full(len(ranked), ""),
        copied_logits=_unheard(len(copied)),
        copied_measures=copied,
    )


def _unheard(*shape: int) -> npt.NDArray[np.float32]:
    """Logits of a CNN that was not trained."""
    return np.zeros((*shape, len(LOGIT_NAMES)), np.float32)


def generator_variants(
    artifacts: Path, folder: Path, table: Table, params_text: str, params: Params
) -> list[Variant]:
    """Render, store and measure a sample without each part, and stack its focus measures.

    Each stack learns from its own sample's training scenes and judges the validation images of
    `table`, which hold every part.

    Raises
    ------
    BlurError
        A stage failed, or a run in `folder` has other parameters.
    """
    store, variants = Store.open(artifacts / "load"), []
    for part in PARTS:
        run = path_of(folder, part)
        prepare(run, smaller_params(params_text))
        sample = Step("sample", "benchmarks.sample_without", (part,))
        run_from_sample(run, [sample, stage("load"), stage("features")])
        rows = _training_rows(run, table, store)
        logits = trained_logits(rows, params)["features"]
        variants.append(Variant(f"features - {part}", logits))
    return variants
