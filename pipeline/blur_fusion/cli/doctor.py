"""`blur doctor`: what is installed here, and what is missing."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from blur_fusion import __version__
from blur_fusion.cli.options import model_option
from blur_fusion.errors import one_line_errors

_PACKAGE = "blur-fusion"
_ABOUT = {
    "app": "blur app",
    "dask": "blur scan --backend dask",
    "heic": "HEIC and HEIF photos",
    "jxl": "JPEG XL photos",
    "raw": "RAW photos",
    "review": "blur review",
    "train": "training, blur test and Grad-CAM",
    "dev": "tests and checks",
}


def missing_packages() -> dict[str, list[str]]:
    """Packages that are missing here, by extra."""
    from importlib import metadata  # a quarter of the start of every command

    found: dict[str, list[str]] = {}
    for line in metadata.requires(_PACKAGE) or ():
        asked = re.match(r"([\w.-]+).*; *extra *== *['\"](\w+)['\"]", line)
        if asked is None:
            continue
        lacking = found.setdefault(asked[2], [])
        try:
            metadata.version(asked[1])
        except metadata.PackageNotFoundError:
            lacking.append(asked[1])
    return found


def _model(folder: Path | None) -> str:
    from blur_fusion.model.classifier import load

    classifier = load(folder)
    where = "shipped" if folder is None else str(folder)
    return f"{where}: {classifier.name}, blurred from probability {classifier.threshold:.2f}"


def _native() -> str:
    from blur_fusion import native
    from blur_fusion.native.library import SWITCH, library

    if library() is not None:
        return "compiled loops in use"
    if os.environ.get(SWITCH) == "0":
        return f"compiled loops not used, since {SWITCH}=0"
    if any(path for place in native.__path__ for path in Path(place).glob("kernels.*.*")):
        return "compiled loops are of another version or machine: install blur-fusion again"
    return "no compiled loops: scans are slower; install a C compiler, then blur-fusion again"


def _formats() -> str:
    import cv2

    known = ["JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "JPEG 2000", "AVIF"]
    modules = {"pillow_heif": "HEIC", "pillow_jxl": "JPEG XL", "rawpy": "RAW"}
    known += [name for module, name in modules.items() if find_spec(module)]
    if cv2.videoio_registry.getBackends():
        known.append("videos")
    return ", ".join(known)


def _lines(model: Path | None) -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError

    from blur_fusion.parallel import cores

    system = f"{platform.system()} {platform.machine()}"
    yield f"blur     {__version__}, Python {platform.python_version()}, {system}, {cores()} cores"
    yield f"model    {_model(model)}"
    yield f"native   {_native()}"
    yield f"formats  {_formats()}"
    yield "extras"
    try:
        missing = missing_packages()
    except PackageNotFoundError:
        yield "  blur-fusion is not installed, but run from its source: extras are unknown"
        return
    for extra, lacking in sorted(missing.items()):
        mark = click.style("no ", fg="yellow") if lacking else click.style("yes", fg="green")
        line = f"  {extra:7}{mark}  {_ABOUT.get(extra, '')}"
        yield line + (f": pip install '{_PACKAGE}[{extra}]'" if lacking else "")


@click.command()
@model_option
@one_line_errors()
def doctor(model: Path | None) -> None:
    """Say what is installed: model, compiled loops, formats, extras.

    The exit code is 1 if the model cannot be used.
    """
    for line in _lines(model):
        click.echo(line)
