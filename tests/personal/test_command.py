"""`blur calibrate`: from decisions to a model folder that judges otherwise."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from blur_fusion.actions.act import act
from blur_fusion.actions.decisions import Decision
from blur_fusion.actions.plan import ActionOptions
from blur_fusion.fusion.stack import Calibration
from blur_fusion.model.classifier import BlurDetector
from blur_fusion.model.folder import write_folder
from blur_fusion.personal.photos import bursts_of, detector, measure
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


def rows_of(root: Path) -> list[dict[str, str]]:
    return [
        {"path": str(path), "decision": path.parent.name} for path in sorted(root.rglob("*.jpg"))
    ]


def test_from_decisions_to_a_model(album: Path, wrong: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "d.json", tmp_path / "mine"
    rows = [*rows_of(album), {"path": str(tmp_path / "gone.jpg"), "decision": "keep"}]
    file.write_text(json.dumps({"photos": rows}), encoding="utf-8")
    ran = invoked("calibrate", file, "--model", wrong, "--output", target)
    assert ran.exit_code == 0, ran.output
    assert f"warning: {tmp_path}/gone.jpg: " in ran.stderr
    assert ran.stdout.startswith(f"{FEW} photos ({FEW // 2} rejected, {FEW // 2} kept), ")
    assert "calibration: gain in log-loss " in ran.stdout
    before, after = BlurDetector(wrong), BlurDetector(target)
    assert before.fingerprint != after.fingerprint and before.digest != after.digest
    photos = [row["path"] for row in rows_of(album)]
    said = after.predict(photos)
    rejected = [Path(one.path).parent.name == "reject" for one in said]
    right = np.mean([one.blurred == truth for one, truth in zip(said, rejected, strict=True)])
    assert right > 0.9 > np.mean([one.blurred for one in before.predict(photos)]) - 0.5
    origin = after.provenance
    assert origin["from"]["model"] == before.digest
    assert origin["decisions"] == {"kept": FEW // 2, "rejected": FEW // 2}
    assert str(album) not in json.dumps(origin)  # a model that is passed on reveals no names
    again = invoked("calibrate", file, "--model", wrong, "--output", target)
    assert again.exit_code == 1 and "--force replaces it" in again.stderr
    scan = invoked("scan", album / "keep" / "00.jpg", "--model", target, "--format", "json")
    assert scan.exit_code == 0 and json.loads(scan.stdout)[0]["blurred"] is False


def test_two_folders_and_ratings_say_the_same(album: Path, wrong: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    folders = ("--keep", album / "keep", "--reject", album / "reject")
    ran = invoked("calibrate", *folders, "--model", wrong, "--output", target)
    assert ran.exit_code == 0, ran.output
    copy = tmp_path / "rated"
    for row in rows_of(album):
        name = copy / f"{row['decision']} {Path(row['path']).name}"
        name.parent.mkdir(exist_ok=True)
        name.symlink_to(row["path"])
    decisions = [Decision(str(p), p.name.startswith("keep")) for p in copy.iterdir()]
    act(decisions, [copy], ActionOptions(rate=True))
    rated = invoked("calibrate", copy, "--model", wrong, "--output", tmp_path / "other")
    assert rated.exit_code == 0, rated.output
    figures = [[line for line in one.stdout.splitlines() if "AUC" in line] for one in (ran, rated)]
    assert figures[0] == figures[1] != []


def test_without_scikit_learn_one_line_says_so(
    album: Path, wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "sklearn" else find(n))
    folders = ("--keep", album / "keep", "--reject", album / "reject")
    ran = invoked("calibrate", *folders, "--model", wrong, "--output", tmp_path / "m")
    assert ran.exit_code == 0 and "needs the extra 'train'" in ran.stderr
    assert "weights of measures" not in ran.stdout


def test_decisions_at_random_write_nothing(album: Path, wrong: Path, tmp_path: Path) -> None:
    rows = rows_of(album)
    words = np.random.default_rng(5).permutation([row["decision"] for row in rows])
    file, target = tmp_path / "d.csv", tmp_path / "mine"
    lines = [f"{row['path']},{word}" for row, word in zip(rows, words, strict=True)]
    file.write_text("\n".join(["path,decision", *lines, ""]), encoding="utf-8")
    ran = invoked("calibrate", file, "--model", wrong, "--output", target)
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
    words: tuple[str, ...],
    code: int,
    line: str,
    wrong: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = invoked("calibrate", *words, "--model", wrong, "--output", "m")
    assert ran.exit_code == code and line in ran.stderr and "Traceback" not in ran.stderr


def test_photos_of_one_burst_are_told_across_folders(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scene = (rng.integers(0, 256, (12, 16)).repeat(16, 0).repeat(16, 1)).astype(np.uint8)
    other = (rng.integers(0, 256, (12, 16)).repeat(16, 0).repeat(16, 1)).astype(np.uint8)
    paths = [str(tmp_path / name) for name in ("keep/1.jpg", "reject/2.jpg", "keep/3.jpg")]
    for path in paths:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    numbers = bursts_of(paths, [scene, np.roll(scene, 2, 1), other])
    assert numbers[0] == numbers[1] != numbers[2]


def test_half_of_strangers(shared_data: Path, tmp_path: Path) -> None:
    """Learn from half of these hard photos, and judge the other half."""
    root = shared_data / "strangers"
    if not root.is_dir():
        pytest.skip("no strangers among the real photos")
    halves: list[list[Decision]] = [[], []]
    for place, path in enumerate(sorted(p for p in root.rglob("*") if p.is_file())):
        if path.parent.name in ("sharp", "blurred"):
            halves[place % 2].append(Decision(str(path), path.parent.name == "sharp"))
    file, target = tmp_path / "d.json", tmp_path / "mine"
    words = {True: "keep", False: "reject"}
    rows = [{"path": one.path, "decision": words[one.keep is True]} for one in halves[0]]
    file.write_text(json.dumps(rows), encoding="utf-8")
    ran = invoked("calibrate", file, "--output", target)
    assert ran.exit_code in (0, 1) and "log-loss" in ran.stdout, ran.output
    assert (ran.exit_code == 0) == target.exists()
    classifier = detector(None)
    others, _ = measure(halves[1][::2], classifier)
    models = [classifier.model, detector(target).model] if target.exists() else [classifier.model]
    losses = []
    for model in models:
        raw = model.stack.logits(others.logits, others.measures)["fused"]
        logits = model.calibrations["fused"].scaled(raw)
        losses.append((np.logaddexp(0, logits) - others.labels * logits).mean())
    assert losses[-1] <= losses[0]  # what showed a gain holds, or nothing was learned
