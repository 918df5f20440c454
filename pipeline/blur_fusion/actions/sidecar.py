"""Which sidecar each program reads for a photo, and the steps that write our keywords there.

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

from blur_fusion import files
from blur_fusion.actions.companions import RAW, Shot, ending
from blur_fusion.actions.journal import Journal
from blur_fusion.actions.plan import Group, Step
from blur_fusion.actions.xmp import Marks, XmlError, fresh, mark
from blur_fusion.errors import BlurError

LARGEST = 16 << 20  # bytes; darktable's masks make sidecars of some MB


def sidecar_names(shot: Shot, photo: str) -> list[str]:
    """Names of the sidecars of `photo` to be amended or made, in the folder of `shot`."""
    raw = ending(photo) in RAW
    shared = raw or not any(ending(other) in RAW for other in shot.photos)
    wanted = [f"{photo}.xmp", *([f"{shot.stem}.xmp"] if shared else [])]
    lower = [name.lower() for name in wanted]
    there = [name for name in shot.sidecars if name.lower() in lower]
    if there:
        return there
    return wanted if raw else wanted[:1]


def tag_group(shot: Shot) -> Group:
    """The steps that tag every photo of `shot`; a sidecar that two share is written once."""
    steps: dict[str, Step] = {}
    for photo in shot.photos:
        for name in sidecar_names(shot, photo):
            target = os.path.join(shot.folder, name)
            steps.setdefault(target, Step("tag", os.path.join(shot.folder, photo), target))
    return Group(shot, tuple(steps.values()))


def _content(step: Step, shot: Shot, found: os.stat_result | None) -> tuple[bytes | None, bytes]:
    """The sidecar's bytes now (None: it is missing) and with our marks."""
    marks = Marks(shot.verdict.kind, shot.verdict.probability)
    if found is None:
        whole = os.path.splitext(os.path.basename(step.target))[0] == os.path.basename(step.source)
        return None, fresh(marks, None if whole else ending(step.source)[1:].upper())
    if not stat.S_ISREG(found.st_mode):
        raise XmlError("it is a link or no regular file")
    if found.st_size > LARGEST:
        raise XmlError("it is larger than 16 MB")
    with open(step.target, "rb") as file:
        before = file.read()
    return before, mark(before, marks)


def prepare(step: Step, shot: Shot) -> tuple[bytes | None, bytes, os.stat_result | None]:
    """What is in the sidecar, what will be, and its state; the same bytes twice: nothing to do.

    Raises
    ------
    BlurError
        The sidecar is left alone; the message says which and why.
    """
    try:
        found = os.lstat(step.target) if os.path.lexists(step.target) else None
        before, after = _content(step, shot, found)
    except XmlError as error:
        raise BlurError(f"{step.target}: left as it is: {error}") from None
    except OSError as error:
        raise BlurError(f"{step.target}: cannot be read ({error.strerror})") from None
    return before, after, found


def tag(step: Step, shot: Shot, journal: Journal) -> bool:
    """Write one sidecar; whether there was anything to write.

    Raises
    ------
    BlurError
        It is left alone; the message says why.
    """
    before, after, found = prepare(step, shot)
    if before == after:
        return False
    facts = {
        "before": None if before is None else base64.b64encode(before).decode("ascii"),
        "mtime_ns": None if found is None else found.st_mtime_ns,
        "sha256": hashlib.sha256(after).hexdigest(),
    }
    entry = journal.intend("tag", step.source, step.target, **facts)
    try:
        if found is not None and os.lstat(step.target).st_mtime_ns != found.st_mtime_ns:
            raise OSError(None, "another program is writing it")
        files.write(step.target, after, journal.part(entry, step.target), found)
    except OSError as error:
        journal.mark("failed", entry)
        reason = error.strerror or error
        raise BlurError(f"{step.target}: could not be written ({reason})") from None
    journal.done(entry)
    return True
