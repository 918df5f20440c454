"""`blur explain`: pictures and pages, nothing overwritten, errors in one line."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from blur_fusion.errors import BlurError
from blur_fusion.explain.drawing import figure, percent, strongest
from blur_fusion.explain.explainer import Contribution, Explainer
from blur_fusion.images.photo import Photo
from blur_fusion.model.classifier import BlurDetector, ConstantClassifier
from blur_fusion.report.explained import SHOWN, Target, page
from blur_fusion.report.pages import fragment
from scan_command import imported, invoked
from trees import contents, write_photo

Photos = tuple[Path, Path]


@pytest.fixture(scope="module")
def explainer(model: Path) -> Explainer:
    return Explainer(BlurDetector(model))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    root = tmp_path_factory.mktemp("in")
    sharp = write_photo(root / "sharp.jpg", 1, size=(300, 420))
    return sharp, write_photo(root / "soft.jpg", 2, blurred=True, size=(300, 420))


def explain(model: Path, *arguments: object) -> Result:
    return invoked("explain", "--model", model, "--no-grad-cam", *arguments)


def test_a_picture_for_each_photo(model: Path, photos: Photos, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = explain(model, *photos, "--output", out)
    assert result.exit_code == 0, result.output
    assert contents(out).keys() == {"sharp-explained.png", "soft-explained.png"}
    picture = cv2.imread(str(out / "soft-explained.png"))
    assert picture.shape[1] >= 1000 and picture.min() < 40 and picture.max() == 255
    assert f"{photos[0]}: not blurred" in result.stdout and "soft.jpg: blurred" in result.stdout
    again = explain(model, photos[0], "--output", out)
    assert again.exit_code == 1 and "exists" in again.stderr
    assert explain(model, photos[0], "--output", out, "--force").exit_code == 0


def test_the_longest_names(model: Path, tmp_path: Path) -> None:
    photo = write_photo(tmp_path / f"{'ä' * 120}.jpg", 1)
    result = explain(model, photo, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert [*contents(tmp_path / "out")] == [f"{'ä' * 100}-explained.png"]


def test_one_page_of_all(model: Path, photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    out = tmp_path / "page.html"
    result = explain(model, photos[0], tmp_path / "notes.txt", photos[1], "--output", out)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1 and "notes.txt: is not an image" in result.stderr
    page = out.read_text("utf-8")
    assert re.findall("<h2>(.*?)</h2>", page) == ["Not blurred", "Not read", "Blurred"]
    assert page.count("data:image/jpeg") == 4  # photo and map of two
    assert "http" not in page.replace("http-equiv", "")
    assert not list(tmp_path.glob(".*part"))
    pair = [write_photo(tmp_path / name / "a.jpg", k) for k, name in enumerate("xy")]
    out = tmp_path / "out"
    assert explain(model, *pair, "--output", out, "--format", "html").exit_code == 0
    assert contents(out).keys() == {"a-explained-2.html", "a-explained.html"}


def test_impossible_targets(tmp_path: Path) -> None:
    for name in ("taken.html", "taken.txt"):
        (tmp_path / name).write_text("mine")
    for output, style, photos, line in (
        ("a.png", None, 2, "holds one photo"),
        ("a.png", "html", 1, "is not a name for html"),
        ("absent/a.html", None, 1, "no such folder"),
        ("taken.html", None, 1, "exists"),
        ("taken.txt", None, 1, "is a file"),
    ):
        with pytest.raises(BlurError, match=line):
            Target.of(tmp_path / output, style, photos, False)
    assert (tmp_path / "taken.html").read_text() == "mine"


def test_the_prediction_is_the_classifier_s(explainer: Explainer, photos: Photos) -> None:
    expected = explainer.classifier.predict(photos)
    assert [explainer.explain(path).prediction for path in photos] == expected
    pixels = np.ascontiguousarray(cv2.imread(str(photos[1]))[..., ::-1])
    again = explainer.explain(Photo(pixels, "b"))
    assert again.prediction.logit == expected[1].logit and again.prediction.path == "b"
    assert again.photo.shape == (*again.map.logit.shape, 3)


def test_contributions_are_what_the_logit_loses(explainer: Explainer, photos: Photos) -> None:
    """The tiny stack listens to the network only."""
    found = explainer.explain(photos[1]).contributions
    assert found[0].name == "network"
    names = {one.name for one in found}
    assert {"edge_width", "spectrum", "network"} <= names and len(names) == len(found)
    assert abs(found[0].logit) > 5 * max(abs(one.logit) for one in found[1:])


def test_bars_and_captions() -> None:
    found = [Contribution("a_b", 2.0), Contribution("c", -1.0), Contribution("d", 0.01)]
    assert [one.name for one in strongest(found)] == ["a_b", "c"]
    drawn = fragment("parts.html", "bars", found, **SHOWN)
    assert "a b" in drawn and "+2.0" in drawn and "-1.0" in drawn and ">d<" not in drawn
    assert "<span" not in fragment("parts.html", "bars", [], **SHOWN)
    assert [percent(p) for p in (1.0, 0.5, 0.001)] == ["over 99 %", "50 %", "below 1 %"]


def test_names_are_text_and_never_markup(explainer: Explainer, photos: Photos) -> None:
    found = explainer.explain(Photo(photos[1], "<script>x</script>\udcff.jpg"))
    text = b"".join(page([(found.prediction, found)], False)).decode("ascii")
    assert "<script>" not in text and "&lt;script&gt;" in text and figure(found).shape[2] == 3


def test_imports_without_grad_cam(model: Path, photos: Photos, tmp_path: Path) -> None:
    heavy = {"tensorflow", "keras", "sklearn", "matplotlib", "onnx", "gradio", "scipy"}
    words = ("explain", "--model", model, "--no-grad-cam", photos[1], "--output", tmp_path)
    assert not heavy & imported(*words)
    assert (tmp_path / "soft-explained.png").is_file()


def test_grad_cam_without_tensorflow_is_one_line(
    model: Path, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    result = explain(model, photos[0], "--grad-cam")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "blur-fusion[train]" in result.stderr


def test_grad_cam_is_drawn_over_the_photo(explainer: Explainer, photos: Photos) -> None:
    found = explainer.explain(photos[1], grad_cam=True)
    assert found.grad_cam is not None and found.grad_cam.shape == found.map.logit.shape
    assert found.grad_cam.min() >= 0 and found.grad_cam.max() <= 1
    assert figure(found).shape[1] > figure(explainer.explain(photos[1])).shape[1]
    assert b"Grad-CAM" in b"".join(page([(found.prediction, found)], True))
    narrow = found.photo[:, 1:].copy()  # as of a cut-off JPEG
    assert figure(dataclasses.replace(found, photo=narrow)).shape[2] == 3


def test_any_classifier_is_explained(photos: Photos) -> None:
    """One without our network has only a blur map."""
    constant = Explainer(ConstantClassifier(0.7).at(0.5))
    found = constant.explain(photos[1])
    assert found.prediction.blurred and found.contributions == [] and found.spread is None
    assert found.map.logit.shape == found.photo.shape[:2] and figure(found).shape[2] == 3
    with pytest.raises(BlurError, match="Grad-CAM"):
        constant.explain(photos[1], grad_cam=True)
