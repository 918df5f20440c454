"""Which sidecar each program reads for a photo, and how our keywords get there.

====================  ==========================================================================
Lightroom             `IMG_1.xmp` for RAW files only; it reads a JPEG's own metadata, no sidecar
darktable             `IMG_1.JPG.xmp`; without one it takes over `IMG_1.xmp` when it imports
digiKam               `IMG_1.JPG.xmp`; `IMG_1.xmp` by its option for commercial programs
====================  ==========================================================================

So sidecars that are there say which program is used, and only those are amended: a new
`IMG_1.CR2.xmp` beside Lightroom's `IMG_1.xmp` would keep darktable from reading Lightroom's edits.
Where there is none, `NAME.EXT.xmp` is made, and for a RAW `NAME.xmp` as well. Photos themselves are
never written. https://docs.darktable.org (sidecar files), dt_image_import and dt_exif_xmp_read of
darktable, MetaEngine::sidecarFilePathForFile of digiKam, XMP specification part 3 (external files).
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from blur_fusion import files
from blur_fusion.actions.journal import Journal
from blur_fusion.actions.shots import RAW, Notes, Shot
from blur_fusion.actions.xmp import XmlError, fresh, mark, unmark
from blur_fusion.images.formats import suffix

LARGEST = 16 << 20  # bytes; darktable's masks make sidecars of some MB


def sidecars(shot: Shot) -> dict[str, str]:
    """The sidecars to amend or make, each with its photo; one that two photos share is there once.

    Paths are absolute. Of a sharp shot only those that are there.
    """
    found: dict[str, str] = {}
    for photo in shot.photos:
        raw = suffix(photo) in RAW
        wanted = [f"{photo}.xmp"]
        if raw or not any(suffix(other) in RAW for other in shot.photos):
            wanted.append(f"{shot.stem}.xmp")
        lower = [name.lower() for name in wanted]
        there = [name for name in shot.companions if name.lower() in lower]
        if shot.verdict.blurred and not there:
            there = wanted if raw else wanted[:1]
        for name in there:
            found.setdefault(os.path.join(shot.folder, name), os.path.join(shot.folder, photo))
    return found


def tag(
    target: str, photo: str, shot: Shot, journal: Callable[[], Journal] | None, notes: Notes
) -> bool:
    """Write the sidecar `target` of `photo`; whether there was anything to write.

    Of a sharp photo our earlier tags are taken off; what holds nothing else then is deleted.

    Parameters
    ----------
    journal : callable, optional
        Opens the journal, once there is something to write; None: nothing is written.
    notes : Notes
        Learn what the file system refuses.

    Raises
    ------
    XmlError
        The sidecar is left alone; the message says why.
    OSError
        It cannot be read or written, and is as it was.
    BlurError
        The journal cannot be written.
    """
    found = os.lstat(target) if os.path.lexists(target) else None
    known, before = (shot.verdict.kind, shot.verdict.probability), None
    after: bytes | None
    if found is None:
        whole = os.path.splitext(target)[0] == photo
        after = fresh(*known, None if whole else suffix(photo)[1:].upper())
    else:
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            if not shot.verdict.blurred:
                return False
            raise XmlError("it is a link or no regular file, or larger than 16 MB")
        before = Path(target).read_bytes()
        after = mark(before, *known) if shot.verdict.blurred else unmark(before)
    if before == after or journal is None:
        return before != after
    facts = {
        "before": None if before is None else base64.b64encode(before).decode("ascii"),
        "mtime_ns": None if found is None else found.st_mtime_ns,
        "sha256": None if after is None else hashlib.sha256(after).hexdigest(),
    }
    opened = journal()
    with opened.step("tag", photo, target, **facts) as entry:
        if found is not None and os.lstat(target).st_mtime_ns != found.st_mtime_ns:
            raise OSError(None, "another program is writing it")
        if after is None:
            os.unlink(target)
        else:
            part = opened.part(entry, target)
            notes.refused |= files.write(target, after, part, new=found is None, like=photo)
    return True
