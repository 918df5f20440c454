"""What every classifier takes and gives, in threads too; arithmetic as in training; few calls."""

import copy
import doctest
import hashlib
import io
import json
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

import blur_fusion
from blur_fusion.cnn.spectra import local_spectra
from blur_fusion.data import layouts
from blur_fusion.errors import BlurError
from blur_fusion.features import content, measures
from blur_fusion.features.summary import describe
from blur_fusion.images import photo as photo_module
from blur_fusion.images.photo import InputSpec, Photo, working_image
from blur_fusion.model import classifier, prediction
from blur_fusion.model.classifier import BlurDetector, ConstantClassifier, LaplacianClassifier, load
from blur_fusion.model.network import Graph
from blur_fusion.model.prediction import FIELDS, Verdict
from blur_fusion.startup import one_opencv_thread
from pictures import exif, noise, save
from scan_command import python
from tiny_model import (
    FINEST,
    OFFSETS,
    PATTERNS,
    SLOPES,
    tiny_contents,
    with_band,
    write_tiny_model,
)
from trees import write_photo

JUDGES = ("fused", "cnn", "features")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve photos, every second one blurred."""
    root = tmp_path_factory.mktemp("photos")
    return [
        write_photo(root / f"{k}.png", k, blurred=k % 2 == 1, size=(100 + 9 * k, 320))
        for k in range(12)
    ]


@pytest.fixture
def own_threads() -> Iterator[None]:
    """OpenCV has three threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize(
    "module", [classifier, prediction, photo_module, blur_fusion, layouts, measures, content]
)
def test_examples_run(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples of a module's own docstring make serves all in it."""
    monkeypatch.chdir(tmp_path)
    parse = doctest.DocTestParser().get_doctest
    shared = parse(module.__doc__, dict(vars(module)), module.__name__, None, None)
    doctest.DocTestRunner().run(shared, clear_globs=False)
    assert doctest.testmod(module, extraglobs=shared.globs).failed == 0


def test_what_is_exported_has_an_example() -> None:
    names = set(blur_fusion.__all__) - {"__version__"}
    kinds = [getattr(blur_fusion, name) for name in names]
    kinds += [one.read for one in layouts.LAYOUTS.values()]
    kinds += [one.function for one in measures.MEASURES]
    for kind in (*kinds, ConstantClassifier, LaplacianClassifier, Photo):
        assert ">>>" in kind.__doc__, kind


def test_arrays_of_any_sort_are_one_picture_each(model: Path) -> None:
    detector, grey = BlurDetector(model), noise(60, 90)[:, :, 0]
    (expected,) = detector.predict(grey)
    frozen, deep = grey.copy(), np.dstack([grey] * 3).astype(np.uint16) << 8
    frozen.setflags(write=False)
    strided = grey.repeat(2, axis=0).repeat(2, axis=1)[::2, ::2]
    turned = grey[::-1, ::-1].copy()[::-1, ::-1]
    alike = [grey[:, :, None], strided, np.asfortranarray(grey), turned, frozen, grey / 255]
    alike += [(grey / 255).astype(">f4"), deep, deep.astype(">u2")]
    said = detector.predict(alike)
    assert [one.path for one in said] == [f"array {k}" for k in range(len(alike))]
    for one in said:
        assert one.logit == pytest.approx(expected.logit, abs=0.05), one
        assert (one.width, one.height) == (90, 60)


def test_any_size_gets_a_verdict(model: Path) -> None:
    pictures = [noise(*size)[:, :, 0] for size in ((1, 1), (2, 500), (31, 33), (700, 3))]
    for picture, said in zip(pictures, BlurDetector(model).predict(pictures), strict=True):
        assert (said.error, said.height, said.width) == (None, *picture.shape)
        assert said.probability is not None and 0 <= said.probability <= 1


def test_files_bytes_and_pil_images_agree(model: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), noise(60, 90))
    detector = BlurDetector(model)
    sources = [str(path), path, path.read_bytes(), image.open(io.BytesIO(path.read_bytes()))]
    sources.append(noise(60, 90)[:, :, ::-1])
    said = detector.predict(sources)
    assert [one.path for one in said] == [str(path)] * 2 + ["bytes 2", "image 3", "array 4"]
    assert [one.logit for one in said] == pytest.approx([said[0].logit] * 5, rel=1e-3)
    for source in sources:
        assert len(detector.predict(source)) == 1
    assert len(detector.predict(iter(sources[:2]))) == 2


@pytest.mark.parametrize("given", [None, 7, [7], [[0, 1], [1, 0]], io.BytesIO(b"")])
def test_what_is_no_picture_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match="is not a picture: give a path, .* an array"):
        ConstantClassifier(0.5).predict(given)


def test_batches_and_judges_change_no_bit(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    sources: list[Any] = [noise(50 + k, 70, k) for k in range(classifier.BATCH + 3)]
    sources.insert(5, broken)
    for judge in JUDGES:
        judged = load(model, judge=judge)
        alone = [judged.predict([Photo(one, "a")])[0] for one in sources]
        together = judged.predict(Photo(one, "a") for one in sources)
        assert together == alone and [one.error is None for one in alone].count(False) == 1


def test_the_judges_of_a_folder_share_one_pass(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges, photo = [load(model, judge=one) for one in JUDGES], Photo(noise(60, 90))
    describe = Mock(side_effect=classifier.describe)
    monkeypatch.setattr(classifier, "describe", describe)
    said = [judge.predict(photo)[0] for judge in judges]
    assert describe.call_count == 1 and len({one.probability for one in said}) == 3
    assert len({judge.fingerprint for judge in judges}) == 3


def test_a_pickle_holds_no_weights(tmp_path: Path) -> None:
    own = write_tiny_model(tmp_path / "own")
    detector = load(own, judge="cnn", threshold=0.25)
    packed = pickle.dumps(detector)
    assert len(packed) < 1000
    for other in (pickle.loads(packed), copy.copy(detector), copy.deepcopy(detector)):
        assert other.fingerprint == detector.fingerprint
        assert other.predict(noise(40, 50)) == detector.predict(noise(40, 50))
    model = own / "model.json"
    model.write_text(model.read_text() + " ")
    with pytest.raises(BlurError, match="not the model that was pickled"):
        pickle.loads(packed)
    model.unlink()
    with pytest.raises(BlurError, match="is not a model folder"):
        pickle.loads(packed)


def test_the_limit_of_the_laplacian_itself_is_sharp() -> None:
    picture = noise(80, 90)
    variance = classifier.recipe_variance(Photo(picture))
    for limit, blurred in ((variance, False), (variance * 1.0001, True)):
        (said,) = LaplacianClassifier(limit, -2.0, 9.0).predict(picture)
        assert said.blurred is blurred and said.laplacian_variance == variance


def _preset(folder: Path) -> Path:
    """The mean grey level of an 8x8 picture as P(second class); blurred is the first."""
    onnx, graph = pytest.importorskip("onnx"), Graph()
    given = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [1, 8, 8, 1])
    found = onnx.helper.make_tensor_value_info("classes", onnx.TensorProto.FLOAT, [1, 2])
    graph.node("Cast", ["image"], "levels", to=onnx.TensorProto.FLOAT)
    graph.node("Flatten", ["levels"], "line")
    means = graph.constant("means", np.repeat([[-1, 1]], 64, axis=0) / (64 * 255))
    graph.node("Gemm", ["line", means, graph.constant("first", [1, 0])], "classes")
    content = graph.bytes([given], [found])
    folder.mkdir()
    (folder / "model.onnx").write_bytes(content)
    about = {
        **{"format": 1, "system": "preset", "name": "mean", "blurred": 0, "threshold": 0.5},
        "network": {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()},
        "input": {"side": 8, "square": True, "colour": False, "resampling": "nearest"},
    }
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def test_a_trained_preset_is_a_classifier(tmp_path: Path) -> None:
    preset = load(_preset(tmp_path / "preset"))
    assert (preset.name, preset.spec) == ("mean", InputSpec(8, square=True, resampling="nearest"))
    dark, light = preset.predict([np.full((20, 30), level, np.uint8) for level in (51, 204)])
    assert (dark.kind, dark.probability) == ("blurred", pytest.approx(0.8))
    assert (light.kind, light.probability) == ("sharp", pytest.approx(0.2, rel=1e-5))
    assert pickle.loads(pickle.dumps(preset)).fingerprint == preset.fingerprint
    with pytest.raises(BlurError, match="a preset has one judge"):
        load(tmp_path / "preset", judge="cnn")
    (tmp_path / "preset" / "model.onnx").write_bytes(b"")
    with pytest.raises(BlurError, match=r"model\.onnx is damaged"):
        load(tmp_path / "preset")


def test_the_last_one_out_restores_opencvs_threads(own_threads: None) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_opencv_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_opencv_thread():
        thread.start()
        assert inside.wait(10) and cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == 1
    leave.set()
    thread.join()
    assert cv2.getNumThreads() == 3


def test_threads_and_environment_are_as_before(model: Path, own_threads: None) -> None:
    before = dict(os.environ)
    assert BlurDetector(model).predict(noise(60, 90))[0].error is None
    with pytest.raises(TypeError):
        BlurDetector(model).predict([np.zeros((9, 9), np.uint8), None])
    assert cv2.getNumThreads() == 3 and dict(os.environ) == before


def test_fields_are_in_the_agreed_order() -> None:
    assert (
        *("path", "blurred", "probability", "kind", "logit"),
        *("laplacian_variance", "width", "height", "error", "note", "frame_s"),
        *("verdict", "focus_x", "focus_y", "burst", "rank", "tie"),
    ) == FIELDS
    failed = Verdict.failed("a/b.jpg", "a/b.jpg: is an\nempty file")
    assert (failed.path, failed.error) == ("a/b.jpg", "is an empty file")
    assert failed.blurred is None is failed.probability


def test_any_threshold_but_the_model_s_own_closes_its_band(model: Path, tmp_path: Path) -> None:
    folder = with_band(model, tmp_path / "m", 0.2, 0.9)
    own = BlurDetector(folder)
    assert (own.threshold, own.band, own.asked) == (0.5, (0.2, 0.9), None)
    closed = [own.at(0.5), BlurDetector(folder, threshold=0.5), load(folder, max_false_alarms=0.1)]
    closed += [BlurDetector(model), load(folder, judge="cnn"), ConstantClassifier(0.5)]
    for one in closed:
        assert one.band == (one.threshold, one.threshold) and one.asked == one.threshold
    assert own.fingerprint != own.at(0.5).fingerprint == closed[1].fingerprint
    for again in (pickle.loads(pickle.dumps(own)), copy.copy(own)):
        assert (again.band, again.fingerprint) == (own.band, own.fingerprint)
    assert pickle.loads(pickle.dumps(own.at(0.5))).band == (0.5, 0.5)


def test_verdicts_by_the_band(model: Path, tmp_path: Path, photos: list[Path]) -> None:
    plain = BlurDetector(model).predict(photos)
    ranked = sorted(one.probability or 0.0 for one in plain)
    low, high = ranked[3], ranked[-3]  # these themselves are unsure and blurred
    assert low < 0.5 < high
    said = BlurDetector(with_band(model, tmp_path / "m", low, high)).predict(photos)
    for one, before in zip(said, plain, strict=True):
        assert (one.probability, one.blurred) == (before.probability, before.blurred)
        assert before.verdict == ("blurred" if before.blurred else "sharp")
    piles = [one.verdict for one in sorted(said, key=lambda one: one.probability or 0.0)]
    assert piles == ["sharp"] * 3 + ["unsure"] * 6 + ["blurred"] * 3
    assert [one.verdict for one in ConstantClassifier(0.6).predict(photos)] == ["blurred"] * 12


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("level", [0, 255])
def test_nothing_to_judge_is_unsure_and_says_so(model: Path, judge: str, level: int) -> None:
    detector = load(model, judge=judge)
    share = detector.model.rates.share_blurred
    for one in (detector, detector.at(0.0), detector.at(1.0)):
        (said,) = one.predict(np.full((90, 120), level, np.uint8))
        assert said.verdict == "unsure" and said.note == classifier.NOTHING
        assert said.probability == pytest.approx(share) and said.blurred == (share >= one.threshold)
        assert said.focus_x is said.focus_y is None


def test_where_a_photo_is_sharpest(model: Path, tmp_path: Path) -> None:
    """As a viewer sees it, so turned by EXIF."""
    image = np.full((300, 400, 3), 90, np.uint8)
    image[40:80, 300:340] = noise(40, 40)
    path = save(tmp_path / "a.jpg", image, exif(6, "<"))  # to be turned clockwise
    for source, place in ((image, (0.8, 0.2)), (path, (0.8, 0.8))):
        (said,) = BlurDetector(model).predict(source)
        assert (said.focus_x, said.focus_y) == pytest.approx(place, abs=0.05)
    part = Photo(image)
    part.image(BlurDetector(model).spec)
    part.note = "cut off: judged by the first 70 % of it"
    (said,) = BlurDetector(model).predict(part)
    assert said.note == part.note and said.focus_x is None  # where the part lies is not known


def test_verdicts_are_the_stacks(model: Path, photos: list[Path]) -> None:
    detector, contents = BlurDetector(model), tiny_contents()
    verdicts = detector.predict(photos)
    assert [verdict.path for verdict in verdicts] == [str(path) for path in photos]
    assert {verdict.blurred for verdict in verdicts} == {True, False}
    for path, verdict in zip(photos, verdicts, strict=True):
        full = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert (verdict.height, verdict.width) == full.shape
        working = working_image(path, detector.spec.side)
        assert max(working.shape) == 256
        edges = cv2.Laplacian(working, cv2.CV_64F)
        assert verdict.laplacian_variance == pytest.approx(edges.var(), rel=1e-9)
        # The tiny network by hand: mean over 2x2 blocks of responses.
        fine, _ = local_spectra(working.astype(np.float32), PATTERNS)
        sizes = np.tensordot(FINEST, np.exp(fine[0]), 1)
        # At an odd edge a block is half as large.
        padded = np.pad(sizes, [(0, side % 2) for side in sizes.shape], constant_values=np.nan)
        blocks = padded.reshape(padded.shape[0] // 2, 2, -1, 2)
        logits = (SLOPES * np.nanmean(blocks, axis=(1, 3)).mean() + OFFSETS)[None]
        logit = contents.model.stack.logits(logits, describe(working, contents.features)[None])
        expected, raw = contents.model.calibrations["fused"], logit["fused"]
        assert verdict.logit == pytest.approx(float(expected.scaled(raw)[0]), abs=1e-3)
        assert verdict.probability == pytest.approx(float(expected.probability(raw)[0]), abs=1e-3)
        assert verdict.blurred == (verdict.probability >= 0.5)
        likely = "motion" if logit["motion"][0] > 0 else "defocus"
        assert verdict.kind == (likely if verdict.blurred else "sharp")


def test_threads_give_the_same_in_order_and_one_bad_photo_stops_nothing(
    model: Path, photos: list[Path], tmp_path: Path
) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.write_bytes(b"")
    text.write_text("no picture")
    bad = np.zeros((3, 3, 7), np.uint8)
    sources: list[Any] = [photos[0], empty, text, tmp_path / "absent.jpg", bad, *photos[1:]]
    alone = BlurDetector(model).predict(sources)
    assert [verdict.error is None for verdict in alone] == [True, *[False] * 4, *[True] * 11]
    assert alone[4].path == "array 4"
    for verdict in alone[1:5]:
        assert verdict.blurred is verdict.probability is verdict.width is None
        assert verdict.error and "\n" not in verdict.error
    assert BlurDetector(model, threads=3).predict(sources) == alone
    shared = BlurDetector(model)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda path: shared.predict([path])[0], photos * 3))
    assert found == [alone[0], *alone[5:]] * 3


def test_threshold_and_rate(model: Path, photos: list[Path]) -> None:
    ordinary, photo = BlurDetector(model), photos[1]
    assert ordinary.threshold == 0.5
    probability = ordinary.predict(photo)[0].probability or 0.0
    exact = BlurDetector(model, threshold=probability)
    assert exact.predict(photo)[0].blurred is True
    above = BlurDetector(model, threshold=float(np.nextafter(probability, 1)))
    (said,) = above.predict(photo)
    assert (said.blurred, said.kind) == (False, "sharp")
    strict, lax = (BlurDetector(model, max_false_alarms=rate) for rate in (0.01, 0.2))
    assert strict.threshold == tiny_contents().model.rates.threshold(0.01) > lax.threshold
    marks = {one.fingerprint for one in (ordinary, exact, above, strict, lax)}
    assert len(marks) == 5 and BlurDetector(model).fingerprint in marks


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"threshold": 0.5, "max_false_alarms": 0.1}, "give either threshold or max_false_alarms"),
        ({"threshold": 1.5}, "must be between 0 and 1, not 1.5"),
        ({"threshold": float("nan")}, "between 0 and 1, not nan"),
        ({"max_false_alarms": 3}, "outside 0..0.3"),
        ({"threads": 0}, "must be at least 1, not 0"),
    ],
)
def test_impossible_arguments(model: Path, arguments: dict[str, float], said: str) -> None:
    with pytest.raises(BlurError, match=said):
        BlurDetector(model, **arguments)  # type: ignore[arg-type]


def test_without_a_shipped_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(classifier, "SHIPPED", tmp_path)
    with pytest.raises(BlurError, match="no model is installed"):
        BlurDetector()


def test_neither_tensorflow_nor_sklearn_is_imported(model: Path, photos: list[Path]) -> None:
    code = (
        "import sys\nimport blur_fusion\n"
        "assert not {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)\n"
        "print(blur_fusion.BlurDetector(sys.argv[1]).predict(sys.argv[2])[0].error)\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'onnx', 'joblib'} & set(sys.modules)))"
    )
    assert python(code, model, photos[0]).split("\n")[:2] == ["None", "[]"]


def test_one_photo_takes_few_files_and_functions(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "blurred.jpg", 1, blurred=True, size=(960, 1280))
    detector, root = BlurDetector(), str(Path(blur_fusion.__file__).parent)
    assert detector.predict(photo)[0].blurred  # and so a kind is told
    seen: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, given: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(root) and "<" not in code.co_name:
            seen.add((code.co_filename, code.co_name))

    sys.setprofile(note)
    try:
        detector.predict(photo)
    finally:
        sys.setprofile(None)
    assert len({file for file, _ in seen}) <= 16
    assert len(seen) <= 85, sorted(seen)
