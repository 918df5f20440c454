"""The packaged model: small, whole, and made by this very commit; and how releases are verified."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from blur_fusion.errors import BlurError
from blur_fusion.model import verify
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.folder import (
    FILES,
    MODEL,
    NETWORK,
    PROVENANCE,
    SHIPPED,
    STACK,
    WEIGHTS,
    as_json,
    packed,
    read_provenance,
    unpacked,
    write_folder,
)
from blur_fusion.model.provenance import STAGES, file_digest, flat_params, read_lock, recorded
from blur_fusion.model.release import ARTIFACTS, DATA, PARAMS
from blur_fusion.model.verify import compare, largest_difference, numbers
from tiny_model import tiny_contents, write_tiny_model
from tiny_network import noise
from trees import REPOSITORY

LIMIT = 1_000_000  # bytes of a file


PACKAGED, LOCK = read_provenance(SHIPPED), read_lock(REPOSITORY / "release" / "dvc.lock")


def test_packaged_model_is_small_and_whole() -> None:
    paths = {path.name: path for path in SHIPPED.iterdir()}
    assert set(paths) == {*FILES, MODEL, PROVENANCE}
    assert max(path.stat().st_size for path in paths.values()) <= LIMIT
    others = {n: file_digest(path, "sha256") for n, path in paths.items() if n != PROVENANCE}
    assert PACKAGED["files"] == others  # the provenance covers all of them
    assert len(unpacked(paths[STACK].read_bytes())) <= 12
    detector = BlurDetector()
    assert detector.provenance == PACKAGED
    (verdict,) = detector.predict(noise(90, 120))
    assert verdict.error is None and verdict.probability is not None


def test_packaged_model_is_of_these_params() -> None:
    given, params = flat_params(REPOSITORY / PARAMS), PACKAGED["params"]
    assert params == {name: given[name] for name in params} == recorded(LOCK)["params"]
    written = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text("utf-8"))["stages"]
    assert set(params) == {name for stage in STAGES for name in written[stage].get("params", [])}


def test_packaged_model_is_of_the_locked_run(tmp_path: Path) -> None:
    assert set(PACKAGED["code"]) == set(STAGES)
    assert PACKAGED["code"] == recorded(LOCK)["code"]
    locks = [LOCK]
    # Who ran `make release` on another processor, or another Python, has other bytes.
    show = ["git", "show", "HEAD:release/dvc.lock"]
    if (committed := subprocess.run(show, cwd=REPOSITORY, capture_output=True)).returncode == 0:
        (tmp_path / "dvc.lock").write_bytes(committed.stdout)
        locks.append(read_lock(tmp_path / "dvc.lock"))
    assert PACKAGED["outputs"] in [recorded(one)["outputs"] for one in locks]


def pictures(count: int = 8) -> Iterator[np.ndarray]:
    for k in range(count):
        spread = 1 + 30 * k // count  # so that both verdicts occur
        yield np.random.default_rng(k).integers(100, 101 + spread, (60, 80)).astype(np.uint8)


def _changed(folder: Path, by: float) -> Path:
    """The tiny model with another gain."""
    contents = tiny_contents()
    contents.model.stack.networks.gains[2:4, 0] += by
    write_folder(folder, contents)
    (folder / PROVENANCE).write_bytes(as_json({"made": "again"}))
    return folder


@pytest.mark.parametrize("by", [0.0, 1e-6, -2.0])
def test_two_models_are_compared(tmp_path: Path, by: float) -> None:
    """Equal ones are byte-equal, a slight difference is measured, another verdict is refused."""
    ours = write_tiny_model(tmp_path / "a")
    theirs = _changed(tmp_path / "b", by) if by else write_tiny_model(tmp_path / "b")
    result, said = compare(ours, theirs, pictures()), BlurDetector(ours).predict(pictures())
    pairs = enumerate(zip(said, BlurDetector(theirs).predict(pictures()), strict=True))
    moved = tuple(k for k, (a, b) in pairs if (a.blurred, a.kind) != (b.blurred, b.kind))
    assert {one.blurred for one in said} == {True, False} and result.images == 8
    assert result.verdicts == moved and bool(moved) == (by < -1)
    assert result.same == (not moved)
    assert result.weights == pytest.approx(abs(by), rel=0.2)
    if not by:
        assert result.probability == 0 and result.lines()[0] == "other bytes: none, byte-equal"
    else:
        assert set(result.other_bytes) == {STACK, MODEL, PROVENANCE} and result.origin == ("made",)
        assert result.probability > 0 and "provenance differs in: made" in result.lines()


def test_every_number_of_a_model_is_compared(tmp_path: Path) -> None:
    """Of each array of each file, and of model.json, one number is changed."""
    ours = write_tiny_model(tmp_path / "a")
    names = numbers(ours)
    for file in (STACK, WEIGHTS):
        arrays = unpacked((ours / file).read_bytes())
        assert {f"{file} {name}" for name in arrays} <= names.keys()
        for name, array in arrays.items():
            other = shutil.copytree(ours, tmp_path / "b", dirs_exist_ok=True)
            changed = array + (np.arange(array.size).reshape(array.shape) == 0)
            (other / file).write_bytes(packed({**arrays, name: changed}))
            assert largest_difference(ours, other) == pytest.approx(1, rel=1e-3), name
    network = onnx.load(ours / NETWORK)
    for tensor in network.graph.initializer:
        assert f"{NETWORK} {tensor.name}" in names
    other = shutil.copytree(ours, tmp_path / "b", dirs_exist_ok=True)
    kernel = next(one for one in network.graph.initializer if one.name == "slopes")
    kernel.CopyFrom(onnx.numpy_helper.from_array(names[f"{NETWORK} slopes"] + 1, "slopes"))
    onnx.save(network, other / NETWORK)
    assert largest_difference(ours, other) == pytest.approx(1)
    text = (ours / MODEL).read_text("utf-8")
    for old in ('"temperature": 0.5', '"bias": -1.5', '"threshold": 0.5', '"long_side": 256'):
        other = shutil.copytree(ours, tmp_path / "b", dirs_exist_ok=True)
        (other / MODEL).write_text(text.replace(old, f"{old}25", 1), encoding="utf-8")
        assert largest_difference(ours, other) > 0, old


def _checkout(root: Path) -> Path:
    """Tracked files, one of them edited since, and one that is not tracked."""
    for name in ("params.yaml", "release/dvc.yaml", "stages/cnn.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "stages" / "cnn.py").write_text("edited")
    (root / "stages" / "new.py").write_text("must not be used")
    return root


def test_copies_tracked_files_as_they_are(tmp_path: Path) -> None:
    root = _checkout(tmp_path / "root")
    assert verify.copy_tracked(root, tmp_path / "copy") == 3
    assert (tmp_path / "copy" / "stages" / "cnn.py").read_text() == "edited"
    assert not (tmp_path / "copy" / "stages" / "new.py").exists()
    with pytest.raises(BlurError, match="not a Git checkout"):
        verify.copy_tracked(tmp_path / "nowhere", tmp_path / "copy")


@pytest.mark.parametrize("by", [0.0, -2.0])
def test_verification_trains_every_stage_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: float
) -> None:
    """The stages themselves are run by test_end_to_end; here they are only counted."""
    called: list[str] = []

    def fake(copy: Path, *words: str) -> None:
        assert copy.is_relative_to(tmp_path) and words[0] == "-m"
        called.append(words[1])
        if words[1] == "blur_fusion.cli.main":
            assert words[2] == "export"
            assert words[4:] == ("--model-dir", ARTIFACTS, "--params", PARAMS)
            _changed(Path(words[3]), by)
        else:
            assert words[2:] == (PARAMS, DATA if words[1] == "stages.sample" else ARTIFACTS)

    monkeypatch.setattr(verify, "_run", fake)
    monkeypatch.setattr(verify.Store, "open", lambda folder: folder)
    monkeypatch.setattr(verify, "_validation", lambda store: pictures())
    monkeypatch.setattr(verify, "ROOT", _checkout(tmp_path / "root"))
    monkeypatch.setattr(verify, "SHIPPED", _changed(tmp_path / "shipped", 0.0))
    monkeypatch.setattr(verify.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BlurError, match="answers differently") if by else nullcontext():
        verify.main()
    assert called == [*(f"stages.{stage}" for stage in STAGES), "blur_fusion.cli.main"]
    assert ("byte-equal" in capsys.readouterr().out) == (not by)


def test_a_stage_that_fails_and_a_model_that_is_absent_are_named(tmp_path: Path) -> None:
    with pytest.raises(BlurError, match=r"-m no\.such\.stage: ended with status 1"):
        verify._run(tmp_path, "-m", "no.such.stage")
    with pytest.raises(BlurError, match="no such file"):
        verify.verify_release(tmp_path, tmp_path / "absent", tmp_path / "work")
    assert not (tmp_path / "work").exists()
