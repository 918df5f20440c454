"""The benchmark on real photos: its figures against plain counting, and the command."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import real_photos
from benchmarks.real_photos import POOLED, along_stack, as_text, find_photos, judge_photos, pooled
from blur_fusion.errors import BlurError, run
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


def plain_recall(labels: np.ndarray, scores: np.ndarray, rate: float) -> float:
    """The most blurred images found by any threshold that flags few enough sharp ones."""
    sharp, blurred = scores[labels == 0], scores[labels == 1]
    cuts = [-np.inf, *scores]  # flagged: above the cut
    allowed = [cut for cut in cuts if (sharp > cut).sum() <= np.floor(rate * len(sharp) + 1e-9)]
    return max(float((blurred > cut).mean()) for cut in allowed)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25])
def test_recall_at_a_false_alarm_rate_as_by_trying_every_threshold(rate: float) -> None:
    rng = np.random.default_rng(3)
    for decimals in [9, 1] * 30:  # with ties, and without
        count = int(rng.integers(10, 60))
        labels = np.append(rng.integers(0, 2, count), [0, 1])
        scores = np.round(rng.normal(size=count + 2) + labels, decimals)
        times = np.append(rng.integers(0, 4, count), [1, 1])
        weights = np.stack([np.ones(count + 2), times.astype(float)])
        found = real_photos.weighted_recall(labels, scores, weights, rate)
        drawn = np.repeat(labels, times), np.repeat(scores, times)
        known = plain_recall(labels, scores, rate), plain_recall(*drawn, rate)
        assert found == pytest.approx(known)


def said(logits: np.ndarray) -> list[dict[str, Prediction]]:
    return [{"fused": Prediction("", logit=float(logit))} for logit in logits]


def test_pooled_figures_and_their_intervals(shared: Path) -> None:
    photos = [photo for photo in find_photos(shared)[0] if photo.subset in POOLED]
    labels = np.array([photo.label for photo in photos])
    perfect = labels + np.linspace(0, 0.1, len(labels))
    found = pooled(photos, said(perfect), 200, 1)
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


def test_all_figures_of_made_up_photos(shared: Path) -> None:
    found = judge_photos(shared, JUDGED, load_params(shared / "params.yaml"))
    sets = found["sets"]
    assert list(sets) == [*POOLED, "strangers/panning"]
    assert sets["kwentar"]["fused"] == {"blurred": 2, "found": 2, "sharp": 1, "flagged": 0}
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
    lines = list(as_text(found))
    assert lines[0].startswith("pooled: 12 photos of 7 scenes, 6 blurred")
    chart = "chart: 2 pictures, fused logit against absolute step: Spearman 1.0000, in order"
    assert chart in lines
    assert lines[-1].endswith(f"blurred  strangers/panning: {BAD}")


def test_the_command_writes_json_and_ends_in_one_line_on_a_broken_photo(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(real_photos, "load", lambda model, judge: JUDGED[judge])
    target = shared / "found.json"
    words = [str(shared), "--params", str(shared / "params.yaml"), "--json", str(target)]
    done = CliRunner().invoke(real_photos.real_photos_command, words)
    assert done.exit_code == 0, done.output
    assert json.loads(target.read_text())["pooled"]["photos"] == 12
    assert "judged wrongly by fused" in done.output
    (shared / "kodak" / "01.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit):
        run(lambda: real_photos.real_photos_command(words))
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "01.png" in error


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
