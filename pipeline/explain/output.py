"""Where explanations go: a picture or page for each photo, or one page; never over a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.actions.files import publish
from pipeline.config.errors import BlurError, require
from pipeline.explain.colours import encoded
from pipeline.explain.explanation import Explanation, PhotoExplainer
from pipeline.explain.figure import figure
from pipeline.explain.page import failure, page_parts, section
from pipeline.serving.verdict import Verdict

FORMATS = ("png", "html")
SUFFIX = "-explained"

Said = Callable[[Verdict, Path | None], object]


@dataclass(frozen=True)
class Target:
    """Where to write.

    Attributes
    ----------
    path : Path
        A folder, or with `single` a file.
    style : str
        Of `FORMATS`.
    single : bool
        All in one file.
    force : bool
        Replace files that exist.
    """

    path: Path
    style: str
    single: bool
    force: bool

    @classmethod
    def of(cls, output: Path | None, style: str | None, photos: int, force: bool) -> Target:
        """What `output` and `style` as given mean: an ending tells a file from a folder.

        Raises
        ------
        BlurError
            They contradict each other, or there is something that must not be replaced.
        """
        path = Path(".") if output is None else output
        ending = path.suffix.lower().removeprefix(".")
        single = ending in FORMATS and not path.is_dir()
        if not single:
            require(not path.is_file(), f"{path}: is a file; name a folder, or one .png or .html")
            return cls(path, style or "png", False, force)
        require(style in (None, ending), f"{path}: is no name for {style}")
        require(ending == "html" or photos == 1, f"{path}: holds one photo; name a folder or .html")
        _require_free(path, force)
        require(path.parent.is_dir(), f"{path.parent}: no such folder; make it first")
        return cls(path, ending, True, force)


def _require_free(path: Path, force: bool) -> None:
    free = force or not os.path.lexists(path)
    require(free, f"{path}: exists; name another, or say --force to replace it")


@contextmanager
def _written(path: Path, force: bool) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        done = publish(part, path, force)
        require(done, f"{path}: exists; name another, or say --force to replace it")
    except OSError as error:
        raise BlurError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)


def _names(target: Target, photos: Iterable[str]) -> Iterator[Path]:
    """A file for each photo; two photos of one name get two files."""
    taken: set[str] = set()
    for photo in photos:
        stem, number = f"{Path(photo).stem}{SUFFIX}", 1
        name = f"{stem}.{target.style}"
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.{target.style}"
        taken.add(name.lower())
        yield target.path / name


def _explained(explainer: PhotoExplainer, photo: str, grad_cam: bool) -> Explanation | Verdict:
    """The explanation, or a failed verdict; an odd file must not end the run."""
    try:
        return explainer.explain(photo, grad_cam=grad_cam)
    except BlurError as error:
        return Verdict.failed(photo, str(error))
    except MemoryError:
        return Verdict.failed(photo, "is too large for the memory of this machine")
    except Exception as error:  # damage that no decoder foresaw
        return Verdict.failed(photo, f"cannot be explained ({type(error).__name__}: {error})")


def write_explanations(
    explainer: PhotoExplainer, photos: list[str], target: Target, grad_cam: bool, said: Said
) -> None:
    """Explain `photos` one by one and write what comes of it.

    Parameters
    ----------
    explainer : PhotoExplainer
    photos : list of str
    target : Target
    grad_cam : bool
    said : callable
        Told each verdict and the file that explains it, None where there is none.

    Raises
    ------
    BlurError
        Something cannot be written; what was written before stays.
    """
    if target.single and target.style == "html":
        with _written(target.path, target.force) as file:

            def sections() -> Iterator[str]:
                for photo in photos:
                    found = _explained(explainer, photo, grad_cam)
                    if isinstance(found, Verdict):
                        said(found, None)
                        yield failure(found)
                    else:
                        said(found.verdict, target.path)
                        yield section(found)

            for part in page_parts(sections(), grad_cam):
                file.write(part.encode())
        return
    names = iter([target.path]) if target.single else _names(target, photos)
    if not target.single:
        try:
            target.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BlurError(f"{target.path}: cannot be made ({error.strerror or error})") from None
    for photo, name in zip(photos, names, strict=True):
        _require_free(name, target.force)
        found = _explained(explainer, photo, grad_cam)
        if isinstance(found, Verdict):
            said(found, None)
            continue
        with _written(name, target.force) as file:
            if target.style == "png":
                file.write(encoded(figure(found), ".png"))
            else:
                file.write("".join(page_parts([section(found)], grad_cam)).encode())
        said(found.verdict, name)
