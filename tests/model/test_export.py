"""Export: ONNX answers as Keras does, the same bytes every time; what `blur export` refuses."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from click.testing import Result

from blur_fusion.cnn import spectra
from blur_fusion.cnn.fit import Network
from blur_fusion.cnn.network import AttentionPooling, network_from
from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.export import export_model
from blur_fusion.model.folder import (
    FILES,
    MODEL,
    NETWORK,
    PROVENANCE,
    packed,
    read_folder,
    read_provenance,
)
from blur_fusion.model.network import OnnxNetwork, network_onnx
from blur_fusion.model.provenance import STAGES, dvc_digest, file_digest
from blur_fusion.params import load_params
from export_project import DATASET, make_project, tiny_params
from scan_command import invoked, run
from tiny_network import noise
from trees import REPOSITORY

SIZES = [(1, 1), (5, 200), (31, 33), (32, 32), (63, 129), (97, 254), (131, 67), (192, 256)]
IMAGES = [noise(*size, k) for k, size in enumerate(SIZES)]
IMAGES += [np.zeros((40, 50), np.uint8), np.full((50, 40), 255, np.uint8)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def exported(project: Path) -> Path:
    target = project / "model"
    assert export_model(target, project / "artifacts", project / "params.yaml") == []
    return target


def test_onnx_and_what_is_rebuilt_answer_as_the_trained_network(
    project: Path, exported: Path
) -> None:
    cnn, default = (load_params(root / "params.yaml").cnn for root in (project, REPOSITORY))
    # Or parity would be shown for one shape of network alone.
    assert cnn.filters != default.filters and cnn.patterns != default.patterns
    keras = Network.load(project / "artifacts" / "cnn", cnn)
    ours = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK).logits(IMAGES)
    theirs = keras.logits(IMAGES)
    assert ours.dtype == np.float32 and ours.shape == (10, 4)
    assert np.abs(ours - theirs).max() < 1e-3
    assert theirs.std(axis=0).min() > 0.01  # logits that differ, or nothing is compared
    contents, _ = read_folder(exported)
    again = network_from(contents.cnn, contents.weights)
    assert (Network(again).logits(IMAGES) == theirs).all()


def test_damaged_weights_of_the_network_are_one_line() -> None:
    for weights in (b"", packed({}), packed({"fine_blocks/0": np.zeros(3)})):
        with pytest.raises(BlurError, match=r"cnn\.npz: damaged"):
            network_from({"patterns": 7, "filters": [5, 6, 4]}, weights)


@pytest.mark.parametrize("compiled", [True, False])
def test_maps_explain_the_logit(
    exported: Path, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(spectra, "library", lambda: None)
    onnx = OnnxNetwork((exported / NETWORK).read_bytes(), NETWORK)
    for size in SIZES:
        image = noise(*size)
        local, attention = onnx.maps(image)
        # The first step is 4 pixels, each block halves.
        assert local.shape == attention.shape == tuple(-(-max(s, 32) // 32) for s in size)
        assert attention.min() > 0 and attention.sum() == pytest.approx(1, abs=1e-5)
        whole = float(onnx.logits([image])[0, 0])
        assert float((local * attention).sum()) == pytest.approx(whole, abs=1e-4)


def test_export_is_what_the_stage_wrote_and_its_provenance(
    project: Path, exported: Path, tmp_path: Path
) -> None:
    export_model(tmp_path / "again", project / "artifacts", project / "params.yaml")
    names = {path.name for path in exported.iterdir()}
    assert names == {*FILES, MODEL, PROVENANCE}
    for name in names:
        content = (exported / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == content, name
        if name != PROVENANCE:
            assert (project / "artifacts" / "fuse" / name).read_bytes() == content, name
    assert BlurDetector(exported).digest == BlurDetector(project / "artifacts" / "fuse").digest


def test_a_layer_that_onnx_would_get_wrong_is_refused() -> None:
    image = keras.layers.Input((None, None, 1))
    fine = keras.layers.Rescaling(0.6, name="fine_rescale")(keras.layers.Conv2D(5, 3)(image))
    grown = keras.layers.UpSampling2D(name="grow")(fine)
    with pytest.raises(BlurError, match="grow is a UpSampling2D"):
        network_onnx(keras.Model(image, AttentionPooling()(grown)))
    for last in (keras.layers.Conv2D(5, 3)(fine), AttentionPooling()(image)):
        with pytest.raises(BlurError, match="no network from local spectra to attention pooling"):
            network_onnx(keras.Model(image, last))


def test_provenance_names_what_was_recorded(project: Path, exported: Path) -> None:
    origin = read_provenance(exported)
    assert origin["dataset"] == DATASET
    assert origin["params"] == {"seed": 11, "cnn.filters": [5, 6, 4]}
    assert set(origin["code"]) == set(STAGES)
    assert origin["code"]["cnn"] == {"pipeline/blur_fusion/cnn": "12" * 16 + ".dir"}
    assert origin["outputs"]["artifacts/cnn"] == dvc_digest(project / "artifacts" / "cnn")
    files = {path for path in exported.iterdir() if path.name != PROVENANCE}
    assert origin["files"] == {path.name: file_digest(path, "sha256") for path in files}
    assert {"python", "tensorflow", "keras", "numpy"} <= origin["versions"].keys()
    text = "".join(path.read_text("utf-8", errors="replace") for path in exported.iterdir())
    assert str(project) not in text and str(Path.home()) not in text


@pytest.mark.parametrize("name", ["release", "mine"])
def test_a_run_in_a_folder_of_its_own_is_named_by_the_lock_there(
    project: Path, tmp_path: Path, name: str
) -> None:
    """The stage sample belongs to it where the data set is the one that it wrote."""
    lock = (project / "dvc.lock").read_text("utf-8").replace("data/sample", "data/release")
    lock = lock.replace("params.yaml", "release/params.yaml")
    (tmp_path / "dvc.lock").write_text(lock, encoding="utf-8")
    dataset = {"name": name, "root": "data"}
    (tmp_path / "params.yaml").write_text(tiny_params(dataset=dataset), encoding="utf-8")
    assert not export_model(tmp_path / "m", project / "artifacts", tmp_path / "params.yaml")
    origin = read_provenance(tmp_path / "m")
    assert origin["params"] == {"seed": 11, "cnn.filters": [5, 6, 4]}
    assert list(origin["code"]) == sorted(STAGES if name == "release" else STAGES[1:])


def test_artefacts_that_dvc_did_not_write_are_exported_with_a_warning(
    project: Path, tmp_path: Path
) -> None:
    lock = (project / "dvc.lock").read_text("utf-8")
    md5 = dvc_digest(project / "artifacts" / "fuse")
    shutil.copy(project / "params.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_text(lock.replace(md5, "78" * 16 + ".dir"), encoding="utf-8")
    args = project / "artifacts", tmp_path / "params.yaml"
    (warning,) = export_model(tmp_path / "m", *args)
    assert "records a different" in warning and "fuse" in warning
    origin = read_provenance(tmp_path / "m")
    assert origin["code"] == {} == origin["outputs"]
    assert origin["params"]["cnn.patterns"] == 7


def test_params_changed_since_training_are_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(tiny_params(seed=12), encoding="utf-8")
    (tmp_path / "dvc.lock").write_bytes((project / "dvc.lock").read_bytes())
    with pytest.raises(BlurError, match="seed: the models were trained with different values"):
        export_model(tmp_path / "m", project / "artifacts", tmp_path / "params.yaml")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["load/dataset.json", *(f"fuse/{n}" for n in (*FILES, MODEL))])
def test_a_missing_artefact_is_one_line(project: Path, tmp_path: Path, name: str) -> None:
    artifacts = shutil.copytree(project / "artifacts", tmp_path / "artifacts")
    (artifacts / name).unlink()
    with pytest.raises(BlurError) as caught:
        export_model(tmp_path / "m", artifacts, project / "params.yaml")
    assert Path(name).name in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "m").exists()


def _export(project: Path, target: Path, *words: str) -> Result:
    places = "--model-dir", project / "artifacts", "--params", project / "params.yaml"
    return invoked("export", target, *places, *words)


def test_command_writes_and_replaces_only_a_model(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    first = _export(project, target)
    assert first.exit_code == 0 and first.stdout.startswith(f"{target}: model written, 0.")
    again = _export(project, target)
    assert again.exit_code == 1 and "--force replaces it" in again.stderr
    (target / NETWORK).write_bytes(b"old")
    assert _export(project, target, "--force").exit_code == 0
    assert BlurDetector(target).spec.side == 200


@pytest.mark.parametrize("name", ["own/photo.jpg", "own", f"own/{MODEL}"])
def test_command_leaves_other_folders_alone(project: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"made by": "another program"}')
    for words in ((), ("--force",)):
        done = _export(project, tmp_path / "own", *words)
        assert done.exit_code == 1
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        (left,) = (path for path in tmp_path.rglob("*") if path.is_file())
        assert left == tmp_path / name and "another program" in left.read_text()


def test_folder_digests_are_dvcs(tmp_path: Path) -> None:
    code = ["b/x.py", "b.py", "b-c/y.py", "a/é.txt", "__pycache__/z.pyc", "b/old.pyc", "b/k.so"]
    for name in code:
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (tmp_path / ".dvcignore").write_bytes((REPOSITORY / ".dvcignore").read_bytes())
    run("-c", "from dvc.repo import Repo; Repo.init(no_scm=True).add('code')", cwd=tmp_path)
    recorded = yaml.safe_load((tmp_path / "code.dvc").read_text("utf-8"))["outs"][0]["md5"]
    assert dvc_digest(tmp_path / "code") == recorded
