"""`blur export`: what it records, and what it refuses to touch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from blur_fusion.cli.main import blur
from blur_fusion.errors import BlurError
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.export import export_model
from blur_fusion.model.folder import FILES, MODEL, NETWORK, PROVENANCE, read_provenance
from blur_fusion.model.provenance import dvc_digest, file_digest
from export_project import tiny_params
from trees import REPOSITORY


def test_provenance_names_what_was_recorded(project: Path, exported: Path) -> None:
    origin = read_provenance(exported)
    assert origin["dataset"] == {"name": "sample", "digest": "ab" * 32}
    assert origin["params"] == {"seed": 11, "cnn.filters": [5, 6, 4]}
    assert set(origin["code"]) == {"sample", "load", "cnn", "features", "fuse"}
    assert origin["code"]["cnn"] == {"pipeline/blur_fusion/cnn": "12" * 16 + ".dir"}
    assert origin["outputs"]["artifacts/cnn"] == dvc_digest(project / "artifacts" / "cnn")
    files = {path for path in exported.iterdir() if path.name != PROVENANCE}
    assert origin["files"] == {path.name: file_digest(path, "sha256") for path in files}
    assert {"python", "tensorflow", "keras", "numpy"} <= origin["versions"].keys()
    text = "".join(path.read_text("utf-8", errors="replace") for path in exported.iterdir())
    assert str(project) not in text and str(Path.home()) not in text


def test_artefacts_that_dvc_did_not_write_are_exported_with_a_warning(
    project: Path, tmp_path: Path
) -> None:
    lock = (project / "dvc.lock").read_text("utf-8")
    md5 = dvc_digest(project / "artifacts" / "fuse")
    shutil.copy(project / "params.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_text(lock.replace(md5, "78" * 16 + ".dir"), encoding="utf-8")
    args = project / "artifacts", tmp_path / "params.yaml"
    (warning,) = export_model(tmp_path / "m", *args)
    assert "records another" in warning and "fuse" in warning
    origin = read_provenance(tmp_path / "m")
    assert origin["code"] == {} == origin["outputs"]
    assert origin["params"]["cnn.patterns"] == 7


def test_params_changed_since_training_are_named(project: Path, tmp_path: Path) -> None:
    values = {**tiny_params(), "seed": 12}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (tmp_path / "dvc.lock").write_bytes((project / "dvc.lock").read_bytes())
    with pytest.raises(BlurError, match="seed: the models were trained with other values"):
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


def _export(project: Path, target: Path, *words: str) -> Any:
    places = ["--model-dir", str(project / "artifacts"), "--params", str(project / "params.yaml")]
    return CliRunner().invoke(blur, ["export", str(target), *places, *words])


def test_command_writes_and_replaces_only_a_model(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    first = _export(project, target)
    assert first.exit_code == 0 and first.stdout.startswith(f"{target}: model written, 0.")
    again = _export(project, target)
    assert again.exit_code == 1 and "--force replaces it" in again.stderr
    (target / NETWORK).write_bytes(b"old")
    assert _export(project, target, "--force").exit_code == 0
    assert BlurDetector(target).spec.side == 200


@pytest.mark.parametrize("words", [(), ("--force",)])
@pytest.mark.parametrize("name", ["own/photo.jpg", "own", f"own/{MODEL}"])
def test_command_leaves_other_folders_alone(
    project: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"made by": "another program"}')
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
    for words in (("init", "--no-scm", "-q"), ("add", "-q", "code")):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True)
    recorded = yaml.safe_load((tmp_path / "code.dvc").read_text("utf-8"))["outs"][0]["md5"]
    assert dvc_digest(tmp_path / "code") == recorded
