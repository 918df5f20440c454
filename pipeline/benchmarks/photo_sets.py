"""The labelled real photos below a shared-data folder, and its stacks of growing defocus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.errors import BlurError, require
from pipeline.data.certh import EVALUATION, TRAINING, digital_scene, filter_kind
from pipeline.data.dataset import LabelledImage
from pipeline.data.files import image_files
from pipeline.data.folders import read_folders, read_labels
from pipeline.data.open import INNER
from pipeline.data.sheets import read_sheet, sheet_key

CERTH = f"certh/{INNER}"
DIGITAL = f"{CERTH}/EvaluationSet/{EVALUATION['digital']}"
NATURAL = f"{CERTH}/EvaluationSet/{EVALUATION['natural']}"
ORIGINAL = "Original_"
STACKS = ("smear", "chart")
# What the pooled figures count. CERTH's other folders hold few images, most of them of the same
# ten filtered scenes; they are judged beside.
POOLED = ("photos", "kodak", "kwentar", "certh_digital")
BESIDE = "certh_other"


@dataclass(frozen=True)
class FocusStep:
    """A picture of a focus stack; 0 is in focus, a larger absolute number further out."""

    path: Path
    step: int


@dataclass(frozen=True)
class SharedPhotos:
    """What lies below one shared-data folder.

    Attributes
    ----------
    photos : tuple of LabelledImage
        `subset` is the set; a scene's key is (set, scene).
    stacks : dict of tuple of FocusStep
        By name, in order of the absolute step.
    missing : tuple of str
        Sets and stacks that are not there.
    """

    photos: tuple[LabelledImage, ...]
    stacks: dict[str, tuple[FocusStep, ...]]
    missing: tuple[str, ...]


def _image(root: Path, path: Path, label: int, kind: str, subset: str, scene: str) -> LabelledImage:
    return LabelledImage(path, path.relative_to(root).as_posix(), label, kind, subset, scene, "")


def _kodak(root: Path) -> list[LabelledImage]:
    paths = image_files(root / "kodak")
    return [_image(root, path, 0, "sharp", "kodak", path.name) for path in paths]


def _filtered(root: Path, folder: str, subset: str) -> list[LabelledImage]:
    """Originals, which are sharp, and what CERTH's filters made of them."""
    found = []
    for path in image_files(root / folder):
        label = int(not path.name.startswith(ORIGINAL))
        kind = filter_kind(path.stem) if label else "sharp"
        found.append(_image(root, path, label, kind, subset, digital_scene(path)))
    return found


def _certh_other(root: Path) -> list[LabelledImage]:
    """The images that fill the training folders, and the natural half's own."""
    found = []
    for folder, label in TRAINING.items():
        for path in image_files(root / CERTH / "TrainingSet" / folder):
            kind = filter_kind(path.stem) if label else "sharp"
            found.append(_image(root, path, label, kind, BESIDE, digital_scene(path)))
    labels = read_sheet((root / NATURAL).with_suffix(".xlsx"))
    for path in image_files(root / NATURAL):
        key = sheet_key(path.name)
        require(key in labels, f"{path}: has no row in the label sheet; add one")
        kind = "" if labels[key] else "sharp"
        found.append(_image(root, path, labels[key], kind, BESIDE, f"natural {path.name}"))
    return found


_READERS: dict[str, tuple[str, Callable[[Path], list[LabelledImage]]]] = {
    "photos": ("photos", lambda root: read_labels(root / "photos", "photos", [])),
    "kodak": ("kodak", _kodak),
    "kwentar": ("kwentar", lambda r: read_folders(r / "kwentar", "kwentar", "sharp", "blurred")),
    "certh_digital": (DIGITAL, lambda root: _filtered(root, DIGITAL, "certh_digital")),
    "certh_other": (f"{CERTH}/TrainingSet", _certh_other),
}


def _stack(folder: Path) -> tuple[FocusStep, ...]:
    steps = []
    for path in image_files(folder):
        try:
            steps.append(FocusStep(path, int(path.stem)))
        except ValueError:
            raise BlurError(f"{path}: name is no whole number; a stack's says the step") from None
    return tuple(sorted(steps, key=lambda one: (abs(one.step), one.step)))


def find_photos(root: Path) -> SharedPhotos:
    """List what lies below `root`, laid out as its README says; sets may be missing.

    Ambiguous photos are left out. Step 0 of a focus stack is sharp, but where blur begins is not
    labelled: stacks tell order, and count in no other figure.

    Raises
    ------
    BlurError
        There is no set at all, or one is laid out otherwise.
    """
    photos: list[LabelledImage] = []
    missing = []
    for name, (folder, read) in _READERS.items():
        if (root / folder).is_dir():
            photos += read(root)
        else:
            missing.append(name)
    stacks = {name: root / "focus_stacks" / name for name in STACKS}
    missing += [name for name, folder in stacks.items() if not folder.is_dir()]
    require(bool(photos), f"{root}: holds none of the sets {', '.join(_READERS)}")
    found = {name: _stack(folder) for name, folder in stacks.items() if folder.is_dir()}
    return SharedPhotos(tuple(photos), found, tuple(missing))
