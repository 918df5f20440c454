"""The embedded data set on disk: a CERTH tree, the same bytes from the same seed."""

from collections import Counter, defaultdict

import cv2
import numpy as np
import pytest

from blur_fusion.data.dataset import DataSet
from blur_fusion.data.layouts import open_dataset
from blur_fusion.params import SampleParams
from blur_fusion.sample.digital import FILTERS
from blur_fusion.sample.photographs import EVALUATION_PHOTOGRAPHS, TRAINING_PHOTOGRAPHS
from blur_fusion.sample.tree import plan_scenes, write_sample

TINY = SampleParams(
    training_scenes=10, natural_scenes=7, digital_scenes=2, long_side=160, supersampled=0.4
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    root = tmp_path_factory.mktemp("data") / "sample"
    count = write_sample(root, TINY, seed=4, workers=1)
    dataset = open_dataset(root)
    assert len(dataset) == count == sum(path.suffix.lower() == ".jpg" for path in root.rglob("*"))
    return dataset


def test_the_certh_reader_reads_it_without_a_note(dataset: DataSet) -> None:
    assert dataset.notes == ()
    halves = Counter((image.subset, image.half, image.label) for image in dataset)
    assert halves[("digital", "test", 0)] == 2 and halves[("digital", "test", 1)] == 30
    for key in (("training", "train"), ("natural", "test")):
        assert halves[(*key, 0)] >= 7 and halves[(*key, 1)] >= 7
    kinds = {(image.kind, image.label) for image in dataset}
    assert kinds == {("defocus", 1), ("motion", 1), ("sharp", 0)}
    shapes = np.array([cv2.imread(str(image.path)).shape for image in dataset])
    longest = shapes[:, :2].max(axis=1) / TINY.long_side
    assert (shapes[:, 2] == 3).all() and longest.min() > 0.3 and longest.max() <= 1.5
    assert 0 < (longest > 1).mean() < 1  # some are rendered larger
    train, test = ({one.scene for one in dataset if one.half == half} for half in ("train", "test"))
    assert len(train) == TINY.training_scenes and not train & test
    assert len(test) == TINY.natural_scenes + TINY.digital_scenes


def test_digital_scenes_are_an_original_and_its_filters(dataset: DataSet) -> None:
    digital = [image for image in dataset if image.subset == "digital"]
    for scene in {image.scene for image in digital}:
        names = {image.path.stem.rsplit("_", 1)[0] for image in digital if image.scene == scene}
        assert names == {"Original", *FILTERS}
    # The second original in the string order of names is the tenth: the reader knows it too.
    folder = dataset.root / "EvaluationSet/DigitalBlurSet"
    original, filtered, other = (
        cv2.imread(str(folder / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        for name in ("Original_10", "DiskR10_2", "Original_1")
    )
    if other.shape != original.shape:
        other = cv2.resize(other, original.shape[::-1])
    likeness = [np.corrcoef(o.ravel(), filtered.ravel())[0, 1] for o in (original, other)]
    assert likeness[0] > 0.8 > likeness[1]


def test_blurred_shots_have_less_detail_than_sharp_ones(dataset: DataSet) -> None:
    detail: dict[tuple[str, int], list[float]] = defaultdict(list)
    for image in dataset:
        if image.subset != "digital":
            picture = cv2.imread(str(image.path), cv2.IMREAD_GRAYSCALE)
            variance = cv2.Laplacian(picture, cv2.CV_64F).var()
            detail[(image.scene, image.label)].append(float(np.log(variance + 1)))
    scenes = {scene for scene, _ in detail}
    gaps = [np.mean(detail[(scene, 0)]) - np.mean(detail[(scene, 1)]) for scene in scenes]
    assert np.mean(gaps) > 0.3
    assert np.mean(np.array(gaps) > 0) > 0.6


def test_the_default_plan_is_as_large_as_asked() -> None:
    plans = plan_scenes(SampleParams())
    shots = [shot for plan in plans for shot in plan.shots]
    images = {path: 1 + len(FILTERS) if sort == "filters" else 1 for path, sort in shots}
    later = [count for path, count in images.items() if path.startswith("EvaluationSet")]
    assert 2300 <= sum(images.values()) <= 4200 and 900 <= sum(later) <= 1600
    assert len(images) == len(shots)
    for one in ("scene", "number"):
        assert len({getattr(plan, one) for plan in plans}) == len(plans) >= 500


@pytest.mark.parametrize("size", [(10, 7), (500, 280), (1, 1)])
def test_a_photograph_is_one_scene_of_one_half(size: tuple[int, int]) -> None:
    plans = [plan for plan in plan_scenes(SampleParams(*size, 1, 160, 0.0)) if plan.photo]
    assert plans and len({plan.photo for plan in plans}) == len(plans)
    for plan in plans:
        (half,) = {path.split("/")[0] for path, _ in plan.shots}
        known = TRAINING_PHOTOGRAPHS if half == "TrainingSet" else EVALUATION_PHOTOGRAPHS
        assert plan.photo in known
