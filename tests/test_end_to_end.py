"""`dvc repro` on a tiny configuration, in copies of the project."""

import csv
import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from blur_fusion.cnn.crossfit import _plan
from blur_fusion.data.augment import STEPS
from blur_fusion.data.store import Store
from blur_fusion.errors import BlurError
from blur_fusion.params import load_params
from tiny_project import STAGES, clone, ran, repro, run
from trees import Tree, contents

MODELS = ("constant", "laplacian", "cnn", "features", "fused")


def switch(folder: Path, section: str, name: str, value: Any) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params[section][name] = value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def state(folder: Path) -> dict[Path, tuple[bytes, int, int]]:
    """Bytes, mode and modification time of all files."""
    files = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (path.read_bytes(), at.st_mode, at.st_mtime_ns) for path, at in files.items()}


class Project:
    """A clone after its first repro, and what that printed and wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = clone(folder), repro(folder)
        self.artifacts, self.fitted = folder / "artifacts", folder / "artifacts/cnn"
        self.params = load_params(folder / "params.yaml")
        self.store = Store.open(self.artifacts / "load")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("first") / "project")


def test_repro_runs_all_stages_and_the_second_none(first: Project) -> None:
    assert ran(first.output) == list(STAGES)
    assert (first.folder / "dvc.lock").is_file()
    before = contents(first.artifacts)
    assert {name.split("/")[0] for name in before} >= set(STAGES[1:])
    output = repro(first.folder)
    assert ran(output) == [] and "up to date" in output
    assert contents(first.artifacts) == before


def test_table_and_dvc_show_the_figures_of_the_data_set(first: Project) -> None:
    report = json.loads((first.artifacts / "evaluate/metrics.json").read_text("utf-8"))
    lines = run(first.folder, "-m", "blur_fusion.evaluation.table").stdout.splitlines()
    digest = json.loads((first.artifacts / "load/dataset.json").read_text("utf-8"))["digest"]
    assert lines[0].startswith(f"data set sample {digest[:12]}: ")
    assert report["dataset"]["digest"] == digest
    assert set(report["dataset"]["subsets"]) == {"natural", "digital"}
    assert report["constant"]["overall"]["auc"]["value"] == 0.5
    assert {line.split()[0] for line in lines if line.split()} >= set(MODELS)
    shown = run(first.folder, "-m", "dvc", "metrics", "show", "--json").stdout
    for model in ("cnn", "fused"):
        values = json.loads(shown)[""]["data"][f"artifacts/evaluate/{model}.json"]["data"]
        assert values["auc"] == report[model]["overall"]["auc"]["value"]


def test_test_rows_stay_unseen_until_the_end(first: Project) -> None:
    test = set(np.flatnonzero(first.store.splits == "test").tolist())
    assert test
    for name in ("cnn/logits", "features/features", "fuse/validation"):
        with np.load(first.artifacts / f"{name}.npz") as arrays:
            assert not test & set(arrays["index"].tolist()), name


def test_logits_hold_train_and_validation_rows_once(first: Project) -> None:
    splits, found = first.store.splits, np.load(first.fitted / "logits.npz")
    train, ranked = np.flatnonzero(splits == "train"), found["ranked_index"].tolist()
    assert found["index"].tolist() == np.flatnonzero(splits != "test").tolist()
    assert ranked and set(ranked) <= set(train.tolist())
    assert found["logits"].dtype == np.float32
    for name, shape in (
        *(("logits", (len(found["index"]), 4)), ("copied_logits", (len(train), 4))),
        ("ranked_logits", (len(ranked), STEPS, 4)),
    ):
        assert found[name].shape == shape and np.isfinite(found[name]).all()


def test_rows_are_judged_by_the_network_of_their_fold(first: Project) -> None:
    from blur_fusion.cnn.fit import Network

    with np.load(first.fitted / "logits.npz") as arrays:
        logits = dict(zip(arrays["index"].tolist(), arrays["logits"], strict=True))
    for fit in _plan(first.store, first.params):
        network = Network.load(first.fitted, first.params.cnn, fit.name)
        some = fit.own[::8].tolist()
        again = network.logits(map(first.store.image, some))
        kept = np.stack([logits[row] for row in some])
        assert again == pytest.approx(kept, abs=1e-4), fit.name


def test_history_tells_every_epoch_of_every_fit(first: Project) -> None:
    with (first.fitted / "history.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    fits = ("final", *(f"fold_{k}" for k in range(first.params.split.folds)))
    expected = [(fit, str(epoch)) for fit in fits for epoch in range(first.params.cnn.epochs)]
    assert [(line["fit"], line["epoch"]) for line in lines] == expected
    for line in lines:
        assert 0 < float(line["loss"]) < 20 and 0 < float(line["validation_loss"]) < 20
        assert 0 <= float(line["validation_auc"]) <= 1


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_that_are_missing_or_of_another_network(first: Project) -> None:
    from blur_fusion.cnn.fit import Network

    cnn = first.params.cnn
    with pytest.raises(BlurError, match="no weights; run 'make repro'"):
        Network.load(first.fitted / "nowhere", cnn)
    with pytest.raises(BlurError, match=r"final\.weights\.h5: do not fit cnn\.filters") as caught:
        Network.load(first.fitted, dataclasses.replace(cnn, filters=(4, 7)))
    assert "\n" not in str(caught.value)


def test_held_out_set_as_json(first: Project, folder_tree: Tree) -> None:
    root = folder_tree()
    before = state(root)
    found = json.loads(run(first.folder, "-m", "stages.test", str(root), "--json").stdout)
    assert found["dataset"]["images"] == 20 and found["dataset"]["blurred"] == 10
    assert set(found) >= {*MODELS, "laplacian_470", "wrong", "unreadable", "notes"}
    assert state(root) == before


def test_another_clone_gives_the_same_bytes(first: Project, tmp_path: Path) -> None:
    """With two worker processes instead of one."""
    folder = tmp_path / "second"
    subprocess.run(["git", "clone", "-q", str(first.folder), str(folder)], check=True)
    switch(folder, "compute", "workers", 2)
    assert ran(repro(folder, "--force", "--no-run-cache")) == list(STAGES)
    for part in ("data/sample", *(f"artifacts/{stage}" for stage in STAGES[1:])):
        ours, theirs = contents(first.folder / part), contents(folder / part)
        assert sorted(ours) == sorted(theirs) and ours
        assert [name for name in ours if ours[name] != theirs[name]] == [], part


def test_a_users_data_set_is_never_touched(first: Project, certh_tree: Tree) -> None:
    folder = first.folder
    own = folder / "data/certh"
    shutil.copytree(certh_tree(), own)
    (own / "my notes.txt").write_text("not an image, not yours", encoding="utf-8")
    (own / "TrainingSet/Undistorted/.hidden").write_bytes(b"\0\1")
    before, sample = state(own), contents(folder / "data/sample")
    kept = contents(first.artifacts / "evaluate")
    switch(folder, "dataset", "name", "certh")
    assert ran(repro(folder, "load")) == ["load"]
    assert ran(repro(folder, "--dry")) == list(STAGES[2:])
    # No stage in between reads the data set.
    assert ran(repro(folder, "--single-item", "evaluate")) == ["evaluate"]
    line = run(folder, "-m", "blur_fusion.evaluation.table").stdout.splitlines()[0]
    assert line.startswith("data set certh ")
    assert state(own) == before
    switch(folder, "dataset", "name", "sample")
    # All but `evaluate`, whose figures are in Git, comes from DVC's run cache.
    assert set(ran(repro(folder))) <= {"evaluate"}
    assert state(own) == before
    assert contents(folder / "data/sample") == sample
    assert contents(first.artifacts / "evaluate") == kept


def test_a_data_set_that_is_missing_is_said_in_one_line(first: Project) -> None:
    switch(first.folder, "dataset", "name", "nowhere")
    try:
        done = run(first.folder, "-m", "dvc", "repro", fails=True)
        assert "data/nowhere" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        direct = run(first.folder, "-m", "stages.load", fails=True)
        assert direct.returncode == 1
        assert direct.stderr.splitlines()[-1].startswith("error: data/nowhere: no such folder")
    finally:
        switch(first.folder, "dataset", "name", "sample")
