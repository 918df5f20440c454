"""Split by scene into train, validation and test, and train into folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from blur_fusion.data.dataset import DataSet, LabelledImage
from blur_fusion.errors import BlurError, needs_train_line, require
from blur_fusion.params import SplitParams

LABEL_NAMES = {0: "sharp", 1: "blurred"}
FINEST = 20  # the most parts that scenes are dealt into to take a fraction


@dataclass(frozen=True)
class Row(LabelledImage):
    """A labelled image with its split, and its fold (-1 unless train)."""

    split: str
    fold: int


def _check_classes(images: Sequence[LabelledImage], where: str, at_least: int = 1) -> None:
    for label, name in LABEL_NAMES.items():
        count = len({image.key for image in images if image.label == label})
        require(count > 0, f"{where} holds one class only: no {name} image")
        require(
            count >= at_least,
            f"{where}: too few scenes, {count} with a {name} image; needs {at_least} "
            "(add images, or lower split.folds or raise the fractions)",
        )


def _deal(images: Sequence[LabelledImage], parts: int, seed: int, where: str) -> list[int]:
    """Part of each image, 0 to `parts` - 1: whole scenes, classes balanced."""
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError:
        raise BlurError(needs_train_line("splitting")) from None
    _check_classes(images, where, at_least=parts)
    labels = [image.label for image in images]
    groups = ["\t".join(image.key) for image in images]
    dealer = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    part = np.zeros(len(images), dtype=int)
    for number, (_, inside) in enumerate(dealer.split(labels, labels, groups)):
        part[inside] = number
    return part.tolist()


def _take(
    images: Sequence[LabelledImage], fraction: float, seed: int, where: str
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Split off about `fraction` of the scenes: the rest, and those taken."""
    share = Fraction(fraction).limit_denominator(FINEST)
    share = min(max(share, Fraction(1, FINEST)), Fraction(FINEST - 1, FINEST))
    part = _deal(images, share.denominator, seed, where)
    rest = [image for image, n in zip(images, part, strict=True) if n >= share.numerator]
    taken = [image for image, n in zip(images, part, strict=True) if n < share.numerator]
    _check_classes(taken, f"{where}: the part set aside")
    return rest, taken


def _folds(images: Sequence[LabelledImage], folds: int, seed: int, where: str) -> list[int]:
    """Fold of each image; both classes remain without any one fold."""
    dealt = _deal(images, folds, seed, where)
    for fold in range(folds):
        rest = [image for image, number in zip(images, dealt, strict=True) if number != fold]
        _check_classes(rest, f"{where}: all but fold {fold}")
    return dealt


def assign_splits(dataset: DataSet, split_params: SplitParams, seed: int) -> list[Row]:
    """Give each image its split, and each training image its fold; scenes are kept together.

    Official halves are kept: the training half becomes train and validation, the test half test.
    Without halves, `test_fraction` of the scenes is set aside first.

    Returns
    -------
    list of Row, in the order of `dataset`

    Raises
    ------
    BlurError
        There is only one class, or too few scenes for the split or the folds.
    """
    images = list(dataset.images)
    _check_classes(images, f"{dataset.root}")
    test = [image for image in images if image.half == "test"]
    train = [image for image in images if image.half != "test"]
    where = f"{dataset.root}: training half" if test else f"{dataset.root}"
    require(bool(train), f"{dataset.root}: has a test half but no training images")
    if not test:
        train, test = _take(train, split_params.test_fraction, seed, where)
    train, validation = _take(train, split_params.validation_fraction, seed, where)
    folds = _folds(train, split_params.folds, seed, f"{where}: folds")
    places: dict[str, Any] = {image.name: ("test", -1) for image in test}
    places |= {image.name: ("validation", -1) for image in validation}
    places |= {image.name: ("train", fold) for image, fold in zip(train, folds, strict=True)}
    return [Row(*vars(image).values(), *places[image.name]) for image in images]
