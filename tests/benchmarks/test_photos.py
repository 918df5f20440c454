"""The benchmark on real photos: its figures against plain counting, and the command."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_curve

from benchmarks import real_photos
from benchmarks.real_photos import POOLED, along_stack, find_photos, judge_photos, pooled
from blur_fusion.errors import BlurError
from blur_fusion.fusion.stack import JUDGES
from blur_fusion.model.prediction import Prediction
from blur_fusion.params import load_params
from evaluation_fakes import FakeClassifier
from trees import REPOSITORY, write_photo

BAD = "strangers/panning/blurred/blurred.jpg"


def blur_by_step(image: np.ndarray) -> float:
    """Tells `write_photo`'s blurred pictures from its sharp ones by their neighbours' steps."""
    return float(1 / (1 + np.exp(8 * (np.abs(np.diff(image.astype(float))).mean() - 2.7))))


JUDGED = {judge: FakeClassifier(judge, blur_by_step) for judge in JUDGES}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Every set of the shared data, a few made-up pictures each."""
    root, rows = tmp_path / "data", ["filename,label,note"]
    for k, label in enumerate(["sharp", "sharp", "blurred", "ambiguous"]):
        write_photo(root / "photos" / f"p{k}.jpg", k, label == "blurred")
        rows.append(f"p{k}.jpg,{label},")
    (root / "photos" / "labels.csv").write_text("\n".join(rows) + "\n")
    write_photo(root / "kodak" / "01.png", 20)
    for letter, folder in (("S", "sharp"), ("F", "defocused_blurred"), ("M", "motion_blurred")):
        write_photo(root / "kwentar" / folder / f"0_PHONE_{letter}.JPG", 30, letter != "S")
    digital = root / "certh/CERTH_ImageBlurDataset/EvaluationSet/DigitalBlurSet"
    for name in ("Original_10", "DiskR10_2", "MotionL50Th90_2", "Original_1", "DiskR8_1"):
        write_photo(digital / f"{name}.jpg", 40, not name.startswith("Original"))
    for name in ("sharp", "blurred"):  # what is called blurred is sharp
        write_photo(root / "strangers/panning" / name / f"{name}.jpg", 60)
    for step in (-2, -1, 0, 1, 2):
        write_photo(root / "focus_stacks/smear" / f"{step}.bmp", 70, step != 0)
    for step in (0, 1):
        write_photo(root / "focus_stacks/chart" / f"{step}.png", 80, step > 0)
    params = re.sub(r"resamples: \d+", "resamples: 50", (REPOSITORY / "params.yaml").read_text())
    (root / "params.yaml").write_text(params)
    return root


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25])
def test_recall_at_a_false_alarm_rate_as_scikit_learn_has_it(rate: float) -> None:
    rng = np.random.default_rng(3)
    for decimals in [9, 1] * 10:  # with ties, and without
        count = int(rng.integers(12, 62))
        labels = np.append(rng.integers(0, 2, count - 2), [0, 1])
        scores = np.round(rng.normal(size=count) + labels, decimals)
        weights = np.stack([np.ones(count), np.append(rng.integers(0, 4, count - 2), [1.0, 1])])
        known = []
        for each in weights:
            false, true, _ = roc_curve(labels, scores, sample_weight=each, drop_intermediate=False)
            known.append(true[false <= rate + 1e-9].max())
        found = real_photos.weighted_recall(labels, scores, weights, rate)
        assert found == pytest.approx(known)


def test_pooled_figures_and_their_intervals(shared: Path) -> None:
    photos = [photo for photo in find_photos(shared)[0] if photo.subset in POOLED]
    perfect = [photo.label + number / 100 for number, photo in enumerate(photos)]
    said = [{"fused": Prediction("", logit=logit)} for logit in perfect]
    found = pooled(photos, said, 200, 1)
    counted = {"photos": 12, "blurred": 6, "scenes": 7, "may_be_flagged": 0}
    assert counted.items() < found.items()
    assert found["fused"] == dict.fromkeys(("auc", "recall"), {"value": 1, "low": 1, "high": 1})
    with pytest.raises(BlurError, match="needs both sharp and blurred ones"):
        pooled([photo for photo in photos if photo.label], [], 10, 1)


def test_order_along_a_stack() -> None:
    good = along_stack([0, -1, 1, -2, 2], np.array([-3.0, -1, -0.5, 2, 4]))
    assert good["in_order"] and good["spearman"] > 0.9
    bad = along_stack([0, 1, 2], np.array([0.0, 3.0, 2.0]))
    assert not bad["in_order"] and bad["spearman"] == pytest.approx(0.5)
    assert along_stack([0, 1], np.array([1.0, 1.0]))["spearman"] is None


def test_the_command_tells_all_figures(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_photos, "load", lambda model, judge: JUDGED[judge])
    target = shared / "found.json"
    words = [str(shared), "--params", str(shared / "params.yaml"), "--json", str(target)]
    done = CliRunner().invoke(real_photos.real_photos_command, words)
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    assert found["sets"].keys() == {*POOLED, "strangers/panning"}
    assert found["sets"]["kwentar"]["fused"] == {"blurred": 2, "found": 2, "sharp": 1, "flagged": 0}
    every = found["doubt"]["all photos"]
    assert every["unsure"]["of"] == 14 and every["unsure"]["images"] == 0
    assert (every["misses"]["images"], every["misses"]["of"]) == (1, 7)
    assert found["doubt"]["pooled"]["misses"]["images"] == 0 and found["nothing"] == []
    (wrong,) = found["wrong"]
    assert (wrong["set"], wrong["name"]) == ("strangers/panning", BAD)
    assert found["pooled"]["photos"] == 12 and found["strangers"]["photos"] == 2
    assert found["pooled"]["fused"]["auc"]["value"] == 1
    assert found["kinds"]["kwentar"]["confusion"]["motion"]["defocus"] == 1
    assert found["stacks"]["smear"]["steps"] == [0, -1, 1, -2, 2]
    assert found["stacks"]["chart"]["in_order"]
    lines = done.stdout.splitlines()
    assert lines[0].startswith("pooled: 12 photos of 7 scenes, 6 blurred")
    chart = "chart: 2 pictures, fused logit against absolute step: Spearman 1.0000, in order"
    assert chart in lines and any(line.startswith("judged wrongly by fused") for line in lines)
    assert lines[-1].endswith(f"blurred  strangers/panning: {BAD}")


def test_a_broken_photo_is_an_error_that_names_it(shared: Path) -> None:
    (shared / "kodak" / "01.png").write_bytes(b"no picture")
    with pytest.raises(BlurError, match=r"01\.png"):
        judge_photos(shared, JUDGED, load_params(shared / "params.yaml"))


def test_sets_labels_kinds_and_scenes(shared: Path) -> None:
    photos, stacks, missing = find_photos(shared)
    told = {(p.subset, p.path.name): (p.label, p.kind, p.scene) for p in photos}
    assert len(told) == len(photos) == 3 + 1 + 3 + 5 + 2
    assert ("photos", "p3.jpg") not in told  # ambiguous
    assert (told["photos", "p2.jpg"][0], told["photos", "p0.jpg"][0]) == (1, 0)
    assert told["kodak", "01.png"][:2] == (0, "sharp")
    assert told["strangers/panning", "blurred.jpg"][:2] == (1, "")
    known = {
        ("kwentar", "0_PHONE_S.JPG"): (0, "sharp", "0_PHONE"),
        ("kwentar", "0_PHONE_F.JPG"): (1, "defocus", "0_PHONE"),
        ("kwentar", "0_PHONE_M.JPG"): (1, "motion", "0_PHONE"),
        ("certh_digital", "Original_10.jpg"): (0, "sharp", "Original_10"),
        ("certh_digital", "MotionL50Th90_2.jpg"): (1, "motion", "Original_10"),
        ("certh_digital", "DiskR8_1.jpg"): (1, "defocus", "Original_1"),
    }
    assert known.items() < told.items()
    assert [step for step, _ in stacks["smear"]] == [0, -1, 1, -2, 2]
    assert missing == []


def test_missing_sets_are_named_and_none_is_an_error(shared: Path, tmp_path: Path) -> None:
    shutil.rmtree(shared / "kodak")
    assert find_photos(shared)[2] == ["kodak"]
    with pytest.raises(BlurError, match="holds none of the sets photos, kodak"):
        find_photos(tmp_path / "nothing")
    write_photo(shared / "focus_stacks/chart" / "near.png", 1)
    with pytest.raises(BlurError, match="chart: names must be whole numbers"):
        find_photos(shared)
