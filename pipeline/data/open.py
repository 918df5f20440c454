"""Open a folder as a data set, whichever known layout it has."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.errors import BlurError, require
from pipeline.data.certh import is_certh, read_certh
from pipeline.data.content import finish
from pipeline.data.dataset import DataSet
from pipeline.data.folders import TABLE, class_folders, read_folders, read_labels

LAYOUTS = ("auto", "certh", "folders", "labels")
INNER = "CERTH_ImageBlurDataset"  # the folder inside the official zip


def _known_layouts(sharp: str, blurred: str) -> str:
    return (
        "known layouts: the CERTH tree (TrainingSet, EvaluationSet); class folders "
        f"'{sharp}' and '{blurred}', or 'sharp', 'defocused_blurred', 'motion_blurred'; "
        f"images beside a {TABLE} (filename,label)"
    )


def _find_layout(root: Path, sharp: str, blurred: str) -> str:
    if is_certh(root):
        return "certh"
    if (root / TABLE).is_file():
        return "labels"
    if class_folders(root, sharp, blurred):
        return "folders"
    raise BlurError(f"{root}: unknown layout; {_known_layouts(sharp, blurred)}")


def open_dataset(
    root: Path | str,
    layout: str = "auto",
    sharp_folder: str = "sharp",
    blurred_folder: str = "blurred",
) -> DataSet:
    """Read the labelled images under `root`, sorted by name.

    Every file's bytes are hashed: images of equal content share a scene within a subset, and none
    of the training half is in the test half.

    Parameters
    ----------
    root : Path or str
        The data set's folder; its name becomes the data set's name.
    layout : str
        "certh", "folders", "labels", or "auto" to find out.
    sharp_folder, blurred_folder : str
        Names of the class folders.

    Raises
    ------
    BlurError
        The folder is missing or of no known layout, or the layout's reader finds it at fault.
    """
    root = Path(root)
    require(layout in LAYOUTS, f"layout '{layout}' is none of {', '.join(LAYOUTS)}")
    require(root.is_dir(), f"{root}: no such folder; put the data set there or change dataset.name")
    name = root.name if root.name.strip(".") else root.resolve().name
    if is_certh(root / INNER) and not is_certh(root):
        root = root / INNER
    if layout == "auto":
        layout = _find_layout(root, sharp_folder, blurred_folder)
    notes: list[str] = []
    if layout == "certh":
        images = read_certh(root, notes)
    elif layout == "labels":
        images = read_labels(root, name, notes)
    else:
        images = read_folders(root, name, sharp_folder, blurred_folder)
    return finish(name, root, images, notes)
