"""`blur calibrate`: from decisions to a model folder that judges otherwise."""

import contextlib
import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from sklearn.metrics import log_loss

from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import Decision
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.fusion.stack import Calibration
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.folder import write_folder
from blur_fusion.personal.photos import bursts_of
from scan_command import invoked
from tiny_model import tiny_contents
from trees import write_photo

FEW = 32


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that calls nearly everything blurred."""
    contents, folder = tiny_contents(), tmp_path_factory.mktemp("wrong")
    calibrations = {**contents.model.calibrations, "fused": Calibration(4.0, 2.0)}
    model = dataclasses.replace(contents.model, calibrations=calibrations)
    write_folder(folder, dataclasses.replace(contents, model=model))
    return folder


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of kept, sharp photos and of rejected, blurred ones."""
    root = tmp_path_factory.mktemp("album")
    for k in range(FEW):
        name = root / ("reject" if k % 2 else "keep") / f"{k:02d}.jpg"
        write_photo(name, k, bool(k % 2), (96, 128) if k % 4 < 2 else (128, 96))
    return root


def calibrated(model: Path, target: Path, *words: object) -> Result:
    return invoked("calibrate", *words, "--model", model, "--output", target)


def folders(album: Path) -> tuple[object, ...]:
    return "--keep", album / "keep", "--reject", album / "reject"


def test_from_decisions_to_a_model(album: Path, wrong: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "d.json", tmp_path / "mine"
    photos = sorted(album.rglob("*.jpg"))
    rows = [{"path": str(one), "decision": one.parent.name} for one in photos]
    rows.append({"path": str(tmp_path / "gone.jpg"), "decision": "keep"})
    file.write_text(json.dumps({"photos": rows}), encoding="utf-8")
    ran = calibrated(wrong, target, file)
    assert ran.exit_code == 0, ran.output
    assert f"warning: {tmp_path}/gone.jpg: " in ran.stderr
    assert ran.stdout.startswith(f"{FEW} photos ({FEW // 2} rejected, {FEW // 2} kept), ")
    assert "calibration: gain in log-loss " in ran.stdout
    before, after = BlurDetector(wrong), BlurDetector(target)
    assert before.fingerprint != after.fingerprint and before.digest != after.digest
    assert np.mean([one.blurred for one in before.predict(photos)]) > 0.8
    right = [one.blurred == ("reject" in one.path) for one in after.predict(photos)]
    assert np.mean(right) > 0.9
    origin = after.provenance
    assert origin["from"]["model"] == before.digest
    assert origin["decisions"] == {"kept": FEW // 2, "rejected": FEW // 2}
    assert str(album) not in json.dumps(origin)  # a model that is passed on reveals no names
    again = calibrated(wrong, target, file)
    assert again.exit_code == 1 and "--force replaces it" in again.stderr


def test_two_folders_and_ratings_say_the_same(album: Path, wrong: Path, tmp_path: Path) -> None:
    ran = calibrated(wrong, tmp_path / "mine", *folders(album))
    assert ran.exit_code == 0, ran.output
    copy = tmp_path / "rated"
    copy.mkdir()
    for path in album.rglob("*.jpg"):
        (copy / f"{path.parent.name} {path.name}").symlink_to(path)
    decisions = [Decision(str(p), p.name.startswith("keep")) for p in copy.iterdir()]
    act(decisions, [copy], ActionOptions(rate=True))
    rated = calibrated(wrong, tmp_path / "other", copy)
    assert rated.exit_code == 0, rated.output
    figures = [[line for line in one.stdout.splitlines() if "AUC" in line] for one in (ran, rated)]
    assert figures[0] == figures[1] != []


def test_without_scikit_learn_one_line_says_so(
    album: Path, wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "sklearn" else find(n))
    ran = calibrated(wrong, tmp_path / "m", *folders(album))
    assert ran.exit_code == 0 and "needs the extra 'train'" in ran.stderr
    assert "weights of measures" not in ran.stdout


def test_decisions_at_random_write_nothing(album: Path, wrong: Path, tmp_path: Path) -> None:
    file, target, photos = tmp_path / "d.csv", tmp_path / "mine", sorted(album.rglob("*.jpg"))
    words = np.random.default_rng(5).permutation([path.parent.name for path in photos])
    lines = [f"{path},{word}\n" for path, word in zip(photos, words, strict=True)]
    file.write_text("".join(["path,decision\n", *lines]), encoding="utf-8")
    ran = calibrated(wrong, target, file)
    assert ran.exit_code == 1 and not target.exists()
    assert ran.stderr.endswith("no gain is shown: the model is kept, and nothing is written\n")
    assert "before" in ran.stdout and "AUC" in ran.stdout


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), 2, "name DECISIONS, or both"),
        (("--keep", "."), 2, "name DECISIONS, or both"),
        (("none.csv",), 1, "none.csv: cannot be read"),
        (("--keep", ".", "--reject", "./none"), 1, "no such folder"),
        (("--keep", ".", "--reject", "."), 1, "one is inside the other"),
    ],
)
def test_wrong_usage_is_one_line(
    words: tuple[str, ...], code: int, line: str, wrong: Path, tmp_path: Path
) -> None:
    with contextlib.chdir(tmp_path):
        ran = calibrated(wrong, tmp_path / "m", *words)
    assert ran.exit_code == code and line in ran.stderr and "Traceback" not in ran.stderr


def test_photos_of_one_burst_are_told_across_folders(tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (2, 12, 16), dtype=np.uint8)
    scene, other = blocks.repeat(16, 1).repeat(16, 2)
    paths = [str(tmp_path / name) for name in ("keep/1.jpg", "reject/2.jpg", "keep/3.jpg")]
    numbers = bursts_of(paths, [scene, np.roll(scene, 2, 1), other])
    assert numbers[0] == numbers[1] != numbers[2]


def test_the_shipped_model_learns_from_half_of_strangers(shared_data: Path, tmp_path: Path) -> None:
    """Whatever is adopted must not be worse on the other half."""
    files = sorted((shared_data / "strangers").glob("*/*/*.*"))
    photos = [path for path in files if path.parent.name in ("sharp", "blurred")]
    if not photos:
        pytest.skip("no strangers among the real photos")
    words = {"sharp": "keep", "blurred": "reject"}
    rows = [{"path": str(path), "decision": words[path.parent.name]} for path in photos[::2]]
    file, target = tmp_path / "d.json", tmp_path / "mine"
    file.write_text(json.dumps(rows), encoding="utf-8")
    ran = invoked("calibrate", file, "--output", target)
    assert "log-loss" in ran.stdout and (ran.exit_code == 0) == target.exists(), ran.output
    others = photos[1::4]
    labels = [int(path.parent.name == "blurred") for path in others]
    models = [BlurDetector(), BlurDetector(target) if target.exists() else BlurDetector()]
    before, after = (log_loss(labels, [p.probability for p in m.predict(others)]) for m in models)
    assert after <= before
