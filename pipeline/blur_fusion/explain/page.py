"""Explanations as pictures and pages; never over a file."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blur_fusion.errors import BlurError, require
from blur_fusion.explain import explanation as words
from blur_fusion.explain.drawing import data_uri, encoded, figure, panels, scale_picture
from blur_fusion.explain.explanation import Contribution, Explanation, PhotoExplainer
from blur_fusion.files import publish
from blur_fusion.model.prediction import Verdict

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
PARTS_STYLE = """
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr));
  gap: 1rem; margin: 1rem 0; }
figure { margin: 0; }
figure > img { display: block; width: 100%; height: auto; }
figcaption { font-size: .85rem; margin-top: .35rem; display: flex; flex-wrap: wrap; gap: 0 .5rem;
  align-items: center; }
figcaption img { width: 7rem; height: .7rem; }
.soft, figcaption { color: #555; }
.bars { display: grid; grid-template-columns: max-content minmax(6rem, 22rem) 3rem; gap: 0 .75rem;
  font-size: .9rem; align-items: center; margin: .25rem 0 0; }
.bars svg { width: 100%; height: 1.05rem; display: block; }
.bars span:nth-child(3n) { text-align: right; font-variant-numeric: tabular-nums; color: #555; }
"""
STYLE = (
    """
body { max-width: 76rem; margin: 2.5rem auto; padding: 0 1.25rem; color: #111; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; font-weight: 650; margin: 0 0 .5rem; }
section { margin: 2.5rem 0 0; border-top: 1px solid #111; padding-top: .75rem; }
h2 { font-size: 1.3rem; font-weight: 650; margin: 0; }
p { margin: 0 0 .25rem; max-width: 46rem; overflow-wrap: anywhere; }
"""
    + PARTS_STYLE
)


def text(value: str) -> str:
    """`value` as HTML in ASCII: a file's name is never markup, and need not be UTF-8."""
    return html.escape(value).encode("ascii", "xmlcharrefreplace").decode()


def bars(found: list[Contribution]) -> str:
    """The strongest contributions as bars around a common zero, HTML."""
    shown = words.strongest(found)
    if not shown:
        return ""
    largest = max(abs(one.logit) for one in shown)
    rows = []
    for one in shown:
        length = 98 * abs(one.logit) / largest
        start = 100 if one.logit > 0 else 100 - length
        colour = "#111" if one.logit > 0 else "#767676"
        rows.append(
            f"<span>{text(one.shown)}</span>"
            '<svg viewBox="0 0 200 10" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect x="{start:.1f}" y="1" width="{length:.1f}" height="8" fill="{colour}"/>'
            '<rect x="99.7" y="0" width=".6" height="10" fill="#111"/></svg>'
            f"<span>{one.logit:+.1f}</span>"
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def pictures(explanation: Explanation) -> str:
    """Photo and maps side by side, with their scales, HTML."""
    parts = []
    for title, picture, colours, (low, high) in panels(explanation):
        scale = ""
        if colours is not None:
            uri = data_uri(scale_picture(colours, 128, 1), ".png")
            scale = f'<span>{low}</span><img src="{uri}" alt="scale"><span>{high}</span>'
        parts.append(
            f'<figure><img src="{data_uri(picture)}" alt="{title}">'
            f"<figcaption><b>{title}</b>{scale}</figcaption></figure>"
        )
    return f'<div class="panels">{"".join(parts)}</div>'


def section(explanation: Explanation) -> str:
    """One photo, HTML."""
    verdict = explanation.verdict
    return (
        f"<section><h2>{words.headline(verdict)}</h2><p>{text(verdict.path)}</p>"
        f'<p class="soft">{words.surely(verdict, explanation.threshold)}</p>'
        f"<p>{words.kind_line(explanation)}</p>{pictures(explanation)}"
        "<p>What spoke for blurred (right) and against (left):</p>"
        f"{bars(explanation.contributions)}</section>\n"
    )


def failure(verdict: Verdict) -> str:
    """A photo that could not be read, HTML."""
    line = f"{text(verdict.path)}: {text(verdict.error or '')}"
    return f"<section><h2>Not read</h2><p>{line}</p></section>\n"


def page_parts(sections: Iterable[str], heat: bool) -> Iterator[str]:
    """The page piece by piece, so that memory stays flat.

    Parameters
    ----------
    sections : iterable of str
        From :func:`section` and :func:`failure`.
    heat : bool
        Whether Grad-CAM is shown.
    """
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Why blurred or not</title><style>{STYLE}</style></head><body>\n"
        f"<h1>Why blurred or not</h1>\n<p>{words.READ_MAP}</p>"
    )
    if heat:
        yield f"<p>{words.READ_HEAT}</p>"
    yield f"<p>{words.READ_BARS}</p>\n"
    yield from sections
    yield "</body></html>\n"


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
