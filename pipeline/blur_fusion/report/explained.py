"""Explanations as pictures and pages; no file is replaced unless asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_fusion.errors import require
from blur_fusion.explain import drawing
from blur_fusion.explain.explainer import Explainer, Explanation
from blur_fusion.files import os_errors, require_free, write_whole
from blur_fusion.images.photo import Photo
from blur_fusion.images.thumbnails import data_uri, encoded
from blur_fusion.model.prediction import Prediction
from blur_fusion.report.pages import pieces

FORMATS = ("png", "html")
SHOWN: dict[str, Any] = {"drawing": drawing, "data_uri": data_uri}  # what templates call
_LONGEST = 200  # bytes of a name, which may have 255 with the suffix and while it is written

Said = Callable[[Prediction, Path | None], object]
Explained = tuple[Prediction, Explanation | None]  # None where the photo could not be read


def page(explained: Iterable[Explained], grad_cam: bool) -> Iterator[bytes]:
    """The page piece by piece, so memory stays flat; `grad_cam`: whether it is shown."""
    values = {"explained": explained, "grad_cam": grad_cam, "title": "Why blurred or not"}
    return pieces("explained.html", layout="page", **values, **SHOWN)


@dataclass(frozen=True)
class Target:
    """Where to write: a folder `path` of files in one of `FORMATS`, or with `single` a file."""

    path: Path
    style: str
    single: bool
    force: bool

    @classmethod
    def of(cls, output: Path | None, style: str | None, photos: int, force: bool) -> Target:
        """The target that the user asked for; a suffix tells a file from a folder.

        Raises a BlurError if the two contradict each other, or a file exists.
        """
        path = Path(".") if output is None else output
        ending = path.suffix.lower().removeprefix(".")
        if ending not in FORMATS or path.is_dir():
            require(not path.is_file(), f"{path}: is a file; name a folder, or one .png or .html")
            return cls(path, style or "png", False, force)
        require(style in (None, ending), f"{path}: is not a name for {style}")
        require(ending == "html" or photos == 1, f"{path}: holds one photo; name a folder or .html")
        require_free(path, force)
        return cls(path, ending, True, force)

    def names(self, photos: Iterable[str]) -> Iterator[Path]:
        """A file for each photo; photos of the same name get numbers."""
        taken: set[str] = set()
        for photo in photos:
            stem, number = Path(photo).stem, 1
            while len(os.fsencode(stem)) > _LONGEST:
                stem = stem[:-1]
            name = f"{stem}-explained.{self.style}"
            while name.lower() in taken:
                number += 1
                name = f"{stem}-explained-{number}.{self.style}"
            taken.add(name.lower())
            yield self.path / name


def _explained(explainer: Explainer, photo: str, grad_cam: bool) -> Explained:
    try:
        found = explainer.explain(Photo(photo), grad_cam=grad_cam)
    except Exception as error:  # one bad file does not end the run
        return Prediction.caught(photo, error, "explained"), None
    return found.prediction, found


def write_explanations(
    explainer: Explainer, photos: list[str], target: Target, grad_cam: bool, said: Said
) -> None:
    """Explain `photos` one by one, and write each as soon as it is explained.

    `said` is called with each prediction and the file that explains it, None if the photo could
    not be read. Raises a BlurError if a file cannot be written; those before stay.
    """
    if target.single and target.style == "html":

        def explained() -> Iterator[Explained]:
            for photo in photos:
                found = _explained(explainer, photo, grad_cam)
                said(found[0], None if found[1] is None else target.path)
                yield found

        with write_whole(target.path, force=target.force) as file:
            file.writelines(page(explained(), grad_cam))
        return
    if not target.single:
        with os_errors(target.path, "cannot be made"):
            target.path.mkdir(parents=True, exist_ok=True)
    paths = iter([target.path]) if target.single else target.names(photos)
    for photo, path in zip(photos, paths, strict=True):
        require_free(path, target.force)
        prediction, found = _explained(explainer, photo, grad_cam)
        if found is not None:
            with write_whole(path, force=target.force) as file:
                if target.style == "png":
                    file.write(encoded(drawing.figure(found), ".png"))
                else:
                    file.writelines(page([(prediction, found)], grad_cam))
        said(prediction, None if found is None else path)
