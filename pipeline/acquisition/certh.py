"""Fetch the CERTH Image Blur Dataset (Mavridaki and Mezaris, ICIP 2014)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.acquisition.sources import CERTH_IMAGES, CERTH_PAGE, CERTH_SHEETS, CERTH_URL
from pipeline.acquisition.unpack import unpack
from pipeline.config.errors import BlurError, require
from pipeline.config.extras import needs_train_line
from pipeline.data.certh import is_certh
from pipeline.data.files import image_files


@dataclass(frozen=True)
class Fetched:
    """A data set that has been unpacked.

    Attributes
    ----------
    target : Path
        Its folder.
    archive : Path
        The zip it came from; no longer needed.
    images : int
        How many images the official folders hold.
    mismatches : tuple of str
        One line for each folder or sheet that differs from what is published.
    """

    target: Path
    archive: Path
    images: int
    mismatches: tuple[str, ...]


def archive_beside(target: Path) -> Path:
    """Where the zip lies: `data/certh.zip` for `data/certh`."""
    return target.with_name(f"{target.name}.zip")


def _refuse_existing(target: Path) -> None:
    there = os.path.lexists(target)  # a link whose end is missing is there too
    require(not there, f"{target}: is there already and stays as it is; move it away to fetch anew")


def _download(url: str, archive: Path) -> None:
    """Download `url` to `archive`, unless that is there already."""
    try:
        import pooch

        from pipeline.acquisition.download import DownloadError, ResumingDownloader
    except ImportError:
        raise BlurError(needs_train_line("'blur data fetch certh'")) from None
    pooch.get_logger().setLevel("WARNING")  # it would log a hash that nobody can compare
    downloader = ResumingDownloader(archive.with_name(f"{archive.name}.part"))
    try:
        pooch.retrieve(url, None, fname=archive.name, path=archive.parent, downloader=downloader)
    except DownloadError as failed:
        raise BlurError(
            f"{failed}; run it again to go on, or get the zip by hand (see {CERTH_PAGE}), put it "
            f"at {archive} and run it again"
        ) from None
    except OSError as error:
        raise BlurError(f"{archive}: cannot be written ({error})") from None


def _find_tree(folder: Path, archive: Path) -> Path:
    """The folder that holds the tree: `folder` itself or one in it, as in the official zip."""
    for place in (folder, *sorted(folder.iterdir())):
        if is_certh(place):
            return place
    raise BlurError(f"{archive}: holds no TrainingSet or EvaluationSet; nothing is unpacked")


def _unpack_tree(archive: Path, target: Path) -> None:
    """Unpack beside `target` and rename at the end: `target` is whole or not there."""
    try:
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
            stage = Path(place) / "tree"  # with the usual permissions, unlike `place`
            stage.mkdir()
            unpack(archive, stage)
            tree = _find_tree(stage, archive)
            _refuse_existing(target)  # the download may have taken hours
            tree.rename(target)
    except OSError as error:
        raise BlurError(f"{target}: cannot be written ({error.strerror or error})") from None


def compare(target: Path) -> tuple[int, tuple[str, ...]]:
    """Number of images in the official folders, and a line for each that differs."""
    counts = {
        folder: len(image_files(target / folder)) if (target / folder).is_dir() else 0
        for folder in CERTH_IMAGES
    }
    lines = [
        f"{target / folder}: expected {CERTH_IMAGES[folder]} images, found {found}"
        for folder, found in counts.items()
        if found != CERTH_IMAGES[folder]
    ]
    lines += [
        f"{target / sheet}: expected the label sheet, found none"
        for sheet in CERTH_SHEETS
        if not (target / sheet).is_file()
    ]
    return sum(counts.values()), tuple(lines)


def fetch_certh(target: Path, url: str = CERTH_URL, archive: Path | None = None) -> Fetched:
    """Fetch CERTH into `target`, from `archive` or, where that is None, from `url`.

    The zip is kept beside `target`; one that lies there already is not downloaded again.

    Raises
    ------
    BlurError
        `target` exists; the zip cannot be downloaded, is damaged, unsafe or no CERTH. `target` is
        not there then.
    """
    _refuse_existing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BlurError(f"{target.parent}: cannot be made ({error.strerror or error})") from None
    if archive is None:
        archive = archive_beside(target)
        _download(url, archive)
    require(archive.is_file(), f"{archive}: no such zip; see {CERTH_PAGE}")
    _unpack_tree(archive, target)
    return Fetched(target, archive, *compare(target))
