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
from blur_fusion.params import Params, load_params
from tiny_project import STAGES, clone, ran, repro, run, state
from trees import Tree, contents

MODELS = ("constant", "laplacian", "cnn", "features", "fused")


def switch(folder: Path, section: str, name: str, value: Any) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params[section][name] = value
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone after its first repro, and the output of that."""
    folder = clone(tmp_path_factory.mktemp("first") / "project")
    return folder, repro(folder)


@pytest.fixture(scope="module")
def report(first: tuple[Path, str]) -> dict[str, Any]:
    return json.loads((first[0] / "artifacts/evaluate/metrics.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def params(first: tuple[Path, str]) -> Params:
    return load_params(first[0] / "params.yaml")


@pytest.fixture(scope="module")
def store(first: tuple[Path, str]) -> Store:
    return Store.open(first[0] / "artifacts/load")


@pytest.fixture(scope="module")
def fitted(first: tuple[Path, str]) -> Path:
    """What the stage `cnn` wrote."""
    return first[0] / "artifacts/cnn"


def test_repro_runs_all_stages_and_the_second_none(first: tuple[Path, str]) -> None:
    folder, output = first
    assert ran(output) == list(STAGES)
    assert (folder / "dvc.lock").is_file()
    for stage in STAGES[1:]:
        assert any((folder / "artifacts" / stage).iterdir())
    before = contents(folder / "artifacts")
    output = repro(folder)
    assert ran(output) == [] and "up to date" in output
    assert contents(folder / "artifacts") == before


def test_table_names_data_set_and_digest(first: tuple[Path, str], report: dict[str, Any]) -> None:
    lines = run(first[0], "-m", "blur_fusion.evaluation.table").stdout.splitlines()
    digest = json.loads((first[0] / "artifacts/load/dataset.json").read_text("utf-8"))["digest"]
    assert lines[0].startswith(f"data set sample {digest[:12]}: ")
    assert report["dataset"]["digest"] == digest
    assert set(report["dataset"]["subsets"]) == {"natural", "digital"}
    assert report["constant"]["overall"]["auc"]["value"] == 0.5
    assert {line.split()[0] for line in lines if line.split()} >= set(MODELS)


def test_dvc_shows_metrics_side_by_side(first: tuple[Path, str], report: dict[str, Any]) -> None:
    shown = json.loads(run(first[0], "-m", "dvc", "metrics", "show", "--json").stdout)
    files = shown[""]["data"]
    for model in ("cnn", "fused"):
        values = files[f"artifacts/evaluate/{model}.json"]["data"]
        assert values["auc"] == report[model]["overall"]["auc"]["value"]


def test_test_rows_stay_unseen_until_the_end(first: tuple[Path, str], store: Store) -> None:
    test = set(np.flatnonzero(store.splits == "test").tolist())
    assert test
    for name in ("cnn/logits", "features/features", "fuse/validation"):
        with np.load(first[0] / f"artifacts/{name}.npz") as arrays:
            assert not test & set(arrays["index"].tolist()), name


def test_logits_hold_train_and_validation_rows_once(fitted: Path, store: Store) -> None:
    found, train = np.load(fitted / "logits.npz"), np.flatnonzero(store.splits == "train")
    assert found["index"].tolist() == np.flatnonzero(store.splits != "test").tolist()
    ranked = found["ranked_index"].tolist()
    assert ranked and set(ranked) <= set(train.tolist())
    assert found["logits"].dtype == np.float32
    for name, shape in (
        *(("logits", (len(found["index"]), 4)), ("copied_logits", (len(train), 4))),
        ("ranked_logits", (len(ranked), STEPS, 4)),
    ):
        assert found[name].shape == shape and np.isfinite(found[name]).all()


def test_rows_are_judged_by_the_network_of_their_fold(
    fitted: Path, store: Store, params: Params
) -> None:
    from blur_fusion.cnn.fit import Network

    with np.load(fitted / "logits.npz") as arrays:
        logits = dict(zip(arrays["index"].tolist(), arrays["logits"], strict=True))
    for fit in _plan(store, params):
        network = Network.load(fitted, params.cnn, fit.name)
        some = fit.own[::8].tolist()
        again = network.logits(map(store.image, some))
        kept = np.stack([logits[row] for row in some])
        assert again == pytest.approx(kept, abs=1e-4), fit.name


def test_history_tells_every_epoch_of_every_fit(fitted: Path, params: Params) -> None:
    with (fitted / "history.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    fits = ("final", *(f"fold_{k}" for k in range(params.split.folds)))
    expected = [(fit, str(epoch)) for fit in fits for epoch in range(params.cnn.epochs)]
    assert [(line["fit"], line["epoch"]) for line in lines] == expected
    for line in lines:
        assert 0 < float(line["loss"]) < 20 and 0 < float(line["validation_loss"]) < 20
        assert 0 <= float(line["validation_auc"]) <= 1


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_that_are_missing_or_of_another_network(fitted: Path, params: Params) -> None:
    from blur_fusion.cnn.fit import Network

    with pytest.raises(BlurError, match="no weights; run 'make repro'"):
        Network.load(fitted / "nowhere", params.cnn)
    other = dataclasses.replace(params.cnn, filters=(4, 7))
    with pytest.raises(BlurError, match=r"final\.weights\.h5: do not fit cnn\.filters") as caught:
        Network.load(fitted, other)
    assert "\n" not in str(caught.value)


def test_held_out_set_as_json(first: tuple[Path, str], folder_tree: Tree) -> None:
    root = folder_tree()
    before = contents(root)
    done = run(first[0], "-m", "stages.test", str(root), "--json")
    found = json.loads(done.stdout)
    assert found["dataset"]["images"] == 20 and found["dataset"]["blurred"] == 10
    assert set(found) >= {*MODELS, "laplacian_470", "wrong", "unreadable", "notes"}
    assert contents(root) == before
    again = run(first[0], "-m", "stages.test", str(root), "--json")
    assert again.stdout == done.stdout
    absent = run(first[0], "-m", "stages.test", "absent", fails=True)
    assert (absent.returncode, absent.stdout, absent.stderr.count("\n")) == (1, "", 1)
    assert absent.stderr.startswith("error: absent: ")


def test_another_clone_gives_the_same_bytes(first: tuple[Path, str], tmp_path: Path) -> None:
    """With two worker processes instead of one."""
    folder = tmp_path / "second"
    subprocess.run(["git", "clone", "-q", str(first[0]), str(folder)], check=True)
    switch(folder, "compute", "workers", 2)
    output = repro(folder, "--force", "--no-run-cache")
    assert ran(output) == list(STAGES)
    for part in ("data/sample", *(f"artifacts/{stage}" for stage in STAGES[1:])):
        ours, theirs = contents(first[0] / part), contents(folder / part)
        assert sorted(ours) == sorted(theirs) and ours
        assert [name for name in ours if ours[name] != theirs[name]] == [], part


def test_a_users_data_set_is_never_touched(first: tuple[Path, str], certh_tree: Tree) -> None:
    folder = first[0]
    own = folder / "data/certh"
    shutil.copytree(certh_tree(), own)
    (own / "my notes.txt").write_text("not an image, not yours", encoding="utf-8")
    (own / "TrainingSet/Undistorted/.hidden").write_bytes(b"\0\1")
    before, sample = state(own), contents(folder / "data/sample")
    kept = contents(folder / "artifacts/evaluate")
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
    assert contents(folder / "artifacts/evaluate") == kept


def test_a_data_set_that_is_missing_is_said_in_one_line(first: tuple[Path, str]) -> None:
    switch(first[0], "dataset", "name", "nowhere")
    try:
        done = run(first[0], "-m", "dvc", "repro", fails=True)
        assert done.returncode != 0
        assert "data/nowhere" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        direct = run(first[0], "-m", "stages.load", fails=True)
        assert direct.returncode == 1
        assert direct.stderr.splitlines()[-1].startswith("error: data/nowhere: no such folder")
    finally:
        switch(first[0], "dataset", "name", "sample")
