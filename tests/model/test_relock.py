"""`make relock` on a made-up project: code may differ, nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from blur_fusion.errors import BlurError
from blur_fusion.model import provenance
from blur_fusion.model.provenance import STAGES, dvc_digest, dvc_entry, read_stages, relock
from blur_fusion.model.release import PARAMS, release_stages

MODEL = "pipeline/blur_fusion/model/shipped/provenance.json"
GOLDEN = "tests/golden/test_golden.py"
Edit = Callable[[Path], object]
LOCKS = OURS, RELEASE, PRESETS = ("dvc.lock", "release/dvc.lock", "presets/dvc.lock")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _yaml(path: Path, content: dict[str, Any]) -> None:
    _write(path, yaml.safe_dump(content, sort_keys=False))


def _locked(root: Path, cmd: str, deps: list[str], params: Any, outs: list[str]) -> dict[str, Any]:
    parts = {"deps": sorted(deps), "params": params, "outs": outs}
    entries = [[{"path": p, **dvc_entry(root / p)} for p in parts[k]] for k in ("deps", "outs")]
    return {"cmd": cmd, "deps": entries[0], "params": params, "outs": entries[1]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Five stages on the folder data/own, twice, and a preset whose output is absent."""
    root = tmp_path
    for path in ("params.yaml", PARAMS):
        _yaml(root / path, {"seed": 1, "dataset": {"name": "own"}})
    _yaml(root / "presets" / "one.yaml", {"network": {"rate": 0.00001}})
    for path in ("data/own/a", "pipeline/old/a.py", "stages/x.py", "artifacts/one", MODEL):
        _write(root / path, path)
    specs = {}
    for name in STAGES:
        deps = ["data/${dataset.name}", "stages/x.py", "pipeline/old"]
        params, outs = ["seed", "dataset.name"], [{f"artifacts/{name}": {"cache": 0}}]
        specs[name] = {"cmd": "x", "deps": deps, "params": params, "outs": outs}
    _yaml(root / "dvc.yaml", {"stages": specs})
    _write(root / "release" / "dvc.yaml", release_stages((root / "dvc.yaml").read_text("utf-8")))
    for lock, file in ((OURS, "params.yaml"), (RELEASE, PARAMS)):
        runs, folder = {}, (root / lock).parent
        for name, spec in read_stages(root, str(folder)).items():
            outs = [next(iter(out)) for out in spec["outs"]]
            _write(root / outs[0] / "b", name)
            given = {file: {"dataset.name": "own", "seed": 1}}
            runs[name] = _locked(root, spec["cmd"], spec["deps"], given, outs)
        _yaml(root / lock, {"schema": "2.0", "stages": runs})
    preset = {
        "matrix": {"name": ["one", "new"]},
        "cmd": "y ${item.name}",
        "deps": ["data/${dataset.name}", "pipeline/old"],
        "params": [{"presets/one.yaml": ["network"]}],
        "outs": ["artifacts/${item.name}"],
    }
    values = {"presets/one.yaml": {"network": {"rate": 0.00001}}}
    lock = _locked(root, "y one", ["data/own", "pipeline/old"], values, ["artifacts/one"])
    (root / "artifacts" / "one").unlink()
    _yaml(root / "presets" / "dvc.yaml", {"stages": {"preset": preset}})
    _yaml(root / PRESETS, {"schema": "2.0", "stages": {"preset@one": lock}})
    text = (root / PRESETS).read_text("utf-8")
    _write(root / PRESETS, text.replace("1.0e-05", "1e-05"))  # as DVC writes it
    places = [f"artifacts/release/{name}" for name in STAGES]
    outputs = {place: dvc_digest(root / place) for place in places}
    _write(root / MODEL, json.dumps({"outputs": outputs, "code": {}, "a": 0.1}))
    _write(root / GOLDEN, "def test_it():\n    assert True\n")
    return root


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden test passes, and no pytest is started for it."""
    monkeypatch.setattr(provenance, "GOLDEN", ["-c", ""])


def _stages(root: Path, lock: str) -> dict[str, Any]:
    return yaml.safe_load((root / lock).read_text("utf-8"))["stages"]


def _runs(root: Path) -> dict[str, Any]:
    """What both locks say of the five stages."""
    locks = [(lock, _stages(root, lock)) for lock in (OURS, RELEASE)]
    return {f"{lock}: {name}": lines for lock, stages in locks for name, lines in stages.items()}


def test_unchanged_code_leaves_the_locks_as_they_are(project: Path) -> None:
    before = [(project / lock).read_bytes() for lock in LOCKS]
    assert relock(project) == ["preset@new: never run; left out of date"]
    assert [(project / lock).read_bytes() for lock in LOCKS] == before


@pytest.mark.usefixtures("passing")
def test_code_may_change_and_move(project: Path) -> None:
    (project / "pipeline" / "old").rename(project / "pipeline" / "new")
    _write(project / "pipeline" / "new" / "b.py", "more")
    for file in (lock.replace("lock", "yaml") for lock in LOCKS):
        text = (project / file).read_text("utf-8")
        _write(project / file, text.replace("pipeline/old", "pipeline/new"))
    before = _runs(project)
    relock(project)
    entry = {"path": "pipeline/new", **dvc_entry(project / "pipeline" / "new")}
    assert entry["nfiles"] == 2
    after = _runs(project)
    for name in after:
        assert [after[name]["deps"][k] for k in (0, 2)] == [before[name]["deps"][k] for k in (0, 2)]
        assert after[name]["deps"][1] == entry and list(after[name]) == list(before[name])
        assert after[name]["outs"] == before[name]["outs"]
    assert _stages(project, PRESETS)["preset@one"]["deps"][1] == entry
    text = (project / MODEL).read_text("utf-8")
    code = json.loads(text)["code"]
    digests = {"pipeline/new": entry["md5"], "stages/x.py": dvc_digest(project / "stages/x.py")}
    assert code == {name: digests for name in STAGES}
    relock(project)
    assert (project / MODEL).read_text("utf-8") == text


def _replace(file: str, old: str, new: str) -> Edit:
    return lambda root: _write(root / file, (root / file).read_text("utf-8").replace(old, new))


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (_replace("data/own/a", "a", "b"), "sample: changed: data/own"),
        (lambda root: shutil.rmtree(root / "data/own"), "sample: changed: data/own"),
        (_replace("artifacts/cnn/b", "c", "b"), "cnn: changed: artifacts/cnn"),
        (lambda root: shutil.rmtree(root / "artifacts/cnn"), "cnn: changed: artifacts/cnn"),
        (_replace("params.yaml", "seed: 1", "seed: 2"), "params.yaml: seed; run 'make repro'"),
        (_replace(PARAMS, "seed: 1", "seed: 2"), "release/params.yaml: seed; run 'make release'"),
        (lambda root: shutil.rmtree(root / "artifacts/release/cnn"), "cnn; run 'make release'"),
        (_replace("dvc.yaml", "s/fuse:", "s/one:"), "fuse: changed: artifacts/fuse, artifacts/one"),
        (lambda root: (root / "stages/x.py").unlink(), "stages/x.py: named in dvc.yaml, but"),
        (_replace(MODEL, "artifacts/", ""), "not from the run"),
        (_replace(GOLDEN, "True", "False"), "tests/golden: fails"),
    ],
)
def test_all_else_is_refused_and_nothing_is_written(project: Path, edit: Edit, match: str) -> None:
    edit(project)
    files = [project / name for name in (*LOCKS, MODEL)]
    before = [path.read_bytes() for path in files]
    with pytest.raises(BlurError, match=match):
        relock(project)
    assert [path.read_bytes() for path in files] == before


@pytest.mark.usefixtures("passing")
def test_before_the_first_release_the_models_origin_stays(project: Path) -> None:
    (project / RELEASE).unlink()
    before = json.loads((project / MODEL).read_text("utf-8"))
    _write(project / "stages" / "x.py", "other")
    relock(project)
    assert json.loads((project / MODEL).read_text("utf-8")) == before
    assert not (project / RELEASE).exists()
    written = _stages(project, OURS)["cnn"]["deps"][-1]["md5"]
    assert written == dvc_digest(project / "stages" / "x.py")


@pytest.mark.usefixtures("passing")
@pytest.mark.parametrize("path", ["presets/one.yaml", "artifacts/one"])
def test_presets_out_of_date_stay_so(project: Path, path: str) -> None:
    _write(project / path, "network: {rate: 4}\n")
    _write(project / "stages" / "x.py", "other")
    before = (project / PRESETS).read_bytes()
    assert relock(project)[0].startswith("preset@one: changed: ")
    assert (project / PRESETS).read_bytes() == before
    written = _stages(project, OURS)["cnn"]["deps"][-1]["md5"]
    assert written == dvc_digest(project / "stages" / "x.py")
